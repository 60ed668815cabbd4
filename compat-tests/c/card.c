/*
 * `card DEVICE`: what a handle on a card answers when it is asked about addresses, monitor mode, time stamps, link types and
 * directions, before pcap_activate and after.
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

static void said(const char *what, int code, pcap_t *handle)
{
    printf("%s: %d %s\n", what, code, code < 0 ? pcap_geterr(handle) : "");
}

static void time_stamp_types(pcap_t *handle)
{
    int *types = NULL;
    int count = pcap_list_tstamp_types(handle, &types);
    printf("time stamp types: %d", count);
    for (int i = 0; i < count; i++)
        printf(" %s", pcap_tstamp_type_val_to_name(types[i]));
    printf("\n");
    if (count > 0)
        pcap_free_tstamp_types(types);
    for (int type = 0; type < 6; type++)
        printf("set_tstamp_type(%d): %d\n", type, pcap_set_tstamp_type(handle, type));
    pcap_set_tstamp_type(handle, PCAP_TSTAMP_HOST);
}

static void link_types(pcap_t *handle)
{
    int *types = NULL;
    int count = pcap_list_datalinks(handle, &types);
    printf("first link type: %s\n", count > 0 ? pcap_datalink_val_to_name(types[0]) : "none");
    if (count > 0)
        pcap_free_datalinks(types);
    said("set_datalink(EN10MB)", pcap_set_datalink(handle, DLT_EN10MB), handle);
    said("set_datalink(NULL)", pcap_set_datalink(handle, DLT_NULL), handle);
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    unsigned address = 1, mask = 1;
    if (argc != 2)
        return 2;
    int code = pcap_lookupnet(argv[1], &address, &mask, error);
    /* What it says of a device begins with the device's name. */
    char *colon = strrchr(error, ':');
    printf("lookupnet: %d %08x/%08x%s\n", code, address, mask, code < 0 && colon ? colon : "");

    pcap_t *handle = pcap_create(argv[1], error);
    if (!handle)
        return 3;
    printf("can_set_rfmon: %d\n", pcap_can_set_rfmon(handle));
    printf("set_rfmon: %d\n", pcap_set_rfmon(handle, 1));
    time_stamp_types(handle);
    said("setdirection", pcap_setdirection(handle, PCAP_D_IN), handle);
    printf("activate in monitor mode: %d\n", pcap_activate(handle));
    pcap_close(handle);

    handle = pcap_create(argv[1], error);
    if (!handle)
        return 3;
    printf("activate: %d\n", pcap_activate(handle));
    printf("can_set_rfmon: %d\n", pcap_can_set_rfmon(handle));
    link_types(handle);
    said("setdirection(INOUT)", pcap_setdirection(handle, PCAP_D_INOUT), handle);
    said("setdirection(IN)", pcap_setdirection(handle, PCAP_D_IN), handle);
    said("setdirection(9)", pcap_setdirection(handle, (pcap_direction_t)9), handle);
    printf("datalink %d, snapshot %d\n", pcap_datalink(handle), pcap_snapshot(handle));
    pcap_close(handle);
    return 0;
}
