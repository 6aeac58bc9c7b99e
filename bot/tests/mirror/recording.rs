//! `antiphon capture --listen` as people use it: several senders of different kinds, one bundle.
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bundle::{Reader, TrackFormat, TrackKind};

use crate::speech;

fn antiphon(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// The listening process, once it listens; what it says goes on to be collected.
fn listening(
    home: &Path,
    out: &Path,
    to: &str,
    env: &[(&str, &str)],
) -> (Child, String, std::thread::JoinHandle<String>) {
    let mut command = antiphon(home);
    command.args(["capture", "--once", "--listen", to, "--out"]).arg(out).envs(env.iter().copied());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut before = String::new();
    let address = loop {
        let line = lines.next().unwrap_or_else(|| panic!("it never listened: {before}")).unwrap();
        if let Some(address) = line.strip_prefix("listening on ") {
            break address.to_owned();
        }
        before.push_str(&line);
    };
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    (child, address, rest)
}

fn samples(wav: &Path) -> (hound::WavSpec, Vec<i16>) {
    let mut reader = hound::WavReader::open(wav).unwrap();
    (reader.spec(), reader.samples::<i16>().map(Result::unwrap).collect())
}

/// How many of ten tenths of a second, spread over what was sent, are in the track to the sample.
fn found(sent: &[i16], track: &[i16], rate: usize) -> usize {
    let length = rate / 10;
    let places = (1..=10).map(|k| k * (sent.len() - length) / 11);
    places.filter(|at| track.windows(length).any(|window| window == &sent[*at..*at + length])).count()
}

#[test]
fn three_senders_of_three_kinds_become_one_bundle() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    speech(&at("alice.wav"), "Antiphon, what time is it now?", "en-us+f3", 48_000, 1);
    speech(&at("bob.wav"), "Hello there, how are you today?", "en-gb", 44_100, 2);
    speech(&at("carol.wav"), "What is six times seven?", "en-us+m3", 48_000, 1);
    speech(&at("eve.wav"), "Nobody may keep what I say here.", "en-gb+f2", 16_000, 1);
    let out = at("call.bundle");
    let (mut child, address, rest) =
        listening(home.path(), &out, &format!("unix:{}", at("m.sock").display()), &[]);

    let send = |name: &str, user: &str, more: &[&str]| {
        let mut command = antiphon(home.path());
        command.args(["mirror", "send", "--json", "--to", &address, "--user", user, "--name", name]);
        command.args(more).arg(at(&format!("{}.wav", name.to_lowercase())));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/mirror/antiphon_mirror.py");
    let bob = Command::new("python3")
        .arg(script)
        .args(["--to", &address, "--user", "8", "--name", "Bob"])
        .arg(at("bob.wav"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let senders =
        [send("Alice", "7", &[]), bob, send("Carol", "9", &["--opus"]), send("Eve", "10", &["--no-consent"])];
    let reports = senders.map(|sender| {
        let output = sender.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    });
    let status = child.wait().unwrap();
    let said = rest.join().unwrap();
    assert!(status.success(), "{said}");
    let [alice, bob, carol, eve] = reports;
    for report in [&alice["server"], &bob, &carol["server"]] {
        assert!(report["received"].as_u64().unwrap() > 50, "{report}");
        assert_eq!(report["bad"], 0, "{report}");
    }
    assert_eq!(eve["server"]["withheld"], eve["server"]["received"], "{eve}");

    let verified = antiphon(home.path()).args(["bundle", "verify"]).arg(&out).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let reader = Reader::open(&out).unwrap();
    let manifest = reader.manifest();
    let track = |user: u64| {
        let found =
            manifest.tracks.iter().find(|track| track.kind == TrackKind::Speaker && track.user.0 == user);
        found.unwrap_or_else(|| panic!("no track of {user}: {manifest:?}\n{said}"))
    };
    // Kept at the rate at which it came, sample for sample; in mono, as tracks are.
    for (user, name, rate) in [(7, "alice.wav", 48_000), (8, "bob.wav", 44_100)] {
        assert_eq!((track(user).format, track(user).rate), (Some(TrackFormat::Wav), rate), "{said}");
        let (spec, sent) = samples(&at(name));
        let mix = |frame: &[i16]| {
            let sum: f32 = frame.iter().copied().map(f32::from).sum();
            (sum / f32::from(spec.channels)).round() as i16
        };
        let mono: Vec<i16> = sent.chunks(spec.channels.into()).map(mix).collect();
        let (_, kept) = samples(&out.join(track(user).blob.as_ref().unwrap()));
        let places = found(&mono, &kept, rate as usize);
        assert!(places >= 8, "{name}: {places} of 10 places, {:?}\n{said}", track(user).marks);
    }
    assert_eq!(track(9).format, Some(TrackFormat::OggOpus));
    let decoded = Command::new("opusinfo").arg(out.join(track(9).blob.as_ref().unwrap())).output().unwrap();
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stdout));
    // Of a person who did not agree there are marks and nothing else: neither name nor number.
    let known = [7, 8, 9].map(antiphon_core::ids::UserId);
    let others = |track: &&bundle::Track| track.kind == TrackKind::Speaker && !known.contains(&track.user);
    let others: Vec<_> = manifest.tracks.iter().filter(others).collect();
    assert!(others.len() == 1 && others[0].name.starts_with("Guest"), "{others:?}");
    assert_eq!(others[0].blob, None);
    assert_eq!(others[0].marks.withheld, others[0].marks.total());
    assert!(manifest.counts.turns >= 3, "{} turns\n{said}", manifest.counts.turns);
    let replayed = antiphon(home.path()).arg("replay").arg(&out).output().unwrap();
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
}

#[test]
fn a_wrong_token_over_tcp_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let wav = home.path().join("short.wav");
    speech(&wav, "Hello.", "en-us", 16_000, 1);
    let refused = antiphon(home.path())
        .args(["capture", "--listen", "tcp:127.0.0.1:0", "--out", "x.bundle"])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ANTIPHON_MIRROR_TOKEN"));

    let out = home.path().join("call.bundle");
    let env = [("ANTIPHON_MIRROR_TOKEN", "open sesame")];
    let (mut child, address, rest) = listening(home.path(), &out, "tcp:127.0.0.1:0", &env);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/mirror/antiphon_mirror.py");
    let send = |token: &str| {
        Command::new("python3")
            .env("ANTIPHON_MIRROR_TOKEN", token)
            .arg(&script)
            .args(["--to", &address, "--user", "8", "--name", "Bob"])
            .arg(&wav)
            .output()
            .unwrap()
    };
    let wrong = send("sesame");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("token is wrong"));
    let right = send("open sesame");
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    let status = child.wait().unwrap();
    let said = rest.join().unwrap();
    assert!(status.success(), "{said}");
    assert!(!said.contains("sesame"), "{said}");
    assert_eq!(Reader::open(&out).unwrap().manifest().tracks.len(), 1, "{said}");
}

/// What `capture --pcm` makes of a file or of the standard input: the kept samples and the marks.
fn captured(home: &Path, args: &[&str], stdin: Stdio, name: &str) -> (Child, std::path::PathBuf) {
    let out = home.join(name);
    let mut command = antiphon(home);
    command.args(["capture", "--rate", "48000", "--channels", "1"]).args(args).arg("--out").arg(&out);
    (command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(), out)
}

fn raw(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

#[test]
fn a_fast_intake_keeps_every_sample() {
    let home = tempfile::tempdir().unwrap();
    let wav = home.path().join("alice.wav");
    speech(&wav, "Antiphon, what time is it now? I would really like to know.", "en-us+f3", 48_000, 1);
    let (_, sent) = samples(&wav);
    let pcm = home.path().join("alice.raw");
    std::fs::write(&pcm, raw(&sent)).unwrap();
    let args = ["--speed", "16", "--pcm", pcm.to_str().unwrap()];
    let (mut child, out) = captured(home.path(), &args, Stdio::null(), "file.bundle");
    assert!(child.wait().unwrap().success());
    let reader = Reader::open(&out).unwrap();
    let track = &reader.manifest().tracks[0];
    assert_eq!((track.rate, track.marks.received), (48_000, sent.len().div_ceil(960) as u64));
    assert_eq!((track.marks.concealed, track.first_slot), (0, 0));
    let (_, kept) = samples(&out.join(track.blob.as_ref().unwrap()));
    assert_eq!(&kept[..sent.len()], &sent[..]);
}

#[test]
fn a_live_pipe_that_stalls_loses_nothing() {
    use std::io::Write as _;
    let home = tempfile::tempdir().unwrap();
    let wav = home.path().join("alice.wav");
    speech(&wav, "Antiphon, what time is it now?", "en-us+f3", 48_000, 1);
    let (_, sent) = samples(&wav);
    let (mut child, out) = captured(home.path(), &["--pcm", "-"], Stdio::piped(), "pipe.bundle");
    let mut pipe = child.stdin.take().unwrap();
    // As a live source would: late, at its own pace, with a pause in the middle.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let half = sent.len() / 2;
    let mut began = std::time::Instant::now();
    for part in [&sent[..half], &sent[half..]] {
        for (frame, block) in part.chunks(960).enumerate() {
            let due = std::time::Duration::from_millis(20) * frame as u32;
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            pipe.write_all(&raw(block)).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(1_000));
        began = std::time::Instant::now();
    }
    drop(pipe);
    assert!(child.wait().unwrap().success());
    let reader = Reader::open(&out).unwrap();
    let track = &reader.manifest().tracks[0];
    let (_, kept) = samples(&out.join(track.blob.as_ref().unwrap()));
    let places = found(&sent, &kept, 48_000);
    assert!(places >= 7, "{places} of 10 places: {:?}", track.marks);
    assert!(track.marks.silent >= 30, "the pause is silence: {:?}", track.marks);
}

/// Whether a name or number stands in any file below a folder.
fn stands_in(folder: &Path, what: &str) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let found = if path.is_dir() {
            stands_in(&path, what)
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            bytes.windows(what.len()).any(|window| window == what.as_bytes()).then_some(path)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[test]
fn a_person_without_consent_stays_unnamed_across_reconnects() {
    use antiphon::mirror::Sender;
    use capture::mirror::wire::{Codec, Declaration};

    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("call.bundle");
    let socket = home.path().join("mirror.sock");
    let (mut child, address, rest) = listening(home.path(), &out, &format!("unix:{}", socket.display()), &[]);
    let declared = |user: u64, name: &str, consent: bool| Declaration {
        user: antiphon_core::ids::UserId(user),
        name: name.into(),
        codec: Codec::Pcm16,
        rate: 16_000,
        channels: 1,
        consent,
    };
    let connect = |declared| Sender::connect(address.parse().unwrap(), None, declared).unwrap();
    let mut heard = connect(declared(11, "Rosalind", true));
    let mut first = connect(declared(7_000_123, "Zebulon", false));
    first.push(&[1; 640]);
    // Another connection takes over, as after a crash.
    let mut second = connect(declared(7_000_123, "Zebulon", false));
    let mut again = connect(declared(11, "Rosalind", true));
    for _ in 0..50 {
        second.push(&[1; 640]);
        again.push(&[1; 640]);
        heard.push(&[1; 640]);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    drop((first, heard));
    second.finish().unwrap();
    again.finish().unwrap();
    let status = child.wait().unwrap();
    let said = rest.join().unwrap();
    assert!(status.success(), "{said}");
    let notes = std::fs::read_to_string(out.join("timeline.jsonl")).unwrap();
    assert!(notes.contains("the sender of 11 came again"), "{notes}");
    assert_eq!(notes.matches("came again").count(), 2, "{notes}");
    for secret in ["Zebulon", "7000123"] {
        assert_eq!(stands_in(home.path(), secret), None, "{secret} is written down");
        assert!(!said.contains(secret), "{said}");
    }
    assert!(stands_in(home.path(), "Rosalind").is_some(), "a search that finds nothing shows nothing");
}
