//! What an operator can choose about speech.
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Settings of speech to text and text to speech. Each can be given in the settings file under the field's name, or
/// in the environment under the variable named with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder of downloaded models and libraries (`ANTIPHON_MODELS`).
    pub models: PathBuf,
    /// Whisper model: a file, or a name in the models folder (`ANTIPHON_WHISPER_MODEL`). Without one, the model
    /// chosen by `antiphon models use` is taken, and without that the small one that ships with the program.
    pub whisper_model: Option<PathBuf>,
    /// SHA-256 that the model file must have (`ANTIPHON_WHISPER_SHA256`).
    pub whisper_sha256: Option<String>,
    /// Language people speak: a code such as `en`, or `auto` (`ANTIPHON_WHISPER_LANGUAGE`).
    pub whisper_language: String,
    /// Turns transcribed at the same time; 0 chooses by the number of cores (`ANTIPHON_WHISPER_CONCURRENCY`).
    pub whisper_concurrency: usize,
    /// Threads of one transcription; 0 shares the cores out (`ANTIPHON_WHISPER_THREADS`).
    pub whisper_threads: usize,
    /// Silero's model of voice activity: a file, or a name in the models folder (`ANTIPHON_SILERO_MODEL`). Without one,
    /// the model chosen by `antiphon models use` is taken, and without that earshot.
    pub silero_model: Option<PathBuf>,
    /// Piper voice: the `.onnx` file (`ANTIPHON_PIPER_VOICE`).
    pub piper_voice: Option<PathBuf>,
    /// Speaker of a Piper voice that has several (`ANTIPHON_PIPER_SPEAKER`).
    pub piper_speaker: Option<i64>,
    /// How long Piper holds sounds: 1 is the voice's own pace, 1.2 is slower (`ANTIPHON_PIPER_LENGTH_SCALE`).
    pub piper_length_scale: Option<f32>,
    /// libonnxruntime, when it is not in a usual place (`ORT_DYLIB_PATH`).
    pub onnxruntime: Option<PathBuf>,
    /// espeak-ng's data folder, when it is not in a usual place (`ANTIPHON_ESPEAK_DATA`).
    pub espeak_data: Option<PathBuf>,
    /// espeak-ng's voice (`ANTIPHON_ESPEAK_VOICE`).
    pub espeak_voice: String,
    /// Its speed in words a minute, 80 to 450 (`ANTIPHON_ESPEAK_RATE`).
    pub espeak_rate: i16,
    /// Its pitch, 0 to 99 (`ANTIPHON_ESPEAK_PITCH`).
    pub espeak_pitch: i16,
    /// Whether to speak at all; without, answers are written (`ANTIPHON_SPEAK`).
    pub speak: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            models: "data/models".into(),
            whisper_model: None,
            whisper_sha256: None,
            whisper_language: "en".into(),
            whisper_concurrency: 0,
            whisper_threads: 0,
            silero_model: None,
            piper_voice: None,
            piper_speaker: None,
            piper_length_scale: None,
            onnxruntime: None,
            espeak_data: None,
            espeak_voice: "en-gb".into(),
            espeak_rate: 165,
            espeak_pitch: 50,
            speak: true,
        }
    }
}

impl Settings {
    /// Takes what the environment says over these settings. Returns every fault, each naming its variable.
    pub fn overlay(&mut self, get: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut faults = Vec::new();
        let text = |name: &str| get(name).filter(|v| !v.is_empty());
        let path = |slot: &mut Option<PathBuf>, name: &str| {
            if let Some(value) = text(name) {
                *slot = Some(value.into());
            }
        };
        path(&mut self.whisper_model, "ANTIPHON_WHISPER_MODEL");
        path(&mut self.silero_model, "ANTIPHON_SILERO_MODEL");
        path(&mut self.piper_voice, "ANTIPHON_PIPER_VOICE");
        path(&mut self.onnxruntime, "ORT_DYLIB_PATH");
        path(&mut self.espeak_data, "ANTIPHON_ESPEAK_DATA");
        if let Some(value) = text("ANTIPHON_MODELS") {
            self.models = value.into();
        }
        if let Some(value) = text("ANTIPHON_WHISPER_SHA256") {
            self.whisper_sha256 = Some(value);
        }
        if let Some(value) = text("ANTIPHON_WHISPER_LANGUAGE") {
            self.whisper_language = value;
        }
        if let Some(value) = text("ANTIPHON_ESPEAK_VOICE") {
            self.espeak_voice = value;
        }
        parse(&text, "ANTIPHON_WHISPER_CONCURRENCY", "a number", &mut faults, |v| {
            self.whisper_concurrency = v;
        });
        parse(&text, "ANTIPHON_WHISPER_THREADS", "a number", &mut faults, |v| self.whisper_threads = v);
        parse(&text, "ANTIPHON_PIPER_SPEAKER", "a number", &mut faults, |v| self.piper_speaker = Some(v));
        parse(&text, "ANTIPHON_PIPER_LENGTH_SCALE", "a number such as 1.2", &mut faults, |v| {
            self.piper_length_scale = Some(v);
        });
        parse(&text, "ANTIPHON_ESPEAK_RATE", "a number from 80 to 450", &mut faults, |v| {
            self.espeak_rate = v;
        });
        parse(&text, "ANTIPHON_ESPEAK_PITCH", "a number from 0 to 99", &mut faults, |v| {
            self.espeak_pitch = v;
        });
        parse(&text, "ANTIPHON_SPEAK", "true or false", &mut faults, |v| self.speak = v);
        faults.extend(self.faults());
        faults
    }

    /// What cannot be right in these settings.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(80..=450).contains(&self.espeak_rate) {
            faults.push(format!("ANTIPHON_ESPEAK_RATE: {} is not from 80 to 450", self.espeak_rate));
        }
        if !(0..=99).contains(&self.espeak_pitch) {
            faults.push(format!("ANTIPHON_ESPEAK_PITCH: {} is not from 0 to 99", self.espeak_pitch));
        }
        if self.piper_length_scale.is_some_and(|s| !(0.1..=10.0).contains(&s)) {
            faults.push("ANTIPHON_PIPER_LENGTH_SCALE: it is not from 0.1 to 10".into());
        }
        if self.whisper_sha256.as_ref().is_some_and(|s| s.len() != 64 || hex::decode(s).is_err()) {
            faults.push("ANTIPHON_WHISPER_SHA256: it is not a SHA-256 of 64 hex digits".into());
        }
        faults
    }

    /// Where the model named by `setting` lies: as it is given, or by name in the models folder.
    pub fn in_models(&self, setting: &Path) -> PathBuf {
        if setting.is_absolute() || setting.is_file() {
            return setting.to_path_buf();
        }
        let name = setting.to_string_lossy();
        [
            self.models.join(setting),
            self.models.join(format!("ggml-{name}.bin")),
            self.models.join(format!("{name}.onnx")),
        ]
        .into_iter()
        .find(|p| p.is_file())
        .unwrap_or_else(|| setting.to_path_buf())
    }
}

fn parse<T: std::str::FromStr>(
    get: &impl Fn(&str) -> Option<String>,
    name: &str,
    expected: &str,
    faults: &mut Vec<String>,
    set: impl FnOnce(T),
) {
    if let Some(value) = get(name) {
        match value.parse() {
            Ok(value) => set(value),
            Err(_) => faults.push(format!("{name}: {value:?} is not {expected}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported_with_its_variable() {
        let mut settings = Settings::default();
        let faults = settings.overlay(|name| match name {
            "ANTIPHON_ESPEAK_RATE" => Some("1000".into()),
            "ANTIPHON_WHISPER_THREADS" => Some("many".into()),
            "ANTIPHON_WHISPER_SHA256" => Some("abc".into()),
            "ANTIPHON_WHISPER_LANGUAGE" => Some("de".into()),
            _ => None,
        });
        assert_eq!(settings.whisper_language, "de");
        assert_eq!(faults.len(), 3, "{faults:?}");
        for name in ["ANTIPHON_ESPEAK_RATE", "ANTIPHON_WHISPER_THREADS", "ANTIPHON_WHISPER_SHA256"] {
            assert!(faults.iter().any(|f| f.starts_with(name)), "{faults:?}");
        }
    }

    #[test]
    fn a_model_is_found_by_name_in_the_models_folder() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ggml-base.en.bin");
        std::fs::write(&file, "").unwrap();
        let settings = Settings { models: dir.path().into(), ..Settings::default() };
        assert_eq!(settings.in_models(Path::new("base.en")), file);
        assert_eq!(settings.in_models(Path::new("none")), PathBuf::from("none"));
    }
}
