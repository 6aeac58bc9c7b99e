//! Voice to voice: from the last voiced packet in to the first audible packet out, without the models' own time, over
//! 200 turns in eight sessions at once. Real parts: packets through capture, turns over the embedded Redis, whisper,
//! the offline responder, espeak-ng. What remains of the time is endpointing (the silence that ends a turn, which is a
//! setting) and everything that is ours: jitter buffer, queues, decisions, hand-overs.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints, and stops when it cannot go on"
)]
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use antiphon_core::breaker::BreakerSettings;
use antiphon_core::event::{Consent, Flags, Input, Member, Settings};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, TurnId, UserId};
use antiphon_core::time::{Clock, WallClock};
use broker::{RedisConfig, RedisHandle};
use bundle::Reader;
use discord_sim::speaker::{Voice, espeak};
use language::LanguageModel;
use language::offline::Offline;
use language::pool::Pool;
use orchestrator::session;
use orchestrator::session::{Clip, LinkError, LinkEvent, VoiceLink};
use orchestrator::workers::{Counts, Minds, Workers};
use speech::Providers;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SESSIONS: u64 = 8;
const TURNS: usize = 25;
/// Longer than endpointing and the reply.
const PAUSE: Duration = Duration::from_millis(2_700);
const LINE: &str = "Good morning, Antiphon.";

/// Notes when a turn's first sentence was handed to the player, and plays each for as long as it lasts.
#[derive(Debug)]
struct Stopwatch {
    first: Mutex<BTreeMap<TurnId, Instant>>,
    events: mpsc::Sender<LinkEvent>,
}

#[async_trait::async_trait]
impl VoiceLink for Stopwatch {
    async fn play(&self, clip: Clip) -> Result<(), LinkError> {
        let (turn, played_ms) = (clip.turn, clip.millis());
        self.first.lock().expect("nothing panics under it").entry(turn).or_insert_with(Instant::now);
        self.events.send(LinkEvent::Started { clip: clip.clone() }).await.map_err(|_| LinkError::Gone)?;
        tokio::time::sleep(Duration::from_millis(played_ms.into())).await;
        self.events
            .send(LinkEvent::Finished { clip, played_ms, completed: true })
            .await
            .map_err(|_| LinkError::Gone)
    }
    async fn stop(&self) -> Result<(), LinkError> {
        Ok(())
    }
    async fn post_text(&self, _: &str) -> Result<(), LinkError> {
        Ok(())
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut turns = runtime.block_on(measure());
    println!("{} turns of {} spoken, {SESSIONS} sessions at once", turns.len(), SESSIONS as usize * TURNS);
    let endpointing = u64::from(capture::Config::default().end_silence_ms);
    println!("endpointing (setting)                       {endpointing:>6} ms");
    row("voice to voice, all in", &mut turns, |turn| turn.all);
    row("models' own time (stt + first token + tts)", &mut turns, |turn| turn.models);
    row("without the models", &mut turns, |turn| turn.all.saturating_sub(turn.models));
    row("without the models and endpointing", &mut turns, |turn| {
        turn.all.saturating_sub(turn.models).saturating_sub(endpointing)
    });
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    all: u64,
    models: u64,
}

fn row(name: &str, turns: &mut [Turn], of: impl Fn(&Turn) -> u64) {
    turns.sort_by_key(&of);
    let at = |share: f64| {
        turns.get(((turns.len() as f64 * share) as usize).min(turns.len().saturating_sub(1))).map_or(0, &of)
    };
    println!("{name:<43} p50 {:>5} ms   p99 {:>5} ms", at(0.5), at(0.99));
}

async fn measure() -> Vec<Turn> {
    let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
    let redis = RedisHandle::open(RedisConfig::embedded()).await.expect("the embedded Redis");
    let speech = Providers::load(&speech::Settings::default());
    let offline: Arc<dyn LanguageModel> = Arc::new(Offline::new(clock.clone(), jiff::tz::TimeZone::UTC));
    let language = Arc::new(Pool::new(vec![(offline, 5)], BreakerSettings::default(), clock.clone()));
    let minds = Minds { speech, language };
    let workers = Workers::spawn(&redis, minds.clone(), Counts::default(), CancellationToken::new())
        .await
        .expect("workers");
    let clip = espeak::speak(LINE, &Voice { name: "en-us+f4".into(), speed: 155, pitch: 55 })
        .await
        .expect("espeak-ng");
    let frames: Arc<Vec<(bytes::Bytes, bool)>> = Arc::new(
        clip.frames().iter().map(|frame| (bytes::Bytes::from(frame.opus.clone()), frame.voiced)).collect(),
    );
    let folder = tempfile::tempdir().expect("a folder");
    let talks = (0..SESSIONS).map(|n| {
        let services = session::Services {
            clock: clock.clone(),
            redis: redis.clone(),
            ledger: None,
            outbox: None,
            limiter: None,
        };
        tokio::spawn(talk(n, services, minds.clone(), frames.clone(), folder.path().join(n.to_string())))
    });
    let mut turns = Vec::new();
    for talk in talks.collect::<Vec<_>>() {
        turns.extend(talk.await.expect("a session"));
    }
    workers.stop().await;
    turns
}

async fn talk(
    n: u64,
    services: session::Services,
    minds: Minds,
    frames: Arc<Vec<(bytes::Bytes, bool)>>,
    folder: std::path::PathBuf,
) -> Vec<Turn> {
    let (events, link_events) = mpsc::channel(64);
    let watch = Arc::new(Stopwatch { first: Mutex::default(), events });
    let user = UserId(10 + n);
    let mut providers = minds.speech.providers();
    providers.extend(minds.language.providers());
    let new = session::NewSession {
        session: SessionId(uuid::Uuid::now_v7()),
        guild: GuildId(100 + n),
        channel: ChannelId(1),
        bot: Member { user: UserId(1), name: "Antiphon".into(), bot: true },
        members: vec![(Member { user, name: "Alice".into(), bot: false }, Consent::Granted)],
        flags: Flags::default(),
        providers,
        settings: Settings::default(),
        capture: capture::Config::default(),
        vad: capture::VadSource::default(),
        link: watch.clone(),
        link_events,
        versions: BTreeMap::new(),
        speed: 1,
        bundle: Some(folder.clone()),
        fsync: bundle::Fsync::default(),
        pcm: bundle::PcmForm::default(),
    };
    let session = session::start(services, new).await.expect("a session");
    // Sessions do not speak in step.
    tokio::time::sleep(Duration::from_millis(n * 371)).await;
    let ears = session.ears();
    let (mut sequence, mut timestamp) = (0u16, 0u32);
    let mut last_voiced = Vec::new();
    for _ in 0..TURNS {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let mut spoken = Instant::now();
        for (opus, voiced) in frames.iter() {
            pace.tick().await;
            if *voiced {
                spoken = Instant::now();
            }
            ears.packet(user, n as u32, sequence, timestamp, capture::Payload::Opus(opus.clone()));
            sequence = sequence.wrapping_add(1);
            timestamp = timestamp.wrapping_add(960);
        }
        last_voiced.push(spoken);
        // The reply is listened to. Nothing is sent in a pause, and its time counts in RTP all the same.
        tokio::time::sleep(PAUSE).await;
        timestamp = timestamp.wrapping_add(PAUSE.as_millis() as u32 * 48);
    }
    session.idle().await;
    session.end("measured").await.expect("an end");
    let models = models(&folder);
    let first = watch.first.lock().expect("nothing panics under it").clone();
    // Turn n is the n-th that was spoken; one that was cut otherwise, or not answered, is left out, and the count shows.
    first
        .into_iter()
        .filter_map(|(turn, at)| {
            let spoken = last_voiced.get(turn.0 as usize - 1)?;
            let all = u64::try_from(at.checked_duration_since(*spoken)?.as_millis()).ok()?;
            Some(Turn { all, models: *models.get(&turn)? })
        })
        .collect()
}

/// What the models took, by turn, as recorded.
fn models(folder: &Path) -> BTreeMap<TurnId, u64> {
    let mut took: BTreeMap<TurnId, u64> = BTreeMap::new();
    let reader = Reader::open(folder).expect("a bundle");
    for line in reader.inputs().expect("its inputs") {
        match line.expect("a line").input {
            Input::TranscriptFinal { turn, took_ms, .. }
            | Input::SynthesisFinished { turn, index: 0, took_ms, .. } => {
                *took.entry(turn).or_default() += u64::from(took_ms);
            }
            Input::GenerationFinished { turn, first_token_ms, .. } => {
                *took.entry(turn).or_default() += u64::from(first_token_ms);
            }
            _ => {}
        }
    }
    took
}
