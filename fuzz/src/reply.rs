//! A language model server's answer. Whatever the bytes are and however they are cut: no panic, no flood of text.
use std::collections::BTreeMap;

use language::openai::{ReplyReader, Thinking};

/// The most that may be spoken of one reply.
const MAX_SPEECH: usize = 64 * 1024;

/// Good input to begin from, by target. The first byte says in which pieces, and what is known of the model.
pub fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let event = |text: &str| {
        let chunk = serde_json::json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
        format!("data: {chunk}\n\n")
    };
    let end =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\n\n";
    let texts = [
        "It is noon.",
        "<think>He wants the time.</think>It is noon.",
        "He wants the time.</think>It is noon.",
        "[THINK]He wants the time.[/THINK]It is noon.",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>It is noon.<|return|>",
    ];
    let mut seeds: Vec<Vec<u8>> = texts
        .iter()
        .zip(0u8..)
        .map(|(text, n)| {
            let stream = format!("\u{FEFF}: hello\nevent: message\n{}{end}", event(text));
            [&[n * 40][..], stream.as_bytes()].concat()
        })
        .collect();
    seeds.push(
        b"\x00{\"choices\":[{\"message\":{\"content\":\"It is noon.\"},\"finish_reason\":\"stop\"}]}"
            .to_vec(),
    );
    BTreeMap::from([("reply", seeds)])
}

/// Reads the bytes as an answer, as a stream in pieces and as one object.
pub fn reply(bytes: &[u8]) {
    let Some((&how, bytes)) = bytes.split_first() else { return };
    let thinking = [Thinking::Unknown, Thinking::Marked, Thinking::Unmarked][usize::from(how % 3)];
    let size = usize::from(how / 3).max(1);
    let (mut reader, mut speech) = (ReplyReader::new(thinking), String::new());
    let read = bytes.chunks(size).try_for_each(|piece| reader.push(piece, &mut speech));
    if read.is_ok() {
        let ended = reader.finish(&mut speech);
        assert!(ended.is_err() || !speech.is_empty(), "a reply of nothing");
    }
    let (mut reader, mut whole) = (ReplyReader::new(thinking), String::new());
    if reader.whole(&String::from_utf8_lossy(bytes), &mut whole).is_ok() {
        drop(reader.finish(&mut whole));
    }
    // One event may still come when the bound is passed.
    assert!(speech.len().max(whole.len()) <= 4 * MAX_SPEECH, "{} {}", speech.len(), whole.len());
}
