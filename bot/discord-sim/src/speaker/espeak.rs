//! Text to speech by the command `espeak-ng`, which every distribution has: good enough for people who are played by
//! a script, and the same every time.
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::clip::{Clip, ClipError};
use super::wav;

/// The longest text that is spoken at once.
pub const MAX_TEXT: usize = 10_000;
const TIMEOUT: Duration = Duration::from_secs(60);

/// How somebody sounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Voice {
    /// An espeak-ng voice, with a variant after `+`: `en-us+f3`, `de+m2`. See `espeak-ng --voices`.
    pub name: String,
    /// Words a minute, 80 to 450.
    pub speed: u32,
    /// 0 to 99.
    pub pitch: u32,
}

impl Default for Voice {
    fn default() -> Self {
        Self { name: "en-us".to_owned(), speed: 165, pitch: 50 }
    }
}

impl Voice {
    /// The named voice at the default speed and pitch.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// What is wrong with it: the field and the fault.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_+".contains(c);
        if self.name.is_empty() || self.name.starts_with('-') || !self.name.chars().all(plain) {
            return Some(("name", format!("{:?} is no espeak-ng voice name, such as en-us+f3", self.name)));
        }
        if !(80..=450).contains(&self.speed) {
            return Some(("speed", format!("{} words a minute is not within 80 to 450", self.speed)));
        }
        (self.pitch > 99).then(|| ("pitch", format!("{} is not within 0 to 99", self.pitch)))
    }
}

/// Speech could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EspeakError {
    /// The voice is not one.
    #[error("voice.{field}: {why}")]
    Voice {
        /// The field of [`Voice`].
        field: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The text is longer than [`MAX_TEXT`].
    #[error("a text of {0} bytes is longer than the {MAX_TEXT} that are spoken at once; split it")]
    TooLong(usize),
    /// The command is not there.
    #[error("cannot run espeak-ng: {0}; install the package espeak-ng")]
    NotRunning(String),
    /// The command failed.
    #[error("espeak-ng refused: {0}")]
    Refused(String),
    /// The audio it made cannot be used.
    #[error(transparent)]
    Clip(#[from] ClipError),
}

/// Says `text` with `voice`: 48 kHz mono.
pub async fn synthesize(text: &str, voice: &Voice) -> Result<Vec<f32>, EspeakError> {
    if let Some((field, why)) = voice.fault() {
        return Err(EspeakError::Voice { field, why });
    }
    if text.len() > MAX_TEXT {
        return Err(EspeakError::TooLong(text.len()));
    }
    let not_running = |error: std::io::Error| EspeakError::NotRunning(error.to_string());
    // The text goes in by standard input, so that no text is taken for an option.
    let mut child = Command::new("espeak-ng")
        .args(["--stdin", "--stdout", "-b", "1", "-v", &voice.name])
        .args(["-s", &voice.speed.to_string(), "-p", &voice.pitch.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(not_running)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).await.map_err(not_running)?;
    }
    let output = match tokio::time::timeout(TIMEOUT, child.wait_with_output()).await {
        Ok(output) => output.map_err(not_running)?,
        Err(_) => return Err(EspeakError::Refused(format!("it took more than {} s", TIMEOUT.as_secs()))),
    };
    if !output.status.success() || output.stdout.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(EspeakError::Refused(if said.is_empty() { output.status.to_string() } else { said }));
    }
    let mut bytes = output.stdout;
    fix_streamed_header(&mut bytes);
    Ok(wav::parse(&bytes, std::path::Path::new("espeak-ng's output")).map_err(ClipError::from)?)
}

/// Says `text` with `voice`, encoded.
pub async fn speak(text: &str, voice: &Voice) -> Result<Clip, EspeakError> {
    let samples = synthesize(text, voice).await?;
    let encoded = tokio::task::spawn_blocking(move || Clip::from_pcm(&samples)).await;
    Ok(encoded.map_err(|error| ClipError::Opus(error.to_string()))??)
}

/// A WAV written to a pipe cannot know its length and claims a huge one: sets the lengths to what there is.
fn fix_streamed_header(bytes: &mut [u8]) {
    let total = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let Some(tag) = bytes.windows(4).take(256).position(|window| window == b"data") else { return };
    if let Some(place) = bytes.get_mut(4..8) {
        place.copy_from_slice(&total.saturating_sub(8).to_le_bytes());
    }
    if let Some(place) = bytes.get_mut(tag + 4..tag + 8) {
        let data = total.saturating_sub(u32::try_from(tag).unwrap_or(u32::MAX).saturating_add(8));
        // Whole 16-bit samples.
        place.copy_from_slice(&(data & !1).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sentence_becomes_a_second_or_two_of_voiced_frames() {
        let clip = speak("The quick brown fox jumps over the lazy dog.", &Voice::default()).await.unwrap();
        let seconds = clip.duration().as_secs_f32();
        assert!((1.5..5.0).contains(&seconds), "{seconds} s");
        let voiced = clip.frames().iter().filter(|frame| frame.voiced).count();
        assert!(voiced * 2 > clip.frames().len(), "{voiced} of {} frames are voiced", clip.frames().len());
    }

    #[tokio::test]
    async fn the_same_text_is_the_same_sound() {
        let voice = Voice::default();
        let once = synthesize("-v is not an option here", &voice).await.unwrap();
        assert_eq!(once, synthesize("-v is not an option here", &voice).await.unwrap());
        let slow = synthesize("-v is not an option here", &Voice { speed: 90, ..voice }).await.unwrap();
        assert!(slow.len() > once.len() * 5 / 4);
    }

    #[tokio::test]
    async fn a_wrong_voice_is_named_by_its_field() {
        for (voice, field) in [
            (Voice::named("../../etc"), "name"),
            (Voice::named("-w"), "name"),
            (Voice { speed: 5, ..Voice::default() }, "speed"),
            (Voice { pitch: 100, ..Voice::default() }, "pitch"),
        ] {
            let error = synthesize("x", &voice).await.unwrap_err();
            assert!(error.to_string().contains(&format!("voice.{field}")), "{error}");
        }
        let unknown = synthesize("x", &Voice::named("klingonese")).await.unwrap_err();
        assert!(matches!(unknown, EspeakError::Refused(_)), "{unknown}");
        let long = synthesize(&"x".repeat(MAX_TEXT + 1), &Voice::default()).await.unwrap_err();
        assert_eq!(long, EspeakError::TooLong(MAX_TEXT + 1));
    }
}
