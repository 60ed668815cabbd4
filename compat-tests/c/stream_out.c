/*
 * `stream_out DEVICE SENDER PAUSE_US COUNT [tolerant]`: sends numbered frames of changing length until SIGTERM or until
 * COUNT (0: no end) were sent, pausing after every 16th when PAUSE_US is not 0. At the end it prints how many were sent
 * and how long the slowest call took. A call that fails ends it with 5, unless it is tolerant.
 */
#include "stream.h"

#include <string.h>

int main(int argc, char **argv)
{
    static unsigned char frame[9000];
    if (argc < 5)
        return 2;
    uint32_t sender = (uint32_t)atoi(argv[2]), sequence = 0, count = (uint32_t)atoi(argv[4]);
    int pause_us = atoi(argv[3]), tolerant = argc > 5 && strcmp(argv[5], "tolerant") == 0;
    double slowest = 0;
    unsigned refused = 0;
    start(argv[1]);
    while (!stopping && (count == 0 || sequence < count)) {
        size_t len = sequence % 64 == 63 ? 5000 : FRAME_MIN + sequence * 37 % 1400;
        frame_fill(frame, len, sender, sequence);
        double before = now_ms();
        int code = pcap_inject(handle, frame, len);
        double took = now_ms() - before;
        if (took > slowest)
            slowest = took;
        if (code < 0) {
            refused++;
            if (!tolerant) {
                printf("inject of frame %u: %d: %s\n", sequence, code, pcap_geterr(handle));
                return 5;
            }
            usleep(100);
        }
        sequence++;
        if (pause_us && sequence % 16 == 0)
            usleep((useconds_t)pause_us);
    }
    printf("sent %u refused %u slowest_ms %.0f\n", sequence, refused, slowest);
    pcap_close(handle);
    return 0;
}
