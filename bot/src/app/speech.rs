//! Speech settings, from the program's settings and the speech module's own variables.
use speech;

use crate::settings::Settings;

/// What the speech providers are loaded with. Faults name their variables.
pub fn speech_settings(settings: &Settings) -> Result<speech::Settings, Vec<String>> {
    let mut out = speech::Settings {
        models: settings.data.join("models"),
        whisper_model: settings.whisper_model.clone(),
        silero_model: settings.silero_model.clone(),
        piper_voice: settings.piper_voice.clone(),
        espeak_voice: settings.espeak_voice.clone(),
        ..speech::Settings::default()
    };
    let faults = out.overlay(|name| std::env::var(name).ok());
    if faults.is_empty() { Ok(out) } else { Err(faults) }
}
