/* `sleeper DEVICE`: waits for one frame without a timeout and says that it came. */
#include "frames.h"

#include <pcap/pcap.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    struct frame_id id = {0, 0};
    pcap_t *handle = argc == 2 ? pcap_create(argv[1], error) : NULL;
    if (!handle || pcap_set_immediate_mode(handle, 1) != 0 || pcap_activate(handle) != 0)
        return 2;
    printf("open\n");
    fflush(stdout);
    int code = pcap_next_ex(handle, &header, &bytes);
    const char *fault = code == 1 ? frame_fault(bytes, header->caplen, header->len, &id) : pcap_geterr(handle);
    printf("next_ex %d, %s\n", code, fault ? fault : "good");
    pcap_close(handle);
    return 0;
}
