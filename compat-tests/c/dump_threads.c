/*
 * `dump_threads FILE`: four threads write 20,000 frames each to one dumper.
 */
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

static pcap_dumper_t *dumper;

static void *writer(void *argument)
{
    uint32_t thread = (uint32_t)(uintptr_t)argument;
    u_char bytes[8 + 3000];
    memset(bytes, (int)thread, sizeof bytes);
    memcpy(bytes, &thread, 4);
    for (uint32_t i = 0; i < 20000; i++) {
        bpf_u_int32 length = 8 + i * 13 % 3000;
        struct pcap_pkthdr header = {{i, 0}, length, length};
        memcpy(bytes + 4, &i, 4);
        pcap_dump((u_char *)dumper, &header, bytes);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[4];
    if (argc != 2 || !(dumper = pcap_dump_open(pcap_open_dead(1, 65535), argv[1])))
        return 2;
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, writer, (void *)i);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    pcap_dump_close(dumper);
    return 0;
}
