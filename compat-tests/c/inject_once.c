/* `inject_once DEVICE`: sends one frame, then waits for the end of its input without calling the library again. */
#include "frames.h"

#include <pcap/pcap.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE];
    unsigned char frame[FRAME_MIN];
    pcap_t *handle = argc == 2 ? pcap_open_live(argv[1], 65535, 0, 1000, error) : NULL;
    if (!handle)
        return 2;
    frame_fill(frame, sizeof frame, 1, 0);
    printf("injected %d\n", pcap_inject(handle, frame, sizeof frame));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    pcap_close(handle);
    return 0;
}
