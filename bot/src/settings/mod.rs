//! Settings: defaults < file (TOML) < environment < flags of the command line.
//!
//! Each is declared once, in [`table`]; [`load`] reports every fault together, each with the variable's name;
//! `antiphon settings` prints the table.
mod load;
mod table;

pub use load::{Fault, LoadError, Sources, load};
pub use table::{SETTINGS, Setting};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use antiphon_core::event::{Consent, Flags};
use broker::limits::Limits;
use bundle::{Fsync, PcmForm};
use language::openai::Thinking;

/// Text that must never be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(secret)" })
    }
}

/// Where the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Environment {
    /// A developer's machine, or a test.
    #[default]
    Development,
    /// People depend on it: no embedded fallback, no simulated failures.
    Production,
}

/// Everything that can be set, checked and typed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Development or production.
    pub environment: Environment,
    /// Where bundles, the ledger, models and spools are kept.
    pub data: PathBuf,
    /// Discord's bot token.
    pub discord_token: Option<Secret>,
    /// Another address for Discord's REST interface (the simulated Discord).
    pub discord_api: Option<String>,
    /// A CA (PEM file) that the voice connection trusts in addition to the system's own.
    pub discord_ca: Option<PathBuf>,
    pub redis_url: Option<Secret>,
    /// How to connect to it.
    pub redis: RedisSettings,
    /// Whether the bot works on its jobs itself.
    pub workers_in_process: bool,
    /// Postgres or SQLite.
    pub database_url: Option<Secret>,
    /// Where `/health`, `/ready` and `/metrics` listen.
    pub http: Option<SocketAddr>,
    /// Roles whose members may do what otherwise needs Manage Server.
    pub admin_roles: Vec<u64>,
    /// Where people reach the HTTP server, for links.
    pub public_url: Option<String>,
    /// What links are signed with.
    pub link_key: Option<Secret>,
    /// How long a link holds, in minutes.
    pub link_minutes: u32,
    /// Bearer token for `/debug` and `/admin`.
    pub admin_token: Option<Secret>,
    /// What a mirror's senders must show.
    pub mirror_token: Option<Secret>,
    /// What holds for a person who said nothing.
    pub default_consent: Consent,
    /// Say aloud that the bot listens when it comes.
    pub spoken_notice: bool,
    /// The name people call the bot by.
    pub wake_name: String,
    /// Leave an empty channel after this many seconds.
    pub empty_channel_seconds: u32,
    /// Flags at start.
    pub flags: Flags,
    /// IANA time zone in which the bot gives the time.
    pub time_zone: String,
    /// A Whisper model in ggml format.
    pub whisper_model: Option<PathBuf>,
    /// Silero's model of voice activity, in ggml format.
    pub silero_model: Option<PathBuf>,
    /// A Piper voice (`.onnx`, with its `.onnx.json` next to it).
    pub piper_voice: Option<PathBuf>,
    /// The espeak-ng voice.
    pub espeak_voice: String,
    /// How much may be asked within a minute.
    pub limits: Limits,
    /// An OpenAI-compatible provider.
    pub llm: Option<LlmSettings>,
    /// When what is recorded is synced to the disk.
    pub fsync: Fsync,
    /// How PCM tracks are kept once a recording has ended.
    pub pcm: PcmForm,
    /// Log filter, in tracing's directive syntax.
    pub log: String,
    /// Logs as JSON lines.
    pub log_json: bool,
    /// What was not as it should be and has been worked around; logged at the start.
    pub warnings: Vec<String>,
}

/// How to connect to Redis, in addition to its URL.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// The CA that signed its certificate.
    pub tls_ca: Option<PathBuf>,
    /// Our own certificate.
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// The name in its certificate.
    pub tls_server_name: Option<String>,
    /// Stand in with the embedded server when it is not reached.
    pub fall_back: bool,
    /// Replicas that must hold a write.
    pub acknowledged_by: u32,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a command may take.
    pub command_timeout: Duration,
}

/// An OpenAI-compatible provider of language models.
#[derive(Debug, Clone)]
pub struct LlmSettings {
    /// Its name in decisions and metrics.
    pub name: String,
    /// Its base URL, such as `https://api.openai.com/v1`.
    pub url: String,
    /// The model to ask.
    pub model: String,
    pub key: Option<Secret>,
    /// How long it may send no byte at all.
    pub life: Duration,
    /// How long the first text to be spoken may take.
    pub first_content: Duration,
    /// How the model writes thoughts into its text.
    pub thinking: Thinking,
}
