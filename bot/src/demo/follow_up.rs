//! What is done with the session after its end: it is checked, exported, replayed and compared.
use std::collections::BTreeMap;
use std::path::Path;

use antiphon_core::audio::SlotCounts;
use antiphon_core::event::{Outcome, PolicyName};
use antiphon_core::ids::{Lane, UserId};
use anyhow::Context;
use bundle::{Reader, export};
use orchestrator::replay::CandidateSettings;
use orchestrator::replay::bundle::{try_candidate, verify_bundle};
use parity::diff::{Run, Tolerances, TurnView, compare, load};
use parity::report::ParityReport;
use store::{Verified, verify_session};

use super::cast;
use super::check::Check;
use super::printer::Printer;
use super::results::{FollowUp, LedgerSummary, Packets, ProviderSummary, Replay, StoryResult, Transcript};
use super::scene::Scene;

pub(super) async fn follow(
    scene: &Scene,
    story: &StoryResult,
    out: &Path,
    printer: &Printer,
) -> anyhow::Result<FollowUp> {
    let bundle = out.join("bundle");
    let recorded = story.ended.bundle.as_ref().with_context(|| {
        format!(
            "the bundle is not whole: {}",
            story.ended.recording_fault.as_deref().unwrap_or("it was never sealed")
        )
    })?;
    std::fs::rename(recorded, &bundle).context("the bundle could not be moved")?;
    let reader = Reader::open(&bundle)?;
    let manifest = reader.manifest().clone();
    let verified = reader.verify(|_, _| {})?;
    printer
        .happened(format!("the bundle is sealed: {} files, {} turns", verified.blobs, manifest.counts.turns));
    export::archive(&reader, &out.join("bundle.tar.zst"), |_, _| {})?;
    export::vtt(&reader, &out.join("bundle.vtt"))?;

    let chain = verify_session(&**scene.app.store(), story.session.id(), manifest.ledger).await?;
    printer.happened(format!("the ledger's chain of {} rows holds: {}", chain.rows, chain.holds()));

    let replayed = verify_bundle(&reader)?;
    printer.happened(format!(
        "replayed: {}",
        if replayed.identical() { "identical, bit for bit" } else { "DIFFERENT" }
    ));
    let zone = jiff::tz::TimeZone::get(&scene.app.settings().time_zone)?;
    let tried = try_candidate(
        &reader,
        CandidateSettings { policy: PolicyName::Adaptive, zone },
        &out.join("rehearsal"),
    )?;

    let production = load::bundle(&reader, Lane::Production)?;
    let sandbox = load::bundle(&reader, Lane::Sandbox)?;
    let rehearsal = load::folder(&out.join("rehearsal"), Lane::Sandbox)?;
    let parity = compare(&production, &sandbox, &Tolerances::default());
    let rehearsed = compare(&production, &rehearsal, &Tolerances::default());
    printer.happened(format!(
        "the sandbox lane chose otherwise in {} of {} turns; its rehearsal took {} steps",
        parity.turns - parity.agreed,
        parity.turns,
        tried.steps
    ));
    let page = out.join("parity.html");
    let mut notes = vec!["Alice, Bob and Carol are scripted speakers on a simulated Discord.".to_owned()];
    if scene.scripted() {
        notes.push(SCRIPTED.to_owned());
    }
    ParityReport {
        runs: (&production, &sandbox),
        parity: &parity,
        bundle: Some(&reader),
        chain: Some(&chain),
        notes,
    }
    .write(&page)?;

    let first_difference =
        replayed.first_difference().map(|(lane, difference)| format!("{lane}: {difference:?}"));
    let packets = packets(scene, story, &reader);
    let mut names: BTreeMap<_, _> = manifest.members.iter().map(|m| (m.user, m.name.clone())).collect();
    names.insert(manifest.bot.user, manifest.bot.name.clone());
    let transcripts = transcripts(&production, &names);
    let mut checks = checks(story, &reader, &production, &transcripts, &packets, &bundle, scene.loss > 0.0)?;
    checks.push(Check::new(
        "the bundle is whole",
        verified.whole(),
        match verified.problems.first() {
            Some(problem) => problem.to_string(),
            None => format!("{} files agree with their digests", verified.blobs),
        },
    ));
    checks.push(ledger_check(&chain));
    checks.push(Check::new(
        "replay decides the same, bit for bit",
        replayed.identical(),
        first_difference.clone().unwrap_or_else(|| {
            format!(
                "{} inputs, {} actions",
                replayed.inputs,
                replayed.production.lines + replayed.sandbox.lines
            )
        }),
    ));
    checks.push(Check::new(
        "the lanes were compared, and differ as two policies should",
        parity.turns > 0 && !parity.differences.is_empty(),
        format!("{} differences in {} turns", parity.differences.len(), parity.turns),
    ));
    Ok(FollowUp {
        transcripts,
        stt: stt(scene),
        tts: tts(scene),
        llm: llm(scene, &production),
        packets,
        ledger: LedgerSummary {
            rows: chain.rows,
            head: manifest.ledger.map(|proof| proof.head.to_string()).unwrap_or_default(),
            chain_verified: chain.holds() && chain.anchored,
        },
        replay: Replay {
            identical: replayed.identical(),
            inputs: replayed.inputs,
            actions: replayed.production.lines + replayed.sandbox.lines,
            first_difference,
        },
        parity: serde_json::json!({
            "lanes": parity,
            "rehearsal": { "agreed": rehearsed.agreed, "turns": rehearsed.turns, "differences": rehearsed.differences },
        }),
        checks,
    })
}

/// Said wherever transcripts were not recognised but given.
pub(super) const SCRIPTED: &str = "No speech model was there: the transcripts are the scripted speakers' own lines, given \
    by the `script` transcriber, which exists in the sandbox only. Set ANTIPHON_WHISPER_MODEL for real recognition.";

fn ledger_check(chain: &Verified) -> Check {
    let found = match &chain.broken {
        Some(broken) => broken.to_string(),
        None if chain.anchored => format!("{} rows lead to the head that the bundle keeps", chain.rows),
        None => format!("{} rows, but no head outside the database", chain.rows),
    };
    Check::new("the ledger's chain holds", chain.holds() && chain.anchored && chain.rows > 0, found)
}

fn packets(scene: &Scene, story: &StoryResult, reader: &Reader) -> Packets {
    let mut slots = SlotCounts::default();
    let tracks = reader.manifest().tracks.iter().filter(|track| track.kind == bundle::TrackKind::Speaker);
    for track in tracks {
        slots.merge(&track.marks);
    }
    let stats = scene.sim.stats();
    let bot = stats.users.get(&scene.bot).copied().unwrap_or_default();
    Packets {
        sent_to_the_call: story.packets_sent,
        received: bot.received,
        lost: bot.lost,
        concealed: slots.concealed,
        withheld: slots.withheld,
        dropped: story.ended.status.dropped,
        slots,
    }
}

fn transcripts(production: &Run, names: &BTreeMap<UserId, String>) -> Vec<Transcript> {
    let said: Vec<&str> = cast::LINES.to_vec();
    production
        .turns
        .iter()
        .map(|turn| {
            let heard = turn.transcript.clone().unwrap_or_default();
            Transcript {
                turn: turn.turn.0,
                speaker: names.get(&turn.user).cloned().unwrap_or_default(),
                said: said.iter().find(|line| same_words(line, &heard)).map(|line| (*line).to_owned()),
                heard,
                reply: turn.said.clone(),
                outcome: turn.outcome.map(|outcome| format!("{outcome:?}")).unwrap_or_default(),
            }
        })
        .collect()
}

/// Word for word, but for case and punctuation.
fn same_words(a: &str, b: &str) -> bool {
    plain(a.as_bytes()) == plain(b.as_bytes())
}

fn checks(
    story: &StoryResult,
    reader: &Reader,
    production: &Run,
    transcripts: &[Transcript],
    packets: &Packets,
    bundle: &Path,
    lossy: bool,
) -> anyhow::Result<Vec<Check>> {
    let manifest = reader.manifest();
    let mut checks = Vec::new();
    let heard = cast::LINES
        .iter()
        .filter(|line| transcripts.iter().any(|t| t.said.as_deref() == Some(**line)))
        .count();
    checks.push(Check::new(
        "every line of Alice's was heard, word for word",
        heard == cast::LINES.len(),
        format!("{heard} of {}", cast::LINES.len()),
    ));
    let answered = story.voice_to_voice.len();
    checks.push(Check::new("she was answered aloud", answered >= 3, format!("{answered} times")));
    checks.push(Check::new(
        "Bob talked while Alice did",
        story.overlap.as_millis() > 200,
        format!("for {} ms", story.overlap.as_millis()),
    ));
    let interrupted = |turn: &&TurnView| turn.outcome == Some(Outcome::Interrupted);
    let cut = production.turns.iter().find(interrupted);
    checks.push(Check::new(
        "the story was interrupted, and the record says how much of it was said",
        cut.is_some_and(|turn| !turn.said.is_empty() && turn.said.len() < turn.reply.len()),
        format!(
            "silent {} ms after her first word; {}",
            story.barge_in.as_millis(),
            match cut {
                Some(turn) => format!("{} of {} characters were said", turn.said.len(), turn.reply.len()),
                None => "no turn was interrupted".into(),
            }
        ),
    ));
    checks.push(Check::new(
        "the bot fell silent soon after",
        story.barge_in < SOON,
        format!("{} ms after Alice's first word", story.barge_in.as_millis()),
    ));
    // Bob and Carol never agreed: the record knows them as guests, and neither their names nor their ids.
    let heard = [story.alice.0, manifest.bot.user.0];
    let guests: Vec<_> = manifest.tracks.iter().filter(|track| !heard.contains(&track.user.0)).collect();
    let kept = guests.iter().any(|track| track.blob.is_some());
    let mut marks = SlotCounts::default();
    guests.iter().for_each(|track| marks.merge(&track.marks));
    let turns = production.turns.iter().filter(|turn| !heard.contains(&turn.user.0)).count();
    let named = mentions(bundle, "Bob")? || mentions(bundle, &story.bob.0.to_string())?;
    checks.push(Check::new(
        "nothing of Bob was kept or understood, not even his name",
        !kept
            && !named
            && marks.withheld > 0
            && marks.received + marks.concealed == 0
            && turns == 0
            && !mentions(bundle, story.unheard)?,
        format!("{} slots of guests withheld, {turns} turns, no track", marks.withheld),
    ));
    checks.push(Check::new(
        "packets were lost, and made good",
        if lossy { packets.lost > 0 && packets.concealed > 0 } else { packets.lost == 0 },
        format!(
            "{} of {} packets to the bot lost, {} slots concealed",
            packets.lost,
            packets.lost + packets.received,
            packets.concealed
        ),
    ));
    let (before, after) = story.epochs_at_carol;
    checks.push(Check::new(
        "the call's keys changed when Carol came in",
        after > before,
        format!("epoch {before} to {after}; {} epochs in all", story.epochs.len()),
    ));
    checks.push(Check::new(
        "the bot's nickname said that it listens",
        story.nickname_marked,
        story.nickname_marked.to_string(),
    ));
    let alice = manifest.speaker(antiphon_core::ids::UserId(story.alice.0));
    checks.push(Check::new(
        "Alice's track was kept as it arrived",
        alice.is_some_and(|track| track.blob.is_some() && track.marks.received > 0),
        alice
            .map(|track| format!("{} slots received", track.marks.received))
            .unwrap_or_else(|| "no track".into()),
    ));
    Ok(checks)
}

/// A person who interrupts expects silence within this time.
const SOON: std::time::Duration = std::time::Duration::from_millis(1_500);

/// Whether any text of the bundle or of the ledger next to it holds these words, in whatever case and punctuation.
fn mentions(bundle: &Path, words: &str) -> anyhow::Result<bool> {
    let words = plain(words.as_bytes());
    let ledger = bundle.with_file_name("ledger.db");
    let wal = bundle.with_file_name("ledger.db-wal");
    let texts = std::fs::read_dir(bundle)?.flatten().map(|entry| entry.path());
    for path in texts.chain([ledger, wal]).filter(|path| path.is_file()) {
        if plain(&std::fs::read(&path)?).contains(&words) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Letters and digits only, in lower case, with one space between words.
fn plain(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn stt(scene: &Scene) -> ProviderSummary {
    let report = scene.app.providers().report();
    let about = report.stt.first();
    let words = match about {
        _ if scene.scripted() => format!("script. {SCRIPTED}"),
        Some(about) => match &about.note {
            Some(note) => format!("{} ({}): {note}", about.name, about.engine),
            None => format!("{} ({})", about.name, about.engine),
        },
        None => "none".into(),
    };
    ProviderSummary { words, about: serde_json::json!(about) }
}

fn tts(scene: &Scene) -> ProviderSummary {
    let report = scene.app.providers().report();
    let about = report.tts.first();
    let words =
        about.map(|about| format!("{} ({})", about.name, about.engine)).unwrap_or_else(|| "none".into());
    ProviderSummary { words, about: serde_json::json!(about) }
}

fn llm(scene: &Scene, production: &Run) -> ProviderSummary {
    let providers = scene.app.providers().language().providers();
    let used: std::collections::BTreeSet<&str> =
        production.turns.iter().filter_map(|turn| turn.llm.as_deref()).collect();
    let used: Vec<&str> = used.into_iter().collect();
    let words = if used == ["offline"] {
        "offline: the built-in responder, which answers by rule; no language model was asked".into()
    } else {
        used.join(", ")
    };
    ProviderSummary { words, about: serde_json::json!(providers) }
}

#[cfg(test)]
mod tests {
    use super::same_words;

    #[test]
    fn words_are_compared_without_case_and_punctuation_and_nothing_else() {
        assert!(same_words("Hey Antiphon, what time is it?", " hey antiphon what time is it"));
        assert!(!same_words("What is seven plus five?", "What is seven plus nine?"));
        assert!(!same_words("Stop.", "Stop it."));
    }
}
