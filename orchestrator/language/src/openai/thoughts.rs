//! Separates a model's reasoning from its reply, wherever the text is cut into pieces.
//!
//! Three ways of writing thoughts into the text are known:
//! - between marks: `<think>…</think>`, `[THINK]…[/THINK]` and their like;
//! - with the closing mark alone, because the model's template has put the opening one into the question;
//! - by channels (the harmony form): `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…`.
//!
//! The second cannot be known before the closing mark comes. [`Thinking::Unknown`] therefore holds a reply back until
//! it ends or the mark comes, and learns from it: [`ThoughtFilter::learnt`] says what to assume the next time.

/// Marks around thoughts.
const PAIRS: [(&str, &str); 5] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
];
/// The longest name between `<|` and `|>`.
const MAX_TOKEN_NAME: usize = 32;
/// The most text that is held back while it is unknown whether it is a thought.
const MAX_HELD: usize = 16 * 1024;

/// What is known of a model's way of thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thinking {
    /// Nothing yet: the first reply is held back until it is clear.
    #[default]
    Unknown,
    /// It marks where thoughts begin, or has none: text is speech at once.
    Marked,
    /// Its replies begin with thoughts, and only their end is marked.
    Unmarked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What comes is speech, or held back as such.
    Text,
    /// Within a thought that this mark closes.
    Thought(&'static str),
    /// Between messages of the channel form, or in one of a silent channel.
    Silent,
    /// The name of a channel and what follows it.
    Channel,
}

enum Mark {
    Open(&'static str),
    Close,
    /// A special token, such as `<|message|>`.
    Token(String),
}

/// Takes thoughts out of a reply.
#[derive(Debug)]
pub(super) struct ThoughtFilter {
    thinking: Thinking,
    state: State,
    /// Text whose end may be the beginning of a mark.
    pending: String,
    /// Text that may turn out to be a thought; none when there is no such doubt.
    held: Option<String>,
    channel: String,
    thought_bytes: usize,
    tool: Option<String>,
}

impl ThoughtFilter {
    pub(super) fn new(thinking: Thinking) -> Self {
        Self {
            thinking,
            state: State::Text,
            pending: String::new(),
            held: (thinking != Thinking::Marked).then(String::new),
            channel: String::new(),
            thought_bytes: 0,
            tool: None,
        }
    }

    /// Takes the next piece and appends what is speech.
    pub(super) fn push(&mut self, piece: &str, speech: &mut String) {
        self.pending.push_str(piece);
        while let Some((start, end, mark)) = self.next_mark() {
            let rest = self.pending.split_off(end);
            self.pending.truncate(start);
            let before = std::mem::replace(&mut self.pending, rest);
            self.text(&before, speech);
            self.mark(mark, speech);
        }
        let kept = self.unfinished_mark();
        let rest = self.pending.split_off(kept);
        let text = std::mem::replace(&mut self.pending, rest);
        self.text(&text, speech);
    }

    /// The reply has ended, `complete` or cut off: appends what was still held back.
    pub(super) fn finish(&mut self, complete: bool, speech: &mut String) {
        let rest = std::mem::take(&mut self.pending);
        self.text(&rest, speech);
        if let Some(held) = self.held.take() {
            match (self.thinking, complete) {
                // Cut off within its thoughts.
                (Thinking::Unmarked, false) => self.thought_bytes += held.len(),
                // It did not think this time.
                (Thinking::Unmarked, true) => speech.push_str(&held),
                _ => {
                    speech.push_str(&held);
                    self.thinking = Thinking::Marked;
                }
            }
        }
    }

    /// What to assume of the model's next reply.
    pub(super) fn learnt(&self) -> Thinking {
        self.thinking
    }

    /// Bytes held back that are as likely speech as thoughts.
    pub(super) fn held_bytes(&self) -> usize {
        match (&self.held, self.thinking) {
            (Some(held), Thinking::Unknown) => held.len(),
            _ => 0,
        }
    }

    /// Bytes of thoughts so far.
    pub(super) fn thought_bytes(&self) -> usize {
        self.thought_bytes
    }

    /// The tool that was asked for by a channel.
    pub(super) fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    fn text(&mut self, text: &str, speech: &mut String) {
        match self.state {
            State::Text => match &mut self.held {
                None => speech.push_str(text),
                Some(held) => {
                    held.push_str(text);
                    if self.thinking == Thinking::Unknown && held.len() > MAX_HELD {
                        self.release(speech);
                    }
                }
            },
            State::Channel => {
                let room = MAX_TOKEN_NAME * 4 - self.channel.len().min(MAX_TOKEN_NAME * 4);
                self.channel.extend(text.chars().take(room));
            }
            State::Thought(_) | State::Silent => self.thought_bytes += text.len(),
        }
    }

    /// What was held back is speech after all, and so is what follows.
    fn release(&mut self, speech: &mut String) {
        if let Some(held) = self.held.take() {
            speech.push_str(&held);
        }
    }

    fn mark(&mut self, mark: Mark, speech: &mut String) {
        match mark {
            Mark::Open(close) => {
                self.release(speech);
                self.thinking = Thinking::Marked;
                self.state = State::Thought(close);
            }
            Mark::Close if self.state != State::Text => self.state = State::Text,
            // Everything before it was a thought.
            Mark::Close => {
                self.thinking = Thinking::Unmarked;
                self.thought_bytes += self.held.take().map_or(0, |held| held.len());
            }
            Mark::Token(name) => self.token(&name, speech),
        }
    }

    fn token(&mut self, name: &str, speech: &mut String) {
        match name {
            "channel" => {
                self.release(speech);
                self.thinking = Thinking::Marked;
                self.channel.clear();
                self.state = State::Channel;
            }
            "message" => {
                let final_or_none = self.channel.is_empty() || self.channel.trim_start().starts_with("final");
                self.state = if final_or_none { State::Text } else { State::Silent };
            }
            "start" => self.state = State::Silent,
            "end" | "return" | "call" => {
                if let Some((_, tool)) = self.channel.split_once("to=") {
                    let tool = tool.split_whitespace().next().unwrap_or_default();
                    self.tool = Some(tool.trim_start_matches("functions.").to_owned());
                }
                if !self.channel.is_empty() {
                    self.state = State::Silent;
                }
            }
            // What a server should have kept to itself, such as `<|eot_id|>`.
            _ => {}
        }
    }

    /// The first mark that matters in this state: where it starts and ends.
    fn next_mark(&self) -> Option<(usize, usize, Mark)> {
        if let State::Thought(close) = self.state {
            return self.pending.find(close).map(|at| (at, at + close.len(), Mark::Close));
        }
        self.pending.char_indices().filter(|(_, c)| matches!(c, '<' | '[')).find_map(|(at, _)| {
            let from = self.pending.get(at..)?;
            for (open, close) in PAIRS {
                if from.starts_with(open) {
                    return Some((at, at + open.len(), Mark::Open(close)));
                }
                if from.starts_with(close) {
                    return Some((at, at + close.len(), Mark::Close));
                }
            }
            let name = token_name(from)?;
            Some((at, at + name.len() + 4, Mark::Token(name.to_owned())))
        })
    }

    /// Where the text ends that no further piece can turn into a mark.
    fn unfinished_mark(&self) -> usize {
        let text = &self.pending;
        let may_become = |from: &str| match self.state {
            State::Thought(close) => close.starts_with(from),
            _ => PAIRS.iter().any(|(o, c)| o.starts_with(from) || c.starts_with(from)) || begins_token(from),
        };
        text.char_indices()
            .filter(|(_, c)| matches!(c, '<' | '['))
            .find_map(|(at, _)| text.get(at..).filter(|from| may_become(from)).map(|_| at))
            .unwrap_or(text.len())
    }
}

/// The name of the special token that the text begins with.
fn token_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix("<|")?.split_once("|>")?.0;
    (!name.is_empty() && name.len() <= MAX_TOKEN_NAME && name.chars().all(is_token_letter)).then_some(name)
}

fn begins_token(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("<|") else { return text == "<" };
    let name = rest.strip_suffix('|').unwrap_or(rest);
    name.len() <= MAX_TOKEN_NAME && name.chars().all(is_token_letter)
}

fn is_token_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filtered(thinking: Thinking, pieces: &[&str]) -> (String, ThoughtFilter) {
        let (mut filter, mut speech) = (ThoughtFilter::new(thinking), String::new());
        for piece in pieces {
            filter.push(piece, &mut speech);
        }
        filter.finish(true, &mut speech);
        (speech, filter)
    }

    const WHOLE: [(&str, &str); 14] = [
        ("<think>He wants the time.</think>\n\nNoon.", "\n\nNoon."),
        ("[THINK]He wants the time.[/THINK]Noon.", "Noon."),
        ("<think>a</think><think>b</think>Noon.", "Noon."),
        ("He wants the time.</think>Noon.", "Noon."),
        ("He wants [the] <b>time</b>.[/THINK]Noon.", "Noon."),
        (
            "<|channel|>analysis<|message|>He wants.<|end|><|start|>assistant<|channel|>final<|message|>Noon.<|return|>",
            "Noon.",
        ),
        (
            "<|start|>assistant<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>Noon.",
            "Noon.",
        ),
        (
            "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant<|channel|>final<|message|>Noon.",
            "Noon.",
        ),
        ("Noon.<|eot_id|>", "Noon."),
        ("<b>No</b> thought [here] < or <there", "<b>No</b> thought [here] < or <there"),
        ("It is <think>or is it</think>noon.", "It is noon."),
        ("<think>for ever", ""),
        ("", ""),
        ("a <| b |> c", "a <| b |> c"),
    ];

    #[test]
    fn thoughts_stay_unspoken_in_every_known_form() {
        for (text, speech) in WHOLE {
            assert_eq!(filtered(Thinking::Unknown, &[text]).0, speech, "{text}");
        }
    }

    #[test]
    fn a_model_that_marks_thoughts_is_heard_at_once() {
        let (mut filter, mut speech) = (ThoughtFilter::new(Thinking::Marked), String::new());
        filter.push("It is no", &mut speech);
        assert_eq!(speech, "It is no");
        filter.push("on.", &mut speech);
        assert_eq!(speech, "It is noon.");
    }

    #[test]
    fn the_first_reply_teaches_what_to_assume() {
        assert_eq!(filtered(Thinking::Unknown, &["Noon."]).1.learnt(), Thinking::Marked);
        assert_eq!(filtered(Thinking::Unknown, &["Hm.</think>Noon."]).1.learnt(), Thinking::Unmarked);
        assert_eq!(filtered(Thinking::Unmarked, &["Noon."]).0, "Noon.", "it did not think this time");
        let (mut filter, mut speech) = (ThoughtFilter::new(Thinking::Unmarked), String::new());
        filter.push("Hm. What a ques", &mut speech);
        filter.finish(false, &mut speech);
        assert_eq!((speech.as_str(), filter.thought_bytes()), ("", 15), "cut off within its thoughts");
        // A stray mark is never read out, and teaches too.
        let (speech, filter) = filtered(Thinking::Marked, &["Hm.", "</think>Noon."]);
        assert_eq!((speech.as_str(), filter.learnt()), ("Hm.Noon.", Thinking::Unmarked));
    }

    #[test]
    fn a_tool_asked_for_by_a_channel_is_named() {
        let text = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\":\"Ulm\"}<|call|>";
        let (speech, filter) = filtered(Thinking::Unknown, &[text]);
        assert_eq!((speech.as_str(), filter.tool()), ("", Some("get_weather")));
    }

    #[test]
    fn text_is_not_held_back_without_bound() {
        let (mut filter, mut speech) = (ThoughtFilter::new(Thinking::Unknown), String::new());
        for _ in 0..2_000 {
            filter.push("one more word ", &mut speech);
        }
        assert!(speech.len() > 20_000, "{}", speech.len());
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_speech(which in 0..WHOLE.len(), size in 1usize..9) {
            let (text, speech) = WHOLE[which];
            let chars: Vec<char> = text.chars().collect();
            let pieces: Vec<String> = chars.chunks(size).map(|c| c.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(filtered(Thinking::Unknown, &pieces).0, speech);
        }

        #[test]
        fn no_text_makes_it_panic(
            pieces in proptest::collection::vec("[a-é<|>/\\[\\]]{0,12}|<think>|</think>|<\\|channel\\|>|<\\|end\\|>", 0..20),
            thinking in prop_oneof![Just(Thinking::Unknown), Just(Thinking::Marked), Just(Thinking::Unmarked)],
        ) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (speech, filter) = filtered(thinking, &pieces);
            prop_assert!(speech.len() + filter.thought_bytes() <= pieces.concat().len());
        }
    }
}
