//! The client against a server that speaks as each of the known ones does: their streams as they send them.
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::server::{Answer, Server};
use super::suite::request;
use crate::openai::{OpenAi, OpenAiSettings, Thinking};
use crate::stream::by_sentence;
use crate::{Finish, Generated, LanguageError};

/// Asks the model and gives the spoken sentences.
async fn spoken(model: &OpenAi) -> (Result<Generated, LanguageError>, String) {
    let (sender, mut sentences) = mpsc::channel(64);
    let result = by_sentence(model, &request("what time is it", 8), &CancellationToken::new(), sender).await;
    let mut text = Vec::new();
    while let Some(sentence) = sentences.recv().await {
        text.push(sentence);
    }
    (result.map(|(_, generated)| generated), text.join(" "))
}

/// What is spoken of an answer, by a model of which nothing is known yet.
async fn first(answer: Answer) -> (Result<Generated, LanguageError>, String) {
    let server = Server::start(answer).await;
    let unknown = OpenAiSettings { thinking: Thinking::Unknown, ..server.settings() };
    spoken(&OpenAi::new(unknown).unwrap()).await
}

fn stream(lines: &[&str]) -> Answer {
    Answer::Events(lines.iter().map(|line| format!("{line}\n\n")).collect())
}

async fn says(name: &str, answer: Answer, text: &str) {
    let (result, said) = first(answer).await;
    assert_eq!(said, text, "{name}");
    assert_eq!(result.map(|generated| generated.finish), Ok(Finish::Complete), "{name}");
}

/// An event whose text is this.
fn text(content: &str) -> String {
    let chunk = serde_json::json!({ "choices": [{ "index": 0, "delta": { "content": content } }] });
    format!("data: {chunk}\n\n")
}

/// An answer of these pieces of text.
fn pieces(pieces: &[&str]) -> Answer {
    let mut events: Vec<String> = pieces.iter().map(|piece| text(piece)).collect();
    events.push("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".into());
    events.push("data: [DONE]\n\n".into());
    Answer::Events(events)
}

#[tokio::test]
async fn openai_is_understood() {
    let answer = stream(&[
        r#"data: {"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aZ3k"}"#,
        r#"data: {"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{"content":"It is noon."},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        r#"data: {"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
        r#"data: {"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-mini-2024-07-18","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}"#,
        "data: [DONE]",
    ]);
    says("OpenAI", answer, "It is noon.").await;
    let declined = stream(&[
        r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null,"refusal":"I can't help with that."}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "data: [DONE]",
    ]);
    says("OpenAI, declining", declined, "I can't help with that.").await;
}

#[tokio::test]
async fn groq_is_understood() {
    let answer = stream(&[
        r#"data: {"id":"chatcmpl-f5","object":"chat.completion.chunk","created":1730241104,"model":"qwen-qwq-32b","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"req_01"}}"#,
        r#"data: {"choices":[{"index":0,"delta":{"reasoning":"He wants the time.","channel":"analysis"},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":"It is noon."},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"x_groq":{"id":"req_01","usage":{"queue_time":0.03,"total_tokens":29}}}"#,
        "data: [DONE]",
    ]);
    says("Groq", answer, "It is noon.").await;
}

#[tokio::test]
async fn ollama_is_understood() {
    let answer = stream(&[
        r#"data: {"id":"chatcmpl-421","object":"chat.completion.chunk","created":1730000000,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"He wants"},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"It is noon."},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
        "data: [DONE]",
    ]);
    says("Ollama", answer, "It is noon.").await;
    let by_lines = "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"It is \"}}]}\n{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"noon.\"},\"finish_reason\":\"stop\"}]}\n";
    says("JSON lines", Answer::Bytes("application/x-ndjson", by_lines.into()), "It is noon.").await;
}

#[tokio::test]
async fn vllm_is_understood() {
    let answer = stream(&[
        r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"deepseek-r1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}"#,
        r#"data: {"choices":[{"index":0,"delta":{"reasoning_content":"He wants the time."},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":"It is noon."},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","stop_reason":null,"token_ids":null}]}"#,
        "data: [DONE]",
    ]);
    says("vLLM", answer, "It is noon.").await;
    // Without a reasoning parser: the template opened the thought, so only its end is in the text.
    let unparsed = pieces(&["He wants the", " time. I will say noon.\n</th", "ink>\n\nIt is noon."]);
    says("vLLM without a reasoning parser", unparsed, "It is noon.").await;
}

#[tokio::test]
async fn lm_studio_is_understood() {
    let answer = stream(&[
        r#"data: {"id":"chatcmpl-x","object":"chat.completion.chunk","created":1,"model":"gemma","system_fingerprint":"gemma","choices":[{"index":0,"delta":{"role":"assistant","content":"<think>He wants"},"logprobs":null,"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":" the time.</think>It is noon."},"logprobs":null,"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#,
        "data: [DONE]",
    ]);
    says("LM Studio", answer, "It is noon.").await;
    let failing = stream(&["event: error\ndata: {\"error\":{\"message\":\"Model unloaded.\"}}"]);
    assert_eq!(
        first(failing).await.0.unwrap_err().to_string(),
        "local failed (in its stream): Model unloaded."
    );
}

#[tokio::test]
async fn llama_cpp_is_understood() {
    let answer = stream(&[
        r#"data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"chatcmpl-y","model":"gemma","system_fingerprint":"b1","object":"chat.completion.chunk"}"#,
        r#"data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"It is noon."}}]}"#,
        r#"data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"usage":{"completion_tokens":5},"timings":{"prompt_n":1}}"#,
        "data: [DONE]",
    ]);
    says("llama.cpp", answer, "It is noon.").await;
    let failing = stream(&[r#"error: {"code":500,"message":"the context is full","type":"server_error"}"#]);
    assert_eq!(
        first(failing).await.0.unwrap_err().to_string(),
        "local failed (in its stream): the context is full"
    );
}

#[tokio::test]
async fn mistral_is_understood() {
    let marked = pieces(&["[TH", "INK]He wants [the] time.[/TH", "INK]It is noon."]);
    says("Mistral", marked, "It is noon.").await;
    let parts = stream(&[
        r#"data: {"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"He wants"}]}]}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"It is noon."}]},"finish_reason":"stop"}]}"#,
        "data: [DONE]",
    ]);
    says("Mistral's parts", parts, "It is noon.").await;
}

#[tokio::test]
async fn the_channel_form_is_understood() {
    let harmony = "<|channel|>analysis<|message|>He wants the time.<|end|><|start|>assistant<|channel|>final<|message|>It is noon.<|return|>";
    for size in [1, 3, 7, 1000] {
        let chars: Vec<char> = harmony.chars().collect();
        let cut: Vec<String> = chars.chunks(size).map(|c| c.iter().collect()).collect();
        let cut: Vec<&str> = cut.iter().map(String::as_str).collect();
        says("harmony", pieces(&cut), "It is noon.").await;
    }
}

#[tokio::test]
async fn proxies_that_bend_the_protocol_are_understood() {
    let chunk = r#"data: {"choices":[{"index":0,"delta":{"content":"It is noon."},"finish_reason":"stop"}]}"#;
    let azure = stream(&[
        r#"data: {"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}"#,
        chunk,
        "data: [DONE]",
    ]);
    says("a first chunk of no choices", azure, "It is noon.").await;
    let null = stream(&[r#"data: {"choices":null,"error":null}"#, chunk, "data: [DONE]"]);
    says("choices: null", null, "It is noon.").await;
    let broken = stream(&["data: {\"choices\":[{\"ind", chunk, "data: [DONE]"]);
    says("an undecodable line", broken, "It is noon.").await;
    let several = stream(&[
        r#"data: {"choices":[{"index":1,"delta":{"content":"Midnight!"}},{"index":0,"delta":{"content":"It is "}}]}"#,
        r#"data: {"choices":[{"index":1,"delta":{"content":"Never!"},"finish_reason":"length"}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":"noon."},"finish_reason":"stop"}]}"#,
        "data: [DONE]",
    ]);
    says("two choices", several, "It is noon.").await;
    let marked = format!("\u{FEFF}{chunk}\n\ndata: [DONE]\n\n");
    says("a byte order mark", Answer::Bytes("text/event-stream", marked.into()), "It is noon.").await;
    let carriage = format!("{chunk}\r\n\r\ndata: [DONE]\r\n\r\n");
    says("carriage returns", Answer::Bytes("text/event-stream", carriage.into()), "It is noon.").await;
    let misnamed = format!("{chunk}\n\ndata: [DONE]\n\n");
    says("a stream called JSON", Answer::Bytes("application/json", misnamed.clone().into()), "It is noon.")
        .await;
    says("a stream of no kind", Answer::Bytes("text/plain", misnamed.into()), "It is noon.").await;
    let whole = r#"{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"<think>Hm.</think>It is noon."},"finish_reason":"stop"}],"usage":{}}"#;
    says("no stream at all", Answer::Bytes("application/json; charset=utf-8", whole.into()), "It is noon.")
        .await;
    let failed = Answer::Bytes("application/json", br#"{"error":{"message":"no such model"}}"#.to_vec());
    assert_eq!(first(failed).await.0.unwrap_err().to_string(), "local failed (in its stream): no such model");
}

#[tokio::test]
async fn what_the_first_reply_teaches_holds_for_the_next() {
    let thinking_aloud = pieces(&["He wants the time.</think>", "It is noon."]);
    let server = Server::start(thinking_aloud).await;
    let unknown = OpenAiSettings { thinking: Thinking::Unknown, ..server.settings() };
    let model = OpenAi::new(unknown).unwrap();
    for _ in 0..3 {
        assert_eq!(spoken(&model).await.1, "It is noon.");
    }
    // A model that has answered plainly is heard while it still writes.
    let plain = Answer::InTurn(vec![
        pieces(&["It is noon."]),
        Answer::Hang(vec![text("It is one. Or"), text(" two.")]),
    ]);
    let server = Server::start(plain).await;
    let unknown = OpenAiSettings { thinking: Thinking::Unknown, ..server.settings() };
    let model = OpenAi::new(unknown).unwrap();
    assert_eq!(spoken(&model).await.1, "It is noon.");
    let (sender, mut sentences) = mpsc::channel(64);
    let (asked, cancel) = (request("and now", 8), CancellationToken::new());
    let (result, ()) = tokio::join!(by_sentence(&model, &asked, &cancel, sender), async {
        assert_eq!(sentences.recv().await.unwrap(), "It is one.");
        cancel.cancel();
    });
    assert_eq!(result.unwrap_err(), LanguageError::Cancelled);
}

#[tokio::test]
async fn a_tool_call_is_said_to_be_one() {
    let calls = [
        stream(&[
            r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_time","arguments":""}}]}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#,
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            "data: [DONE]",
        ]),
        stream(&[
            r#"data: {"choices":[{"index":0,"delta":{"function_call":{"name":"get_time","arguments":"{}"}},"finish_reason":"function_call"}]}"#,
            "data: [DONE]",
        ]),
        pieces(&["<|channel|>commentary to=functions.get_time <|constrain|>json<|message|>{}<|call|>"]),
        Answer::Bytes(
            "application/json",
            br#"{"choices":[{"message":{"content":null,"tool_calls":[{"function":{"name":"get_time"}}]},"finish_reason":"tool_calls"}]}"#.to_vec(),
        ),
    ];
    for call in calls {
        let (result, said) = first(call).await;
        let error = result.unwrap_err();
        assert_eq!(said, "");
        assert!(matches!(&error, LanguageError::ToolRequested { tool, .. } if tool == "get_time"), "{error}");
        assert!(
            error.to_string().contains("asked for the tool \"get_time\", but no tools are offered"),
            "{error}"
        );
        assert!(!error.is_providers_fault(), "a healthy server");
    }
}

#[tokio::test]
async fn a_reply_of_thoughts_alone_is_an_empty_one() {
    let reasoning = stream(&[
        r#"data: {"choices":[{"index":0,"delta":{"reasoning_content":"He wants the time."}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
        "data: [DONE]",
    ]);
    for answer in [reasoning, pieces(&["<think>He wants the time."])] {
        let error = first(answer).await.0.unwrap_err();
        assert_eq!(error, LanguageError::Empty { provider: "local".into(), thoughts: 18 });
    }
    let nothing = first(pieces(&[])).await.0.unwrap_err().to_string();
    assert_eq!(nothing, "local answered with nothing to say");
}
