//! A scripted speaker: a voice client that speaks, listens and records what it heard.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::audibility::Heard;
use super::clip::{Clip, ClipError, VOICED_DBFS};
use super::espeak::{self, EspeakError, Voice};
use super::recorder::{HeardPerson, Listening, Recording};
use super::transcript::TranscriptBook;
use crate::client::{ClientError, ClientEvent, ClientOptions, ClientStats, Played, Status, VoiceClient};
use crate::ids::UserId;
use crate::voice::VoiceCredentials;

/// How a speaker joins.
#[derive(Debug, Clone)]
pub struct SpeakerOptions {
    /// How its client connects.
    pub client: ClientOptions,
    /// Where what it hears is recorded; nowhere by default.
    pub recording: Option<Recording>,
    /// Where what it says is written down; a book of its own by default.
    pub book: TranscriptBook,
    /// The level from which a packet counts as audible, in dB relative to full scale.
    pub audible_dbfs: f32,
}

impl SpeakerOptions {
    /// The defaults, trusting the authority in `ca_pem`.
    pub fn new(ca_pem: impl Into<PathBuf>) -> Self {
        Self {
            client: ClientOptions::new(ca_pem),
            recording: None,
            book: TranscriptBook::default(),
            audible_dbfs: VOICED_DBFS,
        }
    }

    /// Records what it hears.
    #[must_use]
    pub fn record(mut self, recording: Recording) -> Self {
        self.recording = Some(recording);
        self
    }

    /// Writes what it says into a shared book.
    #[must_use]
    pub fn book(mut self, book: &TranscriptBook) -> Self {
        self.book = book.clone();
        self
    }

    /// Joins muted.
    #[must_use]
    pub fn muted(mut self) -> Self {
        self.client.muted = true;
        self
    }
}

/// A speaker could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpeakerError {
    /// Its connection failed or ended.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What it was to say cannot be encoded.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// What it was to say cannot be synthesised.
    #[error(transparent)]
    Espeak(#[from] EspeakError),
    /// It waited in vain.
    #[error("user {user} was not {what} within {waited_ms} ms")]
    Waited {
        /// Who was waited for.
        user: UserId,
        /// For what.
        what: &'static str,
        /// How long.
        waited_ms: u64,
    },
}

/// What a speaker did and heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakerReport {
    /// Who.
    pub user: UserId,
    /// The people that it heard, and where the recording is.
    pub heard: Vec<HeardPerson>,
    /// Frames of people beyond the number that is recorded.
    pub unheard_frames: u64,
    /// Counts of its client.
    pub stats: ClientStats,
}

/// A speaker in a call. Clones are the same speaker; it leaves when asked, or when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Speaker {
    user: UserId,
    client: Arc<VoiceClient>,
    listening: Arc<Mutex<Listening>>,
    heard: watch::Receiver<u64>,
    book: TranscriptBook,
    recorded: Option<PathBuf>,
}

impl Speaker {
    /// Joins the call; returns when packets can flow.
    pub async fn join(credentials: VoiceCredentials, options: SpeakerOptions) -> Result<Self, SpeakerError> {
        let user = credentials.user_id;
        let recorded = options.recording.as_ref().map(|recording| recording.folder.clone());
        let listening = Listening::new(Instant::now(), options.recording, options.audible_dbfs);
        let listening = Arc::new(Mutex::new(listening));
        let (tick, heard) = watch::channel(0_u64);
        let memory = Arc::clone(&listening);
        let on_event = move |event| match event {
            ClientEvent::Heard(frame) => {
                if lock(&memory).hear(frame) {
                    tick.send_modify(|count| *count += 1);
                }
            }
            ClientEvent::Session(_) => {}
            ClientEvent::Ended(_) => tick.send_modify(|count| *count += 1),
        };
        let client = VoiceClient::connect(credentials, options.client, Box::new(on_event)).await?;
        Ok(Self { user, client: Arc::new(client), listening, heard, book: options.book, recorded })
    }

    /// Who this is.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// The client under it.
    pub fn client(&self) -> &VoiceClient {
        &self.client
    }

    /// Where the connection stands: who is here, and which keys are in use.
    pub fn status(&self) -> Status {
        self.client.status()
    }

    /// When its recordings begin.
    pub fn started(&self) -> Instant {
        lock(&self.listening).started()
    }

    /// What was said by everybody who shares this speaker's book.
    pub const fn book(&self) -> &TranscriptBook {
        &self.book
    }

    /// Says a WAV file, to its end or until stopped.
    pub async fn speak_wav(&self, path: &Path) -> Result<Played, SpeakerError> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let path = path.to_owned();
        let clip = blocking(move || Clip::from_wav(&path)).await?;
        self.speak_clip(&clip, &name).await
    }

    /// Says a text with espeak-ng, to its end or until stopped.
    pub async fn speak_text(&self, text: &str, voice: &Voice) -> Result<Played, SpeakerError> {
        let clip = espeak::speak(text, voice).await?;
        self.speak_clip(&clip, text).await
    }

    /// Says 48 kHz mono samples in -1..1, written down as `text`.
    pub async fn speak_pcm(&self, samples: Vec<f32>, text: &str) -> Result<Played, SpeakerError> {
        let clip = blocking(move || Clip::from_pcm(&samples)).await?;
        self.speak_clip(&clip, text).await
    }

    /// Says a clip that was made beforehand, so that it begins at once.
    pub async fn speak_clip(&self, clip: &Clip, text: &str) -> Result<Played, SpeakerError> {
        let mut saying = self.client.say(Arc::clone(clip.frames())).await?;
        let entry = match (saying.begun().await, clip.voiced_span()) {
            (Some(begun), Some((first, last))) => Some(self.book.begin(
                self.user,
                text,
                begun + first,
                begun + last + Duration::from_millis(20),
            )),
            _ => None,
        };
        let played = saying.done().await?;
        if let Some(entry) = entry {
            self.book.finish(entry, played.first_voiced.zip(played.last_voiced), played.interrupted);
        }
        Ok(played)
    }

    /// Stops what it is saying, and forgets what it was going to say.
    pub async fn stop_speaking(&self) -> Result<(), SpeakerError> {
        Ok(self.client.stop().await?)
    }

    /// Mutes or unmutes.
    pub async fn set_muted(&self, muted: bool) -> Result<(), SpeakerError> {
        Ok(self.client.set_muted(muted).await?)
    }

    /// Waits until it shares end-to-end keys with all of `users`.
    pub async fn wait_for_key_with(
        &self,
        users: &[UserId],
        timeout: Duration,
    ) -> Result<Status, SpeakerError> {
        Ok(self.client.wait_for_key_with(users, timeout).await?)
    }

    /// What it heard of `user` since a moment.
    pub fn heard_since(&self, user: UserId, since: Instant) -> Heard {
        lock(&self.listening).audibility().since(user, since)
    }

    /// The people that it heard so far, and when.
    pub fn heard(&self) -> Vec<HeardPerson> {
        lock(&self.listening).report()
    }

    /// Waits until `user` is audible, now or later: when the first packet of that stretch of sound arrived.
    pub async fn wait_until_hearing(&self, user: UserId, timeout: Duration) -> Result<Instant, SpeakerError> {
        let asked = Instant::now();
        self.wait(user, "heard", timeout, |listening, now| {
            let audibility = listening.audibility();
            Ok(audibility.began_since(user, asked).or_else(|| audibility.speaking_since(user, now)))
        })
        .await
    }

    /// Waits until `user` begins to be audible at or after `since`, and not in a stretch of sound that had begun
    /// before: when the first packet arrived. For measuring how long an answer takes.
    pub async fn wait_until_hearing_since(
        &self,
        user: UserId,
        since: Instant,
        timeout: Duration,
    ) -> Result<Instant, SpeakerError> {
        self.wait(user, "heard", timeout, |listening, _| Ok(listening.audibility().began_since(user, since)))
            .await
    }

    /// Waits until `user` has been silent for so long (at once, when it was never heard): since when.
    pub async fn wait_until_silent(
        &self,
        user: UserId,
        silence: Duration,
        timeout: Duration,
    ) -> Result<Option<Instant>, SpeakerError> {
        self.wait(user, "silent", timeout, |listening, now| match listening.audibility().silent_from(user) {
            Some(from) if now < from + silence => Err(from + silence),
            from => Ok(Some(from)),
        })
        .await
    }

    /// Leaves the call, ends the recordings, and writes `heard.json` next to them.
    pub async fn leave(self) -> SpeakerReport {
        self.client.leave().await;
        let (heard, unheard_frames) = {
            let mut listening = lock(&self.listening);
            (listening.finish(), listening.unheard())
        };
        let report = SpeakerReport { user: self.user, heard, unheard_frames, stats: self.client.stats() };
        if let Some(folder) = &self.recorded
            && !report.heard.is_empty()
        {
            let marks = serde_json::to_vec_pretty(&report).unwrap_or_default();
            if let Err(error) = std::fs::write(folder.join("heard.json"), marks) {
                tracing::warn!(%error, folder = %folder.display(), "cannot write heard.json");
            }
        }
        report
    }

    /// Looks after each audible packet, and at the moment that `look` names: `Ok(None)` waits for a packet, `Err`
    /// for a moment.
    async fn wait<T>(
        &self,
        user: UserId,
        what: &'static str,
        timeout: Duration,
        look: impl Fn(&Listening, Instant) -> Result<Option<T>, Instant>,
    ) -> Result<T, SpeakerError> {
        let deadline = Instant::now() + timeout;
        let mut heard = self.heard.clone();
        loop {
            heard.borrow_and_update();
            let now = Instant::now();
            let again_at = match look(&lock(&self.listening), now) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => deadline,
                Err(at) => at.min(deadline),
            };
            if now >= deadline {
                let waited_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                return Err(SpeakerError::Waited { user, what, waited_ms });
            }
            let again = tokio::time::sleep_until(tokio::time::Instant::from_std(again_at));
            tokio::select! {
                changed = heard.changed() => {
                    if changed.is_err() {
                        return Err(ClientError::Gone.into());
                    }
                }
                () = again => {}
            }
        }
    }
}

fn lock(listening: &Mutex<Listening>) -> MutexGuard<'_, Listening> {
    listening.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking(
    encode: impl FnOnce() -> Result<Clip, ClipError> + Send + 'static,
) -> Result<Clip, SpeakerError> {
    match tokio::task::spawn_blocking(encode).await {
        Ok(clip) => Ok(clip?),
        Err(error) => Err(ClipError::Opus(error.to_string()).into()),
    }
}
