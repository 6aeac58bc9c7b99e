//! A voice of their own for each pseudonym.
use bundle::anonymize::Line;

use crate::settings::Settings;

#[cfg(feature = "piper")]
pub(super) use with_espeak::Voices;
#[cfg(not(feature = "piper"))]
pub(super) use without::Voices;

#[cfg(feature = "piper")]
mod with_espeak {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use antiphon_core::ids::UserId;
    use speech::Limits;
    use speech::espeak::{Espeak, Voice};
    use speech::synthesize::collect;

    use super::{Line, Settings};
    use crate::app;

    /// How long one line may take.
    const LINE_TIMEOUT: Duration = Duration::from_secs(120);
    /// espeak-ng's variants: a man or a woman, high or low.
    const VARIANTS: [&str; 8] = ["m1", "f2", "m3", "f4", "m5", "f1", "m7", "f3"];

    /// espeak-ng, with a variant for each person. To be used from a thread that may block.
    pub(in crate::cli::bundle) struct Voices {
        speech: speech::Settings,
        voices: BTreeMap<UserId, Espeak>,
    }

    impl Voices {
        pub(in crate::cli::bundle) fn new(settings: &Settings) -> anyhow::Result<Self> {
            let speech =
                app::speech_settings(settings).map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
            Ok(Self { speech, voices: BTreeMap::new() })
        }

        pub(in crate::cli::bundle) fn speak(&mut self, line: Line<'_>) -> Result<Vec<i16>, String> {
            if !self.voices.contains_key(&line.user) {
                let n = self.voices.len();
                // The bot speaks as it does; people take turns through the variants, and then through pitches.
                let language = self.speech.espeak_voice.split('+').next().unwrap_or("en-gb");
                let name = match line.bot {
                    true => self.speech.espeak_voice.clone(),
                    false => format!("{language}+{}", VARIANTS[n % VARIANTS.len()]),
                };
                let higher = i16::try_from(n / VARIANTS.len() % 5).unwrap_or(0) * 8;
                let pitch = (self.speech.espeak_pitch + higher).clamp(0, 99);
                let voice = Voice { name, words_per_minute: self.speech.espeak_rate, pitch };
                let espeak = Espeak::new(voice, self.speech.espeak_data.as_deref())
                    .map_err(|error| error.to_string())?;
                self.voices.insert(line.user, espeak);
            }
            let Some(voice) = self.voices.get(&line.user) else {
                return Ok(Vec::new());
            };
            let limits = Limits::within(LINE_TIMEOUT);
            tokio::runtime::Handle::current()
                .block_on(collect(voice, line.text, &limits))
                .map_err(|error| error.to_string())
        }
    }
}

#[cfg(not(feature = "piper"))]
mod without {
    use super::{Line, Settings};

    pub(in crate::cli::bundle) struct Voices;

    impl Voices {
        pub(in crate::cli::bundle) fn new(_: &Settings) -> anyhow::Result<Self> {
            anyhow::bail!(
                "this program was built without the feature `piper`, which has espeak-ng: use --audio drop"
            )
        }

        pub(in crate::cli::bundle) fn speak(&mut self, _: Line<'_>) -> Result<Vec<i16>, String> {
            Err("no voice is there".into())
        }
    }
}
