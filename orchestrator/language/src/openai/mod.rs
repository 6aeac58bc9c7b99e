//! Any server that speaks OpenAI's chat completions with streaming: OpenAI itself, Groq, Mistral, Ollama, vLLM,
//! LM Studio, llama.cpp.
//!
//! `settings`: where and how; `key`: the secret; `wire`: what is sent and understood; `events`: the bytes of a stream
//! as events; `thoughts`: what of a text is not for speaking; `reply`: one reply from an answer's bytes; `retry_after`:
//! when a server wants to be asked again; `client`: the model itself.
mod client;
mod events;
mod key;
mod reply;
mod retry_after;
mod settings;
mod thoughts;
mod wire;

pub use client::OpenAi;
pub use key::{ApiKey, KeyError};
pub use reply::{ReplyEnd, ReplyFault, ReplyReader};
pub use settings::OpenAiSettings;
pub use thoughts::Thinking;
