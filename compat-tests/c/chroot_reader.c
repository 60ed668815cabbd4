/*
 * `chroot_reader DEVICE FOLDER USER_ID COUNT`: opens, then gives everything up as careful programs do (chroot into FOLDER,
 * another user), and only then reads COUNT frames, half of them through the selectable descriptor.
 */
#include "cases.h"

#include <grp.h>

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    char error[PCAP_ERRBUF_SIZE];
    uid_t user = (uid_t)atoi(argv[3]);
    int count = atoi(argv[4]);
    struct seen seen = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    pcap_t *in = open_small(argv[1]);
    if (chroot(argv[2]) != 0 || chdir("/") != 0 || setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0)
        fail("giving up privileges: %s", strerror(errno));
    printf("open\n");
    if (pcap_loop(in, count / 2, see, (unsigned char *)&seen) != 0)
        fail("loop: %s", pcap_geterr(in));
    int fd = pcap_get_selectable_fd(in);
    pcap_setnonblock(in, 1, error);
    while (seen.frames < count) {
        struct pollfd entry = {fd, POLLIN, 0};
        if (poll(&entry, 1, 5000) != 1)
            fail("poll: nothing after frame %u", seen.last);
        if (pcap_dispatch(in, count - seen.frames, see, (unsigned char *)&seen) < 0)
            fail("dispatch: %s", pcap_geterr(in));
    }
    struct pcap_stat stats;
    pcap_stats(in, &stats);
    pcap_close(in);
    printf("frames %d, last %u, faults %d, dropped %u\n", seen.frames, seen.last, seen.faults, stats.ps_drop);
    return 0;
}
