//! Reads one reply from the bytes of a server's answer: an event stream, or one JSON object. No clock and no network,
//! so that any bytes can be tried on it.
use super::events::{Event, EventDecoder, MAX_EVENT};
use super::thoughts::{Thinking, ThoughtFilter};
use super::wire::{Choice, Chunk, error_message};
use crate::Finish;

/// The most bytes of one reply, thoughts included: some forty thousand words.
const MAX_REPLY: usize = 256 * 1024;
/// The most bytes of what is spoken of it: some ten thousand words.
const MAX_SPEECH: usize = 64 * 1024;

/// Why a server's answer is not a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyFault {
    /// More than `limit` bytes in one `of`.
    TooLong {
        /// The limit.
        limit: usize,
        /// Of what: an event, or a reply.
        of: &'static str,
    },
    /// The server says that it failed.
    Server(String),
    /// It is not the chat completions protocol.
    Malformed(String),
    /// It ended before the reply did.
    CutShort,
    /// The model asked for a tool.
    Tool(String),
    /// The reply is complete and holds nothing to say.
    Empty {
        /// Bytes of thoughts in it.
        thoughts: usize,
    },
}

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyEnd {
    /// Why it ended.
    pub finish: Finish,
    /// What to assume of the model's next reply.
    pub thinking: Thinking,
    /// Events that could not be read and were skipped.
    pub skipped: u32,
}

/// Takes an answer's bytes as they come and gives what is to be spoken.
#[derive(Debug)]
pub struct ReplyReader {
    decoder: EventDecoder,
    events: Vec<Event>,
    thoughts: ThoughtFilter,
    finish: Option<Finish>,
    done: bool,
    tool: Option<String>,
    /// Bytes of text and reasoning.
    bytes: usize,
    /// Bytes that were reasoning by the server's word.
    reasoning: usize,
    spoken: usize,
    has_text: bool,
    skipped: u32,
    why_skipped: Option<String>,
}

impl ReplyReader {
    /// A reader for a model of which this is known.
    pub fn new(thinking: Thinking) -> Self {
        Self {
            decoder: EventDecoder::default(),
            events: Vec::new(),
            thoughts: ThoughtFilter::new(thinking),
            finish: None,
            done: false,
            tool: None,
            bytes: 0,
            reasoning: 0,
            spoken: 0,
            has_text: false,
            skipped: 0,
            why_skipped: None,
        }
    }

    /// Takes the next bytes of an event stream; appends what is to be spoken.
    pub fn push(&mut self, bytes: &[u8], speech: &mut String) -> Result<(), ReplyFault> {
        let mut events = std::mem::take(&mut self.events);
        let pushed = self.decoder.push(bytes, &mut events);
        self.read(&mut events, speech)?;
        self.events = events;
        pushed.map_err(|_| ReplyFault::TooLong { limit: MAX_EVENT, of: "event" })
    }

    /// Takes a whole answer that is one JSON object, as servers give that do not stream.
    pub fn whole(&mut self, body: &str, speech: &mut String) -> Result<(), ReplyFault> {
        self.chunk(body, speech)?;
        if self.has_text || self.tool.is_some() {
            // It is complete by having come whole.
            self.finish.get_or_insert(Finish::Complete);
        } else if let Some(why) = self.why_skipped.take() {
            return Err(ReplyFault::Malformed(format!("its JSON answer is not a completion ({why})")));
        } else if self.finish.is_none() {
            return Err(ReplyFault::Malformed("its JSON answer holds no choice".into()));
        }
        Ok(())
    }

    /// Whether the reply is complete: further bytes need not be read.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Bytes so far that are spoken, or held back until it is clear whether they are.
    pub fn content_bytes(&self) -> usize {
        self.spoken + self.thoughts.held_bytes()
    }

    /// The answer has ended. Appends what was still held back.
    pub fn finish(mut self, speech: &mut String) -> Result<ReplyEnd, ReplyFault> {
        let mut events = std::mem::take(&mut self.events);
        self.decoder.finish(&mut events);
        self.read(&mut events, speech)?;
        let before = speech.len();
        self.thoughts.finish(self.finish != Some(Finish::Length) && self.finish.is_some(), speech);
        self.spoken += speech.len() - before;
        if let Some(tool) = self.tool.as_deref().or(self.thoughts.tool()) {
            return Err(ReplyFault::Tool(tool.chars().filter(|c| !c.is_control()).take(64).collect()));
        }
        let Some(finish) = self.finish else {
            return Err(match (self.has_text, self.why_skipped, self.decoder.stray_lines()) {
                (false, Some(why), _) => {
                    ReplyFault::Malformed(format!("an event is not a completion chunk ({why})"))
                }
                (false, None, 1..) => {
                    ReplyFault::Malformed("its stream is not made of server-sent events".into())
                }
                _ => ReplyFault::CutShort,
            });
        };
        if self.spoken == 0 {
            return Err(ReplyFault::Empty { thoughts: self.reasoning + self.thoughts.thought_bytes() });
        }
        Ok(ReplyEnd { finish, thinking: self.thoughts.learnt(), skipped: self.skipped })
    }

    fn read(&mut self, events: &mut Vec<Event>, speech: &mut String) -> Result<(), ReplyFault> {
        for event in events.drain(..) {
            let data = event.data.trim();
            if self.done || data.is_empty() {
                continue;
            }
            if event.name == "error" {
                return Err(ReplyFault::Server(error_message(data)));
            }
            if data == "[DONE]" {
                self.finish.get_or_insert(Finish::Complete);
                self.done = true;
                continue;
            }
            self.chunk(data, speech)?;
        }
        Ok(())
    }

    fn chunk(&mut self, data: &str, speech: &mut String) -> Result<(), ReplyFault> {
        let chunk: Chunk = match serde_json::from_str(data) {
            Ok(chunk) => chunk,
            Err(why) => {
                self.skipped = self.skipped.saturating_add(1);
                self.why_skipped.get_or_insert_with(|| why.to_string());
                return Ok(());
            }
        };
        if let Some(error) = chunk.error {
            return Err(ReplyFault::Server(error_message(
                &serde_json::json!({ "error": error }).to_string(),
            )));
        }
        // Further choices are other answers to the same question.
        let first =
            chunk.choices.unwrap_or_default().into_iter().find(|choice| choice.index.unwrap_or(0) == 0);
        first.map_or(Ok(()), |choice| self.choice(choice, speech))
    }

    fn choice(&mut self, choice: Choice, speech: &mut String) -> Result<(), ReplyFault> {
        let message = choice.delta.or(choice.message).unwrap_or_default();
        let said = message.said();
        self.reasoning += said.reasoning;
        self.bytes += said.reasoning + said.text.len();
        if self.bytes > MAX_REPLY {
            return Err(ReplyFault::TooLong { limit: MAX_REPLY, of: "reply" });
        }
        if !said.text.is_empty() {
            self.has_text = true;
            let before = speech.len();
            self.thoughts.push(&said.text, speech);
            self.spoken += speech.len() - before;
            if self.spoken > MAX_SPEECH {
                return Err(ReplyFault::TooLong { limit: MAX_SPEECH, of: "reply" });
            }
        }
        if let Some(tool) = said.tool {
            self.tool.get_or_insert(tool);
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => {}
            Some("length") => self.finish = Some(Finish::Length),
            Some("content_filter") => self.finish = Some(Finish::Filtered),
            Some("tool_calls" | "function_call") => {
                self.tool.get_or_insert_with(|| "without a name".into());
                self.finish = Some(Finish::Complete);
            }
            Some(_) => self.finish = Some(Finish::Complete),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(thinking: Thinking, pieces: &[&[u8]]) -> (Result<ReplyEnd, ReplyFault>, String) {
        let (mut reader, mut speech) = (ReplyReader::new(thinking), String::new());
        for piece in pieces {
            if let Err(fault) = reader.push(piece, &mut speech) {
                return (Err(fault), speech);
            }
        }
        let end = reader.finish(&mut speech);
        (end, speech)
    }

    const STREAM: &str = "\u{FEFF}: hello\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße, \"}}]}\n\n\
        data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"not this\"}}]}\n\ndata: {broken\n\n\
        data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ulm.\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

    #[test]
    fn one_answer_is_read_and_broken_lines_are_counted() {
        let (end, speech) = read(Thinking::Marked, &[STREAM.as_bytes()]);
        let end = end.unwrap();
        assert_eq!((speech.as_str(), end.finish, end.skipped), ("Grüße, Ulm.", Finish::Complete, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn an_answer_reads_the_same_however_it_is_cut(cuts in proptest::collection::vec(0..STREAM.len(), 0..6)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &STREAM.as_bytes()[w[0]..w[1]]).collect();
            prop_assert_eq!(read(Thinking::Marked, &pieces).1, "Grüße, Ulm.");
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (end, speech) = read(Thinking::Unknown, &pieces);
            prop_assert!(end.is_err() || !speech.is_empty());
        }

        #[test]
        fn no_damaged_answer_makes_it_panic(
            damage in proptest::collection::vec((0..STREAM.len(), any::<u8>()), 1..8),
            end in 0..STREAM.len(),
        ) {
            let mut bytes = STREAM.as_bytes().to_vec();
            for (at, byte) in damage {
                bytes[at] = byte;
            }
            let (end, speech) = read(Thinking::Unknown, &[&bytes[..end]]);
            prop_assert!(end.is_err() || !speech.is_empty());
        }
    }
}
