/*
 * Writing savefiles: what is in them, what is refused with which words, and where C's streams show through.
 */
#include "files.h"

static pcap_t *dead(int linktype, int snaplen)
{
    return pcap_open_dead(linktype, snaplen);
}

static void tell(pcap_t *handle, const char *what, pcap_dumper_t *dumper)
{
    printf("%s: %s\n", what, dumper ? "open" : pcap_geterr(handle));
    if (dumper)
        pcap_dump_close(dumper);
}

static void contents(void)
{
    static const int snaplens[] = {0, 1, 96, 65535, 262144, 0x7fffffff, -1};
    for (unsigned precision = 0; precision < 2; precision++)
        for (size_t i = 0; i < sizeof snaplens / sizeof *snaplens; i++) {
            pcap_t *handle = pcap_open_dead_with_tstamp_precision(1, snaplens[i], precision);
            pcap_dumper_t *dumper = pcap_dump_open(handle, "file");
            dump_frames(dumper, 0, 3000);
            pcap_dump_close(dumper);
            printf("precision %u, snaplen %d, ", precision, snaplens[i]);
            print_file("file", "file");
            pcap_close(handle);
        }
}

static void link_types(void)
{
    for (int linktype = -3; linktype < 400; linktype++) {
        pcap_t *handle = dead(linktype, 100);
        pcap_dumper_t *dumper = pcap_dump_open(handle, "file");
        printf("%d: ", linktype);
        if (dumper) {
            pcap_dump_close(dumper);
            print_file("file", "file");
        } else {
            printf("%s\n", pcap_geterr(handle));
        }
        pcap_close(handle);
    }
    pcap_t *handle = dead(13, 100);
    FILE *stream = fopen("other", "wb");
    tell(handle, "fopen", pcap_dump_fopen(handle, stream));
    tell(handle, "append", pcap_dump_open_append(handle, "file"));
    pcap_close(handle);
}

/* Times that don't fit, lengths that lie. */
static void odd_headers(void)
{
    static const long long seconds[] = {0, -1, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000005};
    static const long fractions[] = {0, 999999, 1000000, -1, 999999999};
    pcap_t *handle = dead(1, 100);
    pcap_dumper_t *dumper = pcap_dump_open(handle, "file");
    u_char bytes[64] = "odd";
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        for (size_t j = 0; j < sizeof fractions / sizeof *fractions; j++) {
            struct pcap_pkthdr header = {{seconds[i], fractions[j]}, (bpf_u_int32)(i * j), (bpf_u_int32)(j % 2 ? -1 : 0)};
            pcap_dump((u_char *)dumper, &header, bytes);
        }
    pcap_dump_close(dumper);
    pcap_close(handle);
    print_file("file", "file");
}

static void refusals(void)
{
    pcap_t *handle = dead(1, 100);
    mkdir("folder", 0755);
    tell(handle, "no name", pcap_dump_open(handle, NULL));
    tell(handle, "no name to append", pcap_dump_open_append(handle, NULL));
    tell(handle, "missing folder", pcap_dump_open(handle, "missing/file"));
    tell(handle, "missing folder to append", pcap_dump_open_append(handle, "missing/file"));
    tell(handle, "a folder", pcap_dump_open(handle, "folder"));
    tell(handle, "a folder to append", pcap_dump_open_append(handle, "folder"));
    tell(handle, "empty name", pcap_dump_open(handle, ""));
    char name[2000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    tell(handle, "long name", pcap_dump_open(handle, name));
    tell(handle, "/dev/full", pcap_dump_open(handle, "/dev/full"));
    tell(handle, "/dev/full to append", pcap_dump_open_append(handle, "/dev/full"));
    tell(handle, "/dev/null to append", pcap_dump_open_append(handle, "/dev/null"));
    /* A stream that can't be written, one that is not buffered and fails, one for wide characters. */
    write_file("file", "", 0);
    tell(handle, "read only", pcap_dump_fopen(handle, fopen("file", "rb")));
    FILE *full = fopen("/dev/full", "wb");
    setvbuf(full, NULL, _IONBF, 0);
    tell(handle, "full", pcap_dump_fopen(handle, full));
    FILE *wide = fopen("file", "wb");
    fwide(wide, 1);
    errno = 0;
    tell(handle, "wide", pcap_dump_fopen(handle, wide));
    pcap_close(handle);
}

static void try_append(const char *what, unsigned precision, const void *bytes, size_t length)
{
    pcap_t *handle = pcap_open_dead_with_tstamp_precision(1, 100, precision);
    write_file("file", bytes, length);
    pcap_dumper_t *dumper = pcap_dump_open_append(handle, "file");
    printf("%s: %s", what, dumper ? "open" : pcap_geterr(handle));
    if (dumper) {
        printf(", at %ld", pcap_dump_ftell(dumper));
        dump_frames(dumper, 0, 10);
        printf(", then %ld", pcap_dump_ftell(dumper));
        pcap_dump_close(dumper);
    }
    putchar('\n');
    print_file("file", "file");
    pcap_close(handle);
}

static void append(void)
{
    struct pcap_file_header good = {0xa1b2c3d4, 2, 4, 0, 0, 100, 1};
    char more[100];
    memcpy(more, &good, sizeof good);
    memset(more + sizeof good, 7, sizeof more - sizeof good);
    try_append("empty", 0, "", 0);
    try_append("empty, nanoseconds", 1, "", 0);
    try_append("header alone", 0, &good, sizeof good);
    try_append("header and more", 0, more, sizeof more);
    for (size_t length = 1; length < sizeof good; length++)
        try_append("cut", 0, &good, length);
    static const uint32_t magics[] = {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34, 0xa12b3c4d, 0x0a0d0d0a, 0};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        for (int swapped = 0; swapped < 2; swapped++)
            for (unsigned precision = 0; precision < 2; precision++) {
                struct pcap_file_header other = good;
                other.magic = swapped ? __builtin_bswap32(magics[i]) : magics[i];
                char what[40];
                snprintf(what, sizeof what, "%08x, precision %u", other.magic, precision);
                try_append(what, precision, &other, sizeof other);
            }
    for (int field = 0; field < 6; field++) {
        struct pcap_file_header other = good;
        other.version_major += field == 0;
        other.version_minor += field == 1;
        other.thiszone += field == 2;
        other.sigfigs += field == 3;
        other.snaplen += field == 4;
        other.linktype += field == 5;
        char what[20];
        snprintf(what, sizeof what, "field %d", field);
        try_append(what, 0, &other, sizeof other);
    }
}

/* Written, closed, appended to, and closed many times. */
static void append_often(void)
{
    pcap_t *handle = dead(1, 100);
    for (unsigned i = 0; i < 20; i++) {
        pcap_dumper_t *dumper = pcap_dump_open_append(handle, "file");
        if (!dumper)
            fail("%s", pcap_geterr(handle));
        dump_frames(dumper, i * 10, 10);
        printf("%ld %lld\n", pcap_dump_ftell(dumper), (long long)pcap_dump_ftell64(dumper));
        pcap_dump_close(dumper);
    }
    print_file("file", "file");
    print_frames("file");
}

static void positions(void)
{
    pcap_t *handle = dead(1, 100);
    pcap_dumper_t *dumper = pcap_dump_open(handle, "file");
    for (unsigned i = 0; i < 100; i++) {
        printf("%ld %lld\n", pcap_dump_ftell(dumper), (long long)pcap_dump_ftell64(dumper));
        dump_frames(dumper, i * 5, 5);
        if (i % 10 == 0) {
            struct stat status;
            printf("flush %d\n", pcap_dump_flush(dumper));
            stat("file", &status);
            printf("size %ld\n", (long)status.st_size);
        }
    }
    /* What is in the file before anybody flushes. */
    struct stat status;
    stat("file", &status);
    printf("size before closing %ld\n", (long)status.st_size);
    pcap_dump_close(dumper);
    print_file("file", "file");
    /* Behind 4 GiB. */
    FILE *stream = fopen("sparse", "wb");
    fseeko(stream, 5LL << 30, SEEK_SET);
    dumper = pcap_dump_fopen(handle, stream);
    dump_frames(dumper, 0, 10);
    printf("%ld %lld\n", pcap_dump_ftell(dumper), (long long)pcap_dump_ftell64(dumper));
    pcap_dump_close(dumper);
    unlink("sparse");
}

/* The program's own writes to the stream, before, between and after. */
static void mixed(void)
{
    pcap_t *handle = dead(1, 100);
    for (int mode = 0; mode < 5; mode++) {
        static char large[100000];
        FILE *stream = fopen("file", mode == 4 ? "wb+" : "wb");
        if (mode == 1)
            setvbuf(stream, NULL, _IONBF, 0);
        if (mode == 2)
            setvbuf(stream, NULL, _IOLBF, 0);
        if (mode == 3)
            setvbuf(stream, large, _IOFBF, sizeof large);
        fprintf(stream, "before\n");
        pcap_dumper_t *dumper = pcap_dump_fopen(handle, stream);
        printf("same stream: %d\n", pcap_dump_file(dumper) == stream);
        for (unsigned i = 0; i < 200; i++) {
            dump_frames(dumper, i, 1);
            if (i % 3 == 0)
                fprintf(pcap_dump_file(dumper), "frame %u\n", i);
            if (i % 7 == 0)
                putc('.', (FILE *)dumper);
            if (i % 50 == 49) {
                fseek(stream, 10, SEEK_SET);
                if (mode == 4)
                    printf("read back %d\n", getc(stream));
                fseek(stream, 0, mode == 4 ? SEEK_END : SEEK_CUR);
            }
        }
        pcap_dump_close(dumper);
        print_file("file", "file");
    }
}

/* Streams that are no files. */
static void other_streams(void)
{
    pcap_t *handle = dead(1, 100);
    char *memory = NULL;
    size_t size = 0;
    pcap_dumper_t *dumper = pcap_dump_fopen(handle, open_memstream(&memory, &size));
    dump_frames(dumper, 0, 500);
    printf("at %ld\n", pcap_dump_ftell(dumper));
    pcap_dump_close(dumper);
    write_file("file", memory, size);
    print_file("memory", "file");
    free(memory);

    char small[1000];
    memset(small, 0, sizeof small);
    dumper = pcap_dump_fopen(handle, fmemopen(small, sizeof small, "wb"));
    dump_frames(dumper, 0, 50);
    printf("flush %d, failed %d\n", pcap_dump_flush(dumper), ferror(pcap_dump_file(dumper)) != 0);
    dump_frames(dumper, 50, 5);
    pcap_dump_close(dumper);
    write_file("file", small, sizeof small);
    print_file("small memory", "file");

    FILE *cat = popen("cat > piped", "w");
    dumper = pcap_dump_fopen(handle, cat);
    dump_frames(dumper, 0, 500);
    printf("at %ld, flush %d\n", pcap_dump_ftell(dumper), pcap_dump_flush(dumper));
    printf("pclose %d\n", pclose(pcap_dump_file(dumper)));
    print_file("piped", "piped");
    pcap_close(handle);
}

/* A stream that takes what it likes: few bytes at a time, and after so many bytes nothing. */
struct picky {
    FILE *to;
    long left;
    size_t most;
    int error;
};

static ssize_t picky_write(void *cookie, const char *bytes, size_t length)
{
    struct picky *picky = cookie;
    if (length > picky->most)
        length = picky->most;
    if ((long)length > picky->left)
        length = (size_t)picky->left;
    if (length == 0 && picky->error) {
        errno = picky->error;
        picky->error = 0;
        /* The next one has room again. */
        picky->left = 100000;
        return 0;
    }
    picky->left -= (long)length;
    return (ssize_t)fwrite(bytes, 1, length, picky->to);
}

static void failing_stream(void)
{
    pcap_t *handle = dead(1, 100);
    static const long rooms[] = {0, 10, 24, 30, 4096, 5000, 8192, 20000};
    static const size_t mosts[] = {7, 1000, 1000000};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        for (size_t j = 0; j < sizeof mosts / sizeof *mosts; j++)
            for (int buffered = 0; buffered < 2; buffered++) {
                struct picky picky = {fopen("file", "wb"), rooms[i], mosts[j], EIO};
                cookie_io_functions_t functions = {NULL, picky_write, NULL, NULL};
                FILE *stream = fopencookie(&picky, "wb", functions);
                if (!buffered)
                    setvbuf(stream, NULL, _IONBF, 0);
                pcap_dumper_t *dumper = pcap_dump_fopen(handle, stream);
                printf("room %ld, at most %zu, buffered %d: ", rooms[i], mosts[j], buffered);
                if (!dumper) {
                    printf("%s\n", pcap_geterr(handle));
                    fclose(picky.to);
                    continue;
                }
                int failed_at = -1;
                for (unsigned frame = 0; frame < 60; frame++) {
                    dump_frames(dumper, frame, 1);
                    if (ferror(pcap_dump_file(dumper)) && failed_at < 0)
                        failed_at = (int)frame;
                }
                printf("failed at %d, flush %d", failed_at, pcap_dump_flush(dumper));
                clearerr(pcap_dump_file(dumper));
                dump_frames(dumper, 60, 5);
                printf(", again %d\n", pcap_dump_flush(dumper));
                pcap_dump_close(dumper);
                fclose(picky.to);
                print_file("file", "file");
                print_frames("file");
            }
    pcap_close(handle);
}

/* FOLDER is a file system of 64 KiB. */
static void full_disk(void)
{
    pcap_t *handle = dead(1, 100);
    for (int append = 0; append < 3; append++) {
        if (append == 2)
            write_file("file", "", 0);
        pcap_dumper_t *dumper = append ? pcap_dump_open_append(handle, "file") : pcap_dump_open(handle, "file");
        printf("%s\n", dumper ? "open" : pcap_geterr(handle));
        int failed_at = -1;
        for (int i = 0; i < 200 && dumper; i++) {
            dump_frames(dumper, (unsigned)i, 1);
            if (append == 2 && failed_at < 0 && pcap_dump_flush(dumper) != 0)
                printf("flush: %s\n", strerror(errno));
            if (ferror(pcap_dump_file(dumper)) && failed_at < 0)
                failed_at = i;
        }
        errno = 0;
        int flushed = pcap_dump_flush(dumper);
        printf("failed at %d, flush %d, %s, ", failed_at, flushed, strerror(errno));
        printf("at %ld\n", pcap_dump_ftell(dumper));
        pcap_dump_close(dumper);
        print_file("file", "file");
        print_frames("file");
    }
}

/* The end of a program that closes nothing, of one that is killed, of one that forks with something in the buffer. */
static void endings(void)
{
    for (int how = 0; how < 5; how++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            pcap_t *handle = dead(1, 100);
            pcap_dumper_t *dumper = pcap_dump_open(handle, "file");
            dump_frames(dumper, 0, 33);
            switch (how) {
            case 0:
                exit(0);
            case 1:
                _exit(0);
            case 2:
                raise(SIGKILL);
                break;
            case 3:
                if (fork() == 0) {
                    dump_frames(dumper, 33, 20);
                    exit(0);
                }
                wait(NULL);
                dump_frames(dumper, 60, 20);
                exit(0);
            case 4:
                abort();
            }
        }
        int status;
        waitpid(child, &status, 0);
        printf("ending %d: exit %d signal %d\n", how, WIFEXITED(status), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        print_file("file", "file");
        print_frames("file");
    }
}

static void nothing(int signal)
{
    (void)signal;
}

/* A pipe that nobody reads, one that nobody holds, and a write that a signal interrupts. */
static void pipes(void)
{
    int ends[2];
    pcap_t *handle = dead(1, 100);
    signal(SIGPIPE, SIG_IGN);
    if (pipe(ends) != 0)
        fail("pipe");
    pcap_dumper_t *dumper = pcap_dump_fopen(handle, fdopen(ends[1], "wb"));
    printf("at %ld %lld\n", pcap_dump_ftell(dumper), (long long)pcap_dump_ftell64(dumper));
    dump_frames(dumper, 0, 2);
    close(ends[0]);
    errno = 0;
    int flushed = pcap_dump_flush(dumper);
    printf("flush %d: %s\n", flushed, strerror(errno));
    dump_frames(dumper, 2, 200);
    printf("failed %d\n", ferror(pcap_dump_file(dumper)) != 0);
    pcap_dump_close(dumper);

    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        if (pipe(ends) != 0)
            fail("pipe");
        close(ends[0]);
        dumper = pcap_dump_fopen(handle, fdopen(ends[1], "wb"));
        dump_frames(dumper, 0, 200);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);

    if (pipe(ends) != 0)
        fail("pipe");
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGALRM, &action, NULL);
    fcntl(ends[1], F_SETPIPE_SZ, 65536);
    dumper = pcap_dump_fopen(handle, fdopen(ends[1], "wb"));
    /* Not once: a write of which a part went through is tried again. */
    struct itimerval often = {{0, 200000}, {0, 200000}};
    setitimer(ITIMER_REAL, &often, NULL);
    int failed_at = -1;
    for (int i = 0; i < 200 && failed_at < 0; i++) {
        dump_frames(dumper, (unsigned)i, 1);
        if (ferror(pcap_dump_file(dumper)))
            failed_at = i;
    }
    memset(&often, 0, sizeof often);
    setitimer(ITIMER_REAL, &often, NULL);
    printf("interrupted at %d\n", failed_at);
    static char drained[65536];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    printf("drained %ld\n", (long)read(ends[0], drained, sizeof drained));
    errno = 0;
    flushed = pcap_dump_flush(dumper);
    printf("flush %d: %s\n", flushed, strerror(errno));
    printf("drained %ld\n", (long)read(ends[0], drained, sizeof drained));
    pcap_dump_close(dumper);
    close(ends[0]);
}

/* The standard output, which the test reads. */
static void standard_output(void)
{
    pcap_t *handle = dead(1, 100);
    printf("before\n");
    pcap_dumper_t *dumper = pcap_dump_open(handle, "-");
    printf("same: %d\n", pcap_dump_file(dumper) == stdout);
    struct pcap_pkthdr header = {{65, 66}, 6, 70};
    pcap_dump((u_char *)dumper, &header, (const u_char *)"frame\n");
    dumper = pcap_dump_open_append(handle, "-");
    pcap_dump((u_char *)dumper, &header, (const u_char *)"again\n");
    printf("after\n");
    pcap_dump_close(dumper);
    printf("to nobody\n");
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"contents", contents},
        {"link_types", link_types},
        {"odd_headers", odd_headers},
        {"refusals", refusals},
        {"append", append},
        {"append_often", append_often},
        {"positions", positions},
        {"mixed", mixed},
        {"other_streams", other_streams},
        {"failing_stream", failing_stream},
        {"full_disk", full_disk},
        {"endings", endings},
        {"pipes", pipes},
        {"standard_output", standard_output},
        {NULL, NULL},
    };
    return run_case(argc, argv, cases);
}
