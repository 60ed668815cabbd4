// A region made by hand, walked with the macros of net/netmap_user.h. Good C and good C++.

#include <net/netmap_legacy.h>
#include <net/netmap_user.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(truth) \
    do { \
        if (!(truth)) { \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #truth); \
            exit(1); \
        } \
    } while (0)

enum { IF_AT = 512, RINGS = 6, SLOTS = 4, RING_BYTES = 512, RINGS_AT = 1024, BUFS_AT = 8192, BUF_BYTES = 2112, BUFS = 8 };

static char region[BUFS_AT + BUFS * BUF_BYTES] NM_ALIGNED(128);

// Two transmit rings, one of the host's, one receive ring, two of the host's: each must be found at its place.
static struct netmap_if *make_region(void)
{
    struct netmap_if *nifp = NETMAP_IF(region, IF_AT);
    nifp->ni_tx_rings = 2;
    nifp->ni_host_tx_rings = 1;
    nifp->ni_rx_rings = 1;
    nifp->ni_host_rx_rings = 2;
    for (int i = 0; i < RINGS; i++) {
        nifp->ring_ofs[i] = RINGS_AT + i * RING_BYTES - IF_AT;
        struct netmap_ring *ring = (struct netmap_ring *)(void *)(region + RINGS_AT + i * RING_BYTES);
        ring->num_slots = SLOTS;
        ring->nr_buf_size = BUF_BYTES;
        ring->buf_ofs = BUFS_AT - (RINGS_AT + i * RING_BYTES);
        ring->ringid = (uint16_t)i;
    }
    return nifp;
}

int main(void)
{
    struct netmap_if *nifp = make_region();
    CHECK(NETMAP_TXRING(nifp, 0)->ringid == 0);
    CHECK(NETMAP_TXRING(nifp, 2)->ringid == 2);
    CHECK(NETMAP_RXRING(nifp, 0)->ringid == 3);
    CHECK(NETMAP_RXRING(nifp, 2)->ringid == 5);

    struct netmap_ring *ring = NETMAP_RXRING(nifp, 0);
    CHECK(nm_ring_empty(ring) && nm_ring_space(ring) == 0);
    CHECK(nm_ring_next(ring, 2) == 3 && nm_ring_next(ring, 3) == 0);
    ring->head = ring->cur = 3;
    ring->tail = 1;
    CHECK(!nm_ring_empty(ring) && nm_ring_space(ring) == 2);
    CHECK(nm_tx_pending(ring));
    ring->tail = 2;
    CHECK(!nm_tx_pending(ring));

    CHECK(NETMAP_BUF(ring, 0) == region + BUFS_AT);
    CHECK(NETMAP_BUF(ring, BUFS - 1) + BUF_BYTES == region + sizeof region);
    CHECK(NETMAP_BUF_IDX(ring, NETMAP_BUF(ring, 5) + 100) == 5);

    struct netmap_slot *slot = &ring->slot[3];
    CHECK((char *)slot == (char *)ring + 256 + 3 * 16);
    slot->buf_idx = 6;
    slot->ptr = 0x1234567812345678;
    CHECK(NETMAP_BUF_OFFSET(ring, slot) == NETMAP_BUF(ring, 6));
    ring->offset_mask = 0xfff;
    NETMAP_WOFFSET(ring, slot, 0x1040);
    CHECK(NETMAP_ROFFSET(ring, slot) == 0x40 && slot->ptr == 0x1234567812345040);
    CHECK(NETMAP_BUF_OFFSET(ring, slot) == NETMAP_BUF(ring, 6) + 0x40);
    slot->flags = NS_MOREFRAG | 3 << NS_PORT_SHIFT;
    CHECK(NS_RFRAGS(slot) == 3);

    // A name of the full length goes through a request.
    struct nmreq_header header;
    memset(&header, 0, sizeof header);
    memset(header.nr_name, 'x', NETMAP_REQ_IFNAMSIZ - 1);
    CHECK(strlen(header.nr_name) == 63);
    return 0;
}
