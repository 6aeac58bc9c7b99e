//! Nothing of a person who did not agree is written anywhere: not their voice, not their words, not their name, not their
//! id. Looked for in every byte of bundle, ledger, spool and log, and in everything that Redis was ever sent.
//!
//! The same search finds the person who did agree, so it can find something.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use discord_sim::speaker::{Clip, Voice, espeak};

use crate::stage::{LONG, Stage, With, only_bundle};

/// Names that stand nowhere else.
const AGREES: &str = "Alizarin";
const SILENT: &str = "Bobolink";
/// What they say: sentences that the model of the tests knows.
const QUESTION: &str = "Hey Antiphon, what time is it?";
const ASIDE: &str = "I want to go home.";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_of_a_person_without_consent() {
    let redis = rig::redis::Redis::start();
    // Every command that changes something is kept, with all it carries.
    assert_eq!(redis.cli(&["CONFIG", "SET", "appendonly", "yes"]), "OK");
    assert_eq!(redis.cli(&["CONFIG", "SET", "auto-aof-rewrite-percentage", "0"]), "OK");
    assert_eq!(redis.cli(&["CONFIG", "SET", "rdbcompression", "no"]), "OK");
    let stage = Stage::set(With::env("ANTIPHON_REDIS_URL", redis.url())).await;
    let (alice, bob) = (stage.speaker(AGREES).await, stage.speaker(SILENT).await);
    let voices = [("en-us+f4", 155, 55), ("en-gb+m7", 150, 40)];
    let [hers, his] = voices.map(|(name, speed, pitch)| Voice { name: name.into(), speed, pitch });
    let (question, aside) = tokio::join!(espeak::speak(QUESTION, &hers), espeak::speak(ASIDE, &his));
    let (question, aside) = (question.unwrap(), aside.unwrap());

    stage.join(alice.user()).await;
    stage.command(alice.user(), "/consent grant").await;
    alice.wait_for_key_with(&[stage.bot(), bob.user()], LONG).await.unwrap();
    bob.wait_for_key_with(&[stage.bot(), alice.user()], LONG).await.unwrap();
    alice.wait_until_silent(stage.bot(), Duration::from_millis(800), LONG).await.unwrap();
    // Alone, over her, and again after a newcomer changed the keys.
    bob.speak_clip(&aside, ASIDE).await.unwrap();
    let (asked, said) = tokio::join!(alice.speak_clip(&question, QUESTION), bob.speak_clip(&aside, ASIDE));
    let asked = asked.unwrap();
    said.unwrap();
    alice.wait_until_hearing_since(stage.bot(), asked.last_voiced.unwrap(), LONG).await.unwrap();
    let carol = stage.speaker("Carol").await;
    carol.wait_for_key_with(&[stage.bot(), bob.user()], LONG).await.unwrap();
    bob.speak_clip(&aside, ASIDE).await.unwrap();
    // He comes and goes, under the same cloak.
    let user = bob.user();
    bob.leave().await;
    stage.sim.leave_voice(user).unwrap_or_default();
    let bob = stage.enter(user).await;
    bob.wait_for_key_with(&[stage.bot()], LONG).await.unwrap();
    bob.speak_clip(&aside, ASIDE).await.unwrap();
    stage.command(alice.user(), "/voice leave").await;
    assert_eq!(redis.cli(&["SAVE"]), "OK");
    let (ids, data) = ([alice.user().to_string(), user.to_string()], stage.data());
    let (_sim, home, logs) = stage.close().await;

    let mut written: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    gather(&data, &mut written);
    gather(redis.folder(), &mut written);
    written.insert("the log".into(), logs.into_bytes());
    let names: Vec<String> = written.keys().map(|path| path.display().to_string()).collect();
    for part in ["ledger.db", "inputs.jsonl", ".aof", "dump.rdb", "timeline.jsonl"] {
        assert!(names.iter().any(|name| name.contains(part)), "{part} is not among {names:?}");
    }

    let [her_id, his_id] = &ids;
    let found = |what: &str, in_words: bool| found(&written, what, in_words);
    assert!(!found(AGREES, false).is_empty() && !found(her_id, false).is_empty(), "she stands in the record");
    assert!(!found("what time is it", true).is_empty(), "and so do her words");
    assert_eq!(found(SILENT, false), Vec::<String>::new(), "his name");
    assert_eq!(found(his_id, false), Vec::<String>::new(), "his id");
    assert_eq!(found("want to go home", true), Vec::<String>::new(), "his words");

    let (hers, his) = (packets(&question), packets(&aside));
    let kept = stored(&written, &hers);
    assert!(kept > hers.len() / 2, "her packets are kept as they came: {kept} of {}", hers.len());
    assert_eq!(stored(&written, &his), 0, "of {} packets of his", his.len());

    let sound = sounds(&only_bundle(&data), &written);
    let (hers, his) = (Reference::of(&question), Reference::of(&aside));
    let best = |reference: &Reference| sound.iter().map(|pcm| reference.likeness(pcm)).fold(0.0, f32::max);
    let (like_hers, like_his) = (best(&hers), best(&his));
    assert!(like_hers > 0.9, "her voice is found by its waveform: {like_hers}, his {like_his}");
    assert!(like_his < 0.6, "and his is not: {like_his} (hers: {like_hers})");
    drop(home);
}

fn gather(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            gather(&path, into);
        } else if kind.is_file() {
            into.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
}

/// Files that hold a text: as it stands, or word for word without case and punctuation.
fn found(written: &BTreeMap<PathBuf, Vec<u8>>, what: &str, in_words: bool) -> Vec<String> {
    let (exact, words) = (what.as_bytes(), plain(what.as_bytes()));
    let holds = |bytes: &[u8]| {
        if in_words { plain(bytes).contains(&words) } else { contains(bytes, exact) }
    };
    written.iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path.display().to_string()).collect()
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    let first = what[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(what) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Packets long enough to be no one else's.
fn packets(clip: &Clip) -> Vec<Vec<u8>> {
    clip.frames().iter().map(|frame| frame.opus.clone()).filter(|opus| opus.len() >= 40).collect()
}

/// How many of the packets are written anywhere: as they are, in base64, in hexadecimal digits. A page of Ogg may part a
/// packet, so its beginning or its end will do.
fn stored(written: &BTreeMap<PathBuf, Vec<u8>>, packets: &[Vec<u8>]) -> usize {
    let mut forms = Vec::new();
    for (which, packet) in packets.iter().enumerate() {
        let text = base64::engine::general_purpose::STANDARD.encode(packet);
        for form in [
            packet[..20].to_vec(),
            packet[packet.len() - 20..].to_vec(),
            text.into_bytes(),
            hex::encode(packet).into_bytes(),
        ] {
            forms.push((which, form));
        }
    }
    let mut found = std::collections::BTreeSet::new();
    // One walk over all bytes: only where two bytes are some form's first is there a closer look.
    let mut begins = vec![Vec::new(); 1 << 16];
    for (which, form) in &forms {
        begins[usize::from(form[0]) << 8 | usize::from(form[1])].push((which, form));
    }
    for bytes in written.values() {
        for at in 1..bytes.len() {
            let here = &begins[usize::from(bytes[at - 1]) << 8 | usize::from(bytes[at])];
            let whole = here.iter().filter(|(_, form)| bytes[at - 1..].starts_with(form));
            found.extend(whole.map(|(which, _)| **which));
        }
    }
    found.len()
}

/// Samples a second at which voices are compared: enough to distinguish two.
pub(crate) const RATE: usize = 2_000;

/// Everything that is sound, at [`RATE`]: the bundle's tracks as ffmpeg decodes them, and the PCM that went through
/// Redis.
fn sounds(bundle: &Path, written: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<Vec<f32>> {
    let mut sounds = Vec::new();
    for entry in std::fs::read_dir(bundle.join("tracks")).unwrap().flatten() {
        let decoded = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(entry.path())
            .args(["-f", "s16le", "-ac", "1", "-ar", "16000", "-"])
            .output()
            .unwrap();
        assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
        sounds.push(samples(&decoded.stdout, 16_000 / RATE));
    }
    let aof = written.iter().filter(|(path, _)| path.extension().is_some_and(|ext| ext == "aof"));
    for (_, bytes) in aof {
        // The field `pcm` of stream entries: 16 kHz frames, and 48 kHz speech of the bot's own.
        let mut turn = Vec::new();
        for argument in arguments(bytes) {
            if argument.len() >= 640 && argument.len().is_multiple_of(640) {
                turn.extend(samples(argument, 16_000 / RATE));
            }
        }
        sounds.push(turn);
    }
    sounds
}

/// The arguments of all commands in an append-only file (RESP bulk strings).
fn arguments(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let (line, rest) = (&bytes[..end], &bytes[end + 2..]);
        bytes = rest;
        let length =
            line.strip_prefix(b"$").and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let Some(length) = length.filter(|length: &usize| *length <= rest.len()) {
            found.push(&rest[..length]);
            bytes = &rest[length..];
        }
    }
    found
}

/// 16-bit samples, every `step` of them averaged into one.
fn samples(bytes: &[u8], step: usize) -> Vec<f32> {
    let all: Vec<f32> =
        bytes.chunks_exact(2).map(|two| f32::from(i16::from_le_bytes([two[0], two[1]]))).collect();
    all.chunks_exact(step).map(|few| few.iter().sum::<f32>() / step as f32).collect()
}

/// The loudest half second of a voice.
pub(crate) struct Reference(Vec<f32>);

impl Reference {
    pub(crate) fn of(clip: &Clip) -> Self {
        let decoded = clip.decoded().unwrap();
        let slow: Vec<f32> = decoded
            .chunks_exact(48_000 / RATE)
            .map(|few| few.iter().sum::<f32>() / few.len() as f32)
            .collect();
        let window = RATE / 2;
        let energy = |at: usize| slow[at..at + window].iter().map(|sample| sample * sample).sum::<f32>();
        let starts = (0..slow.len() - window).step_by(RATE / 50);
        let loudest = starts.max_by(|a, b| energy(*a).total_cmp(&energy(*b))).unwrap();
        Self(slow[loudest..loudest + window].to_vec())
    }

    /// The greatest normalised cross-correlation with any stretch of a sound: 1 for the same waveform.
    pub(crate) fn likeness(&self, pcm: &[f32]) -> f32 {
        let square = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
        let own = square(&self.0);
        let loud = pcm.iter().fold(0.0, |most: f32, sample| most.max(sample.abs())) / 50.0;
        let stretches = pcm.windows(self.0.len()).filter(|stretch| {
            // Silence is like anything.
            stretch.iter().step_by(16).any(|sample| sample.abs() > loud) && loud > 1.0
        });
        let like = stretches.map(|stretch| {
            let both: f32 = self.0.iter().zip(stretch).map(|(a, b)| a * b).sum();
            both.abs() / (own * square(stretch)).sqrt()
        });
        like.fold(0.0, f32::max)
    }
}
