//! Raw rings of a VALE port or a card: what a program gets that speaks netmap and not pcap.

use crate::clock;
use crate::frame::{self, END, MARK_AT, OrderCheck};
use crate::netns;
use crate::role::{Args, Report, Round, serve};
use nm_core::name::PortName;
use nm_core::{Port, PortError};
use std::time::Duration;

/// How many frames are queued before they are sent off, and at most read before they are given back.
const BATCH: u32 = 256;

fn open(name: &str, tx_slots: u32) -> Result<Port, String> {
    open_as(name, &vale::Options { tx_slots, ..vale::Options::default() })
}

fn open_as(name: &str, options: &vale::Options) -> Result<Port, String> {
    match PortName::parse(name).map_err(|e| e.to_string())? {
        PortName::Vale(name) => vale::open(&name, options).map_err(text),
        PortName::Netmap(name) => {
            drivers::Options::from_environment().and_then(|o| drivers::open(&name, &o)).map_err(text)
        }
        _ => Err(format!("{name}: neither a port of a switch nor a card's rings")),
    }
}

fn text(e: PortError) -> String {
    e.to_string()
}

/// `role=raw-send port= len= tx_slots= sender= mode=batch|inject cpu= [count_at=]`
///
/// With `count_at`, nobody receives: what arrived is what that interface counted.
///
/// `batch` fills the transmit ring's buffers once and then sends them off as they are; `inject` sends one frame a
/// call.
pub fn send(args: &Args) -> Result<(), String> {
    let mut port = open(args.text("port")?, args.number("tx_slots")?)?;
    let len: usize = args.number("len")?;
    let sender: u64 = args.number_or("sender", 0)?;
    let one_by_one = args.text("mode")? == "inject";
    let mut frame = frame::build(len, frame::station(200), frame::station(sender as u8 + 1));
    let count_at = args.text("count_at").ok();
    let arrived = || count_at.map_or(Ok(0), netns::received_by);
    serve(|round| {
        let before = arrived()?;
        let start = clock::now_ns();
        let (sent, end) = match one_by_one {
            true => inject(&mut port, &mut frame, sender, round),
            false => batches(&mut port, &mut frame, sender, round),
        }
        .map_err(text)?;
        let report = Report::default().with("sent", sent).with("start", start).with("end", end);
        if count_at.is_some() {
            return Ok(report.with("received", arrived()? - before));
        }
        frame::set_mark(&mut frame, frame::flood_mark(sender, round.number, END));
        while let Err(e) = port.tx.inject(&frame, false) {
            match e {
                PortError::NoRoom if clock::now_ns() < end + 1_000_000_000 => {}
                e => return Err(text(e)),
            }
        }
        Ok(report)
    })
}

fn batches(port: &mut Port, frame: &mut [u8], sender: u64, round: &Round) -> Result<(u64, u64), PortError> {
    let slots = u64::from(port.tx.ring()?.num_slots());
    let (mut queued, mut sent) = (0, 0);
    let deadline = round.deadline();
    loop {
        let ring = port.tx.ring()?;
        for _ in 0..BATCH {
            let put = if queued < slots {
                frame::set_mark(frame, frame::flood_mark(sender, round.number, queued));
                ring.put(frame)
            } else {
                ring.put_as_is(frame.len() as u16)
            };
            if !put {
                break;
            }
            queued += 1;
        }
        sent += u64::from(port.tx.txsync(false)?);
        let now = clock::now_ns();
        if now >= deadline {
            while sent < queued && clock::now_ns() < deadline + 1_000_000_000 {
                sent += u64::from(port.tx.txsync(false)?);
            }
            return Ok((sent, now));
        }
    }
}

fn inject(port: &mut Port, frame: &mut [u8], sender: u64, round: &Round) -> Result<(u64, u64), PortError> {
    let mut sent = 0;
    let deadline = round.deadline();
    loop {
        for _ in 0..64 {
            frame::set_mark(frame, frame::flood_mark(sender, round.number, sent));
            match port.tx.inject(frame, false) {
                Ok(()) | Err(PortError::NoRoom) => sent += 1,
                Err(e) => return Err(e),
            }
        }
        let now = clock::now_ns();
        if now >= deadline {
            return Ok((sent, now));
        }
    }
}

/// `role=raw-recv port= modulus= senders= cpu=`
pub fn receive(args: &Args) -> Result<(), String> {
    let mut port = open(args.text("port")?, 64)?;
    let modulus: u64 = args.number("modulus")?;
    let senders: u32 = args.number_or("senders", 1)?;
    let hello = frame::build(60, [0xff; 6], frame::station(200));
    serve(|round| {
        // The switch learns where the station is; a listener can't say and need not.
        match port.tx.inject(&hello, true) {
            Ok(()) | Err(PortError::NoRoom | PortError::ReadOnly { .. }) => {}
            Err(e) => return Err(text(e)),
        }
        let check = receive_round(&mut port, round, OrderCheck::new(round.number, modulus), senders).map_err(text)?;
        Ok(Report::default().with("received", check.received).with("missing", check.missing))
    })
}

fn receive_round(port: &mut Port, round: &Round, mut check: OrderCheck, senders: u32) -> Result<OrderCheck, PortError> {
    let deadline = round.deadline() + 1_000_000_000;
    round.started();
    while check.ended < senders {
        if port.rx.rxsync()? == 0 {
            port.rx.wait(1, Some(Duration::from_millis(100)))?;
            if clock::now_ns() > deadline {
                break;
            }
        }
        let ring = port.rx.ring();
        for _ in 0..BATCH {
            let Some(f) = ring.next_frame() else { break };
            if f.len as usize >= MARK_AT + 8 {
                // SAFETY: the frame's bytes are readable until the ring's release, and there are that many.
                let mark = unsafe { f.data.add(MARK_AT).cast::<u64>().read_unaligned() };
                check.note(u64::from_le(mark));
            }
        }
        ring.release();
    }
    Ok(check)
}

/// `role=raw-hold switch= count=`: opens that many ports and keeps them. The report is about their memory.
pub fn hold(args: &Args) -> Result<(), String> {
    let (switch, count) = (args.text("switch")?, args.number::<u32>("count")?);
    let mut ports = (0..count).map(|n| open(&format!("{switch}:h{n}"), 1024)).collect::<Result<Vec<_>, _>>()?;
    serve(|_| {
        let port = ports.first_mut().ok_or("no port is held")?;
        let receive_only = port.control.info();
        port.tx.ring().map_err(text)?;
        let both = port.control.info();
        Ok(Report::default()
            .with("memory", receive_only.memory)
            .with("memory_tx", both.memory)
            .with("rx_slots", both.rx_slots)
            .with("tx_slots", both.tx_slots)
            .with("buf_size", both.buf_size))
    })
}

/// `role=raw-crowd switch= count=`: each round, that many ports join the switch, or leave it when they are there. Small ones: what the
/// kernel does to find memory for half a gigabyte of rings, and to take it back, would be measured, too.
pub fn crowd(args: &Args) -> Result<(), String> {
    let (switch, count) = (args.text("switch")?, args.number::<u32>("count")?);
    let small = vale::Options { rx_bufs: Some(64), tx_slots: 16, ..vale::Options::default() };
    let mut ports = Vec::new();
    serve(|_| {
        ports = match ports.is_empty() {
            true => (0..count).map(|n| open_as(&format!("{switch}:h{n}"), &small)).collect::<Result<Vec<_>, _>>()?,
            false => Vec::new(),
        };
        Ok(Report::default())
    })
}
