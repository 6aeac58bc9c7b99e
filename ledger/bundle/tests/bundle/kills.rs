//! kill -9 at random instants of a recording: after recovery everything up to the last second is there.
//!
//! The ordinary run kills 24 times; `ANTIPHON_KILLS=200` kills as often as it says. `ANTIPHON_KILL_SEED` repeats a run.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use antiphon_core::audio::SlotMark;
use antiphon_core::event::{Action, Consent, Decision, DecisionKind, Input, PolicyName};
use antiphon_core::ids::{Lane, TurnId, UserId};
use bundle::{BundleError, Reader, Tail, Writer, recover};

use crate::sample::{ADA, BEN, at, head, made_up_packet, member, packet};

/// A third person, who is mirrored as PCM.
const CLEO: UserId = UserId(80_351_110_224_678_914);
/// The recording's length: 12 seconds.
const SLOTS: u64 = 600;
/// How much faster than spoken it is written.
const SPEED: u32 = 25;
/// A second: what may be lost.
const SECOND: u64 = 50;
const DIR: &str = "ANTIPHON_KILL_DIR";

fn cleos_voice(slot: u64) -> Vec<i16> {
    (0..320).map(|i| ((slot * 37 + i * 11) % 9_000) as i16 + 1).collect()
}

fn is_played(slot: u64) -> bool {
    slot % 100 >= 60
}

/// Killed from outside while it writes: what it has written it reports on the standard output.
#[test]
#[ignore = "the other end of the kills"]
fn the_recording_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut stdout = std::io::stdout();
    let mut writer = Writer::create(Path::new(&dir), head()).unwrap();
    for (user, name, consent) in
        [(ADA, "Ada", Consent::Granted), (BEN, "Ben", Consent::Withheld), (CLEO, "Cleo", Consent::Granted)]
    {
        writer.input(at(0), &Input::MemberJoined { member: member(user, name), consent }).unwrap();
    }
    let begun = Instant::now();
    for slot in 0..SLOTS {
        let due = Duration::from_millis(slot * 20) / SPEED;
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        let bytes = made_up_packet(slot as u16);
        match slot % 40 {
            33 => writer.slot(ADA, slot, SlotMark::Concealed, None).unwrap(),
            34..40 => writer.slot(ADA, slot, SlotMark::Silent, None).unwrap(),
            _ => writer.slot(ADA, slot, SlotMark::Received, Some(packet(slot as u16, slot, &bytes))).unwrap(),
        }
        writer.slot(BEN, slot, SlotMark::Withheld, None).unwrap();
        writer.pcm(CLEO, slot, SlotMark::Received, Some(&cleos_voice(slot))).unwrap();
        if is_played(slot) {
            writer.bot_voice(slot, &[slot as i16 + 1; 960]).unwrap();
        }
        if slot % 7 == 0 {
            let turn = TurnId(slot as u32);
            let step = writer.input(at(slot * 20), &Input::UserSpeechStarted { turn, user: ADA }).unwrap();
            let decision = Decision {
                turn: Some(turn),
                kind: DecisionKind::Respond,
                choice: "yes".into(),
                reason: "it is a test".into(),
                alternatives: vec![],
            };
            for (lane, policy) in
                [(Lane::Production, PolicyName::Established), (Lane::Sandbox, PolicyName::Adaptive)]
            {
                let action = Action::Decide { decision: decision.clone() };
                writer.actions(lane, policy, at(slot * 20), step, &[action]).unwrap();
            }
        }
        if slot % 12 == 0 {
            writer.tend(Instant::now()).unwrap();
        }
        writeln!(stdout, "slot {slot}").unwrap();
    }
    writeln!(stdout, "slot {SLOTS}").unwrap();
    writer.seal(Tail { ended: at(SLOTS * 20), reason: "all was written".into(), ledger: None }).unwrap();
}

/// Small and reproducible (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % n
    }
}

/// Runs the recording, kills it a little after it reported slot `after`; gives the last slot that it reported.
fn killed(dir: &Path, after: u64, then: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::the_recording_that_is_killed", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let slot_of = |line: &str| line.rsplit_once("slot ").and_then(|(_, slot)| slot.parse::<u64>().ok());
    let mut last = None;
    for slot in lines.by_ref().filter_map(|line| slot_of(&line)) {
        last = Some(slot);
        if slot >= after {
            break;
        }
    }
    // The instant is what is tested: nothing is waited for.
    std::thread::sleep(then);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.filter_map(|line| slot_of(&line)).last().or(last)
}

/// Recovers and compares with what was written. Gives the slots lost.
fn check(dir: &Path, reported: u64) -> u64 {
    let sealed = dir.join("manifest.json").exists();
    match Reader::open(dir) {
        Ok(_) => assert!(sealed && reported >= SLOTS, "a half-written bundle reads as whole"),
        Err(BundleError::Unsealed(_)) => assert!(!sealed),
        Err(other) => panic!("{other}"),
    }
    let recovery = recover(dir, "cut off").unwrap();
    assert_eq!(recovery.was_whole, sealed);
    assert!(recover(dir, "again").unwrap().was_whole, "a second time there is nothing to do");
    let reader = Reader::open(dir).unwrap();
    let found = reader.verify(|_, _| {}).unwrap();
    assert_eq!((found.problems, found.remarks), (vec![], vec![]));

    let due = reported.saturating_sub(SECOND);
    let manifest = reader.manifest();
    let packets: BTreeMap<u64, Vec<u8>> = match manifest.speaker(ADA).filter(|track| track.blob.is_some()) {
        Some(_) => reader
            .packets(ADA)
            .unwrap()
            .map(|packet| packet.unwrap())
            .map(|packet| (packet.facts.slot, packet.payload))
            .collect(),
        None => BTreeMap::new(),
    };
    for slot in (0..due).filter(|slot| slot % 40 < 33) {
        assert_eq!(packets.get(&slot), Some(&made_up_packet(slot as u16)), "Ada's slot {slot} of {reported}");
    }
    assert!(packets.iter().all(|(slot, payload)| *payload == made_up_packet(*slot as u16)));
    if due > 0 {
        let track = manifest.speaker(CLEO).unwrap();
        let pcm: Vec<_> = reader.pcm(track, 16_000).unwrap().map(Result::unwrap).collect();
        for slot in 0..due.max(track.end_slot) {
            assert_eq!(pcm[slot as usize], cleos_voice(slot), "Cleo's slot {slot} of {reported}");
        }
        assert!(manifest.speaker(BEN).unwrap().marks.withheld >= due);
    }
    if due > 60 {
        let pcm: Vec<_> =
            reader.pcm_48k(manifest.bot_track().unwrap()).unwrap().map(Result::unwrap).collect();
        for slot in (0..due).filter(|slot| is_played(*slot)) {
            assert_eq!(pcm[slot as usize], [slot as i16 + 1; 960], "the bot's slot {slot} of {reported}");
        }
    }
    let steps: Vec<_> = reader.inputs().unwrap().map(|line| line.unwrap().at).collect();
    let expected = 3 + due.div_ceil(7);
    assert!(steps.len() as u64 >= expected, "{} of {expected} inputs", steps.len());
    for lane in [Lane::Production, Lane::Sandbox] {
        let decided = reader.actions(lane).unwrap().count();
        assert_eq!(decided + 3, steps.len().max(3), "each step kept has its actions");
    }
    // The shortest of the speakers' tracks: what a person misses.
    let end = [ADA, BEN, CLEO].map(|user| manifest.speaker(user).map_or(0, |track| track.end_slot));
    reported.saturating_sub(end.into_iter().min().unwrap_or(0))
}

#[test]
fn a_killed_recording_keeps_all_but_its_last_second() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("ANTIPHON_KILLS").unwrap_or(24);
    let seed = number("ANTIPHON_KILL_SEED").unwrap_or(0x5EED_0005);
    let mut random = Random(seed);
    let plan: Vec<(u64, Duration)> =
        (0..kills).map(|_| (random.below(SLOTS + 1), Duration::from_micros(random.below(4_000)))).collect();
    let workers = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let mut lost: Vec<u64> = std::thread::scope(|scope| {
        let running: Vec<_> = plan
            .chunks(plan.len().div_ceil(workers).max(1))
            .map(|part| {
                scope.spawn(move || {
                    let one = |(after, then): &(u64, Duration)| {
                        let dir = tempfile::tempdir().unwrap();
                        killed(dir.path(), *after, *then).map(|reported| check(dir.path(), reported))
                    };
                    part.iter().filter_map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        running.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    lost.sort_unstable();
    assert!(lost.len() as u64 * 10 >= kills * 9, "most recordings had begun: {} of {kills}", lost.len());
    let ms = |slots: u64| slots * 20;
    println!(
        "{} kills (seed {seed}): lost at least {} ms, median {} ms, at most {} ms",
        lost.len(),
        ms(lost[0]),
        ms(lost[lost.len() / 2]),
        ms(lost[lost.len() - 1])
    );
    assert!(lost[lost.len() - 1] <= SECOND, "more than a second was lost");
}
