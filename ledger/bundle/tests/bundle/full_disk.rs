//! A disk that is full at the end: sealing and recovery have to do with the room that was kept.
use std::fs;
use std::path::Path;
use std::process::Command;

use antiphon_core::audio::SlotMark;
use antiphon_core::ids::UserId;
use bundle::{Fsync, Reader, Tail, Writer, recover};

use crate::sample::{ADA, at, head, made_up_packet, packet};

const SMALL: &str = "ANTIPHON_SMALL_DISK";
/// What is kept for the end.
const KEPT: u64 = 1 << 20;
/// Speakers who say something in the first second and then leave.
const AWAY: u64 = 16;

fn begun(dir: &Path) -> Writer {
    let mut writer = Writer::create(dir, head()).unwrap().with_fsync(Fsync::Never);
    for slot in 0..50 {
        for user in 0..AWAY {
            let bytes = made_up_packet(slot as u16);
            let packet = packet(slot as u16, slot, &bytes);
            writer.slot(UserId(1_000 + user), slot, SlotMark::Received, Some(packet)).unwrap();
        }
    }
    writer
}

fn bytes_in(dir: &Path) -> u64 {
    let sizes = |dir: &Path| -> u64 {
        let files = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.metadata().unwrap());
        files.filter(fs::Metadata::is_file).map(|file| file.len()).sum()
    };
    sizes(dir) + sizes(&dir.join("tracks"))
}

fn whole(dir: &Path) -> Reader {
    let reader = Reader::open(dir).unwrap();
    assert!(reader.verify(|_, _| {}).unwrap().whole());
    reader
}

#[test]
fn people_who_left_need_no_more_than_the_reserve() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = begun(dir.path());
    // Half an hour without a word: what is owed to sixteen tracks by then is 6 MB.
    for slot in 50..90_000 {
        writer.slot(ADA, slot, SlotMark::Silent, None).unwrap();
    }
    let before = bytes_in(dir.path());
    writer.seal(Tail { ended: at(1_800_000), ..Tail::default() }).unwrap();
    let grown = bytes_in(dir.path()) + KEPT - before;
    assert!(grown < KEPT / 4, "ending took {grown} bytes");
    for track in &whole(dir.path()).manifest().tracks {
        assert!(track.end_slot <= 50 || track.user == ADA);
    }
}

#[test]
#[ignore = "run by the test below, on a disk of its own"]
fn the_recording_on_a_small_disk() {
    let Some(dir) = std::env::var_os(SMALL) else { return };
    let dir = Path::new(&dir).join("bundle");
    let mut writer = begun(&dir);
    let full = (50u64..1_000_000).find_map(|slot| {
        let bytes = made_up_packet(slot as u16);
        writer.slot(ADA, slot, SlotMark::Received, Some(packet(slot as u16, slot, &bytes))).err()
    });
    let full = full.expect("the disk is full at last");
    assert!(full.to_string().contains("No space left on device"), "{full}");
    drop(writer);
    recover(&dir, "recording stopped").unwrap();
    let reader = whole(&dir);
    let end = reader.manifest().speaker(ADA).unwrap().end_slot;
    assert!(end > 5_000, "{end} slots were kept");
    println!("kept {end} slots");
}

#[test]
fn a_recording_that_fills_its_disk_completes_with_the_reserve() {
    let small = tempfile::tempdir().unwrap();
    let on_it = |flags: &str, script: &str| {
        Command::new("unshare")
            .args([flags, "sh", "-c", script])
            .arg(std::env::current_exe().unwrap())
            .env(SMALL, small.path())
            .output()
    };
    let mount = format!("mount -t tmpfs -o size=6m tmpfs \"${SMALL}\"");
    let may = |flags: &&&str| on_it(flags, &mount).is_ok_and(|output| output.status.success());
    // Where no file system of one's own is allowed, the test above has to do.
    let Some(flags) = ["-m", "-Urm"].iter().find(may) else { return };
    let inner = "full_disk::the_recording_on_a_small_disk";
    let run = format!("{mount} && exec \"$0\" --exact {inner} --ignored --nocapture");
    let output = on_it(flags, &run).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && printed.contains("kept "),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
