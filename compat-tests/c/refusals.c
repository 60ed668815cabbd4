/* Calls at the wrong time and with wrong values: the code that comes back, and the text. */
#include "cases.h"

#include <limits.h>

static void report(pcap_t *handle, const char *call, int code)
{
    printf("%s: %d, %s\n", call, code, code < 0 ? pcap_geterr(handle) : "no error");
}

static void before_activation(void)
{
    struct options options = {0, 0, 0, 0};
    struct seen seen = {0};
    struct pcap_pkthdr *header, copy;
    const unsigned char *bytes;
    struct pcap_stat stats;
    struct bpf_program program = {0, NULL};
    char error[PCAP_ERRBUF_SIZE] = "";
    unsigned char frame[60];
    int *list;
    pcap_t *handle = create_handle(receiver_name, options);
    frame_fill(frame, sizeof frame, 1, 1);
    report(handle, "inject", pcap_inject(handle, frame, sizeof frame));
    report(handle, "dispatch", dispatch_seen(handle, 1, &seen));
    report(handle, "loop", loop_seen(handle, 1, &seen));
    report(handle, "next_ex", pcap_next_ex(handle, &header, &bytes));
    printf("next: %s\n", pcap_next(handle, &copy) ? "a frame" : "NULL");
    report(handle, "setfilter", pcap_setfilter(handle, &program));
    report(handle, "stats", pcap_stats(handle, &stats));
    report(handle, "setdirection", pcap_setdirection(handle, PCAP_D_IN));
    printf("datalink: %d\n", pcap_datalink(handle));
    printf("snapshot: %d\n", pcap_snapshot(handle));
    printf("list_datalinks: %d\n", pcap_list_datalinks(handle, &list));
    report(handle, "set_datalink", pcap_set_datalink(handle, DLT_EN10MB));
    printf("is_swapped: %d\n", pcap_is_swapped(handle));
    printf("bufsize: %d\n", pcap_bufsize(handle));
    printf("getnonblock: %d\n", pcap_getnonblock(handle, error));
    printf("selectable_fd %d, fileno %d\n", pcap_get_selectable_fd(handle), pcap_fileno(handle));
    close_handle(handle);
}

static void after_activation(void)
{
    pcap_t *handle = open_receiver();
    report(handle, "set_snaplen", pcap_set_snaplen(handle, 100));
    report(handle, "set_promisc", pcap_set_promisc(handle, 1));
    report(handle, "set_timeout", pcap_set_timeout(handle, 1));
    report(handle, "set_immediate_mode", pcap_set_immediate_mode(handle, 0));
    report(handle, "set_buffer_size", pcap_set_buffer_size(handle, 1 << 20));
    report(handle, "set_tstamp_type", pcap_set_tstamp_type(handle, PCAP_TSTAMP_HOST));
    report(handle, "set_tstamp_precision", pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO));
    report(handle, "set_rfmon", pcap_set_rfmon(handle, 1));
    report(handle, "activate", pcap_activate(handle));
}

static void wrong_values(void)
{
    struct options options = {0, 0, 0, 0};
    pcap_t *handle = create_handle(receiver_name, options);
    printf("set_tstamp_precision(7): %d\n", pcap_set_tstamp_precision(handle, 7));
    printf("set_tstamp_type(-3): %d\n", pcap_set_tstamp_type(handle, -3));
    printf("set_buffer_size(0): %d\n", pcap_set_buffer_size(handle, 0));
    printf("set_buffer_size(-1): %d\n", pcap_set_buffer_size(handle, -1));
    printf("activate: %d\n", pcap_activate(handle));
    printf("setdirection(9): %d", pcap_setdirection(handle, (pcap_direction_t)9));
    printf(", %s\n", pcap_geterr(handle));
}

static void long_sends(void)
{
    pcap_t *handle = open_sender();
    static unsigned char frame[300000];
    struct seen seen = {0};
    pcap_t *in = open_receiver();
    frame_fill(frame, 60, 1, 1);
    int code = pcap_sendpacket(handle, frame, 300000);
    printf("sendpacket(300000): %d, %s\n", code, *pcap_geterr(handle) ? "with text" : "no text");
    code = pcap_inject(handle, frame, (size_t)INT_MAX + 1);
    printf("inject(INT_MAX + 1): %d, %s\n", code, pcap_geterr(handle));
    code = pcap_inject(handle, frame, 5);
    printf("inject(5): %d, %s\n", code, *pcap_geterr(handle) ? "with text" : "no text");
    code = pcap_sendpacket(handle, frame, 0);
    printf("sendpacket(0): %d\n", code < 0 ? -1 : 0);
    printf("inject(60): %d\n", pcap_inject(handle, frame, 60));
    printf("sendpacket(60): %d\n", pcap_sendpacket(handle, frame, 60));
    read_until(in, &seen, 2);
    printf("frames %d, faults %d\n", seen.frames, seen.faults);
}

/* The texts of sends that a port refuses. */
static void send_texts(void)
{
    static unsigned char frame[70000];
    pcap_t *handle = open_sender();
    report(handle, "inject(13)", pcap_inject(handle, frame, 13));
    report(handle, "inject(65536)", pcap_inject(handle, frame, 65536));
    report(handle, "sendpacket(65536)", pcap_sendpacket(handle, frame, 65536));
}

/* A receiver that does not read is full after a while: the sender is told. */
static void full_receiver(void)
{
    char error[PCAP_ERRBUF_SIZE];
    unsigned char frame[60];
    pcap_t *in = open_receiver(), *out = open_sender();
    int code = 0, sent = 0;
    pcap_setnonblock(out, 1, error);
    for (; sent < 100000 && code >= 0; sent++) {
        frame_fill(frame, sizeof frame, 1, (uint32_t)sent);
        code = pcap_inject(out, frame, sizeof frame);
    }
    report(out, "inject", code);
    struct seen seen = {0};
    read_until(in, &seen, sent - 1);
    printf("all that were taken arrive: %s\n", seen.frames == sent - 1 ? "yes" : "no");
    printf("then: %d\n", pcap_inject(out, frame, sizeof frame));
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"before_activation", before_activation},
        {"after_activation", after_activation},
        {"wrong_values", wrong_values},
        {"long_sends", long_sends},
        {"send_texts", send_texts},
        {"full_receiver", full_receiver},
        {NULL, NULL},
    };
    return run_case(argc, argv, cases);
}
