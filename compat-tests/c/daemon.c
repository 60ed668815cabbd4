/* `daemon DEVICE HOW`: opens the device, then forks; the child reads one frame and says so. The parent, by HOW, ends with
 * `exit` as careless daemons do, or closes its handle (`close`) and waits for the child. `alone` does not fork: it ends
 * without closing. */
#include "frames.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const unsigned char *bytes;
    struct frame_id id = {0, 0};
    pcap_t *handle = argc == 3 ? pcap_create(argv[1], error) : NULL;
    if (!handle || pcap_set_immediate_mode(handle, 1) != 0 || pcap_activate(handle) != 0)
        return 2;
    if (strcmp(argv[2], "alone") == 0)
        exit(0);
    pid_t child = fork();
    if (child < 0)
        return 3;
    if (child != 0) {
        if (strcmp(argv[2], "exit") == 0)
            exit(0);
        pcap_close(handle);
        printf("parent closed\n");
        fflush(stdout);
        waitpid(child, NULL, 0);
        return 0;
    }
    usleep(100000);
    printf("child reads\n");
    fflush(stdout);
    int code = pcap_next_ex(handle, &header, &bytes);
    const char *fault = code == 1 ? frame_fault(bytes, header->caplen, header->len, &id) : pcap_geterr(handle);
    printf("next_ex %d, %s\n", code, fault ? fault : "good");
    fflush(stdout);
    pcap_close(handle);
    return 0;
}
