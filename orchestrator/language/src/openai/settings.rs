//! Where the server is and how long it may take.
use std::time::Duration;

use super::ApiKey;

/// Settings of one OpenAI-compatible provider.
#[derive(Debug, Clone)]
pub struct OpenAiSettings {
    /// Its name in configuration, records and metrics, such as `groq`.
    pub name: String,
    /// Up to and including the version, such as `https://api.openai.com/v1` or `http://localhost:11434/v1`.
    pub base_url: String,
    /// The model, such as `gpt-4o-mini`.
    pub model: String,
    /// The key; none for servers that want none.
    pub key: Option<ApiKey>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the first token may take, from sending the request.
    pub first_token_timeout: Duration,
    /// How long the next token may take.
    pub token_timeout: Duration,
    /// The most tokens of a reply; none leaves it to the server. The machine bounds replies by sentences anyway.
    pub max_tokens: Option<u32>,
}

impl OpenAiSettings {
    /// Settings with the usual timeouts: 3 s to connect, 4 s to the first token, 3 s between tokens.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            model: model.into(),
            key: None,
            connect_timeout: Duration::from_secs(3),
            first_token_timeout: Duration::from_secs(4),
            token_timeout: Duration::from_secs(3),
            max_tokens: None,
        }
    }
}
