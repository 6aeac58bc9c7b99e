//! Silero voice activity detection by whisper.cpp: the better detector, when its model is there.
//!
//! [`file`](mod@file) checks the model before whisper.cpp reads it. whisper.cpp forgets at every call what it heard
//! before, so each speaker's last [`HEARD`] windows are shown to it each time, and the last score is taken.
pub mod file;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use capture::{Score, VadSource};
use sha2::{Digest, Sha256};
use whisper_rs::{WhisperVadContext, WhisperVadContextParams};

use self::file::{LARGEST, WINDOW};
use super::provider::{ModelFile, SpeechError};

/// Windows of 32 ms that are looked at for one score: 256 ms.
pub const HEARD: usize = 8;

/// Its name in reports and versions.
pub const NAME: &str = "silero";

/// A loaded model, for any number of speakers.
pub struct Silero {
    // One for all: nothing is kept in it between calls, and a call takes well under a millisecond.
    context: Mutex<WhisperVadContext>,
    version: String,
    model: ModelFile,
}

impl std::fmt::Debug for Silero {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Silero").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Silero {
    /// Loads a model file, once it is found to be whole and Silero's.
    pub fn open(path: &Path) -> Result<Self, SpeechError> {
        let refuse = |why: String| {
            SpeechError::unavailable(
                path.display().to_string(),
                why,
                "Fetch one with `antiphon models fetch silero-v6.2.0`, or name another in ANTIPHON_SILERO_MODEL",
            )
        };
        let size = std::fs::metadata(path).map_err(|e| refuse(format!("it cannot be read ({e})")))?.len();
        if size > LARGEST {
            return Err(refuse(format!("it has {size} bytes, far more than Silero's model")));
        }
        let bytes = std::fs::read(path).map_err(|e| refuse(format!("it cannot be read ({e})")))?;
        let version = file::check(&bytes).map_err(|e| refuse(e.to_string()))?;
        // whisper-rs takes a path in UTF-8 without zeros, and would panic at others.
        let name = path.to_str().filter(|name| !name.contains('\0'));
        let name = name.ok_or_else(|| refuse("its path is not UTF-8".into()))?;
        whisper_rs::install_logging_hooks();
        let mut params = WhisperVadContextParams::new();
        params.set_n_threads(1);
        let context = WhisperVadContext::new(name, params)
            .map_err(|e| refuse(format!("whisper.cpp does not load it ({e})")))?;
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let model = ModelFile { file, bytes: size, sha256 };
        Ok(Self { context: Mutex::new(context), version, model })
    }

    /// The model's version, such as `6.2.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The file it came from.
    pub fn model(&self) -> &ModelFile {
        &self.model
    }

    /// Scores the last of some windows (16 kHz, -1 to 1).
    fn score(&self, windows: &[f32]) -> f32 {
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        if context.detect_speech(windows).is_err() {
            metrics::counter!("antiphon_vad_failures_total").increment(1);
            return 0.0;
        }
        context.probabilities().last().copied().unwrap_or(0.0)
    }
}

/// Where capture gets its detectors from.
pub fn source(silero: Arc<Silero>) -> VadSource {
    VadSource::Custom {
        window: WINDOW,
        make: Arc::new(move |_| Box::new(Detector { silero: silero.clone(), heard: VecDeque::new() })),
    }
}

/// One speaker's detector.
struct Detector {
    silero: Arc<Silero>,
    heard: VecDeque<f32>,
}

impl Score for Detector {
    fn score(&mut self, window: &[i16]) -> f32 {
        if self.heard.len() >= HEARD * WINDOW {
            self.heard.drain(..WINDOW);
        }
        self.heard.extend(window.iter().map(|&sample| f32::from(sample) / 32_768.0));
        self.silero.score(self.heard.make_contiguous())
    }

    fn forget(&mut self) {
        self.heard.clear();
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::event::Consent;
    use antiphon_core::ids::UserId;
    use antiphon_core::time::Timestamp;
    use capture::{Captured, Config, Pipeline};

    use super::*;

    /// Silero's network with weights of our own: it hears a voice in whatever is loud. Each filter of the spectrum's
    /// real part sums the window's samples against a low tone; from there on one channel carries the loudness.
    fn loudness(name: &str, place: usize) -> f32 {
        match (name, place) {
            // Filter k of 258, 256 taps each: the lowest twenty bins of a Fourier transform, real parts then imaginary.
            ("_model.stft.forward_basis_buffer", _) => {
                let (bin, tap) = (place / 256, place % 256);
                let turn = (bin % 129) as f32 * tap as f32 / 256.0 * std::f32::consts::TAU;
                match bin {
                    bin if bin % 129 >= 20 => 0.0,
                    0..129 => turn.cos(),
                    _ => turn.sin(),
                }
            }
            // Channel 0 of each layer: the sum of the layer before, with the middle tap of three only.
            ("_model.encoder.0.reparam_conv.weight", 0..387) if place % 3 == 1 => 0.05,
            ("_model.encoder.0.reparam_conv.weight", _) => 0.0,
            (name, 1) if name.ends_with("reparam_conv.weight") => 1.0,
            // Gates in the order input, forget, cell, output: open, shut, the loudness, open.
            ("_model.decoder.rnn.weight_ih", 32_768) => 0.5,
            ("_model.decoder.rnn.bias_ih", 0..128 | 384..512) => 10.0,
            ("_model.decoder.rnn.bias_ih", 128..256) => -10.0,
            ("_model.decoder.decoder.2.weight", 0) => 20.0,
            ("_model.decoder.decoder.2.bias", _) => -6.0,
            _ => 0.0,
        }
    }

    fn on_disk() -> (tempfile::TempDir, Silero) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ggml-silero-loudness.bin");
        std::fs::write(&path, file::writing::model(loudness)).unwrap();
        let silero = Silero::open(&path).unwrap();
        (dir, silero)
    }

    #[test]
    fn a_voice_scores_high_and_silence_low() {
        let (_dir, silero) = on_disk();
        assert_eq!((silero.version(), silero.model().bytes), ("6.2.0", 885_098));
        let VadSource::Custom { window, make } = source(Arc::new(silero)) else { panic!("not given") };
        assert_eq!(window, 512);
        let mut ear = make(UserId(1));
        let buzz: Vec<i16> = (0..512).map(|k| if k % 64 < 32 { 6_000 } else { -6_000 }).collect();
        assert!(ear.score(&[1; 512]) < 0.1);
        assert!(ear.score(&buzz) > 0.9);
        // Far more than its memory, and what was forgotten is not heard again.
        for _ in 0..3 * HEARD {
            assert!(ear.score(&buzz) > 0.9);
        }
        ear.forget();
        assert!(ear.score(&[1; 512]) < 0.1);
    }

    #[test]
    fn capture_cuts_turns_by_it() {
        let (_dir, silero) = on_disk();
        let started = Timestamp(0);
        let mut pipeline = Pipeline::with_vad(Config::default(), started, source(Arc::new(silero))).unwrap();
        let (user, mut turns) = (UserId(7), Vec::new());
        pipeline.member_joined(started, user, Consent::Granted);
        for ms in (0..3_000u64).step_by(20) {
            let loud = (1_000..2_000).contains(&ms);
            let sound: Vec<i16> = (0..320)
                .map(|k| match (loud, k % 64 < 32) {
                    (false, _) => 1,
                    (true, true) => 6_000,
                    (true, false) => -6_000,
                })
                .collect();
            pipeline.pcm(Timestamp(ms * 1_000), user, &sound);
            pipeline.tick(Timestamp((ms + 20) * 1_000));
            pipeline.drain(|captured| {
                if let Captured::SpeechStarted { .. } = captured {
                    turns.push(ms);
                }
            });
        }
        assert_eq!(turns.len(), 1, "{turns:?}");
        assert!((1_000..1_400).contains(&turns[0]), "{turns:?}");
    }

    #[test]
    fn another_model_is_refused_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bin");
        let refused = || Silero::open(&path).unwrap_err().to_string();
        assert!(refused().contains("cannot be read"));
        let model = file::writing::model(|_, _| 0.0);
        for bad in [&b"not a model"[..], &model[..100_000], &vec![0; LARGEST as usize + 1]] {
            std::fs::write(&path, bad).unwrap();
            assert!(refused().contains("antiphon models fetch silero"), "{}", refused());
        }
    }
}
