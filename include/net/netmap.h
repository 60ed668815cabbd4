// SPDX-License-Identifier: BSD-2-Clause
//
// The layout of netmap, API 14: regions, rings, slots and buffers, and the requests of the kernel module.
// Generated from nm-core/src/abi by `ci/headers --write`: change it there.
//
// Each field says who writes it:
// - maker: who made the region, before anybody else maps it (the kernel module, or the library at open);
// - program: who opened the port;
// - peer: who stands at the ring's other end (the kernel module; on a switch of ours, the ports that send);
// - caller and answer: in requests, who asks and what comes back.

#ifndef NET_NETMAP_H
#define NET_NETMAP_H

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/types.h>

#define NM_ALIGNED(bytes) __attribute__((__aligned__(bytes)))

// What the name of a switch begins with.
#define NM_BDG_NAME "vale"

// The version of this layout.
#define NETMAP_API 14

// The oldest version that is understood.
#define NETMAP_MIN_API 14

// The newest version that is understood.
#define NETMAP_MAX_API 15

// Bytes of a port's name in a request, with its NUL.
#define NETMAP_REQ_IFNAMSIZ 64

// The most bytes that a request and its options may have together.
#define NETMAP_REQ_MAXSIZE 4096

// In `nr_reqtype`: bind rings. Body: `nmreq_register`.
#define NETMAP_REQ_REGISTER 1

// In `nr_reqtype`: sizes of a port. Body: `nmreq_port_info_get`.
#define NETMAP_REQ_PORT_INFO_GET 2

// In `nr_reqtype`: put an interface on a switch. Body: `nmreq_vale_attach`.
#define NETMAP_REQ_VALE_ATTACH 3

// In `nr_reqtype`: take an interface off a switch. Body: `nmreq_vale_detach`.
#define NETMAP_REQ_VALE_DETACH 4

// In `nr_reqtype`: list switches and ports. Body: `nmreq_vale_list`.
#define NETMAP_REQ_VALE_LIST 5

// In `nr_reqtype`: set the length of the virtio-net header. Body: `nmreq_port_hdr`.
#define NETMAP_REQ_PORT_HDR_SET 6

// In `nr_reqtype`: get the length of the virtio-net header. Body: `nmreq_port_hdr`.
#define NETMAP_REQ_PORT_HDR_GET 7

// In `nr_reqtype`: make a port that stays. Body: `nmreq_vale_newif`.
#define NETMAP_REQ_VALE_NEWIF 8

// In `nr_reqtype`: remove such a port. No body.
#define NETMAP_REQ_VALE_DELIF 9

// In `nr_reqtype`: start kernel threads that poll a port. Body: `nmreq_vale_polling`.
#define NETMAP_REQ_VALE_POLLING_ENABLE 10

// In `nr_reqtype`: stop them. Body: `nmreq_vale_polling`.
#define NETMAP_REQ_VALE_POLLING_DISABLE 11

// In `nr_reqtype`: where a region's objects lie. Body: `nmreq_pools_info`.
#define NETMAP_REQ_POOLS_INFO_GET 12

// In `nr_reqtype`: enter the kernel's sync loop. Body: `nmreq_sync_kloop_start`.
#define NETMAP_REQ_SYNC_KLOOP_START 13

// In `nr_reqtype`: end it. No body.
#define NETMAP_REQ_SYNC_KLOOP_STOP 14

// In `nr_reqtype`: steer the rings through the caller's blocks. Needs the option `NETMAP_REQ_OPT_CSB`. No body.
#define NETMAP_REQ_CSB_ENABLE 15

// In `nro_reqtype`: `nmreq_opt_extmem`.
#define NETMAP_REQ_OPT_EXTMEM 1

// In `nro_reqtype`: `nmreq_opt_sync_kloop_eventfds`.
#define NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS 2

// In `nro_reqtype`: `nmreq_opt_csb`.
#define NETMAP_REQ_OPT_CSB 3

// In `nro_reqtype`: `nmreq_opt_sync_kloop_mode`.
#define NETMAP_REQ_OPT_SYNC_KLOOP_MODE 4

// In `nro_reqtype`: `nmreq_opt_offsets`.
#define NETMAP_REQ_OPT_OFFSETS 5

// One more than the last kind of option.
#define NETMAP_REQ_OPT_MAX 6

// In `nr_mode`: as `nr_ringid` says, for callers of long ago.
#define NR_REG_DEFAULT 0

// In `nr_mode`: all rings of the card.
#define NR_REG_ALL_NIC 1

// In `nr_mode`: all rings of the host.
#define NR_REG_SW 2

// In `nr_mode`: all rings of the card and of the host.
#define NR_REG_NIC_SW 3

// In `nr_mode`: the card's ring `nr_ringid`.
#define NR_REG_ONE_NIC 4

// In `nr_mode`: the master end of pipe `nr_ringid`.
#define NR_REG_PIPE_MASTER 5

// In `nr_mode`: the slave end of pipe `nr_ringid`.
#define NR_REG_PIPE_SLAVE 6

// In `nr_mode`: no ring.
#define NR_REG_NULL 7

// In `nr_mode`: the host's ring `nr_ringid`.
#define NR_REG_ONE_SW 8

// In `nr_flags`: see what the rings transmit.
#define NR_MONITOR_TX 256

// In `nr_flags`: see what the rings receive.
#define NR_MONITOR_RX 512

// In `nr_flags`: a monitor that swaps buffers where it may.
#define NR_ZCOPY_MON 1024

// In `nr_flags`: nobody else may bind these rings.
#define NR_EXCLUSIVE 2048

// In `nr_flags`: receive rings alone.
#define NR_RX_RINGS_ONLY 8192

// In `nr_flags`: transmit rings alone.
#define NR_TX_RINGS_ONLY 16384

// In `nr_flags`: the program knows of virtio-net headers.
#define NR_ACCEPT_VNET_HDR 32768

// In `nr_flags`: poll syncs receive rings even when not asked for `POLLIN`.
#define NR_DO_RX_POLL 65536

// In `nr_flags`: poll sends only when asked for `POLLOUT`.
#define NR_NO_TX_POLL 131072

// In `nr_mode` of `nmreq_vale_polling`: one processor polls all rings.
#define NETMAP_POLLING_MODE_SINGLE_CPU 1

// In `nr_mode` of `nmreq_vale_polling`: each processor polls one ring.
#define NETMAP_POLLING_MODE_MULTI_CPU 2

// In `ni_flags`: the region is this port's alone.
#define NI_PRIV_MEM 1

// Bytes of `data` in `nm_ifreq`.
#define NM_IFRDATA_LEN 256

// In `nr_ringid`: only the ring under `NETMAP_RING_MASK`.
#define NETMAP_HW_RING 16384

// In `nr_ringid`: only the host's rings.
#define NETMAP_SW_RING 8192

// In `nr_ringid`: a ring's number.
#define NETMAP_RING_MASK 4095

// In `nr_ringid`: poll sends only when asked for `POLLOUT`.
#define NETMAP_NO_TX_POLL 4096

// In `nr_ringid`: poll syncs receive rings even when not asked for `POLLIN`.
#define NETMAP_DO_RX_POLL 32768

// In `nr_cmd`: put an interface on a switch.
#define NETMAP_BDG_ATTACH 1

// In `nr_cmd`: take an interface off a switch.
#define NETMAP_BDG_DETACH 2

// In `nr_cmd`: register a module that extends a switch.
#define NETMAP_BDG_REGOPS 3

// In `nr_cmd`: list switches and ports.
#define NETMAP_BDG_LIST 4

// In `nr_cmd`: set the length of the virtio-net header.
#define NETMAP_BDG_VNET_HDR 5

// In `nr_cmd`: make a port that stays.
#define NETMAP_BDG_NEWIF 6

// In `nr_cmd`: remove such a port.
#define NETMAP_BDG_DELIF 7

// In `nr_cmd`: start the threads that serve a virtual machine.
#define NETMAP_PT_HOST_CREATE 8

// In `nr_cmd`: stop them.
#define NETMAP_PT_HOST_DELETE 9

// In `nr_cmd`: start the threads that poll a port.
#define NETMAP_BDG_POLLING_ON 10

// In `nr_cmd`: stop them.
#define NETMAP_BDG_POLLING_OFF 11

// In `nr_cmd`: get the length of the virtio-net header.
#define NETMAP_VNET_HDR_GET 12

// In `nr_arg1` of `NETMAP_BDG_ATTACH`: attach the host's rings too.
#define NETMAP_BDG_HOST 1

// In `nr_flags`: the `NR_REG_*` value.
#define NR_REG_MASK 15

// Sync transmit rings in the context of who notifies.
#define NM_OPT_SYNC_KLOOP_DIRECT_TX 1

// Sync receive rings in the context of who notifies.
#define NM_OPT_SYNC_KLOOP_DIRECT_RX 2

// In a ring's `flags`: set `ts` at each sync.
#define NR_TIMESTAMP 2

// In a ring's `flags`: heed `NS_FORWARD` in its slots.
#define NR_FORWARD 4

// What a ring's `sem` is aligned to, bytes.
#define NM_CACHE_ALIGN 128

// `buf_idx` has been changed. Set by whoever changes it.
#define NS_BUF_CHANGED 1

// The program wants to learn soon that this slot was sent.
#define NS_REPORT 2

// Pass the frame on to the ring of the other kind (host, card) when the slot is released. See `NR_FORWARD`.
#define NS_FORWARD 4

// The switch does not learn this frame's sender.
#define NS_NO_LEARN 8

// The bytes are at the address in `ptr`, not in the slot's buffer.
#define NS_INDIRECT 16

// The frame goes on in the next slot. Set on all slots of a chain but the last.
#define NS_MOREFRAG 32

// A frame that its monitor saw being transmitted.
#define NS_TXMON 64

// The flags' high byte begins at this bit.
#define NS_PORT_SHIFT 8

// The flags' high byte: transmit, the switch's port to send to whatever the table says (0: as the table says);
// receive, the number of slots in the chain.
#define NS_PORT_MASK (255 << 8)

// The longest chain, in slots.
#define NETMAP_MAX_FRAGS 64

// One slot of a ring: names a buffer and says what lies in it.
//
// Between `head` and `tail` of its ring a slot is the program's; the others are the peer's.
struct netmap_slot {
    // Which buffer. Writers: maker; whoever owns the slot, when it swaps buffers.
    uint32_t buf_idx;
    // Bytes in the buffer; of a chain, those of this piece. Writers: program (tx), peer (rx).
    uint16_t len;
    // `NS_*` bits, and in the high byte a port (tx) or the number of pieces (rx). Writers: program (tx), peer (rx).
    uint16_t flags;
    // Transmit: address of a buffer of the program's own, with `NS_INDIRECT`. Receive, in our own regions: the
    // frame's time, ns of CLOCK_REALTIME. The bits under the ring's `offset_mask` are an offset into the buffer
    // (that mask is 0 in our own regions). Writers: program (tx), peer (rx).
    uint64_t ptr;
};

// A ring: this head, then `num_slots` slots. Buffers lie at `buf_ofs` from its first byte.
//
// The slots from `head` up to, not including, `tail` belong to the program: frames to read (rx) or room to fill (tx).
// The program moves `head` on to give slots to the peer, the peer moves `tail` on to give slots to the program.
struct NM_ALIGNED(128) netmap_ring {
    // Bytes from this ring's first byte to buffer 0. Writer: maker.
    int64_t buf_ofs;
    // Slots that follow. Writer: maker.
    uint32_t num_slots;
    // Bytes from one buffer to the next; need not be a power of two. Writer: maker.
    uint32_t nr_buf_size;
    // Which ring of its direction. Writer: maker.
    uint16_t ringid;
    // 0: transmit, 1: receive. Writer: maker.
    uint16_t dir;
    // First slot that is the program's. Writer: program.
    uint32_t head;
    // The program wants to be woken when `tail` goes past this. Writer: program.
    uint32_t cur;
    // First slot that is the peer's. Writer: peer.
    uint32_t tail;
    // `NR_TIMESTAMP`, `NR_FORWARD`. Writer: program.
    uint32_t flags;
    // When the ring was last synced. Writer: peer.
    struct timeval ts;
    // Which bits of a slot's `ptr` are an offset into its buffer; 0: none. Writer: maker.
    uint64_t offset_mask;
    // A buffer's address plus its offset is a multiple of this; 0: nothing is promised. Writer: maker.
    uint64_t buf_align;
    // Nothing.
    uint8_t pad[56];
    // Room for whatever the threads of the program agree on. Writer: program.
    uint8_t sem[128];
    // The slots begin here.
    struct netmap_slot slot[0];
};

// The head of a region: how many rings, and where each one lies.
struct netmap_if {
    // The interface or port, NUL-terminated. Writer: maker.
    char ni_name[16];
    // `NETMAP_API` of the maker. Writer: maker.
    uint32_t ni_version;
    // `NI_PRIV_MEM`. Writer: maker.
    uint32_t ni_flags;
    // Transmit rings, without those of the host. Writer: maker.
    uint32_t ni_tx_rings;
    // Receive rings, without those of the host. Writer: maker.
    uint32_t ni_rx_rings;
    // The first of the extra buffers, a list linked by each buffer's first 4 bytes; 0 ends it. Writers: maker;
    // program, before it closes.
    uint32_t ni_bufs_head;
    // Transmit rings of the host. Writer: maker.
    uint32_t ni_host_tx_rings;
    // Receive rings of the host. Writer: maker.
    uint32_t ni_host_rx_rings;
    // Zero. Writer: maker.
    uint32_t ni_spare1[3];
    // Bytes from this structure's first byte to each ring: transmit, host transmit, receive, host receive.
    // Writer: maker.
    ssize_t ring_ofs[0];
};

// What every option begins with.
struct nmreq_option {
    // Address of the next option, or 0. Writer: caller.
    uint64_t nro_next;
    // `NETMAP_REQ_OPT_*`. Writer: caller.
    uint32_t nro_reqtype;
    // 0: heeded; else an errno. Writer: answer.
    uint32_t nro_status;
    // Bytes of an option whose size varies; else 0. Writer: caller.
    uint64_t nro_size;
};

// What every request begins with.
struct nmreq_header {
    // `NETMAP_API`. Writers: caller; answer, the version that was wanted.
    uint16_t nr_version;
    // `NETMAP_REQ_*`: what is asked for. Writer: caller.
    uint16_t nr_reqtype;
    // Zero. Writer: caller.
    uint32_t nr_reserved;
    // The port, NUL-terminated. Writers: caller; answer of `NETMAP_REQ_VALE_LIST`.
    char nr_name[NETMAP_REQ_IFNAMSIZ];
    // Address of the first `nmreq_option`, or 0. Writer: caller.
    uint64_t nr_options;
    // Address of the body that `nr_reqtype` calls for, or 0. Writer: caller.
    uint64_t nr_body;
};

// Body of `NETMAP_REQ_REGISTER`: binds the descriptor to rings of a port.
struct nmreq_register {
    // Bytes from the region's start to the port's `netmap_if`. Writer: answer.
    uint64_t nr_offset;
    // Bytes of the region. Writer: answer.
    uint64_t nr_memsize;
    // Slots of a transmit ring. Writers: caller (0: as it is), answer.
    uint32_t nr_tx_slots;
    // Slots of a receive ring. Writers: caller (0: as it is), answer.
    uint32_t nr_rx_slots;
    // Transmit rings. Writers: caller (0: as it is), answer.
    uint16_t nr_tx_rings;
    // Receive rings. Writers: caller (0: as it is), answer.
    uint16_t nr_rx_rings;
    // Transmit rings of the host. Writers: caller (0: as it is), answer.
    uint16_t nr_host_tx_rings;
    // Receive rings of the host. Writers: caller (0: as it is), answer.
    uint16_t nr_host_rx_rings;
    // Which memory allocator. Writers: caller (0: any), answer.
    uint16_t nr_mem_id;
    // Which ring, where `nr_mode` names one. Writer: caller.
    uint16_t nr_ringid;
    // `NR_REG_*`: which rings. Writer: caller.
    uint32_t nr_mode;
    // Buffers beside those in the rings. Writers: caller, how many are wanted; answer, how many there are.
    uint32_t nr_extra_bufs;
    // `NR_MONITOR_TX` and those that follow it. Writer: caller.
    uint64_t nr_flags;
};

// Body of `NETMAP_REQ_PORT_INFO_GET`.
struct nmreq_port_info_get {
    // Bytes of the region. Writer: answer.
    uint64_t nr_memsize;
    // Slots of a transmit ring. Writer: answer.
    uint32_t nr_tx_slots;
    // Slots of a receive ring. Writer: answer.
    uint32_t nr_rx_slots;
    // Transmit rings. Writer: answer.
    uint16_t nr_tx_rings;
    // Receive rings. Writer: answer.
    uint16_t nr_rx_rings;
    // Transmit rings of the host. Writer: answer.
    uint16_t nr_host_tx_rings;
    // Receive rings of the host. Writer: answer.
    uint16_t nr_host_rx_rings;
    // Which memory allocator. Writers: caller (0: any), answer.
    uint16_t nr_mem_id;
    // Zero. Writer: caller.
    uint16_t pad[3];
};

// Body of `NETMAP_REQ_VALE_ATTACH`: puts an interface on a switch.
struct nmreq_vale_attach {
    // How the interface is bound. Writers: caller, answer.
    struct nmreq_register reg;
    // The interface's place on the switch. Writer: answer.
    uint32_t port_index;
    // Zero. Writer: caller.
    uint32_t pad1;
};

// Body of `NETMAP_REQ_VALE_DETACH`: takes an interface off a switch.
struct nmreq_vale_detach {
    // The interface's place on the switch until now. Writer: answer.
    uint32_t port_index;
    // Zero. Writer: caller.
    uint32_t pad1;
};

// Body of `NETMAP_REQ_VALE_LIST`: one port of the list, then the place to go on from.
struct nmreq_vale_list {
    // Which switch. Writers: caller, answer.
    uint16_t nr_bridge_idx;
    // Zero. Writer: caller.
    uint16_t pad1;
    // Which port of it. Writers: caller, answer.
    uint32_t nr_port_idx;
};

// Body of `NETMAP_REQ_PORT_HDR_SET` and `NETMAP_REQ_PORT_HDR_GET`: the virtio-net header before each frame.
struct nmreq_port_hdr {
    // Bytes of the header; 0: none. Writers: caller (set), answer (get).
    uint32_t nr_hdr_len;
    // Zero. Writer: caller.
    uint32_t pad1;
};

// Body of `NETMAP_REQ_VALE_NEWIF`: makes a port that stays when nobody has it open.
struct nmreq_vale_newif {
    // Slots of a transmit ring. Writers: caller (0: the usual), answer.
    uint32_t nr_tx_slots;
    // Slots of a receive ring. Writers: caller (0: the usual), answer.
    uint32_t nr_rx_slots;
    // Transmit rings. Writers: caller (0: the usual), answer.
    uint16_t nr_tx_rings;
    // Receive rings. Writers: caller (0: the usual), answer.
    uint16_t nr_rx_rings;
    // Which memory allocator. Writers: caller (0: one of its own), answer.
    uint16_t nr_mem_id;
    // Zero. Writer: caller.
    uint16_t pad1;
};

// Body of `NETMAP_REQ_VALE_POLLING_ENABLE` and `NETMAP_REQ_VALE_POLLING_DISABLE`: kernel threads that poll a port.
struct nmreq_vale_polling {
    // `NETMAP_POLLING_MODE_*`. Writer: caller.
    uint32_t nr_mode;
    // The first processor that polls. Writer: caller.
    uint32_t nr_first_cpu_id;
    // How many processors poll. Writer: caller.
    uint32_t nr_num_polling_cpus;
    // Zero. Writer: caller.
    uint32_t pad1;
};

// Body of `NETMAP_REQ_POOLS_INFO_GET`: where a region's objects lie. Offsets are bytes from the region's start.
struct nmreq_pools_info {
    // Bytes of the region. Writers: answer; caller, where it gives the memory.
    uint64_t nr_memsize;
    // Which memory allocator. Writers: caller, answer.
    uint16_t nr_mem_id;
    // Zero. Writer: caller.
    uint16_t pad1[3];
    // Where the `netmap_if`s begin. Writer: answer.
    uint64_t nr_if_pool_offset;
    // How many of them. Writers: answer; caller, where it gives the memory.
    uint32_t nr_if_pool_objtotal;
    // Bytes of one. Writers: answer; caller, where it gives the memory.
    uint32_t nr_if_pool_objsize;
    // Where the rings begin. Writer: answer.
    uint64_t nr_ring_pool_offset;
    // How many of them. Writers: answer; caller, where it gives the memory.
    uint32_t nr_ring_pool_objtotal;
    // Bytes of one. Writers: answer; caller, where it gives the memory.
    uint32_t nr_ring_pool_objsize;
    // Where the buffers begin. Writer: answer.
    uint64_t nr_buf_pool_offset;
    // How many of them. Writers: answer; caller, where it gives the memory.
    uint32_t nr_buf_pool_objtotal;
    // Bytes of one. Writers: answer; caller, where it gives the memory.
    uint32_t nr_buf_pool_objsize;
};

// Body of `NETMAP_REQ_SYNC_KLOOP_START`: the call stays in the kernel and syncs the rings until it is stopped.
struct nmreq_sync_kloop_start {
    // Microseconds to sleep between rounds, where no event descriptors are given. Writer: caller.
    uint32_t sleep_us;
    // Zero. Writer: caller.
    uint32_t pad1;
};

// Of each ring, what the program tells the loop.
struct nm_csb_atok {
    // The ring's `head`. Writer: program.
    uint32_t head;
    // The ring's `cur`. Writer: program.
    uint32_t cur;
    // Not 0: the program wants to be notified. Writer: program.
    uint32_t appl_need_kick;
    // Flags for the sync. Writer: program.
    uint32_t sync_flags;
    // Nothing.
    uint32_t pad[12];
};

// Of each ring, what the loop tells the program.
struct nm_csb_ktoa {
    // How far the peer has taken the program's slots. Writer: peer.
    uint32_t hwcur;
    // The ring's `tail`. Writer: peer.
    uint32_t hwtail;
    // Not 0: the loop wants to be notified. Writer: peer.
    uint32_t kern_need_kick;
    // Nothing.
    uint32_t pad[13];
};

// The two event descriptors of one ring.
struct nm_kloop_eventfds {
    // Wakes the loop. Writer: caller.
    int32_t ioeventfd;
    // Wakes the program. Writer: caller.
    int32_t irqfd;
};

// `NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS`: how the loop and the program wake one another.
struct nmreq_opt_sync_kloop_eventfds {
    // The head of every option.
    struct nmreq_option nro_opt;
    // One for each transmit ring, then one for each receive ring.
    struct nm_kloop_eventfds eventfds[0];
};

// `NETMAP_REQ_OPT_SYNC_KLOOP_MODE`.
struct nmreq_opt_sync_kloop_mode {
    // The head of every option.
    struct nmreq_option nro_opt;
    // `NM_OPT_SYNC_KLOOP_DIRECT_*`. Writer: caller.
    uint32_t mode;
};

// `NETMAP_REQ_OPT_EXTMEM`: the region is memory of the caller's.
struct nmreq_opt_extmem {
    // The head of every option.
    struct nmreq_option nro_opt;
    // Address of the memory. Writer: caller.
    uint64_t nro_usrptr;
    // How the memory is to be cut up. Writers: caller, answer.
    struct nmreq_pools_info nro_info;
};

// `NETMAP_REQ_OPT_CSB`: the rings are steered through blocks of the caller's.
struct nmreq_opt_csb {
    // The head of every option.
    struct nmreq_option nro_opt;
    // Address of the `nm_csb_atok`s, one a ring. Writer: caller.
    uint64_t csb_atok;
    // Address of the `nm_csb_ktoa`s, one a ring. Writer: caller.
    uint64_t csb_ktoa;
};

// `NETMAP_REQ_OPT_OFFSETS`: frames may begin somewhere inside their buffers.
struct nmreq_opt_offsets {
    // The head of every option.
    struct nmreq_option nro_opt;
    // The largest offset, bytes. Writers: caller, what is needed; answer, what is given.
    uint64_t nro_max_offset;
    // The offset that slots begin with, bytes. Writer: caller.
    uint64_t nro_initial_offset;
    // How many low bits of `ptr` hold the offset. Writers: caller (0: all that are needed), answer.
    uint32_t nro_offset_bits;
    // What a transmit buffer plus its offset is aligned to, bytes. Writers: caller, answer.
    uint32_t nro_tx_align;
    // Bytes between a frame's end and the end of its buffer, at least. Writer: caller.
    uint64_t nro_min_gap;
};

// What `NIOCGINFO` and `NIOCREGIF` are called with.
struct nmreq {
    // The interface or port, NUL-terminated. Writer: caller.
    char nr_name[16];
    // `NETMAP_API`. Writers: caller; answer, the version that was wanted.
    uint32_t nr_version;
    // Bytes from the region's start to the port's `netmap_if`. Writer: answer.
    uint32_t nr_offset;
    // Bytes of the region. Writer: answer.
    uint32_t nr_memsize;
    // Slots of a transmit ring. Writers: caller (0: as it is), answer.
    uint32_t nr_tx_slots;
    // Slots of a receive ring. Writers: caller (0: as it is), answer.
    uint32_t nr_rx_slots;
    // Transmit rings. Writers: caller (0: as it is), answer.
    uint16_t nr_tx_rings;
    // Receive rings. Writers: caller (0: as it is), answer.
    uint16_t nr_rx_rings;
    // A ring under `NETMAP_RING_MASK`, and `NETMAP_HW_RING` and its like. Writer: caller.
    uint16_t nr_ringid;
    // 0, or `NETMAP_BDG_ATTACH` and its like. Writer: caller.
    uint16_t nr_cmd;
    // Rings for pipes, or the command's own. Writers: caller, answer.
    uint16_t nr_arg1;
    // Which memory allocator, or the command's own. Writers: caller (0: any), answer.
    uint16_t nr_arg2;
    // Buffers beside those in the rings, or the command's own. Writers: caller, answer.
    uint32_t nr_arg3;
    // `NR_REG_*` under `NR_REG_MASK`, and `NR_MONITOR_TX` and its like. Writer: caller.
    uint32_t nr_flags;
    // Zero. Writer: caller.
    uint32_t spare2[1];
};

// What `NIOCCONFIG` is called with: a message for a module that extends a switch.
struct nm_ifreq {
    // The port, NUL-terminated. Writer: caller.
    char nifr_name[16];
    // The module's own. Writers: caller, answer.
    char data[NM_IFRDATA_LEN];
};

// Sizes of a port.
#define NIOCGINFO _IOWR('i', 145, struct nmreq)

// Bind rings.
#define NIOCREGIF _IOWR('i', 146, struct nmreq)

// Send what the transmit rings hold.
#define NIOCTXSYNC _IO('i', 148)

// Give back and get receive slots.
#define NIOCRXSYNC _IO('i', 149)

// A message for a module that extends a switch.
#define NIOCCONFIG _IOWR('i', 150, struct nm_ifreq)

// All requests of today.
#define NIOCCTRL _IOWR('i', 151, struct nmreq_header)

// How many slots the frame has that begins in this slot of a receive ring.
#define NS_RFRAGS(slot) (((slot)->flags & NS_PORT_MASK) >> NS_PORT_SHIFT)

// The program has no slot to read or to fill.
static inline int nm_ring_empty(struct netmap_ring *ring) { return ring->head == ring->tail; }

#endif
