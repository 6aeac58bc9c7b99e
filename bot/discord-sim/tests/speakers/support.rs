//! What the tests share: a call, its people, and how alike two sounds are.
use std::time::{Duration, Instant};

use discord_sim::client::{Played, TransportMode};
use discord_sim::speaker::espeak::{self, Voice};
use discord_sim::speaker::{Clip, Recording, Speaker, SpeakerOptions, SpeakerReport, wav};
use discord_sim::{Sim, UserId};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than the quiet at the end of espeak-ng's sentences and the silence frames after it.
pub(crate) const HUSH: Duration = Duration::from_millis(900);
const RATE: f64 = 48_000.0;

/// How alike two sounds are where `part` lies in `whole`, at the best place within `reach` samples of `near`: the
/// normalised cross-correlation, and the place.
pub(crate) fn find(part: &[f32], whole: &[f32], near: usize, reach: usize) -> (f32, usize) {
    let energy = |s: &[f32]| s.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
    let part_energy = energy(part);
    let score = |at: usize| {
        let window = whole.get(at..at + part.len())?;
        // One sample of sixteen is enough to find the place.
        let pairs = part.iter().zip(window).step_by(16);
        let (dot, a, b) = pairs.fold((0.0_f64, 0.0_f64, 0.0_f64), |(dot, a, b), (x, y)| {
            let (x, y) = (f64::from(*x), f64::from(*y));
            (dot + x * y, a + x * x, b + y * y)
        });
        Some(dot / (a * b).sqrt().max(1e-9))
    };
    let best = (near.saturating_sub(reach)..=near + reach)
        .filter_map(|at| score(at).map(|score| (score, at)))
        .fold((f64::MIN, 0), |best, this| if this.0 > best.0 { this } else { best });
    let window = &whole[best.1..best.1 + part.len()];
    let dot: f64 = part.iter().zip(window).map(|(a, b)| f64::from(a * b)).sum();
    ((dot / (part_energy * energy(window)).max(1e-9)) as f32, best.1)
}

pub(crate) fn samples(since: Instant, at: Instant) -> usize {
    (at.duration_since(since).as_secs_f64() * RATE) as usize
}

/// How far a recording may be out of place: a frame, and as long as this machine took to bring the first audible packet.
pub(crate) fn slack(report: &SpeakerReport, of: UserId, started: Instant, played: &Played) -> usize {
    let person = report.heard.iter().find(|person| person.user == of).unwrap();
    let arrived = person.audible_ms[0].0 as usize * 48 + 48;
    960 + arrived.saturating_sub(samples(started, played.first_voiced.unwrap()))
}

pub(crate) async fn clip(text: &str, voice: &str) -> Clip {
    espeak::speak(text, &Voice::named(voice)).await.unwrap()
}

pub(crate) struct Call {
    pub(crate) sim: Sim,
    pub(crate) folder: tempfile::TempDir,
}

impl Call {
    pub(crate) async fn begin() -> Self {
        let _shown_by_rust_log = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        Self { sim: Sim::builder().start().await.unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) async fn join(&self, user: UserId, mode: TransportMode) -> Speaker {
        let credentials = self.sim.join_voice(user, self.sim.voice_channel_id()).unwrap();
        let recording = Recording::into_folder(self.folder.path().join(user.to_string()));
        let mut options = SpeakerOptions::new(self.sim.ca_pem_path()).record(recording);
        options.client.mode = mode;
        Speaker::join(credentials, options).await.unwrap()
    }

    /// Two who share keys: who they are, and their speakers.
    pub(crate) async fn pair(&self) -> ([UserId; 2], [Speaker; 2]) {
        let users = ["Anna", "Ben"].map(|name| self.sim.add_user(name));
        let mode = TransportMode::Aes256Gcm;
        let speakers = [self.join(users[0], mode).await, self.join(users[1], mode).await];
        for speaker in &speakers {
            speaker.wait_for_key_with(&users, PATIENCE).await.unwrap();
        }
        (users, speakers)
    }

    /// Lets one say a clip and waits until the other has heard all of it; what was played, and the listener's report.
    pub(crate) async fn speak(a: Speaker, b: Speaker, clip: &Clip) -> (Played, SpeakerReport, Instant) {
        let began = Instant::now();
        let played = a.speak_clip(clip, "clip").await.unwrap();
        b.wait_until_hearing_since(a.user(), began, PATIENCE).await.unwrap();
        b.wait_until_silent(a.user(), HUSH, PATIENCE).await.unwrap();
        let started = b.started();
        a.leave().await;
        (played, b.leave().await, started)
    }

    pub(crate) fn recorded(report: &SpeakerReport, of: UserId) -> Vec<f32> {
        let person = report.heard.iter().find(|person| person.user == of).unwrap();
        assert_eq!(person.dropped_frames, 0);
        wav::read(person.file.as_deref().unwrap()).unwrap()
    }
}
