/* Threads that are cancelled while they read, send or write: they end, at once, and what they used goes on working. */
#include "cases.h"

static pcap_t *used;
static volatile int running;

/* What came of a thread that is cancelled after `ms`; whether that was soon. */
static void cancel_after(int ms, void *(*thread)(void *))
{
    pthread_t it;
    void *result = NULL;
    pthread_create(&it, NULL, thread, NULL);
    while (!running)
        sleep_ms(1);
    sleep_ms(ms);
    double before = now_ms();
    pthread_cancel(it);
    pthread_join(it, &result);
    printf("%s, %s\n", result == PTHREAD_CANCELED ? "cancelled" : "ended by itself", now_ms() - before < 1500 ? "soon" : "late");
}

/* Whether the handle still reads what is sent to it. */
static void read_on(pcap_t *in, pcap_t *out)
{
    struct seen seen = {0};
    read_until(in, &seen, 1 << 30);
    seen.frames = 0;
    send_frames(out, 0, 20, 200);
    read_until(in, &seen, 20);
    printf("afterwards: frames %d, last %u, faults %d\n", seen.frames, seen.last, seen.faults);
}

static void *loop(void *unused)
{
    struct seen seen = {0};
    running = 1;
    printf("loop %d\n", loop_seen(used, -1, &seen));
    return unused;
}

static void in_loop(void)
{
    pcap_t *out = open_sender();
    used = open_receiver();
    cancel_after(200, loop);
    read_on(used, out);
}

static void in_loop_at_once(void)
{
    pcap_t *out = open_sender();
    used = open_receiver();
    cancel_after(0, loop);
    read_on(used, out);
}

static void *loop_at_any_moment(void *unused)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    return loop(unused);
}

static void in_loop_at_any_moment(void)
{
    pcap_t *out = open_sender();
    used = open_receiver();
    cancel_after(200, loop_at_any_moment);
    read_on(used, out);
}

static void in_loop_with_timeout(void)
{
    struct options options = {2000, 10000, 1, 0};
    used = open_handle(receiver_name, options);
    cancel_after(200, loop);
}

static void *dispatch(void *unused)
{
    struct seen seen = {0};
    running = 1;
    while (dispatch_seen(used, -1, &seen) >= 0) {
    }
    return unused;
}

static void in_dispatch(void)
{
    used = open_receiver();
    cancel_after(200, dispatch);
    read_on(used, open_sender());
}

static void *next(void *unused)
{
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    running = 1;
    while (pcap_next_ex(used, &header, &bytes) >= 0) {
    }
    return unused;
}

static void in_next_ex(void)
{
    used = open_receiver();
    cancel_after(200, next);
    read_on(used, open_sender());
}

static pcap_t *source;
static volatile int sending;

static void *send_on(void *unused)
{
    unsigned char frame[200];
    for (uint32_t i = 0; sending; i++) {
        /* Between two readers there may be no room. */
        frame_fill(frame, sizeof frame, 1, i);
        pcap_inject(source, frame, sizeof frame);
        if (i % 50 == 0)
            sleep_ms(1);
    }
    return unused;
}

static void while_frames_come(void)
{
    pthread_t sender;
    used = open_receiver();
    source = open_sender();
    sending = 1;
    pthread_create(&sender, NULL, send_on, NULL);
    cancel_after(200, loop);
    running = 0;
    cancel_after(200, next);
    sending = 0;
    pthread_join(sender, NULL);
    read_on(used, source);
}

static void *send_for_ever(void *unused)
{
    unsigned char frame[200];
    frame_fill(frame, sizeof frame, 1, 0);
    running = 1;
    for (;;) {
        /* Nobody reads: whether there is room does not matter. */
        pcap_inject(used, frame, sizeof frame);
        pthread_testcancel();
    }
    return unused;
}

static void while_sending(void)
{
    pcap_t *in = open_receiver();
    used = open_sender();
    cancel_after(200, send_for_ever);
    read_on(in, used);
}

static void cancelled_in_handler(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    see(user, header, bytes);
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

static void *loop_once(void *unused)
{
    struct seen seen = {0};
    running = 1;
    printf("loop %d\n", pcap_loop(used, -1, cancelled_in_handler, (unsigned char *)&seen));
    return unused;
}

static void in_handler(void)
{
    pcap_t *out = open_sender();
    used = open_receiver();
    send_frames(out, 0, 20, 200);
    cancel_after(200, loop_once);
    read_on(used, out);
}

static char written[] = "/tmp/cancelling-XXXXXX";
static pcap_dumper_t *dumper;

static void *write_on(void *unused)
{
    unsigned char frame[200];
    struct pcap_pkthdr header = {{1, 2}, sizeof frame, sizeof frame};
    frame_fill(frame, sizeof frame, 1, 7);
    running = 1;
    for (;;)
        pcap_dump((unsigned char *)dumper, &header, frame);
    return unused;
}

static void *read_file_again_and_again(void *unused)
{
    char error[PCAP_ERRBUF_SIZE];
    struct seen seen = {0};
    running = 1;
    for (;;) {
        pcap_t *file = pcap_open_offline(written, error);
        if (!file)
            fail("%s", error);
        if (loop_seen(file, -1, &seen) < 0)
            fail("%s", pcap_geterr(file));
        pcap_close(file);
    }
    return unused;
}

/* The stream is not left locked by a thread that ended while it wrote. */
static void with_files(void)
{
    pcap_t *dead = pcap_open_dead(DLT_EN10MB, 2000);
    int fd = mkstemp(written);
    dumper = pcap_dump_fopen(dead, fdopen(fd, "w"));
    cancel_after(20, write_on);
    printf("flush %d\n", pcap_dump_flush(dumper));
    pcap_dump_close(dumper);
    running = 0;
    cancel_after(50, read_file_again_and_again);
    unlink(written);
    pcap_close(dead);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"in_loop", in_loop},
        {"in_loop_at_once", in_loop_at_once},
        {"in_loop_at_any_moment", in_loop_at_any_moment},
        {"in_loop_with_timeout", in_loop_with_timeout},
        {"in_dispatch", in_dispatch},
        {"in_next_ex", in_next_ex},
        {"while_frames_come", while_frames_come},
        {"while_sending", while_sending},
        {"in_handler", in_handler},
        {"with_files", with_files},
        {NULL, NULL},
    };
    return run_case(argc, argv, cases);
}
