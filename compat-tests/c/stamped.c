/*
 * `stamped DEVICE CARD PEER ERRNO`: whose time frames have, for each time stamp type, on a cable whose end CARD we make out to be a card that
 * stamps all frames it receives: its ioctls are answered here, SIOCSHWTSTAMP with ERRNO. PEER is sent one frame that has a card's stamp,
 * and one that has none.
 */
#define _GNU_SOURCE
#include <errno.h>
/* Both name their instructions so. */
#define bpf_insn kernel_insn
#include <linux/bpf.h>
#undef bpf_insn
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *card;
static int refusal;

/* The program's own comes before the C library's for all libraries. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    struct ifreq *asked = va_arg(rest, struct ifreq *);
    va_end(rest);
    if (request == SIOCETHTOOL && !strcmp(asked->ifr_name, card)) {
        struct ethtool_ts_info *info = (void *)asked->ifr_data;
        if (info->cmd == ETHTOOL_GET_TS_INFO) {
            info->so_timestamping = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_RX_HARDWARE |
                                    SOF_TIMESTAMPING_RAW_HARDWARE;
            info->phc_index = -1;
            info->rx_filters = 1 << HWTSTAMP_FILTER_NONE | 1 << HWTSTAMP_FILTER_ALL;
            return 0;
        }
    }
    if (request == SIOCSHWTSTAMP && !strcmp(asked->ifr_name, card)) {
        struct hwtstamp_config *config = (void *)asked->ifr_data;
        errno = config->rx_filter == HWTSTAMP_FILTER_ALL ? refusal : EINVAL;
        return errno ? -1 : 0;
    }
    return syscall(SYS_ioctl, fd, request, asked);
}

#define STAMP 1234567890123456789

static void send_to(unsigned peer, unsigned char number, unsigned long long stamp)
{
    /* bpf_clone_redirect(skb, peer, 0), exit */
    struct kernel_insn insns[] = {
        {.code = 0xb4, .dst_reg = 2, .imm = (int)peer},
        {.code = 0xb4, .dst_reg = 3, .imm = 0},
        {.code = 0x85, .imm = BPF_FUNC_clone_redirect},
        {.code = 0x95},
    };
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (unsigned long)insns, .insn_cnt = 4};
    load.license = (unsigned long)"GPL";
    int program = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    unsigned char frame[60] = {2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 0x88, 0xb5, number};
    struct __sk_buff context = {.hwtstamp = stamp};
    union bpf_attr run = {.test.prog_fd = program, .test.data_in = (unsigned long)frame, .test.data_size_in = sizeof frame};
    run.test.ctx_in = (unsigned long)&context;
    run.test.ctx_size_in = sizeof context;
    if (program < 0 || syscall(SYS_bpf, BPF_PROG_TEST_RUN, &run, sizeof run) < 0 || run.test.retval) {
        perror("send");
        exit(1);
    }
    close(program);
}

static void look(pcap_t *handle, unsigned peer, int type)
{
    int *types = NULL;
    int count = pcap_list_tstamp_types(handle, &types);
    for (int i = 0; i < count; i++)
        printf("%s ", pcap_tstamp_type_val_to_name(types[i]));
    pcap_free_tstamp_types(types);
    printf("\nset %d: %d\n", type, pcap_set_tstamp_type(handle, type));
    pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO);
    pcap_set_immediate_mode(handle, 1);
    pcap_set_timeout(handle, 100);
    int code = pcap_activate(handle);
    const char *which = code < 0 && strstr(pcap_geterr(handle), "CAP_NET_ADMIN may be required") ? " CAP_NET_ADMIN" : "";
    printf("activate: %d%s\n", code, which);
    if (code < 0)
        return;
    send_to(peer, 1, STAMP);
    send_to(peer, 2, 0);
    time_t end = time(NULL) + 10;
    for (int seen = 0; seen < 2 && time(NULL) < end;) {
        struct pcap_pkthdr *header;
        const unsigned char *frame;
        if (pcap_next_ex(handle, &header, &frame) != 1 || header->caplen != 60 || frame[12] != 0x88 || frame[13] != 0xb5)
            continue;
        long long away = header->ts.tv_sec - time(NULL);
        int ours = header->ts.tv_sec == STAMP / 1000000000 && header->ts.tv_usec == STAMP % 1000000000;
        printf("frame %d: %s\n", frame[14], ours ? "card" : away >= -5 && away <= 5 ? "host" : "nobody");
        seen++;
    }
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    if (argc != 5)
        return 2;
    card = argv[2];
    refusal = atoi(argv[4]);
    int kinds[] = {PCAP_TSTAMP_HOST, PCAP_TSTAMP_ADAPTER, PCAP_TSTAMP_ADAPTER_UNSYNCED};
    for (int i = 0; i < 3; i++) {
        pcap_t *handle = pcap_create(argv[1], error);
        if (!handle)
            return 3;
        look(handle, if_nametoindex(argv[3]), kinds[i]);
        pcap_close(handle);
    }
    return 0;
}
