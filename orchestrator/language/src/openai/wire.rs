//! What is sent and what is understood of the answer.
//!
//! The chat completions API with `stream: true`: <https://platform.openai.com/docs/api-reference/chat/streaming>.
use antiphon_core::event::{GenerationRequest, Role};
use serde::{Deserialize, Serialize};

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

/// One event of the stream.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    /// Sent by some servers in place of choices when they fail midway.
    #[serde(default)]
    pub(super) error: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) delta: Delta,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    pub(super) content: Option<String>,
}

/// The message in an error body, whatever its shape, shortened.
pub(super) fn error_message(body: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(body).ok();
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
