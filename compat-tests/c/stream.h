/* What the long-running senders and receivers share: they run until SIGTERM, or for as long as they were told. */
#ifndef COMPAT_STREAM_H
#define COMPAT_STREAM_H

#include "frames.h"

#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pcap_t *handle;
static volatile sig_atomic_t stopping;

static inline void stop(int number)
{
    (void)number;
    stopping = 1;
    if (handle)
        pcap_breakloop(handle);
}

static inline double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Opens `device`, says so, and arranges for SIGTERM to end the program in order. */
static inline void start(const char *device)
{
    char error[PCAP_ERRBUF_SIZE];
    struct sigaction action;
    setvbuf(stdout, NULL, _IOLBF, 0);
    handle = pcap_create(device, error);
    if (!handle) {
        printf("failed: %s\n", error);
        exit(4);
    }
    pcap_set_timeout(handle, 100);
    pcap_set_immediate_mode(handle, 1);
    int code = pcap_activate(handle);
    if (code < 0) {
        printf("failed: %d: %s\n", code, pcap_geterr(handle));
        exit(4);
    }
    action.sa_handler = stop;
    action.sa_flags = 0;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    printf("open\n");
}

#endif
