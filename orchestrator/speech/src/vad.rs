//! Which detector of voice activity is in use: Silero when its model is there, else earshot, which capture carries.
use capture::VadSource;
use serde::Serialize;

use super::provider::ModelFile;

/// What is in use, for `/health`, `antiphon doctor` and bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VadAbout {
    /// `earshot` or `silero`.
    pub name: &'static str,
    /// The version of its model; earshot's is the crate's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The model's file, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelFile>,
    /// Why the one that was asked for is not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// The detector in use.
#[derive(Debug, Clone)]
pub struct VoiceActivity {
    /// Where capture gets its detectors from.
    pub source: VadSource,
    pub about: VadAbout,
}

impl Default for VoiceActivity {
    fn default() -> Self {
        let about = VadAbout { name: "earshot", version: None, model: None, refused: None };
        Self { source: VadSource::Earshot, about }
    }
}

impl VoiceActivity {
    /// Loads Silero's model from `path`; without one, or when it cannot be used, it is earshot.
    pub fn load(path: Option<&std::path::Path>) -> Self {
        let Some(path) = path else { return Self::default() };
        match silero(path) {
            Ok(loaded) => loaded,
            Err(why) => {
                tracing::warn!(%why, "Silero refused, earshot takes over");
                let mut out = Self::default();
                out.about.refused = Some(why);
                out
            }
        }
    }
}

#[cfg(feature = "whisper")]
fn silero(path: &std::path::Path) -> Result<VoiceActivity, String> {
    use super::silero;
    use super::silero::Silero;

    let silero = Silero::open(path).map_err(|why| why.to_string())?;
    let about = VadAbout {
        name: silero::NAME,
        version: Some(silero.version().to_owned()),
        model: Some(silero.model().clone()),
        refused: None,
    };
    Ok(VoiceActivity { source: silero::source(std::sync::Arc::new(silero)), about })
}

#[cfg(not(feature = "whisper"))]
fn silero(path: &std::path::Path) -> Result<VoiceActivity, String> {
    Err(format!("{}: this program was built without the feature `whisper`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_model_leaves_earshot_and_says_why() {
        let voice = VoiceActivity::load(Some(std::path::Path::new("no-such-file.bin")));
        assert_eq!(voice.about.name, "earshot");
        assert!(voice.about.refused.unwrap().contains("no-such-file.bin"));
        assert!(VoiceActivity::load(None).about.refused.is_none());
    }
}
