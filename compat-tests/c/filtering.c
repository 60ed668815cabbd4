/* Filters and counters: what the filter refuses is neither handed out nor counted towards anybody's number. */
#include "cases.h"

/* Frames with an even sequence. The sequence lies at byte 26, low byte first. */
static const char *const even = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "ether[26] & 1 = 0" : "ether[29] & 1 = 0";

static void set_filter(pcap_t *handle, const char *text)
{
    struct bpf_program program;
    if (pcap_compile(handle, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
        fail("compile: %s", pcap_geterr(handle));
    printf("setfilter %d\n", pcap_setfilter(handle, &program));
    pcap_freecode(&program);
}

static void print_stats(pcap_t *handle)
{
    struct pcap_stat stats = {9999, 9999, 9999};
    int code = pcap_stats(handle, &stats);
    printf("stats %d: received %u, dropped %u, by the interface %u\n", code, stats.ps_recv, stats.ps_drop,
           stats.ps_ifdrop);
}

static void loop_counts_matches(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    set_filter(in, even);
    send_frames(out, 1, 20, 100);
    printf("loop(5) %d", loop_seen(in, 5, &seen));
    printf(", frames %d, last %u\n", seen.frames, seen.last);
    read_until(in, &seen, 10);
    printf("frames %d, last %u, faults %d\n", seen.frames, seen.last, seen.faults);
}

static void next_ex_skips(void)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *in = open_receiver(), *out = open_sender();
    struct pcap_pkthdr *header = NULL;
    const unsigned char *bytes = NULL;
    struct frame_id id = {0, 0};
    set_filter(in, even);
    send_frames(out, 1, 2, 100);
    int code = pcap_next_ex(in, &header, &bytes);
    const char *fault = code == 1 ? frame_fault(bytes, header->caplen, header->len, &id) : "no frame";
    printf("next_ex %d, frame %u, %s\n", code, id.sequence, fault ? fault : "good");
    send_frames(out, 3, 1, 100);
    sleep_ms(50);
    pcap_setnonblock(in, 1, error);
    printf("only refused frames: next_ex %d\n", pcap_next_ex(in, &header, &bytes));
}

static void filter_changes(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    send_frames(out, 0, 3, 100);
    read_until(in, &seen, 3);
    printf("frames %d\n", seen.frames);
    set_filter(in, even);
    send_frames(out, 3, 3, 100);
    read_until(in, &seen, 4);
    printf("frames %d, last %u\n", seen.frames, seen.last);
    set_filter(in, "less 0");
    send_frames(out, 6, 3, 100);
    set_filter(in, "");
    sleep_ms(50);
    send_frames(out, 9, 1, 100);
    seen.frames = 0;
    while (seen.last != 9)
        if (dispatch_seen(in, 1, &seen) < 0)
            fail("%s", pcap_geterr(in));
    printf("last %u, faults %d\n", seen.last, seen.faults);
}

static void stats_count(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    print_stats(in);
    send_frames(out, 0, 10, 100);
    read_until(in, &seen, 10);
    print_stats(in);
    print_stats(in);
    send_frames(out, 10, 7, 100);
    read_until(in, &seen, 17);
    print_stats(in);
}

static void stats_with_filter(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    set_filter(in, even);
    send_frames(out, 0, 10, 100);
    read_until(in, &seen, 5);
    printf("frames %d\n", seen.frames);
    print_stats(in);
}

static void bad_programs(void)
{
    pcap_t *in = open_receiver();
    struct bpf_program none = {0, NULL}, bad;
    struct bpf_insn no_return = {0x00, 0, 0, 1}; /* ld #1, and no ret */
    bad.bf_len = 1;
    bad.bf_insns = &no_return;
    printf("NULL: %d, %s\n", pcap_setfilter(in, NULL), pcap_geterr(in));
    printf("empty: %d\n", pcap_setfilter(in, &none));
    printf("no ret: %d\n", pcap_setfilter(in, &bad));
    printf("compile: %d", pcap_compile(in, &none, "port port", 1, 0));
    printf(", %s\n", pcap_geterr(in));
}

/* Sends while nobody reads: every frame is either handed out or counted as dropped. */
static void drops_are_counted(void)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    struct pcap_stat stats;
    const int sent = 10000;
    unsigned char frame[1500];
    pcap_setnonblock(out, 1, error);
    for (int i = 0; i < sent; i++) {
        frame_fill(frame, sizeof frame, 1, (uint32_t)i);
        pcap_inject(out, frame, sizeof frame);
    }
    pcap_stats(in, &stats);
    printf("dropped before reading: %s\n", stats.ps_drop > 0 ? "some" : "none");
    do {
        sleep_ms(20);
        pcap_setnonblock(in, 1, error);
    } while (dispatch_seen(in, -1, &seen) > 0);
    pcap_stats(in, &stats);
    printf("read %s, read and dropped make %d, faults %d\n", seen.frames > 0 ? "some" : "none",
           seen.frames + (int)stats.ps_drop, seen.faults);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"loop_counts_matches", loop_counts_matches},
        {"next_ex_skips", next_ex_skips},
        {"filter_changes", filter_changes},
        {"stats_count", stats_count},
        {"stats_with_filter", stats_with_filter},
        {"bad_programs", bad_programs},
        {"drops_are_counted", drops_are_counted},
        {NULL, NULL},
    };
    return run_case(argc, argv, cases);
}
