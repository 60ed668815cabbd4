/*
 * What the C test programs share: `PROGRAM CASE RECEIVER SENDER` runs one named case between two devices that see each
 * other's frames (two VALE ports, or the two ends of a veth pair) and prints what the calls returned, one line each.
 * The lines hold nothing that depends on time or on names, so that two libraries can be compared by them.
 */
#ifndef COMPAT_CASES_H
#define COMPAT_CASES_H

#include "frames.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *receiver_name, *sender_name;

static inline void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static inline double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline void sleep_ms(int ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

struct options {
    int snaplen;    /* 0: not set */
    int timeout_ms; /* 0: not set */
    int buffered;   /* no immediate mode */
    int nanoseconds;
};

/* Handles that run_case closes when the case is done. */
static pcap_t *still_open[32];

static inline void close_handle(pcap_t *handle)
{
    for (size_t i = 0; i < sizeof still_open / sizeof *still_open; i++)
        if (still_open[i] == handle)
            still_open[i] = NULL;
    pcap_close(handle);
}

/* A handle that is created and has its options, not activated. */
static inline pcap_t *create_handle(const char *device, struct options options)
{
    char error[PCAP_ERRBUF_SIZE];
    size_t place = 0;
    pcap_t *handle = pcap_create(device, error);
    if (!handle)
        fail("%s: %s", device, error);
    while (still_open[place])
        place++;
    still_open[place] = handle;
    if (options.snaplen)
        pcap_set_snaplen(handle, options.snaplen);
    if (options.timeout_ms)
        pcap_set_timeout(handle, options.timeout_ms);
    if (!options.buffered)
        pcap_set_immediate_mode(handle, 1);
    if (options.nanoseconds)
        pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO);
    return handle;
}

static inline pcap_t *open_handle(const char *device, struct options options)
{
    pcap_t *handle = create_handle(device, options);
    int code = pcap_activate(handle);
    if (code < 0)
        fail("%s: %s: %s", device, pcap_statustostr(code), pcap_geterr(handle));
    return handle;
}

/* A small snap length: a packet socket's ring then holds thousands of frames, not eight. */
static inline pcap_t *open_small(const char *device)
{
    struct options options = {2000, 0, 0, 0};
    return open_handle(device, options);
}

static inline pcap_t *open_receiver(void)
{
    return open_small(receiver_name);
}

static inline pcap_t *open_sender(void)
{
    return open_small(sender_name);
}

/* Sends frames of `len` bytes with the sequences first to first + count - 1. */
static inline void send_frames(pcap_t *handle, uint32_t first, uint32_t count, size_t len)
{
    static unsigned char frame[FRAME_MAX];
    for (uint32_t i = 0; i < count; i++) {
        frame_fill(frame, len, 1, first + i);
        if (pcap_inject(handle, frame, len) != (int)len)
            fail("inject of frame %u, %zu bytes: %s", first + i, len, pcap_geterr(handle));
    }
}

/* What a handler has seen. */
struct seen {
    pcap_t *handle;
    int frames;
    int faults;
    int break_at; /* calls pcap_breakloop in this frame; 0: never */
    uint32_t last;
};

/* The handler of most cases: checks, counts, remembers. */
static inline void see(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    struct seen *seen = (struct seen *)(void *)user;
    struct frame_id id = {0, 0};
    const char *fault = frame_fault(bytes, header->caplen, header->len, &id);
    seen->frames++;
    if (fault) {
        seen->faults++;
        printf("fault: %s\n", fault);
    }
    seen->last = id.sequence;
    if (seen->break_at && seen->frames == seen->break_at)
        pcap_breakloop(seen->handle);
}

static inline int dispatch_seen(pcap_t *handle, int count, struct seen *seen)
{
    return pcap_dispatch(handle, count, see, (unsigned char *)seen);
}

static inline int loop_seen(pcap_t *handle, int count, struct seen *seen)
{
    return pcap_loop(handle, count, see, (unsigned char *)seen);
}

/* Dispatches until `frames` were seen in all, or nothing came for two seconds. */
static inline void read_until(pcap_t *handle, struct seen *seen, int frames)
{
    char error[PCAP_ERRBUF_SIZE];
    double last = now_ms();
    int was_nonblocking = pcap_getnonblock(handle, error);
    pcap_setnonblock(handle, 1, error);
    while (seen->frames < frames && now_ms() - last < 2000) {
        int count = dispatch_seen(handle, -1, seen);
        if (count < 0)
            fail("dispatch: %d: %s", count, pcap_geterr(handle));
        if (count > 0)
            last = now_ms();
        else
            sleep_ms(1);
    }
    pcap_setnonblock(handle, was_nonblocking, error);
}

struct test_case {
    const char *name;
    void (*run)(void);
};

static inline int run_case(int argc, char **argv, const struct test_case *cases)
{
    if (argc != 4)
        fail("usage: %s CASE RECEIVER SENDER", argv[0]);
    receiver_name = argv[2];
    sender_name = argv[3];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; cases->name; cases++)
        if (strcmp(cases->name, argv[1]) == 0) {
            cases->run();
            for (size_t i = 0; i < sizeof still_open / sizeof *still_open; i++)
                if (still_open[i])
                    pcap_close(still_open[i]);
            return 0;
        }
    fail("no case %s", argv[1]);
    return 2;
}

#endif
