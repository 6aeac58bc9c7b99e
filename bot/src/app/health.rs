//! The state of each part, for machines and for people.
//!
//! `/health` answers at once, from what was found last; `/ready` and the command `/health` ask, for a second at most.
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{App, bundles};

/// How long a part may take to answer before it counts as not working. Discord wants answers within three seconds, and
/// probes of orchestrators commonly allow one.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the parts are asked for `/health`.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How often the data folder is searched for recordings that were cut off.
const BUNDLES_INTERVAL: Duration = Duration::from_secs(60);

/// One part that work depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// What it is, or what is wrong with it.
    pub detail: String,
    /// How long ago that was found, for parts that have to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
}

impl Part {
    /// A part whose state is known without asking.
    pub(super) fn known(name: &'static str, ok: bool, detail: impl Into<String>) -> Self {
        Self { name, ok, detail: detail.into(), age_ms: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Always `ok` while the process answers.
    pub status: &'static str,
    /// Whether every part works that new sessions need.
    pub ready: bool,
    pub version: &'static str,
    pub sessions: usize,
    /// Whether no new sessions are taken.
    pub draining: bool,
    pub parts: Vec<Part>,
}

impl Health {
    /// For people in a chat. Details may name addresses and files of the machine, so they stay out.
    pub fn in_words(&self) -> String {
        let mut lines = vec![if self.ready {
            "I am well.".to_owned()
        } else {
            "I am not well: see what is marked below. The operator finds the details at `/ready` and in the log."
                .to_owned()
        }];
        for part in &self.parts {
            let mark = if part.ok { "✅" } else { "❌" };
            lines.push(format!("{mark} {}", part.name.replace('_', " ")));
        }
        lines.push(format!("Version {}.", self.version));
        lines.join("\n")
    }
}

/// What was found when the parts were asked last.
#[derive(Debug, Default)]
pub(super) struct LastFound(Mutex<BTreeMap<&'static str, (Part, Instant)>>);

impl LastFound {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, (Part, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, part: &Part) {
        self.lock().insert(part.name, (part.clone(), Instant::now()));
    }

    /// A part as it was found last, with how long ago.
    fn get(&self, name: &'static str) -> Part {
        let found = self.lock().get(name).cloned();
        match found {
            Some((part, at)) => {
                let age = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
                Part { age_ms: Some(age), ..part }
            }
            None => Part::known(name, false, "not asked yet"),
        }
    }

    fn age(&self, name: &'static str) -> Option<Duration> {
        self.lock().get(name).map(|(_, at)| at.elapsed())
    }
}

/// Asks a part, for a second at most.
async fn ask(name: &'static str, asked: impl Future<Output = Result<String, String>>) -> Part {
    match tokio::time::timeout(ASK_TIMEOUT, asked).await {
        Ok(Ok(detail)) => Part::known(name, true, detail),
        Ok(Err(detail)) => Part::known(name, false, detail),
        Err(_) => Part::known(name, false, format!("no answer within {} ms", ASK_TIMEOUT.as_millis())),
    }
}

const REDIS: &str = "redis";
const LEDGER: &str = "ledger";
const BUNDLES: &str = "bundles";

impl App {
    /// The state of every part as it was found last: waits for nothing.
    pub fn health(&self) -> Health {
        self.compose([REDIS, LEDGER].map(|name| self.found.get(name)))
    }

    /// The state of every part now: asks those that have to be asked, for a second at most.
    pub async fn readiness(&self) -> Health {
        let parts = self.check().await;
        self.compose(parts)
    }

    /// Asks Redis and the ledger at the same time, and keeps what they say.
    async fn check(&self) -> [Part; 2] {
        let redis = async {
            self.redis.health().await.map(|health| health.to_string()).map_err(|error| error.to_string())
        };
        let ledger = async {
            self.store
                .health()
                .await
                .map(|()| self.store.kind().to_owned())
                .map_err(|error| error.to_string())
        };
        let (redis, ledger) = tokio::join!(ask(REDIS, redis), ask(LEDGER, ledger));
        self.found.keep(&redis);
        self.found.keep(&ledger);
        [redis, ledger]
    }

    /// Keeps what `/health` answers up to date.
    pub(super) async fn check_parts(&self) {
        self.check().await;
        if self.found.age(BUNDLES).is_some_and(|age| age < BUNDLES_INTERVAL) {
            return;
        }
        let data = self.settings.data.clone();
        let cut_off = tokio::task::spawn_blocking(move || bundles::cut_off(&data)).await.unwrap_or_default();
        // Recordings that were cut off do not keep new sessions from starting; they are to be known of.
        let detail = cut_off.unwrap_or_else(|| "none was cut off".to_owned());
        self.found.keep(&Part::known(BUNDLES, true, detail));
    }

    fn compose(&self, asked: [Part; 2]) -> Health {
        let mut parts = Vec::from(asked);
        parts.extend(self.providers.parts());
        parts.push(Part { ok: true, ..self.found.get(BUNDLES) });
        if self.settings.discord_token.is_some() {
            let connected = self.connected.load(Ordering::Relaxed);
            let detail = if connected { "connected" } else { "not connected" };
            parts.push(Part::known("discord", connected, detail));
        }
        let draining = self.draining.load(Ordering::Relaxed);
        Health {
            status: "ok",
            ready: !draining && parts.iter().all(|part| part.ok),
            version: env!("CARGO_PKG_VERSION"),
            sessions: self.sessions.count(),
            draining,
            parts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_unanswering_part_times_out_after_a_second() {
        let began = Instant::now();
        let part = ask(REDIS, std::future::pending()).await;
        assert_eq!(began.elapsed(), ASK_TIMEOUT);
        assert!(!part.ok && part.detail.contains("1000 ms"), "{part:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_last_has_its_age() {
        let found = LastFound::default();
        assert_eq!(found.get(LEDGER), Part::known(LEDGER, false, "not asked yet"));
        found.keep(&Part::known(LEDGER, true, "sqlite"));
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(found.get(LEDGER), Part { age_ms: Some(1_500), ..Part::known(LEDGER, true, "sqlite") });
    }

    #[test]
    fn people_in_a_chat_see_no_address_or_file() {
        let health = Health {
            status: "ok",
            ready: false,
            version: "1.2.3",
            sessions: 7,
            draining: false,
            parts: vec![
                Part::known(REDIS, false, "redis://10.0.0.7:6379 refused"),
                Part::known(BUNDLES, true, "/srv/x"),
            ],
        };
        let words = health.in_words();
        assert!(words.contains("❌ redis") && words.contains("✅ bundles"), "{words}");
        for detail in ["10.0.0.7", "/srv/x", "7"] {
            assert!(!words.contains(detail), "{words}");
        }
    }
}
