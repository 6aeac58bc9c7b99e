//! The checks, in the order in which the parts are needed.
use antiphon_core::event::ProviderKind;

use super::{Finding, State};
use crate::app::{cut_off, load_speech, open_redis, open_store};
use crate::discord::client;
use crate::settings::Settings;

pub(super) async fn all(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![
        data(settings),
        bundles(settings),
        opus(),
        token(settings).await,
        redis(settings).await,
        ledger(settings).await,
    ];
    findings.extend(speech(settings).await);
    findings.push(language(settings));
    findings
}

fn fine(part: &'static str, found: impl Into<String>) -> Finding {
    Finding { part, state: State::Fine, found: found.into(), fix: None }
}

fn absent(part: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { part, state: State::Absent, found: found.into(), fix: Some(fix.into()) }
}

fn broken(part: &'static str, found: impl Into<String>, fix: Option<&str>) -> Finding {
    Finding { part, state: State::Broken, found: found.into(), fix: fix.map(str::to_owned) }
}

/// The data folder takes files.
fn data(settings: &Settings) -> Finding {
    let path = settings.data.display();
    let tried = antiphon_core::private_files::create_dir_all(&settings.data)
        .and_then(|()| tempfile::tempfile_in(&settings.data));
    match tried {
        Ok(_) => fine("data folder", format!("{path} can be written")),
        Err(error) => broken(
            "data folder",
            format!("{path}: {error}"),
            Some("name another with --data or ANTIPHON_DATA"),
        ),
    }
}

/// Recordings that a kill or a power cut left behind.
fn bundles(settings: &Settings) -> Finding {
    match cut_off(&settings.data) {
        None => fine("bundles", "no recording was cut off"),
        Some(found) => absent("bundles", found, "antiphon bundle recover --all"),
    }
}

/// One libopus serves songbird and capture alike.
fn opus() -> Finding {
    fine("libopus", capture::opus_version())
}

async fn token(settings: &Settings) -> Finding {
    if settings.discord_token.is_none() {
        return absent(
            "discord",
            "no token: `antiphon run` cannot connect",
            "take one from https://discord.com/developers/applications (Bot, Reset Token) and set ANTIPHON_DISCORD_TOKEN",
        );
    }
    match client::who_am_i(settings).await {
        Ok(name) => fine("discord", format!("the token is {name}'s")),
        Err(error) => broken("discord", error.to_string(), error.hint()),
    }
}

async fn redis(settings: &Settings) -> Finding {
    match open_redis(settings).await {
        Ok(redis) => match redis.health().await {
            Ok(health) => Finding {
                fix: health.findings.first().map(|first| {
                    format!("{}: {} (`antiphon doctor redis` says more)", first.what, first.fix)
                }),
                ..fine("redis", health.to_string())
            },
            Err(error) => broken("redis", error.to_string(), None),
        },
        Err(error) => broken("redis", error.to_string(), None),
    }
}

async fn ledger(settings: &Settings) -> Finding {
    match open_store(settings).await {
        Ok(store) => {
            let health = store.health().await;
            let kind = store.kind();
            store.close().await;
            match health {
                Ok(()) => fine("ledger", kind),
                Err(error) => broken("ledger", error.to_string(), None),
            }
        }
        Err(error) => broken("ledger", error.to_string(), None),
    }
}

async fn speech(settings: &Settings) -> Vec<Finding> {
    let providers = match load_speech(settings).await {
        Ok(providers) => providers,
        Err(error) => return vec![broken("speech", error.to_string(), None)],
    };
    let report = providers.report();
    let vad = &report.vad;
    let version = vad.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let mut findings = vec![match &vad.refused {
        Some(why) => broken("voice activity", format!("{why} (instead: {})", vad.name), None),
        None => fine("voice activity", format!("{}{version}", vad.name)),
    }];
    for about in report.stt.iter().chain(&report.tts) {
        let part = if about.kind == ProviderKind::Stt { "speech to text" } else { "text to speech" };
        let model = about
            .model
            .as_ref()
            .map(|model| format!(", {} ({} bytes)", model.file, model.bytes))
            .unwrap_or_default();
        let note = about.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        findings.push(fine(part, format!("{} ({}{model}){note}", about.name, about.engine)));
    }
    for refused in &report.refused {
        let part = if refused.kind == ProviderKind::Stt { "speech to text" } else { "text to speech" };
        findings.push(if refused.asked_for {
            broken(part, format!("{}: {}", refused.name, refused.why), None)
        } else {
            Finding {
                part,
                state: State::Absent,
                found: format!("{}: {}", refused.name, refused.why),
                fix: None,
            }
        });
    }
    findings
}

fn language(settings: &Settings) -> Finding {
    match &settings.llm {
        Some(llm) => fine(
            "language model",
            format!("{} at {} ({}), then the offline responder", llm.name, llm.url, llm.model),
        ),
        None => absent(
            "language model",
            "the built-in offline responder alone: time, date, arithmetic, help, small talk",
            "set ANTIPHON_LLM_URL (any OpenAI-compatible server) and ANTIPHON_LLM_KEY for more",
        ),
    }
}
