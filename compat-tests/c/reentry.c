/* Handlers that call the library on their own handle, jump out of it, and threads that share a handle. */
#include "cases.h"

#include <setjmp.h>

static pcap_t *own;

/* Sends each frame back, its sender changed to 2. */
static void answer(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    struct seen *seen = (struct seen *)(void *)user;
    unsigned char frame[2000];
    see(user, header, bytes);
    frame_fill(frame, header->len, 2, seen->last);
    if (pcap_inject(own, frame, header->len) != (int)header->len)
        fail("inject in the handler: %s", pcap_geterr(own));
}

static void inject_in_handler(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen asked = {0}, answered = {0};
    own = in;
    send_frames(out, 0, 20, 200);
    printf("loop %d", pcap_loop(in, 20, answer, (unsigned char *)&asked));
    printf(", frames %d, faults %d\n", asked.frames, asked.faults);
    read_until(out, &answered, 20);
    printf("answers %d, last %u, faults %d\n", answered.frames, answered.last, answered.faults);
}

static int stats_codes, stats_seen;

static void ask_stats(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    struct pcap_stat stats;
    stats_codes |= pcap_stats(own, &stats);
    stats_seen += stats.ps_recv > 0;
    see(user, header, bytes);
}

static void stats_in_handler(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    own = in;
    send_frames(out, 0, 20, 200);
    printf("loop %d", pcap_loop(in, 20, ask_stats, (unsigned char *)&seen));
    printf(", frames %d, faults %d, stats %d, counting %d\n", seen.frames, seen.faults, stats_codes, stats_seen);
}

static int nested;

/* Reads one more frame from inside; the outer frame's bytes must still be there afterwards. */
static void read_next(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    struct seen *seen = (struct seen *)(void *)user;
    struct pcap_pkthdr inner;
    see(user, header, bytes);
    uint32_t outer = seen->last;
    const unsigned char *more = pcap_next(own, &inner);
    if (more) {
        nested++;
        see(user, &inner, more);
        if (seen->last != outer + 1)
            printf("after %u came %u\n", outer, seen->last);
    }
    seen->last = outer;
    see(user, header, bytes);
    seen->frames--;
}

static void next_in_handler(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    own = in;
    send_frames(out, 0, 20, 200);
    sleep_ms(50);
    printf("loop(10) %d", pcap_loop(in, 10, read_next, (unsigned char *)&seen));
    printf(", frames %d, nested %d, faults %d\n", seen.frames, nested, seen.faults);
}

static pcap_t *other;

/* Reads far ahead from inside, while the other end fills whatever room that makes. */
static void read_far_ahead(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    struct seen *seen = (struct seen *)(void *)user;
    struct pcap_pkthdr inner;
    char error[PCAP_ERRBUF_SIZE];
    unsigned char frame[200];
    see(user, header, bytes);
    for (int i = 0; i < 700; i++) {
        const unsigned char *more = pcap_next(own, &inner);
        if (!more)
            fail("no frame %d", i);
        see(user, &inner, more);
    }
    pcap_setnonblock(other, 1, error);
    for (uint32_t i = 0; i < 2000; i++) {
        frame_fill(frame, sizeof frame, 9, i);
        pcap_inject(other, frame, sizeof frame);
    }
    uint32_t last = seen->last;
    see(user, header, bytes);
    printf("after reading up to %u the outer frame is %u\n", last, seen->last);
}

static void next_far_ahead_in_handler(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    own = in;
    other = out;
    send_frames(out, 5, 800, 200);
    printf("dispatch(1) %d", pcap_dispatch(in, 1, read_far_ahead, (unsigned char *)&seen));
    printf(", faults %d\n", seen.faults);
}

static jmp_buf outside;

static void jump_out(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    struct seen *seen = (struct seen *)(void *)user;
    see(user, header, bytes);
    if (seen->frames % 4 == 3)
        longjmp(outside, 1);
}

/* longjmp out of pcap_loop and back into it, a hundred times on one handle. */
static void jump_out_of_loop(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    static struct seen seen;
    static int jumps, rounds;
    for (rounds = 0; rounds < 100; rounds++) {
        send_frames(out, (uint32_t)rounds * 4, 4, 100);
        if (setjmp(outside) == 0)
            pcap_loop(in, 4, jump_out, (unsigned char *)&seen);
        else
            jumps++;
        while (seen.last != (uint32_t)rounds * 4 + 3)
            loop_seen(in, 1, &seen);
        seen.frames = 0;
    }
    printf("jumps %d, last %u, faults %d\n", jumps, seen.last, seen.faults);
    printf("inject %d\n", pcap_inject(in, (unsigned char[60]){255, 255, 255, 255, 255, 255}, 60));
    close_handle(in);
    close_handle(out);
    in = open_receiver();
    printf("opened again\n");
}

static void *send_many(void *handle)
{
    for (uint32_t i = 0; i < 2000; i++) {
        send_frames(handle, i, 1, 100);
        if (i % 100 == 0)
            sleep_ms(5);
    }
    return NULL;
}

static void *read_many(void *seen)
{
    loop_seen(((struct seen *)seen)->handle, 2000, seen);
    return NULL;
}

/* Two handles, each with one thread that sends and one that reads. */
static void two_threads(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    pthread_t readers[2], sender;
    struct seen one_way = {in, 0, 0, 0, 0}, other_way = {out, 0, 0, 0, 0};
    unsigned char frame[200];
    pthread_create(&readers[0], NULL, read_many, &one_way);
    pthread_create(&readers[1], NULL, read_many, &other_way);
    pthread_create(&sender, NULL, send_many, in);
    for (uint32_t i = 0; i < 2000; i++) {
        frame_fill(frame, sizeof frame, 3, i);
        if (pcap_inject(out, frame, sizeof frame) < 0)
            fail("%s", pcap_geterr(out));
        if (i % 100 == 0)
            sleep_ms(5);
    }
    pthread_join(sender, NULL);
    pthread_join(readers[0], NULL);
    pthread_join(readers[1], NULL);
    printf("one way: frames %d, last %u, faults %d\n", one_way.frames, one_way.last, one_way.faults);
    printf("other way: frames %d, last %u, faults %d\n", other_way.frames, other_way.last, other_way.faults);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"inject_in_handler", inject_in_handler},
        {"stats_in_handler", stats_in_handler},
        {"next_in_handler", next_in_handler},
        {"next_far_ahead_in_handler", next_far_ahead_in_handler},
        {"jump_out_of_loop", jump_out_of_loop},
        {"two_threads", two_threads},
        {NULL, NULL},
    };
    return run_case(argc, argv, cases);
}
