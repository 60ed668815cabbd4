/* What a handle is and what a frame carries: lengths, times, direction, link types, the device list. */
#include "cases.h"

static void snaplen_of(int snaplen)
{
    struct options options = {0, 0, 0, 0};
    struct seen seen = {0};
    pcap_t *in = create_handle(receiver_name, options), *out = open_sender();
    printf("set_snaplen(%d) %d", snaplen, pcap_set_snaplen(in, snaplen));
    printf(", activate %d", pcap_activate(in));
    printf(", snapshot %d\n", pcap_snapshot(in));
    send_frames(out, 1, 1, 1000);
    printf("loop %d", loop_seen(in, 1, &seen));
    printf(", faults %d\n", seen.faults);
    close_handle(in);
    close_handle(out);
}

static void snaplen_limits(void)
{
    snaplen_of(0);
    snaplen_of(-1);
    snaplen_of(0x7fffffff);
    snaplen_of(262145);
    snaplen_of(262144);
    snaplen_of(1000);
}

static void snaplen_cuts(void)
{
    struct options options = {96, 0, 0, 0};
    pcap_t *in = open_handle(receiver_name, options), *out = open_sender();
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    unsigned char sent[300];
    size_t lengths[] = {300, 97, 96, 95, 60};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        frame_fill(sent, lengths[i], 1, (uint32_t)i);
        pcap_inject(out, sent, lengths[i]);
        int code = pcap_next_ex(in, &header, &bytes);
        printf("next_ex %d, %u of %u bytes, %s\n", code, header->caplen, header->len,
               memcmp(bytes, sent, header->caplen) == 0 ? "as sent" : "changed");
    }
}

static void frame_lengths(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    struct seen seen = {0};
    for (size_t len = FRAME_MIN; len <= 1514; len++) {
        send_frames(out, (uint32_t)len, 1, len);
        if (loop_seen(in, 1, &seen) != 0 || seen.last != len)
            fail("frame of %zu bytes", len);
    }
    printf("frames %d, faults %d\n", seen.frames, seen.faults);
}

/* More than one slot of any ring: only ports carry these. */
static void long_frames(void)
{
    struct options options = {0, 0, 0, 0};
    pcap_t *in = open_handle(receiver_name, options), *out = open_sender();
    static const size_t lengths[] = {2000, 2048, 2049, 2112, 2113, 4096, 4225, 9000, 9014, 16384, 32767, 65534, 65535};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct seen seen = {0};
        send_frames(out, (uint32_t)i, 1, lengths[i]);
        send_frames(out, 99, 1, 60);
        printf("%zu: loop(2) %d", lengths[i], loop_seen(in, 2, &seen));
        printf(", frames %d, last %u, faults %d\n", seen.frames, seen.last, seen.faults);
    }
    unsigned char small[14] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
    struct pcap_pkthdr header;
    printf("14: inject %d", pcap_inject(out, small, 14));
    const unsigned char *bytes = pcap_next(in, &header);
    printf(", next %u of %u bytes, %s\n", header.caplen, header.len, bytes && !memcmp(bytes, small, 14) ? "as sent" : "changed");
}

static void frame_order(void)
{
    pcap_t *in = open_receiver(), *out = open_sender();
    int in_order = 1;
    for (uint32_t i = 0; i < 100; i++) {
        struct seen seen = {0};
        send_frames(out, i * 8, 8, 100);
        for (uint32_t j = 0; j < 8; j++) {
            loop_seen(in, 1, &seen);
            in_order &= seen.last == i * 8 + j && !seen.faults;
        }
    }
    printf("%s\n", in_order ? "in order" : "out of order");
}

static void direction_of(pcap_direction_t direction, const char *text)
{
    char error[PCAP_ERRBUF_SIZE];
    struct seen seen = {0};
    pcap_t *in = open_receiver(), *out = open_sender();
    printf("%s: setdirection %d", text, pcap_setdirection(in, direction));
    send_frames(out, 0, 3, 100);
    send_frames(in, 10, 3, 100);
    sleep_ms(100);
    pcap_setnonblock(in, 1, error);
    printf(", dispatch %d", dispatch_seen(in, -1, &seen));
    printf(", last %u, faults %d\n", seen.last, seen.faults);
    close_handle(in);
    close_handle(out);
}

static void direction(void)
{
    direction_of(PCAP_D_INOUT, "both");
    direction_of(PCAP_D_IN, "in");
    direction_of(PCAP_D_OUT, "out");
}

static double real_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void time_stamps_of(int nanoseconds)
{
    struct options options = {2000, 0, 0, nanoseconds};
    pcap_t *in = open_handle(receiver_name, options), *out = open_sender();
    struct pcap_pkthdr header;
    int finer = 0, wrong = 0;
    double before[20], after[20];
    printf("precision %d\n", pcap_get_tstamp_precision(in));
    for (uint32_t i = 0; i < 20; i++) {
        before[i] = real_time();
        send_frames(out, i, 1, 100);
        after[i] = real_time();
        sleep_ms(20);
    }
    for (int i = 0; i < 20; i++) {
        if (!pcap_next(in, &header))
            fail("no frame %d", i);
        double stamp = (double)header.ts.tv_sec + (double)header.ts.tv_usec / (nanoseconds ? 1e9 : 1e6);
        wrong += stamp < before[i] - 0.005 || stamp > after[i] + 0.005;
        finer += header.ts.tv_usec > 999999;
    }
    printf("finer than microseconds %s, outside of the sending call: %d\n", finer ? "yes" : "no", wrong);
    close_handle(in);
    close_handle(out);
}

static void time_stamps(void)
{
    time_stamps_of(0);
    time_stamps_of(1);
}

static void link_types(void)
{
    int *list, count;
    pcap_t *in = open_receiver();
    printf("datalink %d, ext %d\n", pcap_datalink(in), pcap_datalink_ext(in));
    count = pcap_list_datalinks(in, &list);
    int ethernet = 0;
    for (int i = 0; i < count; i++)
        ethernet |= list[i] == DLT_EN10MB;
    printf("list_datalinks %s, with Ethernet %s\n", count > 0 ? "some" : "none", ethernet ? "yes" : "no");
    pcap_free_datalinks(list);
    printf("set_datalink(EN10MB) %d\n", pcap_set_datalink(in, DLT_EN10MB));
    printf("set_datalink(RAW) %d", pcap_set_datalink(in, DLT_RAW));
    printf(", %s\n", pcap_geterr(in));
    printf("set_datalink(9999) %d", pcap_set_datalink(in, 9999));
    printf(", %s\n", pcap_geterr(in));
}

static void plain_facts(void)
{
    pcap_t *in = open_receiver();
    printf("is_swapped %d\n", pcap_is_swapped(in));
    printf("file %s\n", pcap_file(in) ? "yes" : "NULL");
    printf("can_set_rfmon %d\n", pcap_can_set_rfmon(in));
    printf("precision %d\n", pcap_get_tstamp_precision(in));
    printf("snapshot %d\n", pcap_snapshot(in));
}

/* Open, read, close, again: the second life of a name is as good as the first. */
static void reopen(void)
{
    for (int i = 0; i < 5; i++) {
        struct seen seen = {0};
        pcap_t *in = open_receiver(), *out = open_sender();
        send_frames(out, (uint32_t)i, 2, 100);
        printf("loop %d", loop_seen(in, 2, &seen));
        printf(", last %u, faults %d\n", seen.last, seen.faults);
        close_handle(i % 2 ? in : out);
        close_handle(i % 2 ? out : in);
    }
}

static void open_live(void)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    struct seen seen = {0};
    pcap_t *in = pcap_open_live(receiver_name, 2000, 1, 10, error);
    printf("open_live %s, text \"%s\"\n", in ? "handle" : "NULL", error);
    still_open[0] = in;
    pcap_t *out = open_sender();
    send_frames(out, 4, 2, 100);
    read_until(in, &seen, 2);
    printf("frames %d, last %u, faults %d\n", seen.frames, seen.last, seen.faults);
}

static int listed(const char *name)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_if_t *all = NULL, *device;
    if (pcap_findalldevs(&all, error) != 0)
        fail("findalldevs: %s", error);
    int found = 0;
    for (device = all; device; device = device->next)
        if (strcmp(device->name, name) == 0)
            found = 1 + (device->flags & PCAP_IF_UP ? 1 : 0);
    pcap_freealldevs(all);
    return found;
}

static void device_list(void)
{
    printf("before: %d\n", listed(receiver_name));
    pcap_t *in = open_receiver(), *out = open_sender();
    printf("open: %d %d\n", listed(receiver_name), listed(sender_name));
    close_handle(in);
    printf("one closed: %d %d\n", listed(receiver_name), listed(sender_name));
    close_handle(out);
    printf("closed: %d %d\n", listed(receiver_name), listed(sender_name));
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"snaplen_limits", snaplen_limits},
        {"snaplen_cuts", snaplen_cuts},
        {"frame_lengths", frame_lengths},
        {"long_frames", long_frames},
        {"frame_order", frame_order},
        {"direction", direction},
        {"time_stamps", time_stamps},
        {"link_types", link_types},
        {"plain_facts", plain_facts},
        {"reopen", reopen},
        {"open_live", open_live},
        {"device_list", device_list},
        {NULL, NULL},
    };
    return run_case(argc, argv, cases);
}
