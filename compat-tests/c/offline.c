/*
 * Reading savefiles where C's streams show through: half-read ones, pipes, the standard input, streams that fail, are slow, grow,
 * or are interrupted; and callbacks that do more than look.
 */
#include "files.h"

#include <setjmp.h>

static char error[PCAP_ERRBUF_SIZE];

/* A file of `count` frames, with `before` and `after` it. */
static void make(const char *path, const char *before, unsigned count, const char *after)
{
    pcap_t *handle = pcap_open_dead(1, 262144);
    FILE *stream = fopen(path, "wb");
    fputs(before, stream);
    pcap_dumper_t *dumper = pcap_dump_fopen(handle, stream);
    dump_frames(dumper, 0, count);
    fputs(after, pcap_dump_file(dumper));
    pcap_dump_close(dumper);
    pcap_close(handle);
}

/* The same as pcapng. */
static void make_ng(const char *path, unsigned count)
{
    FILE *stream = fopen(path, "wb");
    uint32_t start[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28, 1, 20, 1, 262144, 20};
    fwrite(start, sizeof start, 1, stream);
    for (unsigned i = 0; i < count; i++) {
        struct pcap_pkthdr header;
        const u_char *bytes = frame(i, &header);
        uint64_t time = (uint64_t)header.ts.tv_sec * 1000000 + (uint64_t)header.ts.tv_usec;
        uint32_t padded = (header.caplen + 3) / 4 * 4, zero = 0;
        uint32_t block[] = {6, 32 + padded, 0, (uint32_t)(time >> 32), (uint32_t)time, header.caplen, header.len};
        fwrite(block, sizeof block, 1, stream);
        fwrite(bytes, header.caplen, 1, stream);
        fwrite(&zero, padded - header.caplen, 1, stream);
        fwrite(&block[1], 4, 1, stream);
    }
    fclose(stream);
}

static int frames_seen, faults;

/* Whether frame `number` is as `frame` makes it. */
static int right(unsigned number, const struct pcap_pkthdr *got, const u_char *bytes)
{
    struct pcap_pkthdr header;
    const u_char *expected = frame(number, &header);
    return got->ts.tv_sec == header.ts.tv_sec && got->ts.tv_usec == header.ts.tv_usec && got->len == header.len &&
           got->caplen == header.caplen && memcmp(bytes, expected, got->caplen) == 0;
}

static void count(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    (void)user;
    faults += !right((unsigned)frames_seen, header, bytes);
    frames_seen++;
}

static void report(const char *what, pcap_t *handle, int code)
{
    printf("%s %d, frames %d, faults %d, %s\n", what, code, frames_seen, faults, code == -1 ? pcap_geterr(handle) : "");
}

static pcap_t *start(pcap_t *handle)
{
    frames_seen = faults = 0;
    if (!handle)
        printf("refused: %s\n", error);
    return handle;
}

static void refused(const char *what, pcap_t *handle)
{
    printf("%s: %s\n", what, handle ? "open" : error);
    if (handle)
        pcap_close(handle);
}

static void refusals(void)
{
    mkdir("folder", 0755);
    write_file("empty", "", 0);
    write_file("short", "\xd4\xc3\xb2\xa1", 4);
    write_file("shorter", "\xd4\xc3", 2);
    write_file("text", "nothing that is a capture, but long enough for a header", 55);
    refused("no name", pcap_open_offline(NULL, error));
    refused("missing", pcap_open_offline("missing", error));
    refused("folder", pcap_open_offline("folder", error));
    refused("empty", pcap_open_offline("empty", error));
    refused("short", pcap_open_offline("short", error));
    refused("shorter", pcap_open_offline("shorter", error));
    refused("text", pcap_open_offline("text", error));
    refused("empty name", pcap_open_offline("", error));
    char name[1000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    refused("long name", pcap_open_offline(name, error));
    make("file", "", 3, "");
    for (unsigned precision = 0; precision < 5; precision++)
        refused("precision", pcap_open_offline_with_tstamp_precision("file", precision, error));
    refused("no stream", pcap_fopen_offline(NULL, error));
    FILE *stream = fopen("file", "ab");
    refused("write only", pcap_fopen_offline(stream, error));
    /* What was refused is still the program's. */
    stream = fopen("text", "rb");
    refused("a text", pcap_fopen_offline(stream, error));
    printf("at %ld, ", ftell(stream));
    printf("next '%c', ", getc(stream));
    printf("close %d\n", fclose(stream));
}

/* Where the program's stream is after each frame, and what it reads there itself. */
static void positions_of(const char *path)
{
    FILE *stream = fopen(path, "rb");
    pcap_t *handle = start(pcap_fopen_offline(stream, error));
    struct pcap_pkthdr *header;
    const u_char *bytes;
    printf("%s: same stream %d, same descriptor %d, at %ld\n", path, pcap_file(handle) == stream,
           pcap_fileno(handle) == fileno(stream), ftell(stream));
    for (int i = 0; i < 30; i++) {
        int code = pcap_next_ex(handle, &header, &bytes);
        printf("%d at %ld\n", code, ftell(stream));
    }
    pcap_close(handle);
}

static void positions(void)
{
    make("file", "", 50, "");
    positions_of("file");
    make_ng("file.pcapng", 50);
    positions_of("file.pcapng");
}

static void half_read(void)
{
    make("file", "some words before\n", 40, "");
    for (int mode = 0; mode < 3; mode++) {
        FILE *stream = fopen("file", "rb");
        if (mode == 1)
            setvbuf(stream, NULL, _IONBF, 0);
        static char large[100000];
        if (mode == 2)
            setvbuf(stream, large, _IOFBF, sizeof large);
        char line[100];
        if (!fgets(line, sizeof line, stream))
            fail("fgets");
        printf("read: %s", line);
        pcap_t *handle = start(pcap_fopen_offline(stream, error));
        report("loop", handle, pcap_loop(handle, 10, count, NULL));
        /* The program takes a record away: header and bytes. */
        struct pcap_pkthdr expected;
        uint32_t record[4];
        frame(10, &expected);
        size_t got = fread(record, 1, sizeof record, stream);
        printf("record: %zu, seconds right %d, length right %d\n", got, record[0] == (uint32_t)expected.ts.tv_sec,
               record[2] == expected.caplen);
        fseek(stream, (long)expected.caplen, SEEK_CUR);
        frames_seen++;
        report("loop", handle, pcap_loop(handle, 5, count, NULL));
        /* It goes back to where it was. */
        long place = ftell(stream);
        report("loop", handle, pcap_loop(handle, 5, count, NULL));
        fseek(stream, place, SEEK_SET);
        frames_seen -= 5;
        report("loop", handle, pcap_loop(handle, -1, count, NULL));
        printf("at the end: feof %d, at %ld\n", feof(stream) != 0, ftell(stream));
        rewind(stream);
        fseek(stream, 18 + 24, SEEK_SET);
        frames_seen = 0;
        report("again", handle, pcap_loop(handle, -1, count, NULL));
        pcap_close(handle);
    }
}

/* What follows a capture in a stream is the program's. */
static void followed(void)
{
    make("file", "", 20, "");
    FILE *stream = fopen("file", "rb");
    pcap_t *handle = start(pcap_fopen_offline(stream, error));
    report("loop", handle, pcap_loop(handle, 20, count, NULL));
    printf("next is the end: %d\n", getc(stream) == EOF);
    pcap_close(handle);
    make("file", "", 20, "text behind it, which is no record at all");
    stream = fopen("file", "rb");
    handle = start(pcap_fopen_offline(stream, error));
    report("loop", handle, pcap_loop(handle, 20, count, NULL));
    char line[200] = "";
    printf("%s\n", fgets(line, sizeof line, stream) ? line : "nothing");
    report("loop", handle, pcap_loop(handle, -1, count, NULL));
    pcap_close(handle);
    handle = start(pcap_open_offline("file", error));
    report("loop", handle, pcap_loop(handle, -1, count, NULL));
    report("loop", handle, pcap_loop(handle, -1, count, NULL));
    pcap_close(handle);
}

static void popened(void)
{
    make("file", "", 3000, "");
    make_ng("file.pcapng", 3000);
    static const char *const commands[] = {"cat file", "cat file.pcapng", "head -c 100000 file", "head -c 100000 file.pcapng",
                                           "true", "head -c 24 file", "head -c 30 file"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        pcap_t *handle = start(pcap_fopen_offline(popen(commands[i], "r"), error));
        if (!handle)
            continue;
        report(commands[i], handle, pcap_loop(handle, -1, count, NULL));
        pcap_close(handle);
    }
}

/* A writer that gives few bytes at a time, at odd places. */
static void slow_pipe(void)
{
    make("file", "", 60, "");
    make_ng("file.pcapng", 60);
    for (int ng = 0; ng < 2; ng++) {
        int ends[2];
        if (pipe(ends) != 0)
            fail("pipe");
        fflush(stdout);
        if (fork() == 0) {
            int file = open(ng ? "file.pcapng" : "file", O_RDONLY);
            char bytes[100];
            close(ends[0]);
            for (int i = 0;; i++) {
                ssize_t got = read(file, bytes, (size_t)(1 + i * 7 % 97));
                if (got <= 0 || write(ends[1], bytes, (size_t)got) != got)
                    _exit(0);
                if (i % 8 == 0)
                    usleep(200);
            }
        }
        close(ends[1]);
        pcap_t *handle = start(pcap_fopen_offline(fdopen(ends[0], "rb"), error));
        printf("selectable %d\n", pcap_get_selectable_fd(handle) == ends[0]);
        report("loop", handle, pcap_loop(handle, -1, count, NULL));
        pcap_close(handle);
        wait(NULL);
    }
}

/* A frame that is in the pipe is handed out before the next one comes. */
static void at_once(void)
{
    make("file", "", 40, "");
    make_ng("file.pcapng", 40);
    for (int ng = 0; ng < 2; ng++) {
        static char content[200000];
        FILE *file = fopen(ng ? "file.pcapng" : "file", "rb");
        size_t size = fread(content, 1, sizeof content, file), at = ng ? 48 : 24;
        fclose(file);
        int ends[2];
        if (pipe(ends) != 0 || write(ends[1], content, at) != (ssize_t)at)
            fail("pipe");
        pcap_t *handle = start(pcap_fopen_offline(fdopen(ends[0], "rb"), error));
        alarm(20);
        for (unsigned i = 0; at < size; i++) {
            struct pcap_pkthdr expected, *header;
            const u_char *bytes;
            frame(i, &expected);
            size_t length = ng ? 32 + (expected.caplen + 3) / 4 * 4 : 16 + expected.caplen;
            if (write(ends[1], content + at, length) != (ssize_t)length)
                fail("write");
            at += length;
            if (pcap_next_ex(handle, &header, &bytes) == 1)
                count(NULL, header, bytes);
        }
        alarm(0);
        report("at once", handle, 0);
        close(ends[1]);
        report("end", handle, pcap_loop(handle, -1, count, NULL));
        pcap_close(handle);
    }
}

static void growing(void)
{
    make("whole", "", 30, "");
    static char content[200000];
    FILE *whole = fopen("whole", "rb");
    size_t size = fread(content, 1, sizeof content, whole);
    fclose(whole);
    /* Cut between records, inside of a header, inside of a frame. */
    size_t cuts[] = {24, 24 + 16, 24 + 16 + 16 + 10, 24 + 5, 0};
    cuts[4] = size - 100;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        write_file("file", content, cuts[i]);
        pcap_t *handle = start(pcap_open_offline("file", error));
        report("first", handle, pcap_loop(handle, -1, count, NULL));
        FILE *more = fopen("file", "ab");
        fwrite(content + cuts[i], 1, size - cuts[i], more);
        fclose(more);
        report("grown", handle, pcap_loop(handle, -1, count, NULL));
        clearerr(pcap_file(handle));
        report("cleared", handle, pcap_loop(handle, -1, count, NULL));
        pcap_close(handle);
    }
}

/* A stream of so many bytes, few at a time, that then ends or fails. */
struct source {
    const char *bytes;
    size_t size, at, most;
    int error;
};

static ssize_t source_read(void *cookie, char *to, size_t length)
{
    struct source *source = cookie;
    if (source->at == source->size && source->error) {
        errno = source->error;
        return -1;
    }
    if (length > source->most)
        length = source->most;
    if (length > source->size - source->at)
        length = source->size - source->at;
    memcpy(to, source->bytes + source->at, length);
    source->at += length;
    return (ssize_t)length;
}

static void failing_stream(void)
{
    make("file", "", 40, "");
    make_ng("file.pcapng", 40);
    static char content[200000];
    for (int ng = 0; ng < 2; ng++) {
        FILE *file = fopen(ng ? "file.pcapng" : "file", "rb");
        size_t size = fread(content, 1, sizeof content, file);
        fclose(file);
        static const size_t mosts[] = {1, 13, 1000000}, sizes[] = {0, 3, 4, 10, 24, 28, 40, 48, 60, 4096, 5000, 10000, 1000000};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t j = 0; j < sizeof mosts / sizeof *mosts; j++)
                for (int fails = 0; fails < 2; fails++) {
                    struct source source = {content, sizes[i] < size ? sizes[i] : size, 0, mosts[j], fails ? EIO : 0};
                    cookie_io_functions_t functions = {source_read, NULL, NULL, NULL};
                    FILE *stream = fopencookie(&source, "rb", functions);
                    printf("ng %d, %zu by %zu, fails %d: ", ng, source.size, mosts[j], fails);
                    pcap_t *handle = start(pcap_fopen_offline(stream, error));
                    if (!handle)
                        continue;
                    report("loop", handle, pcap_loop(handle, -1, count, NULL));
                    printf("fileno %d, selectable %d, ferror %d\n", pcap_fileno(handle), pcap_get_selectable_fd(handle),
                           ferror(pcap_file(handle)) != 0);
                    /* Once more, and after an end also when all is forgotten. */
                    report("again", handle, pcap_loop(handle, -1, count, NULL));
                    clearerr(pcap_file(handle));
                    if (!fails)
                        report("cleared", handle, pcap_loop(handle, -1, count, NULL));
                    pcap_close(handle);
                }
    }
}

static pcap_t *interrupted;

static void on_alarm(int signal)
{
    (void)signal;
}

static void break_on_alarm(int signal)
{
    (void)signal;
    pcap_breakloop(interrupted);
}

/* A read that waits and is interrupted: by a handler that lets it go on (1), that does not (0), and that breaks the loop (3, 2). */
static void interrupt(int mode, int goes_on)
{
    make("file", "", 10, "");
    static char content[200000];
    FILE *file = fopen("file", "rb");
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    int ends[2];
    if (pipe(ends) != 0)
        fail("pipe");
    fflush(stdout);
    pid_t writer = fork();
    if (writer == 0) {
        close(ends[0]);
        if (write(ends[1], content, size - 50) < 0)
            _exit(1);
        usleep(500000);
        if (write(ends[1], content + size - 50, 50) < 0)
            _exit(1);
        _exit(0);
    }
    close(ends[1]);
    struct sigaction action = {.sa_handler = mode < 2 ? on_alarm : break_on_alarm};
    action.sa_flags = mode % 2 ? SA_RESTART : 0;
    sigaction(SIGALRM, &action, NULL);
    interrupted = start(pcap_fopen_offline(fdopen(ends[0], "rb"), error));
    struct itimerval once = {{0, 0}, {0, 200000}};
    setitimer(ITIMER_REAL, &once, NULL);
    printf("mode %d\n", mode);
    report("loop", interrupted, pcap_loop(interrupted, -1, count, NULL));
    waitpid(writer, NULL, 0);
    if (goes_on) {
        clearerr(pcap_file(interrupted));
        int code = pcap_loop(interrupted, -1, count, NULL);
        if (code == -2)
            code = pcap_loop(interrupted, -1, count, NULL);
        report("on", interrupted, code);
    }
    pcap_close(interrupted);
}

static void signals(void)
{
    for (int mode = 0; mode < 4; mode++)
        interrupt(mode, mode % 2);
}

/* The frame that was half read is not lost: libpcap takes its second half for the next record. */
static void after_interrupts(void)
{
    interrupt(0, 1);
    interrupt(2, 1);
}

/* Nor is it after a failure. */
static void after_failures(void)
{
    make("file", "", 40, "");
    static char content[200000];
    FILE *file = fopen("file", "rb");
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    struct source source = {content, 10000, 0, 1000000, EIO};
    cookie_io_functions_t functions = {source_read, NULL, NULL, NULL};
    pcap_t *handle = start(pcap_fopen_offline(fopencookie(&source, "rb", functions), error));
    report("loop", handle, pcap_loop(handle, -1, count, NULL));
    source.size = size;
    source.error = 0;
    clearerr(pcap_file(handle));
    report("on", handle, pcap_loop(handle, -1, count, NULL));
    pcap_close(handle);
}

/* The standard input: not closed with the handle, and the program goes on where the frames ended. */
static void standard_input(void)
{
    make("file", "a line before\n", 20, "a line behind\n");
    if (!freopen("file", "rb", stdin))
        fail("freopen");
    char line[100];
    printf("%s", fgets(line, sizeof line, stdin) ? line : "nothing\n");
    pcap_t *handle = start(pcap_open_offline("-", error));
    printf("the same stream %d\n", pcap_file(handle) == stdin);
    report("loop", handle, pcap_loop(handle, 20, count, NULL));
    pcap_close(handle);
    printf("%s", fgets(line, sizeof line, stdin) ? line : "nothing\n");
    printf("end %d\n", getchar() == EOF);
}

/* What the next program of a shell finds in the file that both have for their standard input. */
static void shared_input(void)
{
    make("file", "", 20, "");
    int file = open("file", O_RDONLY);
    for (int leaves = 0; leaves < 3; leaves++) {
        lseek(file, 0, SEEK_SET);
        fflush(stdout);
        if (fork() == 0) {
            dup2(file, 0);
            pcap_t *handle = start(pcap_open_offline("-", error));
            report("loop", handle, pcap_loop(handle, 7, count, NULL));
            if (leaves == 0)
                exit(0);
            pcap_close(handle);
            if (leaves == 1)
                exit(0);
            fclose(stdin);
            exit(0);
        }
        wait(NULL);
        printf("the next one finds %ld\n", (long)lseek(file, 0, SEEK_CUR));
    }
}

static pcap_dumper_t *copy;
static jmp_buf out;

static void dump_and_count(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    pcap_dump((u_char *)copy, header, bytes);
    count(user, header, bytes);
}

static void jump(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    count(user, header, bytes);
    if (frames_seen % 10 == 5)
        longjmp(out, 1);
}

static void read_inside(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    pcap_t *handle = (pcap_t *)user;
    struct pcap_pkthdr *inner;
    count(NULL, header, bytes);
    if (pcap_next_ex(handle, &inner, &bytes) == 1)
        count(NULL, inner, bytes);
}

static void scribble(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    count(user, header, bytes);
    memset((u_char *)(uintptr_t)bytes, 0x55, header->caplen);
    ((struct pcap_pkthdr *)(uintptr_t)header)->caplen = 1;
}

static void callbacks(void)
{
    make("file", "", 100, "");
    make_ng("file.pcapng", 100);
    for (int ng = 0; ng < 2; ng++) {
        const char *path = ng ? "file.pcapng" : "file";
        pcap_t *handle = start(pcap_open_offline(path, error));
        copy = pcap_dump_open(handle, "copy");
        report("copied", handle, pcap_loop(handle, -1, dump_and_count, NULL));
        pcap_dump_close(copy);
        pcap_close(handle);
        print_file("copy", "copy");

        handle = start(pcap_open_offline(path, error));
        report("copied at once", handle, pcap_loop(handle, 1, dump_and_count, (copy = pcap_dump_open(handle, "copy"), NULL)));
        pcap_dump_close(copy);
        pcap_close(handle);

        handle = start(pcap_open_offline(path, error));
        for (volatile int i = 0; i < 4; i++)
            if (setjmp(out) == 0)
                report("not left", handle, pcap_loop(handle, -1, jump, NULL));
        report("after jumps", handle, pcap_loop(handle, -1, count, NULL));
        pcap_close(handle);

        handle = start(pcap_open_offline(path, error));
        report("nested", handle, pcap_loop(handle, 20, read_inside, (u_char *)handle));
        report("then", handle, pcap_dispatch(handle, -1, count, NULL));
        pcap_close(handle);

        handle = start(pcap_open_offline(path, error));
        report("scribbled", handle, pcap_loop(handle, -1, scribble, NULL));
        pcap_close(handle);

        handle = start(pcap_open_offline(path, error));
        pcap_breakloop(handle);
        report("broken before", handle, pcap_loop(handle, -1, count, NULL));
        report("then", handle, pcap_loop(handle, 3, count, NULL));
        pcap_breakloop(handle);
        struct pcap_pkthdr *header;
        const u_char *bytes;
        report("next_ex after a break", handle, pcap_next_ex(handle, &header, &bytes));
        report("next_ex", handle, pcap_next_ex(handle, &header, &bytes));
        report("loop(0)", handle, pcap_loop(handle, 0, count, NULL));
        pcap_close(handle);
    }
}

/* Two handles on one file, in turns. */
static void two_handles(void)
{
    make("file", "", 60, "");
    pcap_t *one = start(pcap_open_offline("file", error)), *other = pcap_open_offline("file", error);
    int seen[2] = {0, 0}, bad = 0;
    for (int i = 0; i < 100; i++) {
        struct pcap_pkthdr *header;
        const u_char *bytes;
        int which = i % 3 == 0, code = pcap_next_ex(which ? one : other, &header, &bytes);
        if (code != 1)
            continue;
        bad += !right((unsigned)seen[which]++, header, bytes);
    }
    printf("%d and %d, %d bad\n", seen[0], seen[1], bad);
    pcap_close(one);
    pcap_close(other);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"refusals", refusals},
        {"positions", positions},
        {"half_read", half_read},
        {"followed", followed},
        {"popened", popened},
        {"slow_pipe", slow_pipe},
        {"at_once", at_once},
        {"growing", growing},
        {"failing_stream", failing_stream},
        {"signals", signals},
        {"after_interrupts", after_interrupts},
        {"after_failures", after_failures},
        {"standard_input", standard_input},
        {"shared_input", shared_input},
        {"callbacks", callbacks},
        {"two_handles", two_handles},
        {NULL, NULL},
    };
    return run_case(argc, argv, cases);
}
