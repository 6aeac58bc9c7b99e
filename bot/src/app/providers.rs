//! The providers of the process: speech, and language models in the operator's order.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::breaker::BreakerSettings;
use antiphon_core::event::{GenerationRequest, Message, Provider, ProviderKind, ReplyStyle, Role};
use antiphon_core::time::Clock;
use language::LanguageModel;
use language::offline::Offline;
use language::openai::{ApiKey, OpenAi, OpenAiSettings};
use language::pool::Pool;
use speech::providers::Report;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::health::Part;
use crate::settings::Settings;

/// What an OpenAI-compatible server is expected to take to its first token, until it has been measured.
const EXPECTED_MS: u32 = 600;
/// The offline responder answers at once.
const OFFLINE_MS: u32 = 5;
/// How long a written question outside of any session may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A first token that takes longer counts as a failure of the model, though it came: after most of the time that it has,
/// or when the machine has given the reply up.
fn slow_ms(first_content_timeout: Duration) -> u32 {
    let most = u32::try_from(first_content_timeout.as_millis() * 4 / 5).unwrap_or(u32::MAX);
    most.min(antiphon_core::event::Settings::default().generate_timeout_ms)
}

/// Speech and language.
#[derive(Debug, Clone)]
pub struct Providers {
    speech: speech::Providers,
    language: Arc<Pool>,
    /// The language providers' names, for versions.
    named: BTreeMap<String, String>,
}

impl Providers {
    pub(super) fn new(
        settings: &Settings,
        speech: speech::Providers,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let mut models: Vec<(Arc<dyn LanguageModel>, u32)> = Vec::new();
        let mut named = BTreeMap::new();
        if let Some(llm) = &settings.llm {
            let mut openai = OpenAiSettings::new(&llm.name, &llm.url, &llm.model);
            openai.life_timeout = llm.life;
            openai.first_content_timeout = llm.first_content;
            openai.thinking = llm.thinking;
            if let Some(key) = &llm.key {
                let key = ApiKey::new(key.reveal(), "ANTIPHON_LLM_KEY").map_err(|error| error.to_string())?;
                openai.key = Some(key);
            }
            let model = OpenAi::new(openai).map_err(|error| error.to_string())?;
            named.insert(format!("llm.{}", llm.name), llm.model.clone());
            models.push((Arc::new(model), EXPECTED_MS));
        }
        let zone = jiff::tz::TimeZone::get(&settings.time_zone).map_err(|error| error.to_string())?;
        models.push((Arc::new(Offline::new(clock.clone(), zone)), OFFLINE_MS));
        let slow_ms = settings.llm.as_ref().map_or(0, |llm| slow_ms(llm.first_content));
        let breaker = BreakerSettings { failures: 5, slow_ms, reset_ms: 30_000 };
        Ok(Self { speech, language: Arc::new(Pool::new(models, breaker, clock.clone())), named })
    }

    /// Speech, as loaded.
    pub fn speech(&self) -> &speech::Providers {
        &self.speech
    }

    /// Language models, with their breakers.
    pub fn language(&self) -> &Arc<Pool> {
        &self.language
    }

    pub(super) fn for_workers(&self) -> orchestrator::workers::Minds {
        orchestrator::workers::Minds { speech: self.speech.clone(), language: self.language.clone() }
    }

    /// What speech is in use.
    pub fn report(&self) -> Report {
        self.speech.report()
    }

    /// Every provider, as the decision machine knows it.
    pub fn for_machine(&self) -> Vec<Provider> {
        let mut providers = self.speech.providers();
        providers.extend(self.language.providers());
        providers
    }

    /// Versions for bundles.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let mut versions = self.named.clone();
        versions.insert("antiphon".into(), env!("CARGO_PKG_VERSION").into());
        versions.insert("libopus".into(), capture::opus_version());
        let report = self.speech.report();
        for about in report.stt.iter().chain(&report.tts) {
            let model = about.model.as_ref().map(|model| format!(", {}", model.sha256)).unwrap_or_default();
            versions.insert(
                format!("{}.{}", about.kind.as_str(), about.name),
                format!("{}{model}", about.engine),
            );
        }
        let vad = match (&report.vad.version, &report.vad.model) {
            (Some(version), Some(model)) => format!("silero {version}, {}", model.sha256),
            _ => report.vad.name.to_owned(),
        };
        versions.insert("vad".into(), vad);
        versions
    }

    /// The state of each, for `/health` and `/ready`.
    pub(super) fn parts(&self) -> Vec<Part> {
        let report = self.speech.report();
        let names = |abouts: &[speech::About]| {
            let names: Vec<String> = abouts
                .iter()
                .map(|about| match &about.note {
                    Some(note) => format!("{} ({note})", about.name),
                    None => about.name.clone(),
                })
                .collect();
            names.join(", then ")
        };
        let refused = |kind: ProviderKind| {
            report
                .refused
                .iter()
                .find(|refused| refused.kind == kind && refused.asked_for)
                .map(|refused| &refused.why)
        };
        let part = |name, abouts: &[_], kind| match (refused(kind), names(abouts)) {
            (Some(why), instead) => Part::known(name, false, format!("{why} (instead: {instead})")),
            // What a build leaves out on purpose is no fault of the machine it runs on.
            (None, names) if names.is_empty() && !built_in(kind) => {
                Part::known(name, true, "not in this build: answers are written, or not understood")
            }
            (None, names) if names.is_empty() => {
                Part::known(name, false, "none: `antiphon doctor` says how to get one")
            }
            (None, names) => Part::known(name, true, names),
        };
        let models = self.language.providers();
        let healthy = models.iter().any(|model| model.healthy);
        let listed: Vec<String> =
            models
                .iter()
                .map(|model| {
                    if model.healthy { model.name.clone() } else { format!("{} (breaker open)", model.name) }
                })
                .collect();
        let vad = &report.vad;
        let version = vad.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let detail = match &vad.refused {
            Some(why) => format!("{why} (instead: {})", vad.name),
            None => format!("{}{version}", vad.name),
        };
        let hearing = Part::known("voice_activity", vad.refused.is_none(), detail);
        vec![
            hearing,
            part("speech_to_text", &report.stt, ProviderKind::Stt),
            part("text_to_speech", &report.tts, ProviderKind::Tts),
            Part::known("language_model", healthy, listed.join(", then ")),
        ]
    }

    /// One written answer, by the first model that can.
    pub(super) async fn answer(&self, question: &str) -> Result<String, String> {
        let request = GenerationRequest {
            messages: vec![Message { role: Role::User, name: None, text: question.to_owned() }],
            style: ReplyStyle::Full,
            max_sentences: 8,
        };
        let cancel = CancellationToken::new();
        let _stop = cancel.clone().drop_guard();
        let (deltas, mut pieces) = mpsc::channel::<String>(16);
        let gather = async {
            let mut text = String::new();
            while let Some(piece) = pieces.recv().await {
                text.push_str(&piece);
            }
            text
        };
        let asked = async { tokio::join!(self.language.generate(&request, &cancel, deltas), gather) };
        match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
            Ok((Ok(_), text)) => Ok(text.trim().to_owned()),
            Ok((Err(error), _)) => {
                // Its words may name the provider's address.
                tracing::warn!(%error, "a question outside of any session was not answered");
                Err("I could not answer that; the log says why.".into())
            }
            Err(_) => Err("That took too long.".into()),
        }
    }
}

/// Whether this build has providers of a kind.
fn built_in(kind: ProviderKind) -> bool {
    match kind {
        ProviderKind::Stt => cfg!(feature = "whisper"),
        ProviderKind::Tts => cfg!(feature = "piper"),
        ProviderKind::Llm => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_first_token_counts_before_it_is_timed_out() {
        for seconds in [1, 4, 15, 60] {
            let timeout = Duration::from_secs(seconds);
            let slow = Duration::from_millis(slow_ms(timeout).into());
            assert!(slow < timeout && slow <= Duration::from_secs(8), "{slow:?} of {timeout:?}");
        }
    }
}
