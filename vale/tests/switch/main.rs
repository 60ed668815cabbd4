//! The face of the switch: ports that open, frames that arrive, ports that go.

mod processor;

use nm_core::name::{PortName, ValeName};
use nm_core::shm::mapping::{Mapping, View};
use nm_core::shm::port_page::{BESIDE, PortPage};
use nm_core::sync::{Fences, Ordering};
use nm_core::{Glance, Port, PortError, Woken};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vale::Options;

/// A folder of switches of the test's own. One test at a time: the folder's name is in the environment.
struct Place {
    path: PathBuf,
    _one: MutexGuard<'static, ()>,
}

static ONE: Mutex<()> = Mutex::new(());

impl Place {
    fn new() -> Place {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let path = PathBuf::from(format!("/dev/shm/vale-test-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        // SAFETY: tests hold `ONE`, and nothing else in this program reads or writes the environment.
        unsafe { std::env::set_var("VALE_DIR", &path) };
        Place { path, _one: one }
    }
    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.path).map_or(true, |mut d| d.next().is_none())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn name(text: &str) -> ValeName {
    match PortName::parse(text).unwrap() {
        PortName::Vale(v) => v,
        other => panic!("{other:?}"),
    }
}

fn open(text: &str) -> Port {
    vale::open(&name(text), &Options::default()).unwrap()
}

/// A frame from `source` to `destination` (last bytes of local addresses; 0xff is broadcast).
fn frame(destination: u8, source: u8, len: usize, mark: u8) -> Vec<u8> {
    let mut f = vec![mark; len];
    f[..6].copy_from_slice(&if destination == 0xff { [0xff; 6] } else { [2, 0, 0, 0, 0, destination] });
    f[6..12].copy_from_slice(&[2, 0, 0, 0, 0, source]);
    f[12..14].copy_from_slice(&[0x08, 0]);
    f
}

fn receive(port: &mut Port) -> Option<Vec<u8>> {
    let mut buf = vec![0; 65_536];
    port.rx.rxsync().unwrap();
    let (len, _) = port.rx.ring().next_frame_into(&mut buf)?;
    port.rx.ring().release();
    buf.truncate(len as usize);
    Some(buf)
}

#[test]
fn a_frame_arrives_as_it_was_sent() {
    let place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    for len in [14, 15, 60, 64, 65, 1514, 2112, 2113, 9000, 65_535] {
        let f = frame(0xff, 1, len, len as u8);
        a.tx.inject(&f, false).unwrap();
        assert_eq!(receive(&mut b).as_deref(), Some(&f[..]), "{len} bytes");
    }
    assert!(receive(&mut a).is_none(), "a sender never sees its own frames");
    assert!(matches!(a.tx.inject(&[0; 13], false), Err(PortError::TooShort { len: 13 })));
    assert!(matches!(a.tx.inject(&[0; 65_536], false), Err(PortError::TooLong { len: 65_536 })));
    let s = b.control.stats();
    assert_eq!((s.received, a.control.stats().sent), (10, 10));
    drop((a, b));
    assert!(place.is_empty(), "the switch goes with its last port");
}

#[test]
fn addresses_are_learned() {
    let _place = Place::new();
    let (mut a, mut b, mut c) = (open("vale0:a"), open("vale0:b"), open("vale0:c"));
    // Nobody knows 2 yet: flooded.
    a.tx.inject(&frame(2, 1, 60, 0), false).unwrap();
    assert!(receive(&mut b).is_some() && receive(&mut c).is_some());
    // b answers from 2: only a gets it, and from now on only b gets what is for 2.
    b.tx.inject(&frame(1, 2, 60, 0), false).unwrap();
    assert!(receive(&mut a).is_some() && receive(&mut c).is_none());
    a.tx.inject(&frame(2, 1, 60, 0), false).unwrap();
    assert!(receive(&mut b).is_some() && receive(&mut c).is_none());
    // The address moves.
    c.tx.inject(&frame(1, 2, 60, 0), false).unwrap();
    a.tx.inject(&frame(2, 1, 60, 0), false).unwrap();
    assert!(receive(&mut c).is_some() && receive(&mut b).is_none());
    // Its port goes: unknown again.
    drop(c);
    a.tx.inject(&frame(2, 1, 60, 0), false).unwrap();
    assert!(receive(&mut b).is_some());
    // Both directions of a capture, replayed through one port: the other one sees all.
    receive(&mut a);
    a.tx.inject(&frame(1, 9, 60, 0), false).unwrap();
    assert!(receive(&mut b).is_some() && receive(&mut a).is_none());
}

#[test]
fn listeners_and_monitors_see_what_they_should() {
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    let (mut all, mut sent, mut got) = (open("vale0:*"), open("vale0:a/t"), open("vale0:a/r"));
    a.tx.inject(&frame(0xff, 1, 60, 1), false).unwrap();
    b.tx.inject(&frame(1, 2, 60, 2), false).unwrap();
    let marks = |p: &mut Port| std::iter::from_fn(|| receive(p)).map(|f| f[59]).collect::<Vec<_>>();
    assert_eq!(marks(&mut all), [1, 2]);
    assert_eq!(marks(&mut sent), [1]);
    assert_eq!(marks(&mut got), [2]);
    assert_eq!(marks(&mut b), [1]);
    assert!(matches!(all.tx.inject(&frame(1, 2, 60, 0), false), Err(PortError::ReadOnly { .. })));
}

#[test]
fn a_batch_goes_where_each_of_its_frames_should() {
    let _place = Place::new();
    let (mut a, mut b, mut c) = (open("vale0:a"), open("vale0:b"), open("vale0:c"));
    b.tx.inject(&frame(9, 2, 60, 0), false).unwrap();
    c.tx.inject(&frame(9, 3, 60, 0), false).unwrap();
    while receive(&mut a).is_some() || receive(&mut b).is_some() || receive(&mut c).is_some() {}
    let ring = a.tx.ring().unwrap();
    for i in 0..100u8 {
        assert!(ring.put(&frame([2, 3, 0xff][usize::from(i) % 3], 1, 60 + usize::from(i) * 30, i)));
    }
    assert_eq!(a.tx.txsync(false).unwrap(), 100);
    assert_eq!(a.tx.ring().unwrap().space(), 1023);
    let marks = |p: &mut Port| std::iter::from_fn(|| receive(p)).map(|f| *f.last().unwrap()).collect::<Vec<_>>();
    assert_eq!(marks(&mut b), (0..100).filter(|i| i % 3 != 1).collect::<Vec<u8>>());
    assert_eq!(marks(&mut c), (0..100).filter(|i| i % 3 != 0).collect::<Vec<u8>>());
}

#[test]
fn a_mixed_batch_reaches_listeners_monitors_and_floods_whole_and_in_order() {
    let _place = Place::new();
    let (mut a, mut b, mut all, mut monitor) = (open("vale0:a"), open("vale0:b"), open("vale0:*"), open("vale0:b/r"));
    let lengths = [60, 60, 60, 14, 2112, 60, 5000, 60, 1514, 2113, 60, 65_535, 60];
    let frames: Vec<_> = (0..200).map(|i| frame(0xff, i as u8 % 3, lengths[i % lengths.len()], i as u8)).collect();
    let mut sent = 0;
    while sent < frames.len() {
        let ring = a.tx.ring().unwrap();
        let before = sent;
        while sent < frames.len() && sent < before + 20 && ring.put(&frames[sent]) {
            sent += 1;
        }
        // A slot that names no frame lies between.
        ring.put_as_is(3);
        a.tx.txsync(false).unwrap();
        for port in [&mut b, &mut all, &mut monitor] {
            for want in &frames[before..sent] {
                assert!(receive(port).as_ref() == Some(want), "{} bytes", want.len());
            }
            assert!(receive(port).is_none());
        }
    }
}

#[test]
fn a_ring_takes_a_thousand_long_frames_or_four_thousand_short_ones() {
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    let (long, short) = (|n: u16| frame(0xff, 1, 129 + usize::from(n), n as u8), |n: u16| frame(0xff, 1, 128, n as u8));
    // Wherever the ring begins, and by one frame a call or in batches.
    for round in 0..5 {
        let ring = round % 2 == 0;
        let mut send = |frame: &[u8]| {
            if !ring {
                return a.tx.inject(frame, true).is_ok();
            }
            let before = b.control.stats().received;
            assert!(a.tx.ring().unwrap().put(frame) && a.tx.txsync(true).unwrap() == 1);
            b.control.stats().received > before
        };
        assert!((0..1024).all(|n| send(&long(n))), "round {round}");
        assert!(!send(&long(1024)), "round {round}");
        assert!((1024..4095).all(|n| send(&short(n))), "round {round}");
        assert!(!send(&short(0)) && !send(&long(0)), "round {round}");
        for n in 0..4095 {
            let want = if n < 1024 { long(n) } else { short(n) };
            assert!(receive(&mut b) == Some(want), "round {round}, frame {n}");
        }
        assert!(receive(&mut b).is_none());
        b.rx.rxsync().unwrap();
    }
}

#[test]
fn a_full_receiver_that_does_not_move_is_given_up_on() {
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    let f = frame(0xff, 1, 60, 0);
    for _ in 0..4095 {
        a.tx.inject(&f, false).unwrap();
    }
    assert!(matches!(a.tx.inject(&f, true), Err(PortError::NoRoom)));
    assert_eq!(b.control.stats().dropped_full, 1);
    let t = Instant::now();
    assert!(matches!(a.tx.inject(&f, false), Err(PortError::NoRoom)));
    assert!(t.elapsed() >= Duration::from_millis(10));
    let t = Instant::now();
    for _ in 0..100 {
        assert!(a.tx.inject(&f, false).is_err());
    }
    assert!(t.elapsed() < Duration::from_millis(500), "a stalled receiver is waited for once");
    assert_eq!(b.control.stats().dropped_stalled, 101);
    assert!(receive(&mut b).is_some());
    b.rx.rxsync().unwrap();
    a.tx.inject(&f, false).unwrap();
}

/// The control words of a port of `vale0`, by its number.
fn control_words(place: &Place, port: usize) -> View<PortPage> {
    let path = place.path.join(format!("vale0/ports/port.{port}"));
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    View::new(&Mapping::new(&file, size_of::<PortPage>()).unwrap()).unwrap()
}

#[test]
fn a_long_frame_waits_as_long_as_the_reader_gets_on() {
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    // However busy the machine: it is not about a reader that rests.
    vale::set_flow("vale0", vale::Flow::WaitMs(1000)).unwrap();
    for _ in 0..4095 {
        a.tx.inject(&frame(0xff, 1, 60, 0), false).unwrap();
    }
    let long = frame(0xff, 1, 60_000, 7);
    let (sent, took, last) = std::thread::scope(|threads| {
        let sender = threads.spawn(|| {
            let t = Instant::now();
            (a.tx.inject(&long, false).is_ok(), t.elapsed())
        });
        // Some 3,100 slots have to be free.
        let mut last = None;
        while let Some(f) = receive(&mut b) {
            if !sender.is_finished() {
                (0..9).for_each(|_| drop(receive(&mut b)));
                b.rx.rxsync().unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
            last = Some(f);
        }
        let (sent, took) = sender.join().unwrap();
        (sent, took, receive(&mut b).or(last))
    });
    assert!(sent && last == Some(long), "after {took:?}: {:?}", b.control.stats());
    assert!(took > Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_reader_that_moves_to_and_fro_is_given_up_on() {
    let place = Place::new();
    let (mut a, b) = (open("vale0:a"), open("vale0:b"));
    let reader = control_words(&place, 1);
    vale::set_flow("vale0", vale::Flow::WaitMs(1000)).unwrap();
    let f = frame(0xff, 1, 60, 0);
    for _ in 0..4095 {
        a.tx.inject(&f, false).unwrap();
    }
    let long = frame(0xff, 1, 60_000, 7);
    std::thread::scope(|threads| {
        let sender = threads.spawn(|| a.tx.inject(&long, false).is_err());
        let (begun, head) = (Instant::now(), reader.drain.look());
        let mut step = 0;
        while !sender.is_finished() && begun.elapsed() < Duration::from_secs(10) {
            step = (step + 1) % 5;
            reader.drain.give_back(head + step);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert!(sender.join().unwrap());
    });
    assert_eq!(b.control.stats().dropped_stalled, 1);
}

#[test]
fn a_sleeper_wakes_for_a_frame_a_wake_and_the_time() {
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    let control = std::sync::Arc::clone(&b.control);
    let t = Instant::now();
    assert_eq!(b.rx.wait(1, Some(Duration::from_millis(30))).unwrap(), Woken::TimedOut);
    assert!(t.elapsed() >= Duration::from_millis(30));
    let sleeper = std::thread::spawn(move || {
        let first = b.rx.wait(1, None).unwrap();
        let second = b.rx.wait(2, None).unwrap();
        (first, second)
    });
    std::thread::sleep(Duration::from_millis(20));
    a.tx.inject(&frame(0xff, 1, 60, 0), false).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    control.wake();
    assert_eq!(sleeper.join().unwrap(), (Woken::Frames, Woken::Woken));
}

#[test]
fn two_senders_lose_nothing() {
    const EACH: u32 = 200_000;
    let _place = Place::new();
    let mut b = open("vale0:b");
    // On a busy machine a thread may be kept from running for longer than a sender usually waits.
    vale::set_flow("vale0", vale::Flow::WaitMs(1000)).unwrap();
    let senders: Vec<_> = ["vale0:a", "vale0:c"].map(open).into_iter().enumerate().collect();
    let threads: Vec<_> = senders
        .into_iter()
        .map(|(i, mut p)| {
            std::thread::spawn(move || {
                let mut f = frame(0xff, i as u8, 60, 0);
                for n in 0..EACH {
                    f[20..24].copy_from_slice(&n.to_le_bytes());
                    p.tx.inject(&f, false).unwrap();
                    // The other sender's ring gets our frames as well: nobody reads it.
                    if n % 64 == 0 {
                        while receive(&mut p).is_some() {}
                        p.rx.rxsync().unwrap();
                    }
                }
                p
            })
        })
        .collect();
    let mut next = [0u32; 2];
    let mut buf = [0; 64];
    while next != [EACH; 2] {
        assert_eq!(b.rx.wait(1, Some(Duration::from_secs(5))).unwrap(), Woken::Frames, "{next:?}");
        while let Some((len, time)) = b.rx.ring().next_frame_into(&mut buf) {
            assert!(len == 60 && time > 0);
            let (who, n) = (usize::from(buf[11]), u32::from_le_bytes(buf[20..24].try_into().unwrap()));
            assert_eq!(n, next[who], "{:?}", b.control.stats());
            next[who] += 1;
        }
        b.rx.ring().release();
    }
    threads.into_iter().for_each(|t| drop(t.join().unwrap()));
    let s = b.control.stats();
    assert_eq!((s.received, s.dropped_full + s.dropped_stalled), (2 * u64::from(EACH), 0));
}

/// What a reader who spins finds now: each frame's bytes, and where they lay.
fn glance(port: &mut Port, each: &mut dyn FnMut(&[u8], u64, *const u8)) {
    let mut next = match port.rx.glance().unwrap() {
        Glance::Nothing => None,
        Glance::Frame(frame) => Some(frame),
        Glance::More => port.rx.ring().next_frame(),
    };
    while let Some(frame) = next {
        // SAFETY: the frame's bytes stay until the ring is released.
        each(unsafe { std::slice::from_raw_parts(frame.data, frame.len as usize) }, frame.time_ns, frame.data);
        next = port.rx.ring().next_frame();
    }
    port.rx.ring().release();
}

#[test]
fn a_reader_who_spins_for_single_frames_finds_them_beside_the_tail() {
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    let (mut last_place, mut beside, mut last_time) = (std::ptr::null(), [0; 2], 0);
    let began = nm_core::sys::realtime_ns();
    let (mut n, end) = (0, Instant::now() + Duration::from_secs(30));
    // Which of them come soon enough after a look, that of the machine's other work depends.
    while (n < 1000 || beside[0] < 1000) && Instant::now() < end {
        n += 1;
        let len = 14 + n as usize % 70;
        let f = frame(2, 1, len, n as u8);
        glance(&mut b, &mut |_, _, _| panic!("nothing was sent"));
        a.tx.inject(&f, false).unwrap();
        let mut found = 0;
        glance(&mut b, &mut |bytes, time, place| {
            assert_eq!(bytes, f);
            assert!(last_time <= time, "time went back");
            // In cells each lies where the last one did not.
            beside[usize::from(len > BESIDE)] += u32::from(place == last_place);
            (found, last_time, last_place) = (found + 1, time, place);
        });
        assert_eq!(found, 1);
    }
    // Between two readings of the system's clock, time is counted and may be a little off.
    let off = 1_000_000;
    assert!((began - off..nm_core::sys::realtime_ns() + off).contains(&last_time));
    assert!(beside[0] >= 1000 && beside[1] == 0, "{beside:?} of {n}");
    // Who waits is not shown them any more, and loses none.
    for mark in 0..10 {
        let f = frame(2, 1, 60, mark);
        a.tx.inject(&f, false).unwrap();
        assert_eq!(b.rx.wait(1, None).unwrap(), Woken::Frames);
        assert_eq!(receive(&mut b), Some(f));
    }
    let s = b.control.stats();
    assert_eq!((s.received, s.malformed), (n + 10, 0));
}

#[test]
fn a_reader_who_spins_gets_a_stream_whole_and_in_order() {
    const FRAMES: u32 = 50_000;
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    vale::set_flow("vale0", vale::Flow::WaitMs(1000)).unwrap();
    let sender = std::thread::spawn(move || {
        for n in 0..FRAMES {
            let mut f = frame(2, 1, 60, n as u8);
            f[16..20].copy_from_slice(&n.to_le_bytes());
            a.tx.inject(&f, false).unwrap();
            // Single ones, too, so that they are shown beside their tails.
            (0..if n % 1000 < 500 { 300 } else { 0 }).for_each(|_| std::hint::spin_loop());
        }
    });
    let mut next = 0;
    while next < FRAMES {
        glance(&mut b, &mut |bytes, _, _| {
            let mut expected = frame(2, 1, 60, next as u8);
            expected[16..20].copy_from_slice(&next.to_le_bytes());
            assert_eq!(bytes, expected, "frame {next}");
            next += 1;
        });
    }
    sender.join().unwrap();
    assert_eq!(b.control.stats().malformed, 0);
}

#[test]
fn a_name_is_taken_once_and_a_switch_has_254_ports() {
    let place = Place::new();
    let small = Options { rx_bufs: Some(64), tx_slots: 16, ..Options::default() };
    let ports: Vec<_> = (0..254).map(|i| vale::open(&name(&format!("vale0:p{i}")), &small).unwrap()).collect();
    assert!(matches!(vale::open(&name("vale0:p7"), &small), Err(PortError::InUse { .. })));
    assert!(matches!(vale::open(&name("vale0:x"), &small), Err(PortError::SwitchFull { .. })));
    assert_eq!(vale::switches().unwrap()[0].ports.len(), 254);
    drop(ports);
    assert!(vale::switches().unwrap().is_empty() && place.is_empty());
}

/// As programs do that open a device a second time to ask for its link type, or sniff in one thread and send in another.
#[test]
fn a_process_opens_its_port_again_and_both_get_all_frames() {
    let place = Place::new();
    let again = || vale::open(&name("vale0:b"), &Options { again: true, ..Options::default() }).unwrap();
    let (mut a, mut c, mut first) = (open("vale0:a"), open("vale0:c"), open("vale0:b"));
    let mut second = again();
    // Flooded, then to a learned address whichever of the two it was learned from; one frame a call and in batches.
    for (by_first, addresses) in [(true, 7), (false, 8)] {
        let to = frame(addresses, 1, 60, 1);
        a.tx.inject(&to, false).unwrap();
        assert_eq!([receive(&mut first), receive(&mut second)], [Some(to.clone()), Some(to.clone())]);
        assert!(receive(&mut c).is_some());
        let sender = if by_first { &mut first } else { &mut second };
        sender.tx.inject(&frame(1, addresses, 60, 2), false).unwrap();
        assert!(receive(&mut a).is_some() && receive(&mut c).is_none());
        assert_eq!([receive(&mut first), receive(&mut second)], [None, None], "a port does not see its own frames");
        a.tx.inject(&to, false).unwrap();
        let ring = a.tx.ring().unwrap();
        (0..3).for_each(|_| assert!(ring.put(&to)));
        a.tx.txsync(false).unwrap();
        for port in [&mut first, &mut second] {
            (0..4).for_each(|_| assert_eq!(receive(port).as_deref(), Some(&to[..])));
            assert!(receive(port).is_none());
        }
        assert!(receive(&mut c).is_none());
    }
    // One that nobody reads keeps nothing from the other.
    for mark in 0..20_000u32 {
        let f = frame(7, 1, 60, mark as u8);
        a.tx.inject(&f, false).unwrap();
        assert_eq!(receive(&mut second), Some(f), "frame {mark}");
    }
    drop(first);
    a.tx.inject(&frame(7, 1, 60, 0), false).unwrap();
    assert!(receive(&mut second).is_some() && receive(&mut c).is_some());
    let mut first = again();
    a.tx.inject(&frame(7, 1, 60, 0), false).unwrap();
    assert!(receive(&mut first).is_some() && receive(&mut second).is_some());
    drop((a, c, first, second));
    assert!(place.is_empty());
}

#[test]
fn the_descriptor_is_readable_exactly_while_a_frame_waits() {
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    let fd = b.rx.selectable_fd().unwrap();
    let readable = || nm_core::sys::fifo_is_readable(fd);
    assert!(!readable());
    for round in 0..3 {
        a.tx.inject(&frame(0xff, 1, 60, 0), false).unwrap();
        a.tx.inject(&frame(0xff, 1, 60, 0), false).unwrap();
        assert!(readable(), "round {round}");
        assert!(receive(&mut b).is_some());
        b.rx.settle_fd();
        assert!(readable(), "one is left");
        assert!(receive(&mut b).is_some());
        b.rx.settle_fd();
        assert!(!readable());
    }
}

#[test]
fn persistent_switches_stay_and_settings_hold() {
    let place = Place::new();
    vale::create("vale7", 0o700, None).unwrap();
    assert!(vale::create("vale7", 0o700, None).is_err());
    vale::set_flow("vale7", vale::Flow::Drop).unwrap();
    let (mut a, b) = (open("vale7:a"), open("vale7:b"));
    for _ in 0..4095 {
        a.tx.inject(&frame(0xff, 1, 60, 0), false).unwrap();
    }
    assert!(a.tx.inject(&frame(0xff, 1, 60, 0), false).is_err());
    assert_eq!(b.control.stats().dropped_full, 1);
    assert!(matches!(vale::destroy("vale7"), Err(PortError::InUse { .. })));
    drop((a, b));
    let views = vale::switches().unwrap();
    assert!(views[0].persistent && views[0].ports.is_empty() && views[0].flow == vale::Flow::Drop);
    vale::destroy("vale7").unwrap();
    assert!(matches!(vale::destroy("vale7"), Err(PortError::NotFound { .. })));
    assert!(place.is_empty());
}

/// Takes the tag that it is asked for as that of somebody who lives.
struct Alive;

impl nm_core::lock::Owners for Alive {
    fn alive(&self, _tag: u32) -> bool {
        true
    }
}

/// The lock of a port of `vale0`, taken as the third port of the switch takes it.
fn hold_as_port_2<'p>(place: &Place, port: &'p View<PortPage>) -> nm_core::lock::Held<'p> {
    // As `vale::member` makes it.
    // ORDER: Relaxed; written before the port was opened.
    let tag = control_words(place, 2).id.generation.load(Ordering::Relaxed) << 8 | 3;
    port.lock.enter(tag, Fences::new(false), &Alive, Duration::from_secs(1)).unwrap()
}

#[test]
fn a_sender_that_is_not_to_wait_is_told_that_the_lock_is_busy() {
    let place = Place::new();
    let (mut a, mut b, _c) = (open("vale0:a"), open("vale0:b"), open("vale0:c"));
    b.tx.inject(&frame(0xff, 2, 60, 0), false).unwrap();
    let receiver = control_words(&place, 1);
    let held = hold_as_port_2(&place, &receiver);
    let t = Instant::now();
    for mark in [1, 2] {
        assert!(matches!(a.tx.inject(&frame(2, 1, 60, mark), true), Err(PortError::NoRoom)));
    }
    assert!(t.elapsed() >= Duration::from_millis(10), "it may be gone at once");
    drop(held);
    a.tx.inject(&frame(2, 1, 60, 3), true).unwrap();
    let marks: Vec<_> = std::iter::from_fn(|| receive(&mut b)).map(|f| f[59]).collect();
    assert_eq!(marks, [3], "what was refused did not get in");
}

#[test]
fn who_waits_for_a_slow_receiver_behind_a_bridge_loses_nothing() {
    const FRAMES: usize = 20_000;
    let _place = Place::new();
    let (mut a, mut down, mut up, mut c) = (open("vale1:a"), open("vale1:down"), open("vale0:up"), open("vale0:c"));
    vale::set_flow("vale0", vale::Flow::WaitMs(1000)).unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut forwarded = 0;
            while forwarded < FRAMES as u64 && down.rx.wait(1, Some(Duration::from_secs(5))).unwrap() == Woken::Frames {
                forwarded += up.tx.forward(down.rx.ring(), 256, false).unwrap().frames;
                down.rx.ring().release();
            }
        });
        let reader = threads.spawn(|| {
            let (mut received, mut rests) = (0, 0);
            while received < FRAMES && c.rx.wait(1, Some(Duration::from_secs(5))).unwrap() == Woken::Frames {
                // Longer than a sender on the other switch waits for a receiver that does not move.
                if received >= rests * 4_000 {
                    rests += 1;
                    std::thread::sleep(Duration::from_millis(60));
                }
                received += std::iter::from_fn(|| c.rx.ring().next_frame()).count();
                c.rx.ring().release();
            }
            received
        });
        let refused = (0..FRAMES).filter(|_| a.tx.inject(&frame(0xff, 1, 60, 7), false).is_err()).count();
        assert_eq!((reader.join().unwrap(), refused), (FRAMES, 0));
    });
}
