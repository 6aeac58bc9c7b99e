//! The one list of settings. `docs/configuration.md` is checked against it.

#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its key in the settings file, and in error messages.
    pub key: &'static str,
    /// Environment variables that set it; the first that is set counts.
    pub env: &'static [&'static str],
    /// What holds when nothing sets it; empty for none.
    pub default: &'static str,
    /// Whether its value may never be printed. A secret may also be given as a file, by the variable with `_FILE`
    /// appended.
    pub secret: bool,
    /// What it does.
    pub about: &'static str,
}

const fn plain(
    key: &'static str,
    env: &'static [&'static str],
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting { key, env, default, secret: false, about }
}

const fn secret(key: &'static str, env: &'static [&'static str], about: &'static str) -> Setting {
    Setting { key, env, default: "", secret: true, about }
}

pub const SETTINGS: &[Setting] = &[
    plain(
        "environment",
        &["ANTIPHON_ENV"],
        "development",
        "`development` or `production`; production refuses the embedded Redis as a fallback and simulated failures",
    ),
    plain(
        "data",
        &["ANTIPHON_DATA"],
        "",
        "folder for bundles, the ledger, models and spools; by default `$XDG_DATA_HOME/antiphon` or `~/.local/share/antiphon`",
    ),
    secret(
        "discord.token",
        &["ANTIPHON_DISCORD_TOKEN", "DISCORD_TOKEN"],
        "the bot's token, from Discord's developer portal",
    ),
    plain(
        "discord.api",
        &["ANTIPHON_DISCORD_API"],
        "",
        "another address for Discord's REST interface, such as the simulated Discord's",
    ),
    plain(
        "discord.ca",
        &["ANTIPHON_DISCORD_CA"],
        "",
        "a CA (PEM file) for the voice connection, such as the simulated Discord's",
    ),
    plain(
        "discord.admin_roles",
        &["ANTIPHON_ADMIN_ROLES"],
        "",
        "ids of roles, separated by commas, whose members may use what otherwise needs Manage Server",
    ),
    secret(
        "redis.url",
        &["ANTIPHON_REDIS_URL", "REDIS_URL"],
        "Redis, in one of the forms that `docs/redis.md` lists; the embedded server when unset",
    ),
    plain(
        "redis.tls_ca",
        &["ANTIPHON_REDIS_TLS_CA"],
        "",
        "the CA (PEM file) that signed Redis's certificate; the machine's own trust when unset",
    ),
    plain(
        "redis.tls_certificate",
        &["ANTIPHON_REDIS_TLS_CERTIFICATE"],
        "",
        "our own certificate (PEM file), for a Redis that asks for one",
    ),
    plain("redis.tls_key", &["ANTIPHON_REDIS_TLS_KEY"], "", "the key (PEM file) of that certificate"),
    plain(
        "redis.tls_server_name",
        &["ANTIPHON_REDIS_TLS_SERVER_NAME"],
        "",
        "the name in Redis's certificate, when it is not its host's",
    ),
    plain(
        "redis.fall_back",
        &["ANTIPHON_REDIS_FALL_BACK"],
        "false",
        "stand in with the embedded server when Redis is not reached at the start; refused in production",
    ),
    plain(
        "redis.acknowledged_by",
        &["ANTIPHON_REDIS_ACKNOWLEDGED_BY"],
        "0",
        "replicas that must hold a write before it counts as done; 0 for the primary alone",
    ),
    plain(
        "redis.connect_timeout_ms",
        &["ANTIPHON_REDIS_CONNECT_TIMEOUT_MS"],
        "5000",
        "how long a connection to Redis may take",
    ),
    plain(
        "redis.command_timeout_ms",
        &["ANTIPHON_REDIS_COMMAND_TIMEOUT_MS"],
        "5000",
        "how long one Redis command may take, from the call to the answer",
    ),
    plain(
        "workers.in_process",
        &["ANTIPHON_WORKERS_IN_PROCESS"],
        "true",
        "whether the bot works on its jobs itself; `false` leaves them all to `antiphon worker stt`, `llm` and `tts`, and needs `redis.url`",
    ),
    secret(
        "database.url",
        &["ANTIPHON_DATABASE_URL", "DATABASE_URL"],
        "`postgres://…` or `sqlite://PATH` for the ledger; SQLite in the data folder when unset",
    ),
    plain(
        "http.listen",
        &["ANTIPHON_HTTP"],
        "127.0.0.1:9464",
        "address of /health, /ready, /metrics, /debug and /bundles; `off` for none",
    ),
    plain(
        "http.public_url",
        &["ANTIPHON_PUBLIC_URL"],
        "",
        "where people reach `/bundles` of that server, such as `https://bot.example`; without it, recordings too large for an attachment are not linked",
    ),
    secret(
        "http.admin_token",
        &["ANTIPHON_ADMIN_TOKEN"],
        "bearer token for /debug and /admin; without one they are refused",
    ),
    secret(
        "mirror.token",
        &["ANTIPHON_MIRROR_TOKEN"],
        "what senders of mirrored sound must show (docs/mirror.md); without one only a socket file can be listened on",
    ),
    secret(
        "links.key",
        &["ANTIPHON_LINK_KEY"],
        "what links to recordings are signed with; drawn at each start when unset, so that links end with the process",
    ),
    plain("links.minutes", &["ANTIPHON_LINK_MINUTES"], "60", "how long a link to a recording holds"),
    plain(
        "consent.default",
        &["ANTIPHON_CONSENT"],
        "opt_in",
        "`opt_in`: no person is recorded or understood before they agree; `opt_out`: every person is until they refuse",
    ),
    plain(
        "consent.spoken_notice",
        &["ANTIPHON_SPOKEN_NOTICE"],
        "true",
        "say aloud that the bot listens when it comes into a channel",
    ),
    plain("orchestrator.wake_name", &["ANTIPHON_WAKE_NAME"], "Antiphon", "the name people call the bot by"),
    plain(
        "voice.empty_channel_seconds",
        &["ANTIPHON_EMPTY_CHANNEL_SECONDS"],
        "60",
        "leave a channel without other people in it after this many seconds",
    ),
    plain(
        "orchestrator.adaptive_enabled",
        &["ANTIPHON_ADAPTIVE_ENABLED"],
        "false",
        "let the adaptive policy act, when the guard agrees",
    ),
    plain(
        "ledger.enabled",
        &["ANTIPHON_LEDGER_ENABLED"],
        "true",
        "write decisions to the ledger; audit rows are written in any case",
    ),
    plain(
        "sandbox.mirror_enabled",
        &["ANTIPHON_MIRROR_ENABLED"],
        "true",
        "show every session to the sandbox lane, whose actions are only recorded",
    ),
    plain(
        "time_zone",
        &["ANTIPHON_TIME_ZONE", "TZ"],
        "UTC",
        "IANA time zone in which the bot gives the time",
    ),
    plain(
        "stt.whisper_model",
        &["ANTIPHON_WHISPER_MODEL"],
        "",
        "a Whisper model in ggml format; else one found in the data folder's `models`",
    ),
    plain(
        "vad.silero_model",
        &["ANTIPHON_SILERO_MODEL"],
        "",
        "Silero's model of voice activity in ggml format; else the one of `antiphon models use`, else earshot",
    ),
    plain(
        "tts.piper_voice",
        &["ANTIPHON_PIPER_VOICE"],
        "",
        "a Piper voice (.onnx with .onnx.json next to it); needs libonnxruntime (ORT_DYLIB_PATH)",
    ),
    plain(
        "tts.espeak_voice",
        &["ANTIPHON_ESPEAK_VOICE"],
        "en-gb",
        "the espeak-ng voice, spoken when no Piper voice is there",
    ),
    plain(
        "limits.guild_requests",
        &["ANTIPHON_LIMIT_GUILD_REQUESTS"],
        "120",
        "replies that a server may ask for within any minute; 0 for no limit",
    ),
    plain(
        "limits.guild_tokens",
        &["ANTIPHON_LIMIT_GUILD_TOKENS"],
        "60000",
        "tokens (about four characters each) of questions and replies of a server within any minute; 0 for no limit",
    ),
    plain(
        "limits.person_requests",
        &["ANTIPHON_LIMIT_PERSON_REQUESTS"],
        "30",
        "replies that a person may ask for within any minute; 0 for no limit",
    ),
    plain(
        "limits.person_tokens",
        &["ANTIPHON_LIMIT_PERSON_TOKENS"],
        "20000",
        "tokens of a person's questions and their replies within any minute; 0 for no limit",
    ),
    plain(
        "llm.url",
        &["ANTIPHON_LLM_URL", "OPENAI_BASE_URL"],
        "",
        "base URL of an OpenAI-compatible provider (OpenAI, Groq, Ollama, …); the offline responder when unset",
    ),
    plain("llm.model", &["ANTIPHON_LLM_MODEL"], "gpt-4o-mini", "the model to ask there"),
    plain("llm.name", &["ANTIPHON_LLM_NAME"], "openai", "the provider's name in decisions and metrics"),
    secret("llm.key", &["ANTIPHON_LLM_KEY", "OPENAI_API_KEY"], "the provider's key"),
    plain(
        "llm.life_ms",
        &["ANTIPHON_LLM_LIFE_MS"],
        "4000",
        "how many milliseconds the provider may send no byte at all; keep-alive comments and reasoning count as life",
    ),
    plain(
        "llm.first_content_ms",
        &["ANTIPHON_LLM_FIRST_CONTENT_MS"],
        "15000",
        "how many milliseconds the first text to be spoken may take; a model that thinks before it answers needs more",
    ),
    plain(
        "llm.thinking",
        &["ANTIPHON_LLM_THINKING"],
        "auto",
        "how the model writes thoughts into its text: `marked` (between marks, or not at all), `unmarked` (only their end is marked), or `auto`: the first reply is held back until it is complete and shows which",
    ),
    plain(
        "bundle.fsync",
        &["ANTIPHON_FSYNC"],
        "interval",
        "when recordings are synced to the disk: `never` (the system writes back when it likes), `interval`, or `each` (whenever nothing waits); see `docs/bundle.md` for what a power cut costs",
    ),
    plain(
        "bundle.fsync_ms",
        &["ANTIPHON_FSYNC_MS"],
        "1000",
        "how many milliseconds lie between two syncs of `interval`",
    ),
    plain(
        "bundle.pcm",
        &["ANTIPHON_BUNDLE_PCM"],
        "wav",
        "how PCM tracks (mirrored speakers, the bot's voice) are kept once a recording has ended: `wav`, or `flac` (bit for bit the same, in less room; ending a long recording takes longer)",
    ),
    plain(
        "log.filter",
        &["ANTIPHON_LOG", "RUST_LOG"],
        "info",
        "what is logged, in tracing's directive syntax; a level alone is for Antiphon's own parts, other people's stay at `warn` unless named",
    ),
    plain("log.format", &["ANTIPHON_LOG_FORMAT"], "json", "`json` or `text`"),
];
