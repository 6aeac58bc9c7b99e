//! Scripted speakers over HTTP: they join calls, speak, and say what they heard.
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::reply::{Failure, Reply, done};
use super::state::MAX_WAIT;
use crate::client::TransportMode;
use crate::error::SimError;
use crate::ids::{ChannelId, UserId};
use crate::sim::Handle;
use crate::speaker::{Clip, Recording, Speaker, SpeakerOptions, Voice, espeak};

/// How many speakers there may be at a time.
const MAX_SPEAKERS: usize = 64;
/// How long a request waits when it does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(20);

/// The speakers that were started over HTTP.
#[derive(Debug, Default)]
pub(super) struct Speakers(Mutex<HashMap<UserId, Speaker>>);

impl Speakers {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Speaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, user: UserId) -> Result<Speaker, Failure> {
        self.lock().get(&user).cloned().ok_or_else(|| SimError::NoSpeaker(user).into())
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    SimError::Speaker(error.to_string()).into()
}

fn waiting(wait_ms: Option<u64>) -> Duration {
    wait_ms.map_or(DEFAULT_WAIT, Duration::from_millis).min(MAX_WAIT)
}

/// A frame's name: what a receiver reports to show that this very frame arrived.
fn name_of(opus: &[u8]) -> String {
    Sha256::digest(opus).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    name: Option<String>,
    user: Option<UserId>,
    channel: Option<ChannelId>,
    mode: Option<TransportMode>,
    /// A folder for recordings of what it hears.
    record: Option<PathBuf>,
}

/// `POST /sim/speakers`: a person, new or known, joins a call and is played by the simulation.
pub(super) async fn join(
    State(sim): State<Handle>,
    Extension(speakers): Extension<Arc<Speakers>>,
    Json(join): Json<Join>,
) -> Reply {
    if speakers.lock().len() >= MAX_SPEAKERS {
        return Err(failed(format!("there are {MAX_SPEAKERS} speakers already; let one leave first")));
    }
    let user = join.user.unwrap_or_else(|| sim.add_user(join.name.as_deref().unwrap_or("Speaker")));
    let credentials = sim.join_voice(user, join.channel.unwrap_or(sim.voice_channel_id()))?;
    let mut options = SpeakerOptions::new(sim.ca_pem_path());
    options.client.mode = join.mode.unwrap_or_default();
    if let Some(folder) = join.record {
        options = options.record(Recording::into_folder(folder));
    }
    let speaker = Speaker::join(credentials, options).await.map_err(failed)?;
    speakers.lock().insert(user, speaker);
    Ok(Json(json!({ "user": user })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Say {
    /// Spoken by espeak-ng.
    text: Option<String>,
    /// A WAV file.
    file: Option<PathBuf>,
    voice: Option<String>,
    /// Whether to answer when it begins to speak, rather than when it has ended.
    #[serde(default)]
    start_only: bool,
}

/// `POST /sim/speakers/{user}/say`: speaks; gives a name of each frame, for a receiver to compare.
pub(super) async fn say(
    Path(user): Path<UserId>,
    Extension(speakers): Extension<Arc<Speakers>>,
    Json(say): Json<Say>,
) -> Reply {
    let speaker = speakers.get(user)?;
    let clip = match (&say.text, say.file) {
        (Some(text), None) => {
            let voice = say.voice.map_or_else(Voice::default, Voice::named);
            espeak::speak(text, &voice).await.map_err(failed)?
        }
        (None, Some(file)) => {
            let read = tokio::task::spawn_blocking(move || Clip::from_wav(&file)).await.map_err(failed)?;
            read.map_err(failed)?
        }
        _ => return Err(failed("say needs either \"text\" or \"file\"")),
    };
    let frames: Vec<String> = clip.frames().iter().map(|frame| name_of(&frame.opus)).collect();
    let text = say.text.unwrap_or_default();
    if say.start_only {
        tokio::spawn(async move {
            if let Err(error) = speaker.speak_clip(&clip, &text).await {
                tracing::warn!(%user, %error, "a speaker could not speak");
            }
        });
        return Ok(Json(json!({ "frames": frames })));
    }
    let played = speaker.speak_clip(&clip, &text).await.map_err(failed)?;
    Ok(Json(json!({ "frames": frames, "interrupted": played.interrupted })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    /// Until it shares end-to-end keys with all of them.
    #[serde(default)]
    keys_with: Vec<UserId>,
    /// Until it hears this user.
    hearing: Option<UserId>,
    /// Until this user was silent for `for_ms`.
    silent: Option<UserId>,
    #[serde(default)]
    for_ms: u64,
    wait_ms: Option<u64>,
}

/// `POST /sim/speakers/{user}/wait`: waits for keys, for sound, for silence, in this order.
pub(super) async fn wait(
    Path(user): Path<UserId>,
    Extension(speakers): Extension<Arc<Speakers>>,
    Json(wait): Json<Wait>,
) -> Reply {
    let (speaker, limit) = (speakers.get(user)?, waiting(wait.wait_ms));
    if !wait.keys_with.is_empty() {
        speaker.wait_for_key_with(&wait.keys_with, limit).await.map_err(failed)?;
    }
    if let Some(other) = wait.hearing {
        speaker.wait_until_hearing(other, limit).await.map_err(failed)?;
    }
    if let Some(other) = wait.silent {
        let silence = Duration::from_millis(wait.for_ms).min(MAX_WAIT);
        speaker.wait_until_silent(other, silence, limit).await.map_err(failed)?;
    }
    Ok(Json(shown(&speaker)))
}

fn shown(speaker: &Speaker) -> Value {
    let status = speaker.status();
    json!({
        "user": speaker.user(),
        "connected": status.connected,
        "ended": status.ended,
        "dave": status.dave_version,
        "epoch": status.epoch,
        "members": status.members,
        "others": status.others,
        "stats": speaker.client().stats(),
        "heard": speaker.heard(),
    })
}

/// `GET /sim/speakers/{user}`: where its connection stands, and what it heard so far.
pub(super) async fn show(Path(user): Path<UserId>, Extension(speakers): Extension<Arc<Speakers>>) -> Reply {
    Ok(Json(shown(&speakers.get(user)?)))
}

/// `POST /sim/speakers/{user}/cut`: loses its websocket, and resumes.
pub(super) async fn cut(Path(user): Path<UserId>, Extension(speakers): Extension<Arc<Speakers>>) -> Reply {
    speakers.get(user)?.client().cut().await.map_err(failed)?;
    done(Ok(()))
}

/// `DELETE /sim/speakers/{user}`: leaves the call; gives what it heard.
pub(super) async fn leave(
    State(sim): State<Handle>,
    Path(user): Path<UserId>,
    Extension(speakers): Extension<Arc<Speakers>>,
) -> Reply {
    let speaker = speakers.lock().remove(&user).ok_or(SimError::NoSpeaker(user))?;
    let report = speaker.leave().await;
    // It may have been taken out of the call meanwhile.
    let _already_out = sim.leave_voice(user);
    Ok(Json(json!(report)))
}
