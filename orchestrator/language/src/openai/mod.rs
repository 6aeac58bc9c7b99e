//! Any server that speaks OpenAI's chat completions with streaming: OpenAI itself, Groq, Ollama, vLLM, llama.cpp.
//!
//! `settings`: where and how; `key`: the secret; `wire`: what is sent and understood; `guard_stream`: bounds on what
//! comes back; `client`: the model itself.
mod client;
mod guard_stream;
mod key;
mod settings;
mod wire;

pub use client::OpenAi;
pub use key::{ApiKey, KeyError};
pub use settings::OpenAiSettings;
