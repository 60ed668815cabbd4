/*
 * `open_port DEVICE…`: opens each and keeps it, printing what pcap_activate said;
 * then waits for the end of its input and closes them.
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    pcap_t **open = calloc((size_t)argc, sizeof *open);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        char error[PCAP_ERRBUF_SIZE] = "";
        pcap_t *handle = pcap_create(argv[i], error);
        if (!handle) {
            printf("%s: create failed: %s\n", argv[i], error);
            continue;
        }
        int code = pcap_activate(handle);
        printf("%s: activate %d: %s\n", argv[i], code, code == 0 ? "open" : pcap_geterr(handle));
        if (code < 0) {
            pcap_close(handle);
            char live_error[PCAP_ERRBUF_SIZE] = "";
            pcap_t *live = pcap_open_live(argv[i], 65535, 1, 100, live_error);
            printf("%s: open_live %s: %s\n", argv[i], live ? "handle" : "NULL", live_error);
            if (live)
                pcap_close(live);
        } else {
            open[i] = handle;
        }
    }
    printf("done\n");
    while (getchar() != EOF) {
    }
    for (int i = 1; i < argc; i++)
        if (open[i])
            pcap_close(open[i]);
    free(open);
    return 0;
}
