//! What happens in the channel.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use antiphon_core::ids::GuildId;
use anyhow::{Context, anyhow};
use discord_sim::UserId;
use discord_sim::speaker::{Clip, Recording, Speaker, SpeakerOptions, espeak};
use discord_sim::trace::Event;
use orchestrator::session::SessionHandle;

use super::printer::Printer;
use super::results::StoryResult;
use super::scene::{STEP_TIMEOUT, Scene};
use super::{Args, cast};

/// Silence after which the bot is taken to have finished.
const OVER: Duration = Duration::from_millis(1200);
/// For how long Alice listens to the story before she interrupts.
const LISTENS: Duration = Duration::from_millis(2500);
/// How far into Alice's question Bob starts to talk.
const INTO: Duration = Duration::from_millis(500);

struct Lines(BTreeMap<&'static str, Clip>);

impl Lines {
    /// Makes every line beforehand, so that people begin to talk at once.
    async fn rehearse() -> anyhow::Result<Self> {
        let mut clips = BTreeMap::new();
        for line in cast::LINES {
            clips.insert(line, espeak::speak(line, &cast::alice()).await.context("Alice has no voice")?);
        }
        clips
            .insert(cast::ASIDE, espeak::speak(cast::ASIDE, &cast::bob()).await.context("Bob has no voice")?);
        Ok(Self(clips))
    }

    fn of(&self, line: &'static str) -> anyhow::Result<&Clip> {
        self.0.get(line).ok_or_else(|| anyhow!("no clip was made of the line {line:?}"))
    }
}

/// Lets it happen.
pub(super) async fn play(
    scene: &Scene,
    args: &Args,
    out: &Path,
    printer: &Printer,
) -> anyhow::Result<StoryResult> {
    let sim = &scene.sim;
    let (alice_id, bob_id, carol_id) = (sim.add_user("Alice"), sim.add_user("Bob"), sim.add_user("Carol"));
    let names = [(alice_id, "alice"), (bob_id, "bob"), (carol_id, "carol"), (scene.bot, "antiphon")];
    let join = async |user: UserId, who: &str| -> anyhow::Result<Speaker> {
        let mut recording = Recording::into_folder(out.join("heard").join(who));
        for (user, name) in names {
            recording = recording.name(user, name);
        }
        let credentials = sim.join_voice(user, sim.voice_channel_id())?;
        let options = SpeakerOptions::new(sim.ca_pem_path()).record(recording);
        Speaker::join(credentials, options).await.with_context(|| format!("{who} could not join"))
    };
    let lines = Lines::rehearse().await?;
    let alice = join(alice_id, "alice").await?;
    let bob = join(bob_id, "bob").await?;
    printer.happened("Alice and Bob are in the voice channel");

    let answer = scene.command(alice_id, "/voice join", serde_json::json!({})).await?;
    printer.happened(format!("Alice: /voice join. Antiphon: {answer}"));
    let guild = GuildId(sim.guild_id().0);
    let session = scene.app.sessions().of_guild(guild).context("no session was started")?;
    let answer = scene.command(alice_id, "/consent grant", serde_json::json!({})).await?;
    printer.happened(format!("Alice: /consent grant. Antiphon: {answer}"));
    printer.happened("Bob says nothing about consent: nothing of him may be kept or understood");
    notice_spoken(&session).await?;
    printer.happened("Antiphon has said aloud that it listens");
    alice.wait_for_key_with(&[scene.bot, bob_id], STEP_TIMEOUT).await?;
    bob.wait_for_key_with(&[scene.bot, alice_id], STEP_TIMEOUT).await?;
    let bot = scene.bot;
    let nickname_marked = sim
        .events()
        .wait_for(
            |event| matches!(event, Event::Nickname { user, nick: Some(_), .. } if *user == bot),
            STEP_TIMEOUT,
        )
        .await
        .is_ok();
    scene.lose_packets();
    printer.happened(format!("{} % of the packets to the bot get lost from now on", args.loss));
    let listener = tokio::spawn(listen(session.clone(), printer.clone()));

    let mut voice_to_voice = Vec::new();
    let mut ask = async |line: &'static str| -> anyhow::Result<()> {
        let took = exchange(scene, &session, &alice, &lines, line, printer).await?;
        voice_to_voice.push((line.to_owned(), took));
        alice.wait_until_silent(scene.bot, OVER, STEP_TIMEOUT).await?;
        Ok(())
    };

    ask(cast::TIME).await?;
    // For the `script` transcriber too: if a word of Bob's got that far, it would be found in what was written.
    let speech = lines.of(cast::ASIDE)?.duration();
    scene.publish(bob_id, &session, cast::ASIDE, speech + Duration::from_secs(5));
    let aside =
        tokio::spawn(talk_over(alice_id, bob.clone(), lines.of(cast::ASIDE)?.clone(), printer.clone()));
    ask(cast::SUM).await?;
    let overlap = aside.await.context("Bob was cut off")??;

    let before = epochs(scene).last().copied().unwrap_or(0);
    let carol = join(carol_id, "carol").await?;
    carol.wait_for_key_with(&[scene.bot, alice_id, bob_id], STEP_TIMEOUT).await?;
    let in_use =
        |event: &Event| matches!(event, Event::DaveEpoch { members, .. } if members.contains(&carol_id));
    sim.events().wait_for(in_use, STEP_TIMEOUT).await.context("the new keys never came into use")?;
    let after = epochs(scene).last().copied().unwrap_or(0);
    printer.happened(format!("Carol comes in: the call's keys change (epoch {before} -> {after})"));

    let barge_in = interrupt(scene, &session, &alice, &lines, printer).await?;
    ask(cast::THANKS).await?;

    let answer = scene.command(alice_id, "/voice leave", serde_json::json!({})).await?;
    printer.happened(format!("Alice: /voice leave. Antiphon: {answer}"));
    let ended = tokio::time::timeout(STEP_TIMEOUT, session.wait())
        .await
        .ok()
        .flatten()
        .context("the session did not end")?;
    // Ends with the session.
    listener.await.context("the listening task failed")?;
    let mut packets_sent = 0;
    for (speaker, who) in [(alice, "alice"), (bob, "bob"), (carol, "carol")] {
        let report = speaker.leave().await;
        packets_sent += report.stats.sent;
        collect(out, who)?;
    }
    Ok(StoryResult {
        session,
        ended,
        alice: alice_id,
        bob: bob_id,
        voice_to_voice,
        barge_in,
        overlap,
        epochs: epochs(scene),
        epochs_at_carol: (before, after),
        unheard: cast::ASIDE,
        nickname_marked,
        packets_sent,
    })
}

/// Waits until the bot has spoken its notice to the end.
async fn notice_spoken(session: &SessionHandle) -> anyhow::Result<()> {
    let mut status = session.watch();
    let spoken = status.wait_for(|status| status.turns > 0 && status.open == 0);
    tokio::time::timeout(STEP_TIMEOUT, spoken).await.context("the notice was not spoken")??;
    Ok(())
}

/// Says a line, and waits for the first sound of the answer: how long that took from the last voiced packet.
async fn exchange(
    scene: &Scene,
    session: &SessionHandle,
    speaker: &Speaker,
    lines: &Lines,
    line: &'static str,
    printer: &Printer,
) -> anyhow::Result<Duration> {
    printer.says("Alice", line);
    let clip = lines.of(line)?;
    scene.publish(speaker.user(), session, line, clip.duration());
    let played = speaker.speak_clip(clip, line).await?;
    let spoken = played.last_voiced.context("nothing was said")?;
    let answered = speaker.wait_until_hearing_since(scene.bot, spoken, STEP_TIMEOUT).await?;
    let took = answered.saturating_duration_since(spoken);
    printer.happened(format!("           (answered after {} ms)", took.as_millis()));
    Ok(took)
}

/// Bob talks while Alice does.
async fn talk_over(alice_id: UserId, bob: Speaker, clip: Clip, printer: Printer) -> anyhow::Result<Duration> {
    bob.wait_until_hearing(alice_id, STEP_TIMEOUT).await?;
    tokio::time::sleep(INTO).await;
    printer.says("Bob", cast::ASIDE);
    let bobs = bob.speak_clip(&clip, cast::ASIDE).await?;
    let (Some(from), Some(to)) = (bobs.first_voiced, bobs.last_voiced) else { return Ok(Duration::ZERO) };
    // What Bob heard of Alice shows when she spoke.
    let heard = bob.heard_since(alice_id, from);
    let both_until = heard.last_audible.unwrap_or(from).min(to);
    Ok(both_until.saturating_duration_since(from))
}

/// Alice asks for a story and interrupts it: how long the bot went on after her first word.
async fn interrupt(
    scene: &Scene,
    session: &SessionHandle,
    alice: &Speaker,
    lines: &Lines,
    printer: &Printer,
) -> anyhow::Result<Duration> {
    let bot = scene.bot;
    exchange(scene, session, alice, lines, cast::STORY, printer).await?;
    tokio::time::sleep(LISTENS).await;
    printer.says("Alice", &format!("{} (while Antiphon speaks)", cast::STOP));
    let clip = lines.of(cast::STOP)?;
    scene.publish(alice.user(), session, cast::STOP, clip.duration());
    let played = alice.speak_clip(clip, cast::STOP).await?;
    let first_word = played.first_voiced.context("nothing was said")?;
    let silent = alice.wait_until_silent(bot, Duration::from_millis(400), STEP_TIMEOUT).await?;
    let silent = silent.context("the bot was never heard")?;
    let took = silent.saturating_duration_since(first_word);
    printer.happened(format!("           (silent {} ms after her first word)", took.as_millis()));
    // Alice pauses: what she says next is a turn of its own.
    tokio::time::sleep(OVER).await;
    Ok(took)
}

/// The epochs that were in use, as the simulated Discord saw them.
fn epochs(scene: &Scene) -> Vec<u64> {
    let entries = scene.sim.events().snapshot();
    let mut epochs: Vec<u64> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::DaveEpoch { epoch, .. } => Some(*epoch),
            _ => None,
        })
        .collect();
    epochs.dedup();
    epochs
}

/// Prints what the bot heard and answered, turn by turn.
async fn listen(session: SessionHandle, printer: Printer) {
    let mut status = session.watch();
    let mut shown = 0;
    loop {
        let recent = status.borrow_and_update().recent.clone();
        for turn in recent.iter().filter(|turn| turn.turn.0 > shown) {
            if let Some(heard) = &turn.transcript {
                printer.happened(format!("           [turn {}: heard \"{heard}\"]", turn.turn));
            }
            if !turn.said.is_empty() {
                printer.says("Antiphon", &turn.said);
            }
        }
        shown = recent.iter().map(|turn| turn.turn.0).max().unwrap_or(shown).max(shown);
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// `heard/alice/antiphon.wav` → `heard/alice-hears-antiphon.wav`, so that everything lies side by side.
fn collect(out: &Path, who: &str) -> anyhow::Result<()> {
    let heard = out.join("heard");
    let folder = heard.join(who);
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let to = match name.as_str() {
            "heard.json" => heard.join(format!("{who}.json")),
            _ => heard.join(format!("{who}-hears-{name}")),
        };
        std::fs::rename(entry.path(), to)?;
    }
    if folder.is_dir() {
        std::fs::remove_dir(&folder)?;
    }
    let reply = heard.join("alice-hears-antiphon.wav");
    if who == "alice" && reply.exists() {
        std::fs::copy(&reply, out.join("reply.wav"))?;
    }
    Ok(())
}
