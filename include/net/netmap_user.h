// SPDX-License-Identifier: BSD-2-Clause
//
// How a program walks a region, from the address it is mapped at to the bytes of a frame:
//
//     struct netmap_if *nifp = NETMAP_IF(mem, offset);
//     struct netmap_ring *ring = NETMAP_RXRING(nifp, 0);
//     for (; !nm_ring_empty(ring); ring->head = ring->cur = nm_ring_next(ring, ring->head)) {
//         struct netmap_slot *slot = &ring->slot[ring->head];
//         use(NETMAP_BUF(ring, slot->buf_idx), slot->len);
//     }

#ifndef NET_NETMAP_USER_H
#define NET_NETMAP_USER_H

#ifdef NETMAP_WITH_LIBS
#error "nm_open() and its like are not here: open the port with pcap_open_live(), or the kernel module's with ioctl()"
#endif

#include <net/if.h>
#include <net/netmap.h>

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#define _NETMAP_OFFSET(type, base, bytes) ((type)(void *)((char *)(base) + (bytes)))

// The port whose netmap_if lies `bytes` into the mapping at `mem`.
#define NETMAP_IF(mem, bytes) _NETMAP_OFFSET(struct netmap_if *, mem, bytes)

// Its transmit ring `i`; those of the host follow its own.
#define NETMAP_TXRING(nifp, i) _NETMAP_OFFSET(struct netmap_ring *, nifp, (nifp)->ring_ofs[i])

// Its receive ring `i`; those of the host follow its own.
#define NETMAP_RXRING(nifp, i) \
    NETMAP_TXRING(nifp, (i) + (nifp)->ni_tx_rings + (nifp)->ni_host_tx_rings)

// The address of buffer `i`.
#define NETMAP_BUF(ring, i) \
    _NETMAP_OFFSET(char *, ring, (ring)->buf_ofs + (int64_t)(i) * (ring)->nr_buf_size)

// Which buffer lies at address `buf`.
#define NETMAP_BUF_IDX(ring, buf) \
    (((char *)(buf) - _NETMAP_OFFSET(char *, ring, (ring)->buf_ofs)) / (ring)->nr_buf_size)

// Where in its buffer a slot's frame begins, bytes.
#define NETMAP_ROFFSET(ring, slot) ((slot)->ptr & (ring)->offset_mask)

// Sets that.
#define NETMAP_WOFFSET(ring, slot, bytes) \
    ((slot)->ptr = ((slot)->ptr & ~(ring)->offset_mask) | ((uint64_t)(bytes) & (ring)->offset_mask))

// The address of a slot's frame.
#define NETMAP_BUF_OFFSET(ring, slot) (NETMAP_BUF(ring, (slot)->buf_idx) + NETMAP_ROFFSET(ring, slot))

// The slot after slot `i`.
static inline uint32_t nm_ring_next(struct netmap_ring *ring, uint32_t i)
{
    return unlikely(i + 1 == ring->num_slots) ? 0 : i + 1;
}

// Slots from `cur` on that are the program's.
static inline uint32_t nm_ring_space(struct netmap_ring *ring)
{
    return ring->tail >= ring->cur ? ring->tail - ring->cur : ring->tail + ring->num_slots - ring->cur;
}

// A transmit ring still has slots that the peer has not sent.
static inline int nm_tx_pending(struct netmap_ring *ring) { return nm_ring_next(ring, ring->tail) != ring->head; }

#endif
