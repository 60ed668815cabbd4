/*
 * `stream_in DEVICE COUNT [WATCHED | tolerant [select]]`: receives until SIGTERM or until COUNT (0: no end) frames of sender WATCHED
 * (or of anybody) came. Each frame must be one that stream_out sent, later than the one before of the same sender. At the
 * end it prints how many came, of whom, and the longest time without a frame since the first. A frame that was not sent ends it
 * with 3; a tolerant one only reads every byte and counts. One that selects sleeps on
 * the selectable descriptor.
 */
#include "stream.h"

#include <poll.h>
#include <string.h>

#define SENDERS 65536

static uint32_t next_sequence[SENDERS], watched_frames, all_frames, bad_frames;
static int tolerant;
static long watched = -1;
static double last_ms, longest_ms;
static volatile unsigned touched;

static void receive(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *bytes)
{
    struct frame_id id = {0, 0};
    double now = now_ms();
    (void)user;
    if (last_ms && now - last_ms > longest_ms)
        longest_ms = now - last_ms;
    last_ms = now;
    all_frames++;
    for (uint32_t i = 0; i < header->caplen; i++)
        touched += bytes[i];
    const char *fault = frame_fault(bytes, header->caplen, header->len, &id);
    if (!fault && id.sender >= SENDERS)
        fault = "a sender that does not exist";
    if (!fault && id.sequence < next_sequence[id.sender])
        fault = "a frame that came before";
    if (fault) {
        bad_frames++;
        if (!tolerant) {
            printf("fault: %s (sender %u, sequence %u, %u of %u bytes)\n", fault, id.sender, id.sequence, header->caplen,
                   header->len);
            exit(3);
        }
        return;
    }
    next_sequence[id.sender] = id.sequence + 1;
    if (watched < 0 || id.sender == (uint32_t)watched)
        watched_frames++;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    uint32_t count = (uint32_t)atoi(argv[2]);
    tolerant = argc > 3 && strcmp(argv[3], "tolerant") == 0;
    if (argc > 3 && !tolerant)
        watched = atol(argv[3]);
    start(argv[1]);
    int fd = -1;
    if (argc > 4) {
        char error[PCAP_ERRBUF_SIZE];
        fd = pcap_get_selectable_fd(handle);
        pcap_setnonblock(handle, 1, error);
    }
    while (!stopping && (count == 0 || watched_frames < count)) {
        if (fd >= 0)
            poll(&(struct pollfd){fd, POLLIN, 0}, 1, 100);
        int code = pcap_dispatch(handle, -1, receive, NULL);
        if (code == PCAP_ERROR_BREAK)
            break;
        if (code < 0) {
            printf("dispatch: %d: %s\n", code, pcap_geterr(handle));
            if (!tolerant)
                return 6;
            break;
        }
    }
    if (last_ms && now_ms() - last_ms > longest_ms)
        longest_ms = now_ms() - last_ms;
    printf("received %u watched %u bad %u longest_gap_ms %.0f\n", all_frames, watched_frames, bad_frames, longest_ms);
    pcap_close(handle);
    return 0;
}
