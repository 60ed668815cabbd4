/*
 * What the C programs about capture files share: `PROGRAM CASE FOLDER` runs one named case with files in FOLDER and prints what the
 * calls returned, one line each. The lines hold nothing that depends on time, so that two libraries can be compared by them.
 */
#ifndef COMPAT_FILES_H
#define COMPAT_FILES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

static inline void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

/* The bytes of frame `number`, and its header: all lengths up to 1,500 come up. */
static inline const u_char *frame(unsigned number, struct pcap_pkthdr *header)
{
    static u_char bytes[2048];
    unsigned length = number * 37 % 1501;
    for (unsigned i = 0; i < length; i++)
        bytes[i] = (u_char)(number + i * 7);
    header->ts.tv_sec = 1700000000 + number;
    header->ts.tv_usec = number * 1009 % 1000000;
    header->caplen = length;
    header->len = length + number % 3;
    return bytes;
}

static inline void dump_frames(pcap_dumper_t *dumper, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        struct pcap_pkthdr header;
        const u_char *bytes = frame(i, &header);
        pcap_dump((u_char *)dumper, &header, bytes);
    }
}

/* Size and contents of a file, as one line. */
static inline void print_file(const char *what, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("%s: %s\n", what, strerror(errno));
        return;
    }
    uint64_t hash = 14695981039346656037u;
    long size = 0;
    for (int c; (c = getc(file)) != EOF; size++)
        hash = (hash ^ (unsigned)c) * 1099511628211u;
    fclose(file);
    printf("%s: %ld bytes, %016llx\n", what, size, (unsigned long long)hash);
}

/* What pcap reads of a file: how many frames, and how it ends. */
static inline void print_frames(const char *path)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    pcap_t *handle = pcap_open_offline(path, error);
    if (!handle) {
        printf("can't be read: %s\n", error);
        return;
    }
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int code, frames = 0;
    while ((code = pcap_next_ex(handle, &header, &bytes)) == 1)
        frames++;
    printf("frames %d, then %d %s\n", frames, code, code == -1 ? pcap_geterr(handle) : "");
    pcap_close(handle);
}

static inline void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        fail("%s: %s", path, strerror(errno));
}

static inline int run_case(int argc, char **argv, const struct test_case *cases)
{
    if (argc != 3 || chdir(argv[2]) != 0)
        return 2;
    for (; cases->name; cases++) {
        if (strcmp(cases->name, argv[1]) == 0) {
            cases->run();
            return 0;
        }
    }
    fail("%s: no such case", argv[1]);
    return 2;
}

#endif
