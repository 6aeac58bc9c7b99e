//! Verifying: what it reads, and what it finds in files that are well made and wrong.
use std::fs;
use std::path::Path;
use std::process::Command;

use antiphon_core::audio::SlotMark;
use antiphon_core::ids::UserId;
use bundle::{Reader, Tail, Writer};

use crate::sample::{at, head, made_up_packet, packet};

const DIR: &str = "ANTIPHON_VERIFY_DIR";

/// Four speakers as packets and one as PCM, for two minutes.
fn write(dir: &Path) {
    let mut writer = Writer::create(dir, head()).unwrap();
    for slot in 0..6_000u64 {
        for user in 1..=4 {
            let bytes = made_up_packet(slot as u16);
            let packet = packet(slot as u16, slot, &bytes);
            writer.slot(UserId(user), slot, SlotMark::Received, Some(packet)).unwrap();
        }
        writer.pcm(UserId(9), slot, SlotMark::Received, Some(&[slot as i16; 320])).unwrap();
    }
    writer.seal(Tail { ended: at(120_000), ..Tail::default() }).unwrap();
}

/// Bytes that this process has read, from files or pipes or caches.
#[cfg(target_os = "linux")]
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// In a process of its own, for what is counted is the process's.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "the other end of a test"]
fn the_process_that_verifies() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let reader = Reader::open(Path::new(&dir)).unwrap();
    // The count itself reads a little.
    let before = bytes_read();
    let found = reader.verify(|_, _| {}).unwrap();
    let read = bytes_read() - before;
    assert_eq!(found.problems, Vec::<String>::new());
    println!("read {read} of {}", found.bytes);
    let blobs = reader.manifest().blobs.len() as u64;
    assert!(read >= found.bytes, "{read} bytes were read of {}", found.bytes);
    assert!(
        read <= found.bytes + 4_096 * (blobs + 1),
        "{read} bytes were read of {} in {blobs} files: something was read twice",
        found.bytes
    );
}

#[cfg(target_os = "linux")]
#[test]
fn every_byte_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "verifying::the_process_that_verifies", "--ignored", "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains("read "), "{said}");
    print!("{}", said.lines().find(|line| line.contains("read ")).unwrap_or_default());
}

#[test]
fn progress_never_goes_back_and_ends_at_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    let mut seen = vec![];
    let found = reader.verify(|done, total| seen.push((done, total))).unwrap();
    assert!(seen.is_sorted() && seen.iter().all(|(_, total)| *total == found.bytes), "{seen:?}");
    assert_eq!(seen.last(), Some(&(found.bytes, found.bytes)));
}
