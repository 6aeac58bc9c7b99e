//! From text to typed settings, with every fault at once.
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use antiphon_core::event::{Consent, Flags};
use broker::limits::{Limits, Quota};
use bundle::{Fsync, PcmForm};
use language::openai::Thinking;

use super::table::{SETTINGS, Setting};
use super::{Environment, LlmSettings, RedisSettings, Secret, Settings};

/// Where values come from. A plain value, so that tests give their own.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Flags of the command line, by setting key.
    pub flags: BTreeMap<String, String>,
    pub env: BTreeMap<String, String>,
    /// The settings file, if one was named or stands in the usual place.
    pub file: Option<PathBuf>,
}

impl Sources {
    /// The process's own environment, and the settings file that `ANTIPHON_CONFIG` names.
    pub fn from_process() -> Self {
        let env: BTreeMap<String, String> = std::env::vars().collect();
        let file = env.get("ANTIPHON_CONFIG").map(PathBuf::from);
        Self { flags: BTreeMap::new(), env, file }
    }

    /// Overrides a setting, as a flag of the command line does.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.flags.insert(key.to_owned(), value.into());
        self
    }
}

/// One thing wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the value came from: a variable, a flag, or a key of the file.
    pub origin: String,
    /// What is wrong and what is wanted.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.what)
    }
}

/// Every fault found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError(pub Vec<Fault>);

impl std::error::Error for LoadError {}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of the settings cannot be used:", self.0.len())?;
        for fault in &self.0 {
            writeln!(f, "  {fault}")?;
        }
        f.write_str("`antiphon settings` lists them all")
    }
}

/// Reads and checks every setting.
pub fn load(sources: &Sources) -> Result<Settings, LoadError> {
    let mut reader = Reader { sources, file: BTreeMap::new(), faults: Vec::new(), warnings: Vec::new() };
    reader.read_file();
    let settings = reader.settings();
    if reader.faults.is_empty() { Ok(settings) } else { Err(LoadError(reader.faults)) }
}

struct Reader<'a> {
    sources: &'a Sources,
    file: BTreeMap<String, String>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, origin: impl Into<String>, what: impl Into<String>) {
        self.faults.push(Fault { origin: origin.into(), what: what.into() });
    }

    fn read_file(&mut self) {
        let Some(path) = self.sources.file.clone() else { return };
        let origin = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return self.fault(origin, format!("cannot be read: {error}")),
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.flatten("", &table, &origin),
            Err(error) => self.fault(origin, error.message().to_owned()),
        }
    }

    fn flatten(&mut self, prefix: &str, table: &toml::Table, origin: &str) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(inner) => self.flatten(&key, inner, origin),
                toml::Value::String(text) => self.file_value(key, text.clone(), origin),
                toml::Value::Integer(number) => self.file_value(key, number.to_string(), origin),
                toml::Value::Boolean(flag) => self.file_value(key, flag.to_string(), origin),
                _ => self.fault(format!("{origin}, {key}"), "must be a text, a whole number, true or false"),
            }
        }
    }

    fn file_value(&mut self, key: String, value: String, origin: &str) {
        if SETTINGS.iter().any(|setting| setting.key == key) {
            self.file.insert(key, value);
        } else {
            self.fault(format!("{origin}, {key}"), "is no setting");
        }
    }

    /// The text that a setting has, and where it came from.
    fn raw(&mut self, setting: &Setting) -> Option<(String, String)> {
        if let Some(value) = self.sources.flags.get(setting.key) {
            return Some((format!("the command line's {}", setting.key), value.clone()));
        }
        for name in setting.env {
            if let Some(value) = self.sources.env.get(*name).filter(|value| !value.is_empty()) {
                return Some(((*name).to_owned(), value.clone()));
            }
            if setting.secret {
                let name = format!("{name}_FILE");
                if let Some(path) = self.sources.env.get(&name).filter(|path| !path.is_empty()) {
                    match std::fs::read_to_string(path) {
                        Ok(text) => return Some((name, text.trim_end().to_owned())),
                        Err(error) => {
                            self.fault(name, format!("{path} cannot be read: {error}"));
                            return None;
                        }
                    }
                }
            }
        }
        if let Some(value) = self.file.get(setting.key) {
            return Some((setting.key.to_owned(), value.clone()));
        }
        (!setting.default.is_empty()).then(|| (setting.key.to_owned(), setting.default.to_owned()))
    }

    fn text(&mut self, key: &str) -> Option<(String, String)> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key)?;
        self.raw(setting)
    }

    fn string(&mut self, key: &str) -> String {
        self.text(key).map(|(_, value)| value).unwrap_or_default()
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key).map(|(_, value)| PathBuf::from(value))
    }

    fn secret(&mut self, key: &str) -> Option<Secret> {
        self.text(key).map(|(_, value)| Secret(value)).filter(|secret| !secret.0.is_empty())
    }

    fn parsed<T: FromStr>(&mut self, key: &str, wanted: &str, or: T) -> T {
        let Some((origin, value)) = self.text(key) else { return or };
        match value.trim().parse() {
            Ok(parsed) => parsed,
            Err(_) => {
                self.fault(origin, format!("{value:?} is not {wanted}"));
                or
            }
        }
    }

    /// So many within a minute; 0 for any number.
    fn quota(&mut self, key: &str) -> Quota {
        let most = self.parsed(key, "a whole number (0 for no limit)", 0);
        Quota::per_seconds(if most == 0 { u64::MAX } else { most }, 60)
    }

    fn milliseconds(&mut self, key: &str, or: u64) -> Duration {
        let or = NonZeroU64::new(or).unwrap_or(NonZeroU64::MIN);
        Duration::from_millis(self.parsed(key, "a number of milliseconds from 1 on", or).get())
    }

    fn chosen<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], or: T) -> T {
        let Some((origin, value)) = self.text(key) else { return or };
        match choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim())) {
            Some((_, choice)) => *choice,
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                self.fault(origin, format!("{value:?} is none of {}", names.join(", ")));
                or
            }
        }
    }

    fn ids(&mut self, key: &str) -> Vec<u64> {
        let Some((origin, value)) = self.text(key) else { return Vec::new() };
        let mut ids = Vec::new();
        for id in value.split(',').map(str::trim).filter(|id| !id.is_empty()) {
            match id.parse() {
                Ok(id) => ids.push(id),
                Err(_) => self.fault(
                    origin.clone(),
                    format!("{id:?} is no id of Discord's: digits, separated by commas"),
                ),
            }
        }
        ids
    }

    fn address(&mut self, key: &str) -> Option<String> {
        let (origin, value) = self.text(key)?;
        if !value.starts_with("http://") && !value.starts_with("https://") {
            self.fault(origin, format!("{value:?} is no http(s) address"));
        }
        Some(value)
    }

    /// `TZ` may hold more than names (`:/etc/localtime`, `CET-1CEST`): it belongs to the system and is no fault of ours.
    fn time_zone(&mut self) -> String {
        let Some((origin, value)) = self.text("time_zone") else { return "UTC".to_owned() };
        if jiff::tz::TimeZone::get(&value).is_ok() {
            return value;
        }
        if origin != "TZ" {
            self.fault(origin, format!("{value:?} is no IANA time zone such as Europe/Berlin"));
            return "UTC".to_owned();
        }
        let system = jiff::tz::TimeZone::system();
        let zone = system.iana_name().filter(|name| jiff::tz::TimeZone::get(name).is_ok()).unwrap_or("UTC");
        self.warnings.push(format!(
            "TZ: {value:?} is no IANA time zone; {zone} is used. ANTIPHON_TIME_ZONE names another"
        ));
        zone.to_owned()
    }

    fn fsync(&mut self) -> Fsync {
        let every: u64 = self.parsed("bundle.fsync_ms", "a whole number of milliseconds", 1_000);
        let choices = [
            ("never", Fsync::Never),
            ("interval", Fsync::Interval(Duration::from_millis(every))),
            ("each", Fsync::Each),
        ];
        self.chosen("bundle.fsync", &choices, Fsync::default())
    }

    fn settings(&mut self) -> Settings {
        const YES_NO: &[(&str, bool)] =
            &[("true", true), ("false", false), ("1", true), ("0", false), ("on", true), ("off", false)];
        let redis_url = self.secret("redis.url");
        let workers_in_process = self.chosen("workers.in_process", YES_NO, true);
        if !workers_in_process && redis_url.as_ref().is_none_or(|url| url.0.starts_with("embedded:")) {
            self.fault(
                "workers.in_process (ANTIPHON_WORKERS_IN_PROCESS)",
                "false needs a Redis that the workers reach too: set redis.url (ANTIPHON_REDIS_URL)",
            );
        }
        let data = self.path("data").unwrap_or_else(|| default_data(&self.sources.env));
        let http = match self.text("http.listen") {
            Some((_, value)) if value.eq_ignore_ascii_case("off") => None,
            Some((origin, value)) => match value.parse() {
                Ok(address) => Some(address),
                Err(_) => {
                    self.fault(origin, format!("{value:?} is not an address such as 127.0.0.1:9464, or off"));
                    None
                }
            },
            None => None,
        };
        let time_zone = self.time_zone();
        let llm_url = self.string("llm.url");
        let llm = (!llm_url.is_empty()).then(|| {
            if !llm_url.starts_with("http://") && !llm_url.starts_with("https://") {
                self.fault("llm.url (ANTIPHON_LLM_URL)", format!("{llm_url:?} is no http(s) address"));
            }
            LlmSettings {
                name: self.string("llm.name"),
                url: llm_url.clone(),
                model: self.string("llm.model"),
                key: self.secret("llm.key"),
                life: self.milliseconds("llm.life_ms", 4_000),
                first_content: self.milliseconds("llm.first_content_ms", 15_000),
                thinking: self.chosen(
                    "llm.thinking",
                    &[
                        ("auto", Thinking::Unknown),
                        ("marked", Thinking::Marked),
                        ("unmarked", Thinking::Unmarked),
                    ],
                    Thinking::Unknown,
                ),
            }
        });
        Settings {
            environment: self.chosen(
                "environment",
                &[("development", Environment::Development), ("production", Environment::Production)],
                Environment::Development,
            ),
            data,
            discord_token: self.secret("discord.token"),
            discord_api: self.text("discord.api").map(|(_, value)| value),
            discord_ca: self.path("discord.ca"),
            redis_url,
            redis: RedisSettings {
                tls_ca: self.path("redis.tls_ca"),
                tls_certificate: self.path("redis.tls_certificate"),
                tls_key: self.path("redis.tls_key"),
                tls_server_name: self.text("redis.tls_server_name").map(|(_, value)| value),
                fall_back: self.chosen("redis.fall_back", YES_NO, false),
                acknowledged_by: self.parsed("redis.acknowledged_by", "a whole number of replicas", 0),
                connect_timeout: self.milliseconds("redis.connect_timeout_ms", 5_000),
                command_timeout: self.milliseconds("redis.command_timeout_ms", 5_000),
            },
            workers_in_process,
            database_url: self.secret("database.url"),
            http,
            admin_roles: self.ids("discord.admin_roles"),
            public_url: self.address("http.public_url"),
            link_key: self.secret("links.key"),
            link_minutes: self.parsed("links.minutes", "a whole number of minutes", 60),
            admin_token: self.secret("http.admin_token"),
            mirror_token: self.secret("mirror.token"),
            default_consent: self.chosen(
                "consent.default",
                &[("opt_in", Consent::Withheld), ("opt_out", Consent::Granted)],
                Consent::Withheld,
            ),
            spoken_notice: self.chosen("consent.spoken_notice", YES_NO, true),
            wake_name: self.string("orchestrator.wake_name"),
            empty_channel_seconds: self.parsed(
                "voice.empty_channel_seconds",
                "a whole number of seconds",
                60,
            ),
            flags: Flags {
                adaptive_enabled: self.chosen("orchestrator.adaptive_enabled", YES_NO, false),
                ledger_enabled: self.chosen("ledger.enabled", YES_NO, true),
                mirror_enabled: self.chosen("sandbox.mirror_enabled", YES_NO, true),
            },
            time_zone,
            whisper_model: self.path("stt.whisper_model"),
            silero_model: self.path("vad.silero_model"),
            piper_voice: self.path("tts.piper_voice"),
            espeak_voice: self.string("tts.espeak_voice"),
            limits: Limits {
                guild_requests: self.quota("limits.guild_requests"),
                guild_tokens: self.quota("limits.guild_tokens"),
                person_requests: self.quota("limits.person_requests"),
                person_tokens: self.quota("limits.person_tokens"),
            },
            llm,
            fsync: self.fsync(),
            pcm: self.chosen(
                "bundle.pcm",
                &[("wav", PcmForm::Wav), ("flac", PcmForm::Flac)],
                PcmForm::default(),
            ),
            log: self.string("log.filter"),
            log_json: self.chosen("log.format", &[("json", true), ("text", false)], true),
            warnings: std::mem::take(&mut self.warnings),
        }
    }
}

fn default_data(env: &BTreeMap<String, String>) -> PathBuf {
    if let Some(data) = env.get("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()) {
        return Path::new(data).join("antiphon");
    }
    match env.get("HOME") {
        Some(home) => Path::new(home).join(".local/share/antiphon"),
        None => PathBuf::from("antiphon-data"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(env: &[(&str, &str)]) -> Sources {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sources { env, ..Sources::default() }
    }

    #[test]
    fn defaults_load_without_anything_set() {
        let settings = load(&sources(&[("HOME", "/home/ada")])).unwrap();
        assert_eq!(settings.data, Path::new("/home/ada/.local/share/antiphon"));
        assert_eq!(settings.default_consent, Consent::Withheld);
        assert!(!settings.flags.adaptive_enabled);
        assert!(settings.discord_token.is_none());
    }

    #[test]
    fn a_bot_without_workers_needs_a_shared_redis() {
        let off = ("ANTIPHON_WORKERS_IN_PROCESS", "false");
        for redis in ["", "embedded://"] {
            let error = load(&sources(&[off, ("ANTIPHON_REDIS_URL", redis)])).unwrap_err().to_string();
            assert!(error.contains("ANTIPHON_WORKERS_IN_PROCESS") && error.contains("redis.url"), "{error}");
        }
        let settings = load(&sources(&[off, ("ANTIPHON_REDIS_URL", "redis://redis")])).unwrap();
        assert!(!settings.workers_in_process);
        assert!(load(&sources(&[])).unwrap().workers_in_process);
    }

    #[test]
    fn every_fault_is_reported_at_once_with_its_variable() {
        let error = load(&sources(&[
            ("ANTIPHON_ENV", "prod"),
            ("ANTIPHON_HTTP", "nowhere"),
            ("ANTIPHON_EMPTY_CHANNEL_SECONDS", "soon"),
            ("ANTIPHON_LLM_URL", "ftp://x"),
        ]))
        .unwrap_err();
        let text = error.to_string();
        for name in ["ANTIPHON_ENV", "ANTIPHON_HTTP", "ANTIPHON_EMPTY_CHANNEL_SECONDS", "ANTIPHON_LLM_URL"] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert_eq!(error.0.len(), 4);
    }

    #[test]
    fn flags_win_over_environment_and_environment_over_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("antiphon.toml");
        std::fs::write(&file, "time_zone = \"Europe/Rome\"\n[orchestrator]\nwake_name = \"File\"\n").unwrap();
        let mut sources = sources(&[("ANTIPHON_WAKE_NAME", "Env")]);
        sources.file = Some(file);
        let settings = load(&sources).unwrap();
        assert_eq!((settings.wake_name.as_str(), settings.time_zone.as_str()), ("Env", "Europe/Rome"));
        let settings = load(&sources.with("orchestrator.wake_name", "Flag")).unwrap();
        assert_eq!(settings.wake_name, "Flag");
    }

    #[test]
    fn a_secret_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let settings = load(&sources(&[("ANTIPHON_DISCORD_TOKEN_FILE", file.to_str().unwrap())])).unwrap();
        assert_eq!(settings.discord_token.as_ref().unwrap().reveal(), "s3cret");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn a_bad_system_time_zone_is_only_a_warning() {
        for value in [":/etc/localtime", "CET-1CEST,M3.5.0,M10.5.0/3"] {
            let settings = load(&sources(&[("TZ", value)])).unwrap();
            assert!(jiff::tz::TimeZone::get(&settings.time_zone).is_ok());
            assert!(settings.warnings[0].contains(value));
            let error = load(&sources(&[("ANTIPHON_TIME_ZONE", value)])).unwrap_err();
            assert!(error.to_string().contains("ANTIPHON_TIME_ZONE"));
        }
        assert!(load(&sources(&[("TZ", "Europe/Rome")])).unwrap().warnings.is_empty());
    }

    #[test]
    fn each_wrong_role_id_is_named() {
        let settings = load(&sources(&[("ANTIPHON_ADMIN_ROLES", "12, 34,")])).unwrap();
        assert_eq!(settings.admin_roles, [12, 34]);
        let wrong = [("ANTIPHON_ADMIN_ROLES", "12,admins"), ("ANTIPHON_PUBLIC_URL", "bot.example")];
        let text = load(&sources(&wrong)).unwrap_err().to_string();
        assert!(text.contains("\"admins\"") && text.contains("ANTIPHON_PUBLIC_URL"), "{text}");
    }

    #[test]
    fn a_key_that_is_no_setting_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("antiphon.toml");
        std::fs::write(&file, "wake = \"x\"\n").unwrap();
        let mut sources = sources(&[]);
        sources.file = Some(file);
        assert!(load(&sources).unwrap_err().to_string().contains("wake: is no setting"));
    }
}
