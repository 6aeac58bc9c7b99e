//! Piper voices: neural speech by ONNX Runtime, with espeak-ng's phonemes.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::audio::DISCORD_RATE;
use antiphon_core::event::ProviderKind;
use async_trait::async_trait;
use piper_rs::{ModelConfig, Piper as Voice};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::audio::Resampler;
use super::espeak::engine;
use super::limits::{Limits, run_blocking};
use super::onnx;
use super::provider::{About, ModelFile, SpeechError};
use super::synthesize::{Feed, SpeechSink, Spoken, TextToSpeech};
use super::text::{Clause, clauses, speakable};

pub const NAME: &str = "piper";
/// Clauses are spoken together up to this many characters, for their melody's sake; the first stands alone when it
/// is long enough, so that the first sound comes early.
const TOGETHER: usize = 120;

/// Where a voice is and how it speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PiperOptions {
    /// The voice's `.onnx` file; its `.onnx.json` is next to it.
    pub voice: PathBuf,
    /// Which of its speakers, for a voice of several.
    pub speaker: Option<i64>,
    /// How long sounds are held: 1 is the voice's own pace, 2 half as fast.
    pub length_scale: Option<f32>,
    /// libonnxruntime, when it is not in a usual place.
    pub library: Option<PathBuf>,
    /// espeak-ng's data, when it is not in a usual place.
    pub espeak_data: Option<PathBuf>,
}

impl Default for PiperOptions {
    fn default() -> Self {
        Self { voice: PathBuf::new(), speaker: None, length_scale: None, library: None, espeak_data: None }
    }
}

/// A voice, loaded.
pub struct Piper {
    about: About,
    voice: Arc<Mutex<Voice>>,
    language: String,
    speaker: Option<i64>,
    length_scale: Option<f32>,
    permits: Arc<Semaphore>,
}

impl std::fmt::Debug for Piper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Piper").field("about", &self.about).finish_non_exhaustive()
    }
}

impl Piper {
    /// Loads a voice. `data` is the folder where models and libraries are kept.
    pub fn new(options: &PiperOptions, data: &Path) -> Result<Self, SpeechError> {
        let what = format!("Piper voice {}", options.voice.display());
        let config_path = config_path(&options.voice);
        for file in [&options.voice, &config_path] {
            if !file.is_file() {
                return Err(SpeechError::unavailable(
                    &what,
                    format!("there is no file {}", file.display()),
                    "Fetch a voice with `antiphon models fetch`; both the .onnx and the .onnx.json are needed",
                ));
            }
        }
        // The library is probed before ort is touched: a missing one would make ort wait for ever.
        let library = onnx::start(options.library.as_deref(), data)?;
        engine::start(options.espeak_data.as_deref())?;

        let broken = |why: String| {
            SpeechError::unavailable(&what, why, "Fetch the voice again with `antiphon models fetch`")
        };
        let config = std::fs::read(&config_path).map_err(|e| broken(e.to_string()))?;
        let config: ModelConfig = serde_json::from_slice(&config)
            .map_err(|e| broken(format!("{} is not a voice's description: {e}", config_path.display())))?;
        if !(8_000..=192_000).contains(&config.audio.sample_rate) {
            return Err(broken(format!("its sample rate of {} Hz is absurd", config.audio.sample_rate)));
        }
        engine::phonemes("hello", &config.espeak.voice)?;
        if let Some(speaker) = options.speaker
            && !(0..i64::from(config.num_speakers.max(1))).contains(&speaker)
        {
            return Err(SpeechError::unavailable(
                &what,
                format!(
                    "it has {} speakers, numbered from 0; {speaker} is none of them",
                    config.num_speakers
                ),
                "Choose another speaker",
            ));
        }
        let language = config.espeak.voice.clone();
        let bytes = std::fs::read(&options.voice).map_err(|e| broken(e.to_string()))?;
        let model = ModelFile {
            file: options.voice.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(&bytes)),
        };
        let session = session(&bytes).map_err(|e| broken(format!("ONNX Runtime refused it ({e})")))?;
        let about = About {
            name: NAME.into(),
            kind: ProviderKind::Tts,
            engine: format!("piper on ONNX Runtime {}", library.version),
            model: Some(model),
            note: None,
            expected_ms: 150,
        };
        Ok(Self {
            about,
            voice: Arc::new(Mutex::new(Voice::from_session(session, config))),
            language,
            speaker: options.speaker,
            length_scale: options.length_scale,
            permits: Arc::new(Semaphore::new(1)),
        })
    }
}

fn session(model: &[u8]) -> Result<ort::session::Session, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(2);
    let builder = ort::session::Session::builder().map_err(|e| e.to_string())?;
    let mut builder = builder.with_intra_threads(threads).map_err(|e| e.to_string())?;
    builder.commit_from_memory(model).map_err(|e| e.to_string())
}

fn config_path(voice: &Path) -> PathBuf {
    let mut name = voice.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// Clauses to be spoken in one go.
fn groups(all: Vec<Clause>) -> Vec<Vec<Clause>> {
    let mut out: Vec<Vec<Clause>> = Vec::new();
    let mut length = 0;
    for clause in all {
        let size = clause.words.chars().count();
        let first_is_enough = out.len() == 1 && length >= TOGETHER / 4;
        match out.last_mut() {
            Some(group) if length + size <= TOGETHER && !first_is_enough => {
                length += size;
                group.push(clause);
            }
            _ => {
                length = size;
                out.push(vec![clause]);
            }
        }
    }
    out
}

/// Phonemes of several clauses, each with the mark that ends it: espeak-ng leaves the marks out, and a voice was
/// trained with them.
fn phonemes(group: &[Clause], language: &str) -> Result<String, SpeechError> {
    let mut out = String::new();
    for clause in group {
        let ipa = engine::phonemes(&clause.words, language)?;
        if ipa.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&ipa);
        out.push(clause.stop);
    }
    Ok(out)
}

#[async_trait]
impl TextToSpeech for Piper {
    fn about(&self) -> &About {
        &self.about
    }

    async fn synthesize(&self, text: &str, limits: &Limits, out: SpeechSink) -> Result<Spoken, SpeechError> {
        let groups = groups(clauses(&speakable(text)));
        let (voice, language) = (self.voice.clone(), self.language.clone());
        let (speaker, length_scale) = (self.speaker, self.length_scale);
        run_blocking(NAME, limits, self.permits.clone(), move |abort| {
            let mut feed = Feed::new(NAME, out, abort);
            let mut resampler: Option<Resampler> = None;
            let mut made = Vec::new();
            for group in groups {
                abort.check(NAME)?;
                let ipa = phonemes(&group, &language)?;
                if ipa.is_empty() {
                    continue;
                }
                let spoken = voice.lock().unwrap_or_else(PoisonError::into_inner).create(
                    &ipa,
                    true,
                    speaker,
                    length_scale,
                    None,
                    None,
                );
                let (pcm, rate) = spoken.map_err(|e| SpeechError::failed(NAME, e.to_string()))?;
                abort.check(NAME)?;
                let resampler = match &mut resampler {
                    Some(resampler) => resampler,
                    None => resampler.insert(
                        Resampler::new(rate, DISCORD_RATE)
                            .map_err(|e| SpeechError::failed(NAME, e.to_string()))?,
                    ),
                };
                resampler.push(&pcm, &mut made);
                feed.push(&made)?;
                made.clear();
            }
            if let Some(resampler) = resampler {
                resampler.finish(&mut made);
                feed.push(&made)?;
            }
            feed.finish()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real;

    fn words(groups: &[Vec<Clause>]) -> Vec<usize> {
        groups.iter().map(Vec::len).collect()
    }

    #[test]
    fn the_first_sound_comes_early_and_clauses_stay_together() {
        let text = "A first clause of some thirty letters, then more, and more, and more. And the end.";
        assert_eq!(words(&groups(clauses(text))), [1, 4]);
        assert_eq!(words(&groups(clauses("Yes, of course."))), [2]);
        assert_eq!(words(&groups(clauses(""))), Vec::<usize>::new());
    }

    #[test]
    fn phonemes_keep_the_marks() {
        engine::start(None).unwrap();
        let ipa = phonemes(&clauses("Well, is it?"), "en-us").unwrap();
        assert!(ipa.contains(',') && ipa.ends_with('?'), "{ipa}");
    }

    #[test]
    fn a_missing_voice_is_named() {
        let options = PiperOptions { voice: "/nowhere/voice.onnx".into(), ..PiperOptions::default() };
        let error = Piper::new(&options, Path::new(".")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/voice.onnx") && error.contains("models fetch"), "{error}");
    }

    /// The voice that `testdata/voice/make_voice.py` makes, in a folder of its own; none, counted as skipped, without ONNX
    /// Runtime.
    fn tiny_voice(dir: &Path) -> Option<PiperOptions> {
        let library = real::file("libonnxruntime.so")?;
        let voice = dir.join("tiny.onnx");
        std::fs::write(&voice, include_bytes!("../testdata/voice/tiny.onnx")).unwrap();
        std::fs::write(dir.join("tiny.onnx.json"), include_bytes!("../testdata/voice/tiny.onnx.json"))
            .unwrap();
        Some(PiperOptions { voice, library: Some(library), ..PiperOptions::default() })
    }

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let Some(options) = tiny_voice(dir.path()) else { return };
        let piper = Piper::new(&options, dir.path()).unwrap();
        assert_eq!(piper.about().model.as_ref().unwrap().file, "tiny.onnx");
        crate::contract::text_to_speech(&piper).await;
    }

    #[tokio::test]
    async fn a_longer_scale_speaks_as_much_slower() {
        let dir = tempfile::tempdir().unwrap();
        let Some(options) = tiny_voice(dir.path()) else { return };
        let speak = async |scale| {
            let options = PiperOptions { length_scale: Some(scale), ..options.clone() };
            let piper = Piper::new(&options, dir.path()).unwrap();
            crate::synthesize::collect(&piper, "Hello, Antiphon.", &Limits::default()).await.unwrap()
        };
        let (plain, slow) = (speak(1.0).await.len(), speak(2.0).await.len());
        assert!(slow.abs_diff(plain * 2) < 10, "{plain} {slow}");
    }

    #[test]
    fn damaged_voices_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let Some(options) = tiny_voice(dir.path()) else { return };
        let refused = |options: &PiperOptions| Piper::new(options, dir.path()).unwrap_err().to_string();

        let whole = std::fs::read(&options.voice).unwrap();
        std::fs::write(&options.voice, b"not an ONNX file").unwrap();
        let error = refused(&options);
        assert!(error.contains("tiny.onnx") && error.contains("ONNX Runtime refused"), "{error}");
        std::fs::write(&options.voice, &whole).unwrap();

        let speaker = PiperOptions { speaker: Some(3), ..options.clone() };
        assert!(refused(&speaker).contains("speakers"));

        std::fs::write(dir.path().join("tiny.onnx.json"), "{}").unwrap();
        let error = refused(&options);
        assert!(error.contains("not a voice's description"), "{error}");

        std::fs::remove_file(dir.path().join("tiny.onnx.json")).unwrap();
        assert!(refused(&options).contains("tiny.onnx.json"));
    }
}
