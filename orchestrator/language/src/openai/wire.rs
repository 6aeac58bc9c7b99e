//! Request and response formats.
//!
//! The chat completions API with `stream: true`: <https://platform.openai.com/docs/api-reference/chat/streaming>.
use antiphon_core::event::{GenerationRequest, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize)]
pub(super) struct ChatRequest<'a> {
    model: &'a str,
    messages: Vec<ChatMessage<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    content: std::borrow::Cow<'a, str>,
}

/// The request as the server takes it. When several people talk, each message begins with its speaker's name; the
/// protocol's own `name` field is refused by some servers and allows no spaces.
pub(super) fn chat_request<'a>(
    model: &'a str,
    request: &'a GenerationRequest,
    max_tokens: Option<u32>,
) -> ChatRequest<'a> {
    let mut names = request.messages.iter().filter_map(|m| m.name.as_deref());
    let first = names.next();
    let several = names.any(|name| Some(name) != first);
    let messages = request
        .messages
        .iter()
        .map(|m| ChatMessage {
            role: match m.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            },
            content: match &m.name {
                Some(name) if several => format!("{name}: {}", m.text).into(),
                _ => m.text.as_str().into(),
            },
        })
        .collect();
    ChatRequest { model, messages, stream: true, max_tokens }
}

/// One event of the stream, or a whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) choices: Option<Vec<Choice>>,
    /// Sent by some servers in place of choices when they fail midway.
    #[serde(default)]
    pub(super) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: Option<u64>,
    /// In a stream.
    #[serde(default)]
    pub(super) delta: Option<Delta>,
    /// In a whole answer.
    #[serde(default)]
    pub(super) message: Option<Delta>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

/// Part of a message. Fields whose form differs between servers are read as they come.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    content: Value,
    /// OpenAI's words when it declines to answer, in place of content.
    #[serde(default)]
    refusal: Value,
    /// DeepSeek's, vLLM's and llama.cpp's field.
    #[serde(default)]
    reasoning_content: Value,
    /// Ollama's, OpenRouter's and Groq's field.
    #[serde(default)]
    reasoning: Value,
    #[serde(default)]
    tool_calls: Value,
    #[serde(default)]
    function_call: Value,
}

/// What a part of a message says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) text: String,
    /// Bytes of reasoning.
    pub(super) reasoning: usize,
    /// The tool that is asked for.
    pub(super) tool: Option<String>,
}

impl Delta {
    pub(super) fn said(&self) -> Said {
        let mut said = Said::default();
        match &self.content {
            Value::String(text) => said.text.push_str(text),
            // Mistral writes a list of parts when the model reasons.
            Value::Array(parts) => {
                for part in parts {
                    match part.get("text").and_then(Value::as_str) {
                        Some(text) => said.text.push_str(text),
                        None => said.reasoning += part.get("thinking").map_or(0, |v| v.to_string().len()),
                    }
                }
            }
            _ => {}
        }
        if let (true, Some(refusal)) = (said.text.is_empty(), self.refusal.as_str()) {
            said.text.push_str(refusal);
        }
        for field in [&self.reasoning_content, &self.reasoning] {
            said.reasoning += field.as_str().map_or(0, str::len);
        }
        let call = self.tool_calls.get(0).map(|call| &call["function"]);
        let call = call.or(Some(&self.function_call).filter(|call| call.is_object()));
        said.tool = call.map(|call| call["name"].as_str().unwrap_or("without a name").to_owned());
        said
    }
}

/// The message in an error body, whatever its shape, shortened.
pub(super) fn error_message(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let said = value.as_ref().and_then(|value| {
        let error = value.get("error").unwrap_or(value);
        error.get("message").and_then(|m| m.as_str()).or_else(|| error.as_str())
    });
    let text = said.unwrap_or(body).split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { "no message".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::event::{Message, ReplyStyle};

    fn user(name: &str, text: &str) -> Message {
        Message { role: Role::User, name: Some(name.into()), text: text.into() }
    }

    #[test]
    fn names_are_written_only_when_several_people_talk() {
        let mut request = GenerationRequest {
            messages: vec![user("Alice", "Hi.")],
            style: ReplyStyle::Full,
            max_sentences: 3,
        };
        let json =
            |request: &GenerationRequest| serde_json::to_string(&chat_request("m", request, None)).unwrap();
        assert_eq!(
            json(&request),
            r#"{"model":"m","messages":[{"role":"user","content":"Hi."}],"stream":true}"#
        );
        request.messages.push(user("Bob Ray", "Hello."));
        assert!(json(&request).contains(r#""content":"Bob Ray: Hello.""#));
    }

    #[test]
    fn error_messages_are_found_whatever_their_shape() {
        assert_eq!(error_message(r#"{"error":{"message":"model  not\nfound"}}"#), "model not found");
        assert_eq!(error_message(r#"{"error":"overloaded"}"#), "overloaded");
        assert_eq!(error_message("<html>Bad gateway</html>"), "<html>Bad gateway</html>");
        assert_eq!(error_message(""), "no message");
        assert_eq!(error_message(&"x".repeat(5000)).len(), 200);
    }
}
