//! Settings of the pipeline, each with its reason.
use antiphon_core::audio::SLOT_MS;
use serde::{Deserialize, Serialize};

/// What to do with Opus that came in the clear although the call is end-to-end encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaintextPolicy {
    /// Its slots are marked withheld and the audio is dropped unread. The speaker agreed to an encrypted call.
    #[default]
    Withhold,
    /// It is used like any other audio of a consenting speaker.
    Accept,
}

/// Settings of the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a missing packet is waited for at least. 40 ms covers the reordering seen on ordinary connections; what
    /// is there in order is never held back.
    pub min_delay_ms: u32,
    /// How long a missing packet is waited for at most, when the connection is bad. 200 ms, a third of the silence that
    /// ends a turn, so that jitter alone never cuts an utterance in two.
    pub max_delay_ms: u32,
    /// Packets held per speaker for reordering. 64 is 1.3 s: enough for the longest delay and for a consumer that
    /// stalls for a second.
    pub reorder_window: u16,
    /// Slots concealed when nothing came and nothing shows why. 5 is 100 ms, after which libopus's concealment has
    /// faded out anyway; then the speaker is taken to have stopped.
    pub conceal_slots: u16,
    /// What to do with unencrypted audio in an encrypted call.
    pub plaintext: PlaintextPolicy,
    /// Tracks at the same time. Discord allows 99 in a voice channel, and a stage more; each costs about 100 kB.
    pub max_speakers: u32,
    /// How far two clocks may differ, in parts per million. Computer clocks stay within 100; 300 leaves room.
    pub max_drift_ppm: u32,
    /// Score at which a slot counts as voice, 0 to 1. At 0.5 earshot takes the onset of a noise for a voice, at 0.6 it
    /// doesn't, and hears speech 20 ms later, which the pre-roll covers.
    pub vad_start: f32,
    /// Score below which a slot no longer counts as voice while a person speaks. Lower than `vad_start`: hysteresis.
    pub vad_stop: f32,
    /// Slots quieter than this are never voice, in dB of full scale. The detector looks at the spectrum's shape alone.
    pub vad_floor_dbfs: f32,
    /// Voiced slots, of the last `start_window_slots`, that start a turn. 4 is 80 ms: shorter is a click or a cough.
    pub start_slots: u16,
    /// The window for `start_slots`.
    pub start_window_slots: u16,
    /// Sound kept from before the start was noticed, so that the first consonant isn't lost.
    pub pre_roll_ms: u32,
    /// Sound kept after the last voiced slot.
    pub post_roll_ms: u32,
    /// Silence that ends a turn (endpointing). 600 ms is longer than most pauses within a sentence; every millisecond
    /// of it is waited for by the speaker.
    pub end_silence_ms: u32,
    /// Voiced sound that a turn needs, else it ends as too short.
    pub min_speech_ms: u32,
    /// The longest turn; recognisers have windows. A longer one is cut and goes on as a new turn.
    pub max_turn_ms: u32,
    /// Where the quietest point is looked for when a turn is cut: this much before its end.
    pub cut_search_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_delay_ms: 40,
            max_delay_ms: 200,
            reorder_window: 64,
            conceal_slots: 5,
            plaintext: PlaintextPolicy::Withhold,
            max_speakers: 100,
            max_drift_ppm: 300,
            vad_start: 0.6,
            vad_stop: 0.4,
            vad_floor_dbfs: -60.0,
            start_slots: 4,
            start_window_slots: 6,
            pre_roll_ms: 300,
            post_roll_ms: 200,
            end_silence_ms: 600,
            min_speech_ms: 120,
            max_turn_ms: 10_000,
            cut_search_ms: 1_000,
        }
    }
}

/// One setting that can't be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub setting: &'static str,
    /// What it must be, and what it is.
    pub fault: String,
}

/// Every setting that can't be, together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("capture settings: {}", .0.iter().map(|f| format!("{} {}", f.setting, f.fault)).collect::<Vec<_>>().join("; "))]
pub struct ConfigError(pub Vec<Fault>);

impl Config {
    /// Checks every setting and reports all faults at once.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        let mut within = |setting, value: f64, low: f64, high: f64| {
            // Written so that NaN is a fault too.
            if !(value >= low && value <= high) {
                faults.push(Fault {
                    setting,
                    fault: format!("must lie between {low} and {high}, not {value}"),
                });
            }
        };
        within("min_delay_ms", self.min_delay_ms.into(), 0.0, 1_000.0);
        within("max_delay_ms", self.max_delay_ms.into(), self.min_delay_ms.into(), 1_000.0);
        within("reorder_window", self.reorder_window.into(), 16.0, 1_024.0);
        within("conceal_slots", self.conceal_slots.into(), 0.0, 50.0);
        within("max_speakers", self.max_speakers.into(), 1.0, 10_000.0);
        within("max_drift_ppm", self.max_drift_ppm.into(), 10.0, 2_000.0);
        within("vad_start", self.vad_start.into(), 0.01, 1.0);
        within("vad_stop", self.vad_stop.into(), 0.01, self.vad_start.into());
        within("vad_floor_dbfs", self.vad_floor_dbfs.into(), -100.0, 0.0);
        within("start_window_slots", self.start_window_slots.into(), 1.0, 50.0);
        within("start_slots", self.start_slots.into(), 1.0, self.start_window_slots.into());
        within("pre_roll_ms", self.pre_roll_ms.into(), 0.0, 2_000.0);
        within("end_silence_ms", self.end_silence_ms.into(), 100.0, 5_000.0);
        within("post_roll_ms", self.post_roll_ms.into(), 0.0, self.end_silence_ms.into());
        within("min_speech_ms", self.min_speech_ms.into(), 0.0, 2_000.0);
        within("max_turn_ms", self.max_turn_ms.into(), 2_000.0, 120_000.0);
        within(
            "cut_search_ms",
            self.cut_search_ms.into(),
            f64::from(SLOT_MS),
            f64::from(self.max_turn_ms) / 2.0,
        );
        if faults.is_empty() { Ok(()) } else { Err(ConfigError(faults)) }
    }
}

/// Whole slots in a number of milliseconds, at least one.
pub(crate) fn slots(ms: u32) -> usize {
    (ms / SLOT_MS).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold() {
        Config::default().validate().unwrap();
    }

    #[test]
    fn all_faults_are_reported_together_by_name() {
        let config = Config { reorder_window: 3, vad_start: f32::NAN, max_turn_ms: 1, ..Config::default() };
        let message = config.validate().unwrap_err().to_string();
        for name in ["reorder_window", "vad_start", "vad_stop", "max_turn_ms", "cut_search_ms"] {
            assert!(message.contains(name), "{name} is missing in: {message}");
        }
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(
            serde_json::from_str::<Config>(r#"{"pre_rol_ms": 3}"#)
                .unwrap_err()
                .to_string()
                .contains("pre_rol_ms")
        );
    }
}
