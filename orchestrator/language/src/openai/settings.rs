//! Where the server is and how long it may take.
use std::time::Duration;

use super::{ApiKey, Thinking};

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
    /// How long a server may send no byte at all: keep-alive comments and reasoning count as life.
    pub life_timeout: Duration,
    /// How long the first text to be spoken may take, from sending the request; and the next, once there is some.
    pub first_content_timeout: Duration,
    /// What is known of the model's way of thinking; its replies teach more.
    pub thinking: Thinking,
    /// The most tokens of a reply; none leaves it to the server. The machine bounds replies by sentences anyway.
    pub max_tokens: Option<u32>,
}

impl OpenAiSettings {
    /// Settings with the usual timeouts: 3 s to connect, 4 s without a byte, 15 s to the first text.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            model: model.into(),
            key: None,
            connect_timeout: Duration::from_secs(3),
            life_timeout: Duration::from_secs(4),
            first_content_timeout: Duration::from_secs(15),
            thinking: Thinking::default(),
            max_tokens: None,
        }
    }
}
