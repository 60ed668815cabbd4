//! Files that another implementation writes: the crate pcap-file, both formats, both byte orders.

use crate::frames;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsBlock;
use pcap_file::pcapng::blocks::packet::PacketBlock;
use pcap_file::pcapng::blocks::simple_packet::SimplePacketBlock;
use pcap_file::{DataLink, Endianness, PcapResult, TsResolution};
use std::time::Duration;

/// Name and contents of each.
///
/// # Panics
/// When the crate refuses to write one.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for endianness in [Endianness::Little, Endianness::Big] {
        for ts_resolution in [TsResolution::MicroSecond, TsResolution::NanoSecond] {
            let name = format!("pcap-file-{endianness:?}-{ts_resolution:?}.pcap");
            files.push((name, pcap(endianness, ts_resolution).expect("a pcap file")));
        }
        files.push((format!("pcap-file-{endianness:?}.pcapng"), pcapng(endianness).expect("a pcapng file")));
    }
    files
}

fn pcap(endianness: Endianness, ts_resolution: TsResolution) -> PcapResult<Vec<u8>> {
    let header = PcapHeader { endianness, ts_resolution, datalink: DataLink::ETHERNET, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header)?;
    for (number, frame) in frames::datagrams(40).iter().enumerate() {
        let time = Duration::new(1_700_000_000, number as u32 * 12_345_678);
        writer.write_packet(&PcapPacket::new(time, frame.len() as u32 + 4, frame))?;
    }
    Ok(writer.into_writer())
}

fn pcapng(endianness: Endianness) -> PcapResult<Vec<u8>> {
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), endianness)?;
    for name in ["eth0", "eth1"] {
        let options = vec![InterfaceDescriptionOption::IfName(name.into()), InterfaceDescriptionOption::IfTsResol(9)];
        writer.write_pcapng_block(InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: 65_535,
            options,
        })?;
    }
    for (number, frame) in frames::datagrams(40).iter().enumerate() {
        let (original_len, data) = (frame.len() as u32, frame.into());
        match number % 4 {
            0 => writer.write_pcapng_block(SimplePacketBlock { original_len, data })?,
            1 => writer.write_pcapng_block(PacketBlock {
                interface_id: 0,
                drop_count: 7,
                timestamp: 1_700_000_000_000_000_000 + number as u64,
                captured_len: original_len,
                original_len,
                data,
                options: Vec::new(),
            })?,
            _ => writer.write_pcapng_block(EnhancedPacketBlock {
                interface_id: number as u32 % 2,
                timestamp: Duration::new(1_700_000_000, number as u32 * 12_345_678),
                original_len,
                data,
                options: vec![EnhancedPacketOption::Comment("a comment".into())],
            })?,
        };
    }
    let statistics = InterfaceStatisticsBlock { interface_id: 1, timestamp: 1_700_000_000, options: Vec::new() };
    writer.write_pcapng_block(statistics)?;
    Ok(writer.into_inner())
}
