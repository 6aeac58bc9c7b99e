//! The providers in use: chosen by settings, in the order of preference, each known by its name.
use std::path::PathBuf;
use std::sync::Arc;

use antiphon_core::event::{Provider, ProviderKind};
use serde::Serialize;

use crate::models::{Chosen, Folder};

use super::fixture::{FixtureLines, FixtureStt};
use super::provider::{About, SpeechError};
use super::settings::Settings;
use super::synthesize::TextToSpeech;
use super::transcribe::SpeechToText;
use super::vad::{VadAbout, VoiceActivity};

/// A provider that was asked for and could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// What it would have done.
    pub kind: ProviderKind,
    pub name: String,
    /// Why not, and what to do about it.
    pub why: String,
    /// Whether settings asked for it by name; otherwise it was only tried.
    pub asked_for: bool,
}

/// What is in use and what is not, for `/health`, `antiphon doctor` and the demo's summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Speech to text, first choice first.
    pub stt: Vec<About>,
    /// Text to speech, first choice first. Empty: answers are written.
    pub tts: Vec<About>,
    /// Detection of voice activity.
    pub vad: VadAbout,
    /// What could not be had.
    pub refused: Vec<Refused>,
}

impl Report {
    /// Whether everything that settings ask for is there.
    pub fn as_asked(&self) -> bool {
        !self.refused.iter().any(|r| r.asked_for) && self.vad.refused.is_none()
    }
}

/// Speech providers, loaded.
#[derive(Debug, Clone, Default)]
pub struct Providers {
    stt: Vec<Arc<dyn SpeechToText>>,
    tts: Vec<Arc<dyn TextToSpeech>>,
    vad: VoiceActivity,
    refused: Vec<Refused>,
}

impl Providers {
    /// Loads what `settings` ask for, and what stands in where that cannot be had. Never fails: what is missing is in
    /// the report. It reads model files: call it from a blocking thread.
    pub fn load(settings: &Settings) -> Self {
        let vad = VoiceActivity::load(silero_asked_for(settings).as_deref());
        let mut out = Self { vad, ..Self::default() };
        out.load_stt(settings);
        if settings.speak {
            out.load_tts(settings);
        }
        out
    }

    /// Adds a recogniser at the end of the chain.
    pub fn add_stt(&mut self, provider: Arc<dyn SpeechToText>) {
        self.stt.push(provider);
    }

    /// Adds a voice at the end of the chain.
    pub fn add_tts(&mut self, provider: Arc<dyn TextToSpeech>) {
        self.tts.push(provider);
    }

    /// Adds the fixture recogniser, which reads what scripted speakers publish, as the first choice.
    pub fn with_fixture(mut self, lines: FixtureLines) -> Self {
        self.stt.insert(0, Arc::new(FixtureStt::new(lines)));
        self
    }

    /// The recogniser of this name.
    pub fn stt(&self, name: &str) -> Result<Arc<dyn SpeechToText>, SpeechError> {
        let found = self.stt.iter().find(|p| p.about().name == name);
        found.cloned().ok_or_else(|| self.not_found(ProviderKind::Stt, name))
    }

    /// The voice of this name.
    pub fn tts(&self, name: &str) -> Result<Arc<dyn TextToSpeech>, SpeechError> {
        let found = self.tts.iter().find(|p| p.about().name == name);
        found.cloned().ok_or_else(|| self.not_found(ProviderKind::Tts, name))
    }

    /// Where capture gets its detectors of voice activity from.
    pub fn vad(&self) -> capture::VadSource {
        self.vad.source.clone()
    }

    /// The first choice among recognisers.
    pub fn first_stt(&self) -> Option<Arc<dyn SpeechToText>> {
        self.stt.first().cloned()
    }

    /// The first choice among voices.
    pub fn first_tts(&self) -> Option<Arc<dyn TextToSpeech>> {
        self.tts.first().cloned()
    }

    /// The providers as a session's start names them to the machine.
    pub fn providers(&self) -> Vec<Provider> {
        let stt = self.stt.iter().map(|p| p.about().provider());
        stt.chain(self.tts.iter().map(|p| p.about().provider())).collect()
    }

    /// What is in use.
    pub fn report(&self) -> Report {
        Report {
            stt: self.stt.iter().map(|p| p.about().clone()).collect(),
            tts: self.tts.iter().map(|p| p.about().clone()).collect(),
            vad: self.vad.about.clone(),
            refused: self.refused.clone(),
        }
    }

    fn not_found(&self, kind: ProviderKind, name: &str) -> SpeechError {
        let why = self.refused.iter().find(|r| r.kind == kind && r.name == name);
        SpeechError::unavailable(
            format!("{} provider {name:?}", kind.as_str()),
            why.map_or_else(|| "it is not configured here".into(), |r| r.why.clone()),
            "`antiphon doctor` shows which are",
        )
    }

    fn refuse(&mut self, kind: ProviderKind, name: &str, why: &SpeechError, asked_for: bool) {
        if asked_for {
            tracing::warn!(kind = kind.as_str(), provider = name, %why, "provider refused, the next takes over");
        } else {
            tracing::debug!(kind = kind.as_str(), provider = name, %why, "provider not in use");
        }
        let why = why.to_string();
        self.refused.push(Refused { kind, name: name.into(), why, asked_for });
    }

    #[cfg(feature = "whisper")]
    fn load_stt(&mut self, settings: &Settings) {
        use super::whisper::{Options, Whisper, nano};

        let defaults = Options::default();
        let or = |value: usize, default: usize| if value == 0 { default } else { value };
        let concurrency = or(settings.whisper_concurrency, defaults.concurrency);
        let threads = or(settings.whisper_threads, defaults.threads);
        if let Some(path) = model_asked_for(settings) {
            let options = Options {
                language: settings.whisper_language.clone(),
                concurrency,
                threads,
                digest: settings.whisper_sha256.clone(),
                ..defaults
            };
            let name = options.name.clone();
            match Whisper::from_file(&path, options) {
                Ok(whisper) => self.add_stt(Arc::new(whisper)),
                Err(why) => self.refuse(ProviderKind::Stt, &name, &why, true),
            }
        }
        if self.stt.is_empty() {
            match nano::load(concurrency) {
                Ok(whisper) => self.add_stt(Arc::new(whisper)),
                Err(why) => self.refuse(ProviderKind::Stt, nano::NAME, &why, false),
            }
        }
    }

    #[cfg(not(feature = "whisper"))]
    fn load_stt(&mut self, settings: &Settings) {
        let why = SpeechError::unavailable(
            "whisper",
            "this program was built without the feature `whisper`",
            "Use a build with it",
        );
        self.refuse(ProviderKind::Stt, "whisper", &why, model_asked_for(settings).is_some());
    }

    #[cfg(feature = "piper")]
    fn load_tts(&mut self, settings: &Settings) {
        use super::espeak::{Espeak, Voice};
        use super::piper::{Piper, PiperOptions};
        use super::{espeak, piper};

        if let Some(voice) = voice_asked_for(settings) {
            let options = PiperOptions {
                voice,
                speaker: settings.piper_speaker,
                length_scale: settings.piper_length_scale,
                library: settings.onnxruntime.clone(),
                espeak_data: settings.espeak_data.clone(),
            };
            match Piper::new(&options, &settings.models) {
                Ok(piper) => self.add_tts(Arc::new(piper)),
                Err(why) => self.refuse(ProviderKind::Tts, piper::NAME, &why, true),
            }
        }
        let voice = Voice {
            name: settings.espeak_voice.clone(),
            words_per_minute: settings.espeak_rate,
            pitch: settings.espeak_pitch,
        };
        match Espeak::new(voice, settings.espeak_data.as_deref()) {
            Ok(espeak) => self.add_tts(Arc::new(espeak)),
            Err(why) => self.refuse(ProviderKind::Tts, espeak::provider::NAME, &why, self.tts.is_empty()),
        }
    }

    #[cfg(not(feature = "piper"))]
    fn load_tts(&mut self, settings: &Settings) {
        let why = SpeechError::unavailable(
            "piper and espeak",
            "this program was built without the feature `piper`: answers are written",
            "Use a build with it",
        );
        self.refuse(ProviderKind::Tts, "piper", &why, voice_asked_for(settings).is_some());
    }
}

/// The Whisper model that settings name, or else `antiphon models use`.
fn model_asked_for(settings: &Settings) -> Option<PathBuf> {
    let named = settings.whisper_model.as_deref().map(|model| settings.in_models(model));
    named.or_else(|| chosen(settings).whisper.map(|file| settings.models.join(file)))
}

/// The Piper voice that settings name, or else `antiphon models use`.
fn voice_asked_for(settings: &Settings) -> Option<PathBuf> {
    let named = settings.piper_voice.as_deref().map(|voice| settings.in_models(voice));
    named.or_else(|| chosen(settings).piper.map(|file| settings.models.join(file)))
}

/// Silero's model that settings name, or else `antiphon models use`.
fn silero_asked_for(settings: &Settings) -> Option<PathBuf> {
    let named = settings.silero_model.as_deref().map(|model| settings.in_models(model));
    named.or_else(|| chosen(settings).vad.map(|file| settings.models.join(file)))
}

fn chosen(settings: &Settings) -> Chosen {
    Folder::new(&settings.models).chosen().unwrap_or_else(|error| {
        tracing::warn!(%error, "the choice of models cannot be read");
        Chosen::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "whisper", feature = "piper"))]
    #[test]
    fn a_broken_model_is_refused_and_replaced_visibly() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("model.bin");
        std::fs::write(&file, "GGUF, a language model").unwrap();
        let settings = Settings {
            whisper_model: Some(file.clone()),
            piper_voice: Some(dir.path().join("voice.onnx")),
            ..Settings::default()
        };
        let report = Providers::load(&settings).report();
        let refused: Vec<_> = report.refused.iter().filter(|r| r.asked_for).collect();
        assert_eq!(refused.len(), 2, "{report:?}");
        assert!(refused[0].why.contains("model.bin") && refused[0].why.contains("GGUF"), "{report:?}");
        assert!(refused[1].why.contains("voice.onnx"), "{report:?}");
        assert!(!report.as_asked());
        assert_eq!(report.stt[0].name, "whisper-nano");
        assert_eq!(report.tts[0].name, "espeak");
    }

    #[test]
    fn an_unknown_name_is_unavailable_and_says_so() {
        let error = Providers::default().stt("whisper").unwrap_err();
        assert!(error.to_string().contains("\"whisper\"") && error.to_string().contains("doctor"));
    }

    #[test]
    fn text_only_is_a_choice() {
        let settings = Settings { speak: false, ..Settings::default() };
        let providers = Providers::load(&settings);
        assert!(providers.first_tts().is_none());
        assert!(providers.report().as_asked());
    }
}
