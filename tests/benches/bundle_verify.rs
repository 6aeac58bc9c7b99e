//! `antiphon bundle verify` against plain sha256sum (and b3sum, where it is installed) on the same files, and what each
//! policy for syncing costs the writer. One run for all, files in the page cache.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and stops when it cannot go on"
)]
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use antiphon_core::audio::SlotMark;
use antiphon_core::event::{Consent, Flags, Input, Member, Settings};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, UserId};
use antiphon_core::time::Timestamp;
use bundle::{Fsync, Head, PacketInfo, Policies, Reader, Tail, Writer};

const ROUNDS: usize = 5;
const SPEAKERS: u64 = 10;
/// Half an hour for verifying.
const LONG: u64 = 30 * 60 * 50;
/// Ten seconds in real time for syncing.
const SHORT: u64 = 10 * 50;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bundle = folder.path().join("bundle");
    write(&bundle, LONG, Fsync::Never, false);
    verifying(&bundle);
    println!();
    for (name, fsync) in [("never", Fsync::Never), ("interval", Fsync::default()), ("each", Fsync::Each)] {
        syncing(name, fsync, &folder.path().join(name));
    }
}

fn verifying(bundle: &Path) {
    let reader = Reader::open(bundle).expect("a whole bundle");
    let files: Vec<PathBuf> = reader.manifest().blobs.iter().map(|blob| bundle.join(&blob.name)).collect();
    let bytes: u64 = reader.manifest().blobs.iter().map(|blob| blob.bytes).sum();
    println!(
        "verify: {SPEAKERS} speakers as packets, one as PCM, {} min, {:.0} MB in {} files; median of {ROUNDS}",
        LONG / 3000,
        bytes as f64 / 1e6,
        files.len()
    );
    let ours = measure(|| assert!(reader.verify(|_, _| {}).expect("read").whole()));
    show("bundle verify", bytes, ours, None);
    for tool in ["sha256sum", "b3sum"] {
        let there = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            println!("{tool:<16} not installed");
            continue;
        }
        let took = measure(|| {
            let status = Command::new(tool).args(&files).stdout(Stdio::null()).status();
            assert!(status.is_ok_and(|status| status.success()));
        });
        show(tool, bytes, took, Some(ours));
    }
}

fn show(name: &str, bytes: u64, took: Duration, ours: Option<Duration>) {
    let speed = bytes as f64 / 1e6 / took.as_secs_f64();
    match ours {
        None => println!("{name:<16} {speed:>8.0} MB/s"),
        Some(ours) => println!(
            "{name:<16} {speed:>8.0} MB/s: verify takes {:.2} times as long",
            ours.as_secs_f64() / took.as_secs_f64()
        ),
    }
}

/// The writer at the pace of a session: how much of the time it is busy, and the longest it was held up.
fn syncing(name: &str, fsync: Fsync, bundle: &Path) {
    let (busy, longest) = write(bundle, SHORT, fsync, true);
    println!(
        "fsync {name:<9} {SPEAKERS} speakers, {} s: writer busy {:.2} % of the time, held up {:.1} ms at the longest",
        SHORT / 50,
        100.0 * busy.as_secs_f64() / (SHORT as f64 / 50.0),
        longest.as_secs_f64() * 1e3
    );
}

fn write(dir: &Path, slots: u64, fsync: Fsync, paced: bool) -> (Duration, Duration) {
    let head = Head {
        session: SessionId(uuid::Uuid::from_u128(1)),
        guild: GuildId(1),
        channel: ChannelId(2),
        started: Timestamp(0),
        bot: Member { user: UserId(0), name: "Antiphon".into(), bot: true },
        flags: Flags::default(),
        settings: Settings::default(),
        providers: Vec::new(),
        policies: Policies::default(),
        versions: BTreeMap::new(),
    };
    let mut writer = Writer::create(dir, head).expect("a new bundle").with_fsync(fsync);
    for user in 1..=SPEAKERS {
        let member = Member { user: UserId(user), name: format!("Speaker {user}"), bot: false };
        writer
            .input(Timestamp(0), &Input::MemberJoined { member, consent: Consent::Granted })
            .expect("written");
    }
    let (mut busy, mut longest) = (Duration::ZERO, Duration::ZERO);
    let begun = Instant::now();
    for slot in 0..slots {
        if paced {
            std::thread::sleep(Duration::from_millis(slot * 20).saturating_sub(begun.elapsed()));
        }
        let working = Instant::now();
        for user in 1..=SPEAKERS {
            let n = slot as u16;
            // 64 kbit/s: 160 bytes in 20 ms.
            let payload: Vec<u8> = std::iter::once(0xFC)
                .chain((0..159u64).map(|i| (slot.wrapping_mul(2_654_435_761) + i * 97 + user) as u8))
                .collect();
            let packet = PacketInfo {
                ssrc: user as u32,
                sequence: n,
                timestamp: (slot as u32).wrapping_mul(960),
                epoch: Some(1),
                arrival: Timestamp(slot * 20_000),
                payload: &payload,
            };
            writer.slot(UserId(user), slot, SlotMark::Received, Some(packet)).expect("written");
        }
        let tone: Vec<i16> = (0..320).map(|i| ((slot + i) * 53 % 20_000) as i16).collect();
        writer.pcm(UserId(99), slot, SlotMark::Received, Some(&tone)).expect("written");
        if slot % 10 == 0 {
            writer.input(Timestamp(slot * 20_000), &Input::DrainRequested).expect("written");
        }
        writer.tend(Instant::now()).expect("written");
        busy += working.elapsed();
        longest = longest.max(working.elapsed());
    }
    let ended = Timestamp(slots * 20_000);
    writer.seal(Tail { ended, reason: "over".into(), ledger: None }).expect("sealed");
    (busy, longest)
}

fn measure(work: impl Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}
