/* A peer of the bench: frames through DPDK's rte_ring between two processes, with one copy.
 *
 *   ring_copy EAL-OPTIONS -- recv BATCH        the primary process: makes the pool and the ring
 *   ring_copy EAL-OPTIONS -- send BATCH LEN    the secondary process
 *
 * The sender takes mbufs from the pool, copies a frame into each and enqueues them; the receiver dequeues, reads the
 * first eight bytes after the Ethernet header, and frees. One producer, one consumer, 1,024 entries. The talk with
 * the bench is that of its other roles: "ready", "go MS ROUND", "started", "done key=value".
 *
 * The two sides need different lcore numbers: the pool keeps a cache per lcore.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_pause.h>
#include <rte_ring.h>

enum { ENTRIES = 1024, POOL = 8191, MAX_BATCH = 512, MARK_AT = 14 };
#define END_NUMBER ((UINT64_C(1) << 40) - 1)

static uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t mark_of(uint64_t round, uint64_t number) {
    return (round & 0xffff) << 40 | number;
}

static void enqueue_all(struct rte_ring *ring, struct rte_mbuf **batch, unsigned n) {
    unsigned done = 0;
    while (done < n) {
        unsigned more = rte_ring_sp_enqueue_burst(ring, (void **)(batch + done), n - done, NULL);
        if (more == 0)
            rte_pause();
        done += more;
    }
}

static void take(struct rte_mempool *pool, struct rte_mbuf **batch, unsigned n) {
    while (rte_pktmbuf_alloc_bulk(pool, batch, n) != 0)
        rte_pause();
}

static void put(struct rte_mbuf *m, uint8_t *frame, uint16_t len, uint64_t mark) {
    memcpy(frame + MARK_AT, &mark, sizeof mark);
    memcpy(rte_pktmbuf_mtod(m, void *), frame, len);
    m->data_len = len;
    m->pkt_len = len;
}

static void send_round(struct rte_mempool *pool, struct rte_ring *ring, unsigned n, uint16_t len, uint64_t ms,
                       uint64_t round) {
    static uint8_t frame[2048];
    struct rte_mbuf *batch[MAX_BATCH];
    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = clock_ns(CLOCK_MONOTONIC), end, sent = 0;
    do {
        take(pool, batch, n);
        for (unsigned i = 0; i < n; i++)
            put(batch[i], frame, len, mark_of(round, sent + i));
        enqueue_all(ring, batch, n);
        sent += n;
        end = clock_ns(CLOCK_MONOTONIC);
    } while (end - start < ms * 1000000);
    take(pool, batch, 1);
    put(batch[0], frame, 60, mark_of(round, END_NUMBER));
    enqueue_all(ring, batch, 1);
    printf("done sent=%lu start=%lu end=%lu cpu=%lu\n", sent, start, end, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

static void receive_round(struct rte_ring *ring, unsigned n, uint64_t round) {
    struct rte_mbuf *batch[MAX_BATCH];
    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), received = 0, missing = 0, next = mark_of(round, 0);
    int ended = 0;
    printf("started\n");
    while (!ended) {
        unsigned got = rte_ring_sc_dequeue_burst(ring, (void **)batch, n, NULL);
        if (got == 0) {
            rte_pause();
            continue;
        }
        for (unsigned i = 0; i < got; i++) {
            uint64_t mark;
            memcpy(&mark, rte_pktmbuf_mtod(batch[i], uint8_t *) + MARK_AT, sizeof mark);
            if (mark == next) {
                received++;
                next++;
            } else if (mark == mark_of(round, END_NUMBER)) {
                ended = 1;
            } else {
                received++;
                missing += mark - next;
                next = mark + 1;
            }
        }
        rte_pktmbuf_free_bulk(batch, got);
    }
    printf("done received=%lu missing=%lu cpu=%lu\n", received, missing, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    int used = rte_eal_init(argc, argv);
    if (used < 0)
        return 1;
    argc -= used;
    argv += used;
    int sender = argc > 1 && strcmp(argv[1], "send") == 0;
    if (argc != (sender ? 4 : 3))
        return 2;
    unsigned n = (unsigned)atoi(argv[2]);
    uint16_t len = sender ? (uint16_t)atoi(argv[3]) : 0;
    if (n == 0 || n > MAX_BATCH || len > 2048)
        return 2;
    struct rte_mempool *pool;
    struct rte_ring *ring;
    if (sender) {
        pool = rte_mempool_lookup("bench_frames");
        ring = rte_ring_lookup("bench_ring");
    } else {
        pool = rte_pktmbuf_pool_create("bench_frames", POOL, 512, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
        ring = rte_ring_create("bench_ring", ENTRIES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    }
    if (pool == NULL || ring == NULL)
        return 3;
    printf("ready\n");
    char line[64];
    unsigned long ms, round;
    while (fgets(line, sizeof line, stdin) != NULL && sscanf(line, "go %lu %lu", &ms, &round) == 2) {
        alarm((unsigned)(ms / 1000 + 5));
        if (sender)
            send_round(pool, ring, n, len, ms, round);
        else
            receive_round(ring, n, round);
        alarm(0);
    }
    rte_eal_cleanup();
    return 0;
}
