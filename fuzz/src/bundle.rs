//! Bundles from strangers. Whatever the bytes are: no panic, no hang, no flood of memory, and nothing that verifies and
//! then cannot be read.
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use antiphon_core::audio::SlotMark;
use antiphon_core::chain::Digest;
use antiphon_core::event::{Consent, Flags, Input, Member, Settings};
use antiphon_core::ids::{ChannelId, GuildId, Lane, SessionId, UserId};
use antiphon_core::time::Timestamp;
use bundle::import::{Limits, import};
use bundle::{Head, PacketInfo, Policies, Reader, Tail, Writer, recover as recover_bundle};
use serde_json::{Value, json};
use tempfile::TempDir;

const ADA: UserId = UserId(80_351_110_224_678_912);
const BEN: UserId = UserId(80_351_110_224_678_913);
const START: Timestamp = Timestamp::from_millis(1_772_366_400_000);
/// Slots of the good bundle.
const SLOTS: u64 = 120;
/// The track that stands for all.
const OGG: &str = "tracks/80351110224678912.ogg";
/// What a mutated file of a broken-off recording may be.
const OPEN_FILES: [&str; 8] = [
    "manifest.open.json",
    "checkpoint.open.json",
    "timeline.jsonl",
    "inputs.jsonl",
    "actions.production.jsonl",
    "transcripts.jsonl",
    OGG,
    "tracks/80351110224678913.wav",
];

/// A good bundle on disk, one file of which is exchanged again and again.
struct Ground {
    dir: TempDir,
    manifest: Value,
}

thread_local! {
    static GROUND: OnceCell<Ground> = const { OnceCell::new() };
}

fn on_ground(work: impl FnOnce(&Ground)) {
    GROUND.with(|ground| work(ground.get_or_init(Ground::new)));
}

fn writer(dir: &Path) -> Writer {
    let head = Head {
        session: SessionId(uuid::Uuid::from_u128(0x0195_0000_0000_7000_8000_0000_0000_0001)),
        guild: GuildId(41_771_983_423_143_937),
        channel: ChannelId(127_121_515_262_115_840),
        started: START,
        bot: Member { user: UserId(9), name: "Antiphon".into(), bot: true },
        flags: Flags::default(),
        settings: Settings::default(),
        providers: Vec::new(),
        policies: Policies::default(),
        versions: BTreeMap::new(),
    };
    let mut writer = Writer::create(dir, head).expect("a bundle can be begun");
    let member = Member { user: ADA, name: "Ada".into(), bot: false };
    writer.input(START, &Input::MemberJoined { member, consent: Consent::Granted }).expect("written");
    for slot in 0..SLOTS {
        let n = slot as u16;
        let payload: Vec<u8> =
            std::iter::once(0xFC).chain((0..20).map(|i| (u32::from(n) * 31 + i * 7) as u8)).collect();
        let packet = PacketInfo {
            ssrc: 4711,
            sequence: n,
            timestamp: u32::from(n) * 960,
            epoch: None,
            arrival: START.after(std::time::Duration::from_millis(slot * 20 + 3)),
            payload: &payload,
        };
        let received = slot % 30 < 20;
        let mark = if received { SlotMark::Received } else { SlotMark::Silent };
        writer.slot(ADA, slot, mark, received.then_some(packet)).expect("written");
        writer.pcm(BEN, slot, SlotMark::Received, Some(&[slot as i16; 160])).expect("written");
    }
    writer
}

impl Ground {
    fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let end = START.after(std::time::Duration::from_millis(SLOTS * 20));
        let tail = Tail { ended: end, reason: "over".into(), ledger: None };
        writer(dir.path()).seal(tail).expect("sealed");
        let text = fs::read(dir.path().join("manifest.json")).expect("read");
        let manifest = serde_json::from_slice(&text).expect("JSON");
        Self { dir, manifest }
    }

    /// The good bundle with one file of other content, its size and digest put right.
    fn with(&self, name: &str, bytes: &[u8]) {
        let dir = self.dir.path();
        let path = dir.join(name);
        let good = fs::read(&path).expect("read");
        fs::write(&path, bytes).expect("written");
        let mut manifest = self.manifest.clone();
        for blob in manifest["blobs"].as_array_mut().expect("a list") {
            if blob["name"] == name {
                blob["bytes"] = json!(bytes.len());
                blob["sha256"] = json!(Digest::of(bytes));
            }
        }
        fs::write(dir.join("manifest.json"), manifest.to_string()).expect("written");
        read(dir);
        fs::write(&path, good).expect("written");
    }
}

/// Opens, verifies and reads everything there is. What verifies must be readable.
fn read(dir: &Path) {
    let Ok(reader) = Reader::open(dir) else { return };
    let whole = reader.verify(|_, _| {}).is_ok_and(|found| found.whole());
    let mut faults = Vec::new();
    let mut look = |what: &str, outcome: Result<(), String>| {
        if let Err(error) = outcome {
            faults.push(format!("{what}: {error}"));
        }
    };
    look("inputs", all(reader.inputs()));
    look("transcripts", all(reader.transcripts()));
    look("timeline", all(reader.timeline()));
    for lane in [Lane::Production, Lane::Sandbox] {
        look("actions", all(reader.actions(lane)));
    }
    for track in reader.manifest().tracks.iter().filter(|track| track.blob.is_some()) {
        look("sound", all(reader.pcm_48k(track)));
        if track.rate == 48_000 && track.channels == 2 {
            look("packets", all(reader.packets(track.user)));
        }
    }
    look("summary", reader.inspect(10).map(drop).map_err(|error| error.to_string()));
    assert!(!whole || faults.is_empty(), "verified, and yet: {faults:?}");
}

fn all<T, E: std::fmt::Display>(items: Result<impl Iterator<Item = Result<T, E>>, E>) -> Result<(), String> {
    for item in items.map_err(|error| error.to_string())? {
        item.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// `manifest.json`.
pub fn manifest(bytes: &[u8]) {
    on_ground(|ground| {
        fs::write(ground.dir.path().join("manifest.json"), bytes).expect("written");
        read(ground.dir.path());
    });
}

/// `timeline.jsonl`.
pub fn timeline(bytes: &[u8]) {
    on_ground(|ground| ground.with("timeline.jsonl", bytes));
}

/// An Ogg Opus track.
pub fn ogg(bytes: &[u8]) {
    on_ground(|ground| ground.with(OGG, bytes));
}

/// An archive that is to be taken in: whatever comes of it, nothing may be written outside of its place.
pub fn archive(bytes: &[u8]) {
    let dir = TempDir::new().expect("a temporary folder");
    let from = dir.path().join("in.tar.zst");
    fs::write(&from, bytes).expect("written");
    let home = dir.path().join("home");
    let limits = Limits { total: 8 << 20, ratio: 100 };
    let imported = import(&from, &home, &limits, |_, _| {});
    let found = |path: &Path| fs::read_dir(path).map_or(0, Iterator::count);
    assert_eq!(found(dir.path()), 2, "something was written outside of its place");
    match imported {
        Ok(imported) => read(&imported.path),
        Err(_) => assert_eq!(found(&home), 0, "something was left behind"),
    }
}

/// A recording that broke off, with one file of other content: the first byte says which. Recovery makes it whole or says
/// why it cannot.
pub fn recover(bytes: &[u8]) {
    let Some((which, content)) = bytes.split_first() else { return };
    let dir = TempDir::new().expect("a temporary folder");
    drop(writer(dir.path()));
    let name = OPEN_FILES[usize::from(*which) % OPEN_FILES.len()];
    fs::write(dir.path().join(name), content).expect("written");
    if recover_bundle(dir.path(), "cut off").is_ok() {
        let reader = Reader::open(dir.path()).expect("a recovered bundle opens");
        let found = reader.verify(|_, _| {}).expect("read");
        assert!(found.whole(), "{name}: {:?}", found.problems);
        read(dir.path());
    }
}

/// Good input for each of the targets, to begin from.
pub fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let ground = Ground::new();
    let dir = ground.dir.path();
    let content = |path: PathBuf| fs::read(path).expect("read");
    let packed = dir.join("good.tar.zst");
    let reader = Reader::open(dir).expect("opened");
    bundle::export::archive(&reader, &packed, |_, _| {}).expect("packed");
    let open = TempDir::new().expect("a temporary folder");
    drop(writer(open.path()));
    let broken_off = (0u8..).zip(OPEN_FILES).filter_map(|(which, name)| {
        let content = fs::read(open.path().join(name)).ok()?;
        Some([vec![which], content].concat())
    });
    BTreeMap::from([
        ("manifest", vec![content(dir.join("manifest.json"))]),
        ("timeline", vec![content(dir.join("timeline.jsonl"))]),
        ("ogg", vec![content(dir.join(OGG))]),
        ("archive", vec![content(packed)]),
        ("recover", broken_off.collect()),
    ])
}
