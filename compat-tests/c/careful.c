/*
 * `careful read|send DEVICE FOLDER USER_ID COUNT`: opens, then gives everything up as careful programs do (chroot into
 * FOLDER, another user), and only then works. As a reader it reads half of COUNT frames in pcap_loop and half through the
 * selectable descriptor; as a sender it waits for the end of its input, so that receivers can come meanwhile, and sends.
 */
#include "cases.h"

#include <grp.h>

static void give_up(const char *folder, uid_t user)
{
    if (chroot(folder) != 0 || chdir("/") != 0 || setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0)
        fail("giving up privileges: %s", strerror(errno));
    printf("open\n");
}

static void read_frames(pcap_t *in, int count)
{
    char error[PCAP_ERRBUF_SIZE];
    struct seen seen = {0};
    struct pcap_stat stats;
    if (loop_seen(in, count / 2, &seen) != 0)
        fail("loop: %s", pcap_geterr(in));
    int fd = pcap_get_selectable_fd(in);
    pcap_setnonblock(in, 1, error);
    while (seen.frames < count) {
        struct pollfd entry = {fd, POLLIN, 0};
        if (poll(&entry, 1, 5000) != 1)
            fail("poll: nothing after frame %u", seen.last);
        if (dispatch_seen(in, count - seen.frames, &seen) < 0)
            fail("dispatch: %s", pcap_geterr(in));
    }
    pcap_stats(in, &stats);
    printf("frames %d, last %u, faults %d, dropped %u\n", seen.frames, seen.last, seen.faults, stats.ps_drop);
}

static void send_all(pcap_t *out, uint32_t count)
{
    while (getchar() != EOF) {
    }
    for (uint32_t i = 0; i < count; i++) {
        send_frames(out, i, 1, 200);
        if (i % 16 == 0)
            sleep_ms(1);
    }
    printf("sent %u\n", count);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    pcap_t *handle = open_small(argv[2]);
    give_up(argv[3], (uid_t)atoi(argv[4]));
    if (strcmp(argv[1], "read") == 0)
        read_frames(handle, atoi(argv[5]));
    else
        send_all(handle, (uint32_t)atoi(argv[5]));
    close_handle(handle);
    return 0;
}
