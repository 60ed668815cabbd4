//! Every row of the facts about `net/netmap.h` against the mirrors in `nm_core::abi`.

use nm_core::abi::*;
use std::collections::HashMap;
use std::io::Write;
use std::mem::{offset_of, size_of};

const FACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/facts/netmap-abi.tsv");

fn size_of_field<S, F>(_: impl Fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// The mirrors' rows, in the facts' words: without the tabs and the last column, to that column.
macro_rules! structs {
    ($($name:ident { $($field:ident),+ })+) => {
        [$(
            (concat!("struct ", stringify!($name), " size").to_string(), size_of::<$name>().to_string()),
            $((
                concat!("field ", stringify!($name), " ", stringify!($field)).to_string(),
                format!("{} {}", offset_of!($name, $field), size_of_field(|s: &$name| &s.$field)),
            ),)+
        )+]
    };
}

macro_rules! numbers {
    ($($name:ident)+) => {
        [$((concat!("const ", stringify!($name)).to_string(), format!("{:#x}", $name))),+]
    };
}

fn mirrors() -> HashMap<String, String> {
    let structs = structs! {
        netmap_slot { buf_idx, len, flags, ptr }
        netmap_ring {
            buf_ofs, num_slots, nr_buf_size, ringid, dir, head, cur, tail, flags, ts, offset_mask, buf_align, sem, slot
        }
        netmap_if {
            ni_name, ni_version, ni_flags, ni_tx_rings, ni_rx_rings, ni_bufs_head, ni_host_tx_rings, ni_host_rx_rings,
            ni_spare1, ring_ofs
        }
        nmreq_option { nro_next, nro_reqtype, nro_status, nro_size }
        nmreq_header { nr_version, nr_reqtype, nr_reserved, nr_name, nr_options, nr_body }
        nmreq_register {
            nr_offset, nr_memsize, nr_tx_slots, nr_rx_slots, nr_tx_rings, nr_rx_rings, nr_host_tx_rings,
            nr_host_rx_rings, nr_mem_id, nr_ringid, nr_mode, nr_extra_bufs, nr_flags
        }
        nmreq_port_info_get {
            nr_memsize, nr_tx_slots, nr_rx_slots, nr_tx_rings, nr_rx_rings, nr_host_tx_rings, nr_host_rx_rings,
            nr_mem_id, pad
        }
        nmreq_vale_attach { reg, port_index, pad1 }
        nmreq_vale_detach { port_index, pad1 }
        nmreq_vale_list { nr_bridge_idx, pad1, nr_port_idx }
        nmreq_port_hdr { nr_hdr_len, pad1 }
        nmreq_vale_newif { nr_tx_slots, nr_rx_slots, nr_tx_rings, nr_rx_rings, nr_mem_id, pad1 }
        nmreq_vale_polling { nr_mode, nr_first_cpu_id, nr_num_polling_cpus, pad1 }
        nmreq_pools_info {
            nr_memsize, nr_mem_id, pad1, nr_if_pool_offset, nr_if_pool_objtotal, nr_if_pool_objsize,
            nr_ring_pool_offset, nr_ring_pool_objtotal, nr_ring_pool_objsize, nr_buf_pool_offset, nr_buf_pool_objtotal,
            nr_buf_pool_objsize
        }
        nmreq_sync_kloop_start { sleep_us, pad1 }
        nm_csb_atok { head, cur, appl_need_kick, sync_flags, pad }
        nm_csb_ktoa { hwcur, hwtail, kern_need_kick, pad }
        nmreq_opt_sync_kloop_eventfds { nro_opt, eventfds }
        nmreq_opt_sync_kloop_mode { nro_opt, mode }
        nmreq_opt_extmem { nro_opt, nro_usrptr, nro_info }
        nmreq_opt_csb { nro_opt, csb_atok, csb_ktoa }
        nmreq_opt_offsets { nro_opt, nro_max_offset, nro_initial_offset, nro_offset_bits, nro_tx_align, nro_min_gap }
        nmreq {
            nr_name, nr_version, nr_offset, nr_memsize, nr_tx_slots, nr_rx_slots, nr_tx_rings, nr_rx_rings, nr_ringid,
            nr_cmd, nr_arg1, nr_arg2, nr_arg3, nr_flags, spare2
        }
    };
    let numbers = numbers! {
        NETMAP_API NETMAP_BDG_ATTACH NETMAP_BDG_DELIF NETMAP_BDG_DETACH NETMAP_BDG_HOST NETMAP_BDG_LIST NETMAP_BDG_NEWIF
        NETMAP_BDG_POLLING_OFF NETMAP_BDG_POLLING_ON NETMAP_BDG_REGOPS NETMAP_BDG_VNET_HDR NETMAP_DO_RX_POLL
        NETMAP_HW_RING NETMAP_MAX_API NETMAP_MAX_FRAGS NETMAP_MIN_API NETMAP_NO_TX_POLL NETMAP_POLLING_MODE_MULTI_CPU
        NETMAP_POLLING_MODE_SINGLE_CPU NETMAP_PT_HOST_CREATE NETMAP_PT_HOST_DELETE NETMAP_REQ_CSB_ENABLE
        NETMAP_REQ_IFNAMSIZ NETMAP_REQ_MAXSIZE NETMAP_REQ_OPT_CSB NETMAP_REQ_OPT_EXTMEM NETMAP_REQ_OPT_MAX
        NETMAP_REQ_OPT_OFFSETS NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS NETMAP_REQ_OPT_SYNC_KLOOP_MODE
        NETMAP_REQ_POOLS_INFO_GET NETMAP_REQ_PORT_HDR_GET NETMAP_REQ_PORT_HDR_SET NETMAP_REQ_PORT_INFO_GET
        NETMAP_REQ_REGISTER NETMAP_REQ_SYNC_KLOOP_START NETMAP_REQ_SYNC_KLOOP_STOP NETMAP_REQ_VALE_ATTACH
        NETMAP_REQ_VALE_DELIF NETMAP_REQ_VALE_DETACH NETMAP_REQ_VALE_LIST NETMAP_REQ_VALE_NEWIF
        NETMAP_REQ_VALE_POLLING_DISABLE NETMAP_REQ_VALE_POLLING_ENABLE NETMAP_RING_MASK NETMAP_SW_RING
        NETMAP_VNET_HDR_GET NIOCCONFIG NIOCCTRL NIOCGINFO NIOCREGIF NIOCRXSYNC NIOCTXSYNC NI_PRIV_MEM NM_CACHE_ALIGN
        NM_IFRDATA_LEN NR_ACCEPT_VNET_HDR NR_DO_RX_POLL NR_EXCLUSIVE NR_FORWARD NR_MONITOR_RX NR_MONITOR_TX
        NR_NO_TX_POLL NR_REG_ALL_NIC NR_REG_DEFAULT NR_REG_MASK NR_REG_NIC_SW NR_REG_NULL NR_REG_ONE_NIC NR_REG_ONE_SW
        NR_REG_PIPE_MASTER NR_REG_PIPE_SLAVE NR_REG_SW NR_RX_RINGS_ONLY NR_TIMESTAMP NR_TX_RINGS_ONLY NR_ZCOPY_MON
        NS_BUF_CHANGED NS_FORWARD NS_INDIRECT NS_MOREFRAG NS_NO_LEARN NS_PORT_SHIFT NS_REPORT NS_TXMON
    };
    let text = ("const NM_BDG_NAME".to_string(), format!("{NM_BDG_NAME:?}"));
    structs.into_iter().chain(numbers).chain([text]).collect()
}

/// A row as the mirrors' key and value: `field netmap_slot len`, `4 2`.
fn split_row(row: &str) -> (String, String) {
    let columns: Vec<&str> = row.split('\t').collect();
    let key_columns = if columns[0] == "const" { 2 } else { 3 };
    (columns[..key_columns].join(" "), columns[key_columns..].join(" "))
}

#[test]
fn every_fact_holds() {
    let facts = match std::fs::read_to_string(FACTS) {
        Ok(facts) => facts,
        Err(e) => {
            // Not through print!, which the test harness would keep to itself.
            writeln!(std::io::stdout(), "\nskipped: no fact about the layout was checked: {FACTS}: {e}").unwrap();
            return;
        }
    };
    let mut mirrors = mirrors();
    let mut wrong = Vec::new();
    for row in facts.lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let (key, wanted) = split_row(row);
        match mirrors.remove(&key) {
            Some(found) if found == wanted => {}
            Some(found) => wrong.push(format!("{key}: {found}, the facts say {wanted}")),
            None => wrong.push(format!("{key}: no such mirror")),
        }
    }
    wrong.extend(mirrors.into_keys().map(|key| format!("{key}: not among the facts")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
