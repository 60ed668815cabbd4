/* Reading: timeouts, immediate mode, non-blocking mode, counts, breakloop, the selectable descriptor. */
#include "cases.h"

static void timeout_with_frames(void)
{
    struct options options = {2000, 200, 1, 0};
    pcap_t *in = open_handle(receiver_name, options), *out = open_sender();
    struct seen seen = {0};
    send_frames(out, 0, 3, 100);
    double start = now_ms();
    while (seen.frames < 3 && now_ms() - start < 5000)
        if (dispatch_seen(in, -1, &seen) < 0)
            fail("%s", pcap_geterr(in));
    printf("frames %d, faults %d, last %u\n", seen.frames, seen.faults, seen.last);
    printf("%s\n", now_ms() - start < 3000 ? "in time" : "late");
}

/* Linux's packet sockets may wait for the first frame whatever the timeout says; a port must not. */
static void timeout_without_frames(void)
{
    struct options options = {0, 200, 1, 0};
    pcap_t *in = open_handle(receiver_name, options);
    struct seen seen = {0};
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    double start = now_ms();
    printf("dispatch %d\n", dispatch_seen(in, -1, &seen));
    double waited = now_ms() - start;
    printf("%s\n", waited < 100 ? "too early" : waited > 3000 ? "too late" : "after the timeout");
    start = now_ms();
    printf("next_ex %d\n", pcap_next_ex(in, &header, &bytes));
    waited = now_ms() - start;
    printf("%s\n", waited < 100 ? "too early" : waited > 3000 ? "too late" : "after the timeout");
    printf("next %s\n", pcap_next(in, &(struct pcap_pkthdr){0}) ? "a frame" : "NULL");
}

static void immediate(void)
{
    struct options options = {0, 10000, 0, 0};
    pcap_t *in = open_handle(receiver_name, options), *out = open_sender();
    struct seen seen = {0};
    send_frames(out, 7, 1, 100);
    double start = now_ms();
    printf("dispatch %d\n", dispatch_seen(in, -1, &seen));
    printf("frame %u %s\n", seen.last, now_ms() - start < 5000 ? "at once" : "after the timeout");
}

static void nonblocking(void)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    struct pcap_pkthdr *header, copy;
    const unsigned char *bytes;
    printf("getnonblock %d\n", pcap_getnonblock(in, error));
    printf("setnonblock %d\n", pcap_setnonblock(in, 1, error));
    printf("getnonblock %d\n", pcap_getnonblock(in, error));
    double start = now_ms();
    printf("dispatch %d\n", dispatch_seen(in, -1, &seen));
    printf("next_ex %d\n", pcap_next_ex(in, &header, &bytes));
    printf("next %s\n", pcap_next(in, &copy) ? "a frame" : "NULL");
    printf("%s\n", now_ms() - start < 2000 ? "at once" : "blocked");
    send_frames(out, 3, 2, 100);
    sleep_ms(50);
    printf("next_ex %d\n", pcap_next_ex(in, &header, &bytes));
    printf("dispatch %d", dispatch_seen(in, -1, &seen));
    printf(", frame %u\n", seen.last);
    printf("setnonblock %d\n", pcap_setnonblock(in, 0, error));
    printf("getnonblock %d\n", pcap_getnonblock(in, error));
}

static void dispatch_counts(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    send_frames(out, 0, 9, 100);
    sleep_ms(50);
    for (int i = 0; i < 2; i++) {
        printf("dispatch(2) %d", dispatch_seen(in, 2, &seen));
        printf(", last %u\n", seen.last);
    }
    printf("loop(3) %d", loop_seen(in, 3, &seen));
    printf(", last %u\n", seen.last);
    printf("dispatch(0) %d", dispatch_seen(in, 0, &seen));
    printf(", last %u\n", seen.last);
    printf("faults %d\n", seen.faults);
}

static void next_and_next_ex(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct pcap_pkthdr *header, copy;
    const unsigned char *bytes;
    struct frame_id id = {0, 0};
    for (uint32_t i = 0; i < 4; i++)
        send_frames(out, i, 1, 100 + i);
    for (int i = 0; i < 2; i++) {
        bytes = pcap_next(in, &copy);
        if (!bytes)
            fail("next: NULL");
        const char *fault = frame_fault(bytes, copy.caplen, copy.len, &id);
        printf("next: %u of %u bytes, frame %u, %s\n", copy.caplen, copy.len, id.sequence, fault ? fault : "good");
    }
    for (int i = 0; i < 2; i++) {
        int code = pcap_next_ex(in, &header, &bytes);
        const char *fault = frame_fault(bytes, header->caplen, header->len, &id);
        printf("next_ex: %d, %u of %u bytes, frame %u, %s\n", code, header->caplen, header->len, id.sequence,
               fault ? fault : "good");
    }
}

static void break_in_handler(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {in, 0, 0, 3, 0};
    send_frames(out, 0, 8, 100);
    sleep_ms(50);
    printf("loop %d", loop_seen(in, -1, &seen));
    printf(", frames %d, last %u\n", seen.frames, seen.last);
    seen.break_at = 5;
    printf("dispatch %d", dispatch_seen(in, -1, &seen));
    printf(", frames %d, last %u\n", seen.frames, seen.last);
    read_until(in, &seen, 8);
    printf("frames %d, last %u, faults %d\n", seen.frames, seen.last, seen.faults);
}

static void break_before_loop(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    send_frames(out, 0, 2, 100);
    sleep_ms(50);
    pcap_breakloop(in);
    printf("loop %d\n", loop_seen(in, 2, &seen));
    read_until(in, &seen, 2);
    printf("frames %d, last %u\n", seen.frames, seen.last);
}

static void *break_later(void *handle)
{
    sleep_ms(200);
    pcap_breakloop(handle);
    return NULL;
}

static void break_from_thread(void)
{
    for (int buffered = 0; buffered < 2; buffered++) {
        struct options options = {0, buffered ? 60000 : 0, buffered, 0};
        pcap_t *in = open_handle(receiver_name, options);
        struct seen seen = {0};
        pthread_t thread;
        pthread_create(&thread, NULL, break_later, in);
        double start = now_ms();
        printf("loop %d", loop_seen(in, -1, &seen));
        printf(", %s\n", now_ms() - start < 5000 ? "in time" : "late");
        pthread_join(thread, NULL);
        pthread_create(&thread, NULL, break_later, in);
        start = now_ms();
        struct pcap_pkthdr *header;
        const unsigned char *bytes;
        printf("next_ex %d", pcap_next_ex(in, &header, &bytes));
        printf(", %s\n", now_ms() - start < 5000 ? "in time" : "late");
        pthread_join(thread, NULL);
        close_handle(in);
    }
}

static pcap_t *signalled;
static volatile sig_atomic_t signals;

static void break_on_signal(int number)
{
    (void)number;
    signals++;
    if (signalled)
        pcap_breakloop(signalled);
}

static void alarm_after(int ms, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = {{0, 0}, {ms / 1000, (ms % 1000) * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void break_from_signal(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    signalled = in;
    alarm_after(200, break_on_signal);
    double start = now_ms();
    printf("loop %d", loop_seen(in, -1, &seen));
    printf(", %s\n", now_ms() - start < 5000 ? "in time" : "late");
    send_frames(out, 5, 1, 100);
    printf("loop(1) %d", loop_seen(in, 1, &seen));
    printf(", frame %u\n", seen.last);
}

static void *send_later(void *handle)
{
    sleep_ms(500);
    send_frames(handle, 11, 1, 100);
    return NULL;
}

/* A signal whose handler calls nothing does not end the loop. */
static void signal_without_break(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    pthread_t thread;
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    pthread_create(&thread, NULL, send_later, out);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    alarm_after(100, break_on_signal);
    printf("loop(1) %d", loop_seen(in, 1, &seen));
    printf(", frame %u, signals %d\n", seen.last, (int)signals);
    pthread_join(thread, NULL);
}

static int readable(int fd, int timeout_ms)
{
    struct pollfd entry = {fd, POLLIN, 0};
    int count = poll(&entry, 1, timeout_ms);
    return count == 1 && (entry.revents & POLLIN);
}

static void selectable(void)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    int fd = pcap_get_selectable_fd(in);
    printf("descriptor %s, pcap_fileno %s\n", fd >= 0 ? "yes" : "no", pcap_fileno(in) >= 0 ? "yes" : "no");
    printf("required timeout %s\n", pcap_get_required_select_timeout(in) ? "yes" : "none");
    pcap_setnonblock(in, 1, error);
    for (int round = 0; round < 3; round++) {
        printf("quiet: readable %d\n", readable(fd, 50));
        send_frames(out, 0, 2, 100);
        printf("two frames: readable %d\n", readable(fd, 2000));
        printf("dispatch(1) %d\n", dispatch_seen(in, 1, &seen));
        printf("one frame: readable %d\n", readable(fd, 2000));
        printf("dispatch %d\n", dispatch_seen(in, -1, &seen));
        printf("pcap_fileno agrees %d\n", readable(pcap_fileno(in), 0) == readable(fd, 0));
    }
    printf("read: readable %d\n", readable(fd, 50));
}

static void *send_slowly(void *handle)
{
    for (uint32_t i = 0; i < 500; i++) {
        send_frames(handle, i, 1, 100);
        if (i % 50 == 0)
            sleep_ms(5);
    }
    return NULL;
}

/* The way of most programs with an event loop: poll without a timeout, then read what is there. */
static void selectable_loop(void)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    pthread_t thread;
    int fd = pcap_get_selectable_fd(in), stuck = 0;
    pcap_setnonblock(in, 1, error);
    pthread_create(&thread, NULL, send_slowly, out);
    while (seen.frames < 500 && !stuck) {
        if (!readable(fd, 3000))
            stuck = 1;
        else if (dispatch_seen(in, 7, &seen) < 0)
            fail("%s", pcap_geterr(in));
    }
    pthread_join(thread, NULL);
    printf("frames %d, faults %d, last %u, %s\n", seen.frames, seen.faults, seen.last, stuck ? "stuck" : "never stuck");
}

/* select(2) also serves a reader that stays blocking. */
static void selectable_blocking(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    int fd = pcap_get_selectable_fd(in);
    for (int i = 0; i < 5; i++) {
        send_frames(out, (uint32_t)i, 1, 100);
        printf("readable %d", readable(fd, 2000));
        printf(", dispatch %d", dispatch_seen(in, -1, &seen));
        printf(", frame %u\n", seen.last);
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"timeout_with_frames", timeout_with_frames},
        {"timeout_without_frames", timeout_without_frames},
        {"immediate", immediate},
        {"nonblocking", nonblocking},
        {"dispatch_counts", dispatch_counts},
        {"next_and_next_ex", next_and_next_ex},
        {"break_in_handler", break_in_handler},
        {"break_before_loop", break_before_loop},
        {"break_from_thread", break_from_thread},
        {"break_from_signal", break_from_signal},
        {"signal_without_break", signal_without_break},
        {"selectable", selectable},
        {"selectable_loop", selectable_loop},
        {"selectable_blocking", selectable_blocking},
        {NULL, NULL},
    };
    return run_case(argc, argv, cases);
}
