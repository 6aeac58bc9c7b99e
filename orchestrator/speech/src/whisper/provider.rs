//! Whisper as a [`SpeechToText`].
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::event::ProviderKind;
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::engine::{Decoding, Engine, How, SHORTEST};
use super::file::{BadModel, Header};
use super::hearing::{Piece, Trust};
use super::{cut, doubt, file, hearing};
use crate::audio::loudest_frame;
use crate::limits::{Abort, Limits, run_blocking};
use crate::provider::{About, ModelFile, SpeechError};
use crate::transcribe::{SpeechToText, Transcript, Utterance};

/// Below this root mean square in its loudest 20 ms, sound is silence: about -66 dBFS. Whisper writes stock phrases
/// for silence, so it is not asked.
const SILENCE: f32 = 0.0005;

/// How a model is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub name: String,
    /// Language to expect, or `auto`.
    pub language: String,
    /// Turns decoded at the same time.
    pub concurrency: usize,
    /// Threads of one decoding.
    pub threads: usize,
    /// When to trust what was decoded.
    pub trust: Trust,
    /// The fewest audio positions (20 ms each) given to the encoder; more when the turn is longer. A smaller figure
    /// is faster; Whisper's own models lose their footing below about ten seconds.
    pub least_audio_ctx: i32,
    /// Audio positions beyond the turn's own length.
    pub spare_audio_ctx: i32,
    /// How many of [`doubt::LADDER`]'s attempts a piece may take; 1 takes what comes first as it is.
    pub attempts: usize,
    /// What a person should know of the model.
    pub note: Option<String>,
    /// What it is expected to take, in milliseconds.
    pub expected_ms: u32,
    /// SHA-256 that the file must have, if known.
    pub digest: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let concurrency = cores.min(2);
        Self {
            name: "whisper".into(),
            language: "en".into(),
            concurrency,
            threads: (cores / concurrency).max(1),
            trust: Trust::Mean { threshold: 0.4 },
            least_audio_ctx: 512,
            spare_audio_ctx: 50,
            attempts: doubt::LADDER.len(),
            note: None,
            expected_ms: 800,
            digest: None,
        }
    }
}

/// A Whisper model as a provider.
#[derive(Debug)]
pub struct Whisper {
    about: About,
    engine: Arc<Engine>,
    permits: Arc<Semaphore>,
    header: Header,
    trust: Trust,
    attempts: usize,
    fit: AudioContext,
}

impl Whisper {
    /// Loads a model file, having checked it.
    pub fn from_file(path: &Path, options: Options) -> Result<Self, SpeechError> {
        let what = format!("Whisper model {}", path.display());
        let open = || File::open(path).map_err(|e| unreadable(&what, path, &e));
        let header = file::check(open()?).map_err(|bad| refused(&what, bad))?;
        let model = ModelFile {
            file: file_name(path),
            bytes: open()?.metadata().map_or(0, |m| m.len()),
            sha256: digest(BufReader::with_capacity(1 << 20, open()?))
                .map_err(|e| unreadable(&what, path, &e))?,
        };
        Self::build(&what, header, model, options, |decoding, keep| Engine::from_file(path, decoding, keep))
    }

    /// Loads a model from memory, having checked it. `file` is the name it goes by.
    pub fn from_memory(bytes: &[u8], file: &str, options: Options) -> Result<Self, SpeechError> {
        let what = format!("Whisper model {file}");
        let header = file::check(Cursor::new(bytes)).map_err(|bad| refused(&what, bad))?;
        let model = ModelFile {
            file: file.into(),
            bytes: bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(bytes)),
        };
        Self::build(&what, header, model, options, |decoding, keep| {
            Engine::from_memory(bytes, decoding, keep)
        })
    }

    fn build(
        what: &str,
        header: Header,
        model: ModelFile,
        options: Options,
        load: impl FnOnce(&Decoding, usize) -> Result<Engine, whisper_rs::WhisperError>,
    ) -> Result<Self, SpeechError> {
        if let Some(due) = &options.digest
            && !due.eq_ignore_ascii_case(&model.sha256)
        {
            return Err(SpeechError::unavailable(
                what,
                format!("its SHA-256 is {} where {due} was expected", model.sha256),
                "Fetch it again, or correct the digest",
            ));
        }
        let known = options.language == "auto" || whisper_rs::get_lang_id(&options.language).is_some();
        if !known {
            return Err(SpeechError::unavailable(
                what,
                format!("Whisper knows no language {:?}", options.language),
                "Give a code such as \"en\" or \"de\", or \"auto\"",
            ));
        }
        let concurrency = options.concurrency.max(1);
        let decoding = Decoding { language: options.language, threads: options.threads };
        let engine = load(&decoding, concurrency).map_err(|e| {
            SpeechError::unavailable(
                what,
                format!("whisper.cpp refused it ({e})"),
                "Fetch it again with `antiphon models fetch`",
            )
        })?;
        let about = About {
            name: options.name,
            kind: ProviderKind::Stt,
            engine: format!("whisper.cpp {}", whisper_rs::get_whisper_version()),
            model: Some(model),
            note: options.note,
            expected_ms: options.expected_ms.max(1),
        };
        Ok(Self {
            about,
            engine: Arc::new(engine),
            permits: Arc::new(Semaphore::new(concurrency)),
            header,
            trust: options.trust,
            attempts: options.attempts,
            fit: AudioContext {
                min: options.least_audio_ctx,
                spare: options.spare_audio_ctx,
                max: header.n_audio_ctx,
            },
        })
    }

    /// The model's hyper-parameters.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

#[async_trait]
impl SpeechToText for Whisper {
    fn about(&self) -> &About {
        &self.about
    }

    async fn transcribe(&self, utterance: Utterance, limits: &Limits) -> Result<Transcript, SpeechError> {
        let name = self.about.name.clone();
        let engine = self.engine.clone();
        let (window, trust) = (self.header.window(), self.trust);
        let decoder = Decoder {
            fit: self.fit,
            attempts: self.attempts,
            model_tokens: (self.header.n_text_ctx / 2 - 4).max(1),
        };
        run_blocking(&self.about.name, limits, self.permits.clone(), move |abort| {
            let samples = &utterance.samples;
            if samples.len() < SHORTEST || loudest_frame(samples) < SILENCE {
                return Ok(Transcript::nothing());
            }
            let mut pieces: Vec<Piece> = Vec::new();
            for piece in cut::cut(samples, window) {
                let range = cut::trim(samples, piece);
                let piece = decoder
                    .decode(&engine, &samples[range], abort)
                    .map_err(|e| SpeechError::failed(&name, format!("whisper.cpp: {e}")))?;
                abort.check(&name)?;
                pieces.push(piece.unwrap_or_default());
            }
            Ok(hearing::Trust::transcript(trust, &pieces))
        })
        .await
    }
}

/// Decodes a piece, again and otherwise while what comes out is to be doubted.
#[derive(Debug, Clone, Copy)]
struct Decoder {
    fit: AudioContext,
    attempts: usize,
    model_tokens: i32,
}

impl Decoder {
    /// `None` when `abort` asked to stop. A piece that is doubted to the end is given with no trust at all.
    fn decode(
        self,
        engine: &Engine,
        samples: &[f32],
        abort: &Abort,
    ) -> Result<Option<Piece>, whisper_rs::WhisperError> {
        let max_tokens = doubt::max_tokens(duration(samples.len()), self.model_tokens);
        let fitted = self.fit.of(samples.len());
        let mut tried = None;
        let mut unsure: Option<Piece> = None;
        for attempt in doubt::LADDER.iter().take(self.attempts.max(1)) {
            let audio_ctx = if attempt.full_window { self.fit.max } else { fitted };
            let how = How { audio_ctx, temperature: attempt.temperature, max_tokens };
            // A short window may be the whole one already.
            if tried == Some(how) {
                continue;
            }
            tried = Some(how);
            let Some(piece) = engine.decode(samples, how, abort)? else { return Ok(None) };
            let why = match doubt::doubt(&piece, max_tokens) {
                None if self.attempts == 1 || doubt::is_sure(&piece) => return Ok(Some(piece)),
                None => match unsure.replace(piece) {
                    None => doubt::Doubt::Unsure,
                    Some(before) if doubt::agree(&before, unsure.as_ref().unwrap_or(&before)) => {
                        return Ok(unsure);
                    }
                    Some(_) => doubt::Doubt::Disagreement,
                },
                Some(doubt) => doubt,
            };
            metrics::counter!("antiphon_stt_decoded_again_total", "why" => why.as_str()).increment(1);
        }
        Ok(Some(Piece::distrusted()))
    }
}

/// How many audio positions the encoder is given: what the piece needs, in steps of 64.
#[derive(Debug, Clone, Copy)]
struct AudioContext {
    min: i32,
    spare: i32,
    max: i32,
}

impl AudioContext {
    fn of(self, samples: usize) -> i32 {
        let needed = i32::try_from(samples.div_ceil(320)).unwrap_or(i32::MAX).saturating_add(self.spare);
        (needed.max(self.min).saturating_add(63) / 64 * 64).min(self.max)
    }
}

fn duration(samples: usize) -> Duration {
    Duration::from_secs_f64(samples as f64 / 16_000.0)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

fn digest(mut from: impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> SpeechError {
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound => {
            "Give an existing file in ANTIPHON_WHISPER_MODEL, or fetch one: `antiphon models fetch base.en`"
                .into()
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("Let this user read it: chmod a+r {}", path.display())
        }
        _ => "Check the disk, or fetch it again with `antiphon models fetch`".into(),
    };
    SpeechError::unavailable(what, error.to_string(), hint)
}

fn refused(what: &str, bad: BadModel) -> SpeechError {
    let hint = match &bad {
        BadModel::Foreign(_) => {
            "Give a model in whisper.cpp's ggml format: `antiphon models list` shows where they are"
        }
        BadModel::Io(_) => "Check the disk",
        _ => "Fetch it again with `antiphon models fetch`",
    };
    SpeechError::unavailable(what, bad.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use antiphon_core::ids::UserId;

    use super::*;
    use crate::contract;
    use crate::transcribe::Heard;
    use crate::whisper::file::sample;

    fn options() -> Options {
        Options { threads: 1, trust: Trust::Least { threshold: 0.0 }, ..Options::default() }
    }

    fn sample_model() -> Whisper {
        Whisper::from_memory(&sample::model(&sample::TINY), "sample", options()).unwrap()
    }

    fn noise(samples: usize) -> Utterance {
        let mut x = 1u32;
        let samples = (0..samples)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 8) as f32 / 16_777_216.0 - 0.5
            })
            .collect();
        Utterance::new(UserId(1), samples)
    }

    #[tokio::test]
    async fn it_keeps_the_contract() {
        contract::speech_to_text(&sample_model(), None).await;
    }

    #[tokio::test]
    async fn a_turn_longer_than_the_window_is_decoded_in_pieces() {
        let whisper = sample_model();
        let window = whisper.header().window();
        let out = whisper.transcribe(noise(window * 3), &Limits::default()).await.unwrap();
        assert!(out.pieces >= 3, "{out:?}");
    }

    #[tokio::test]
    async fn short_and_silent_turns_are_nothing_heard() {
        let whisper = sample_model();
        for utterance in
            [noise(1), noise(320), noise(SHORTEST - 1), Utterance::new(UserId(1), vec![0.0; 48_000])]
        {
            let out = whisper.transcribe(utterance, &Limits::default()).await.unwrap();
            assert_eq!((out.heard, out.confidence_permille()), (Heard::Nothing, 0));
        }
    }

    #[tokio::test]
    async fn states_are_kept_and_no_more_than_the_permitted_run() {
        let whisper = Arc::new(sample_model());
        let limits = Limits::default();
        let runs = (0..6).map(|_| whisper.transcribe(noise(16_000), &limits));
        let outs = futures_util::future::join_all(runs).await;
        let first = outs[0].clone().unwrap();
        assert!(outs.into_iter().all(|o| o.unwrap() == first));
    }

    #[tokio::test]
    async fn a_deadline_midway_releases_the_caller() {
        let whisper = sample_model();
        let long = noise(16_000 * 600);
        let started = Instant::now();
        let out = whisper.transcribe(long, &Limits::within(Duration::from_millis(50))).await;
        assert!(matches!(out, Err(SpeechError::Timeout { .. })), "{out:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
        // The engine is as good as before.
        whisper.transcribe(noise(16_000), &Limits::default()).await.unwrap();
    }

    #[test]
    fn bad_models_are_refused_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.bin");
        let whole = sample::model(&sample::TINY);
        let cases: [(&[u8], &str, &str); 4] = [
            (b"PK\x03\x04zip", "zip archive", "ggml format"),
            (&whole[..whole.len() - 1], "truncated", "Fetch it again"),
            (&whole[..sample::front(&sample::TINY).len()], "truncated", "Fetch it again"),
            (b"", "empty", "ggml format"),
        ];
        for (bytes, why, hint) in cases {
            std::fs::write(&path, bytes).unwrap();
            let error = Whisper::from_file(&path, options()).unwrap_err().to_string();
            for part in ["model.bin", why, hint] {
                assert!(error.contains(part), "{error}");
            }
        }
        let none = Whisper::from_file(&dir.path().join("none.bin"), options()).unwrap_err().to_string();
        assert!(none.contains("none.bin") && none.contains("models fetch"), "{none}");
    }

    #[test]
    fn a_wrong_digest_and_an_unknown_language_are_refused() {
        let bytes = sample::model(&sample::TINY);
        let with = |options| Whisper::from_memory(&bytes, "sample", options).map(|w| w.about.clone());
        let wrong = Options { digest: Some("0".repeat(64)), ..options() };
        assert!(with(wrong).unwrap_err().to_string().contains("SHA-256"));
        let about = with(options()).unwrap();
        let sha256 = about.model.unwrap().sha256;
        assert!(with(Options { digest: Some(sha256), ..options() }).is_ok());
        let tongue = Options { language: "klingon".into(), ..options() };
        assert!(with(tongue).unwrap_err().to_string().contains("klingon"));
    }

    #[test]
    fn the_encoder_is_given_what_the_turn_needs() {
        let fit = AudioContext { min: 512, spare: 50, max: 1500 };
        assert_eq!(fit.of(16_000), 512);
        assert_eq!(fit.of(16_000 * 15), 832);
        assert_eq!(fit.of(16_000 * 30), 1500);
        assert_eq!(AudioContext { max: 64, ..fit }.of(16_000), 64);
    }
}
