//! How espeak-ng speaks.
use serde::{Deserialize, Serialize};

/// How it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Voice {
    /// Language and variant, such as `en-gb` or `en-us+f3`.
    pub name: String,
    /// Words a minute, 80 to 450.
    pub words_per_minute: i16,
    /// Base pitch, 0 to 99.
    pub pitch: i16,
}

impl Default for Voice {
    fn default() -> Self {
        Self { name: "en-gb".into(), words_per_minute: 165, pitch: 50 }
    }
}
