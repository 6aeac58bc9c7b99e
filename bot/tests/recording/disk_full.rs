//! A recording onto a disk that fills up: a file system of its own (tmpfs in a mount namespace, which ends with the
//! shell), or where that is not allowed a limit on the size of files.
use std::path::Path;
use std::process::{Command, Output};

use crate::{as_said, bytes_of, speech, text, track};

/// Runs a script whose folder `$SMALL` has so little room that a recording of fifteen seconds does not fit.
fn on_a_small_disk(home: &Path, script: &str) -> (Output, bool) {
    let small = home.join("small");
    std::fs::create_dir(&small).unwrap();
    let mounted = |flags: &str| {
        Command::new("unshare")
            .args([flags, "sh", "-c", "mount -t tmpfs -o size=64k tmpfs \"$0\""])
            .arg(&small)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let flags = ["-m", "-Urm"].into_iter().find(|flags| mounted(flags));
    let mut command = match flags {
        // 1 MiB kept for the end, a page for each small file, and room for some seconds of sound.
        Some(flags) => {
            let mut command = Command::new("unshare");
            command
                .args([flags, "sh", "-c"])
                .arg(format!("mount -t tmpfs -o size=1280k tmpfs \"$SMALL\" || exit 99\n{script}"));
            command
        }
        None => {
            // 2112 blocks of 512 bytes: the room kept for the end fits, the track does not.
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("trap '' XFSZ\nulimit -f 2112\n{script}"));
            command
        }
    };
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SMALL", &small)
        .env("ANTIPHON", env!("CARGO_BIN_EXE_antiphon"))
        .env("ANTIPHON_LOG", "info");
    (command.output().unwrap(), flags.is_some())
}

#[test]
fn a_full_disk_stops_and_seals_the_recording() {
    let home = tempfile::tempdir().unwrap();
    // Long enough for either kind of small disk.
    let long: Vec<i16> = speech().iter().copied().cycle().take(16_000 * 90).collect();
    std::fs::write(home.path().join("talk.raw"), bytes_of(&long)).unwrap();
    let (output, is_full) = on_a_small_disk(
        home.path(),
        "\"$ANTIPHON\" capture --pcm \"$HOME/talk.raw\" --rate 16000 --channels 1 --speed 16 --out \"$SMALL/b\" --log info\n\
         echo \"capture ended with $?\"\n\
         \"$ANTIPHON\" bundle verify \"$SMALL/b\"\n\
         echo \"verify ended with $?\"\n\
         cp -r \"$SMALL/b\" \"$HOME/copy\"",
    );
    let said = text(&output);
    assert!(said.contains("capture ended with 1"), "{said}");
    assert!(said.contains("would be written to the channel"), "{said}");
    let notice = if is_full { "notice=\"disk_full\"" } else { "notice=\"disk_failed\"" };
    assert!(said.contains(notice), "{said}");
    // The command says where it is; the words for the channel are not logged.
    assert!(said.contains("what came before is whole in"), "{said}");
    if is_full {
        assert!(said.contains("No space left on device"), "{said}");
        assert!(said.contains("notice=\"disk_low\""), "the warning before it: {said}");
    }
    assert!(said.contains("verify ended with 0"), "{said}");
    let kept = track(&home.path().join("copy"));
    assert!((16_000..16_000 * 80).contains(&kept.len()), "{} samples", kept.len());
    as_said(&kept, &long);
    assert!(kept.iter().any(|sample| *sample != 0));
    let reader = bundle::Reader::open(&home.path().join("copy")).unwrap();
    assert!(reader.manifest().end_reason.contains("recording stopped"), "{}", reader.manifest().end_reason);
}
