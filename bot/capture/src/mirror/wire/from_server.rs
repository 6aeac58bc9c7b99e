//! Frames that the server sends back.
use super::codes::ErrorCode;
use super::fields::{FieldError, Fields, put_text};
use super::header::append;
use super::inbound::Raw;

/// Most bytes of an error's words.
const MAX_WORDS: usize = 1_024;

/// What became of a stream's frames since it was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames of sound that came.
    pub received: u64,
    /// Of these, handed on to capture.
    pub taken: u64,
    /// Numbers that never came.
    pub lost: u64,
    /// Frames that came after a later one.
    pub late: u64,
    /// Frames that came twice; dropped.
    pub duplicate: u64,
    /// Frames that came while the speaker was muted; dropped unread.
    pub muted: u64,
    /// Frames without the speaker's consent; dropped unread.
    pub withheld: u64,
    /// Frames that cannot be what their declaration says.
    pub bad: u64,
    /// Frames for which the session had no room: sent faster than they can be used.
    pub dropped: u64,
}

impl Counters {
    fn fields(&self) -> [u64; 9] {
        let Self { received, taken, lost, late, duplicate, muted, withheld, bad, dropped } = *self;
        [received, taken, lost, late, duplicate, muted, withheld, bad, dropped]
    }
}

/// One frame of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer<'a> {
    /// The hello was taken.
    Welcome {
        /// The version spoken.
        version: u16,
        /// Streams that one connection may have at the same time.
        streams: u16,
        /// The longest body that is taken.
        max_body: u32,
        /// Milliseconds after which a connection from which nothing comes is ended.
        idle_ms: u32,
    },
    /// A stream was taken.
    Accepted {
        /// The user was here before, and their track goes on.
        resumed: bool,
    },
    /// How a stream stands.
    Counters(Counters),
    /// Something was refused. `None` for a code of a later version.
    Error {
        code: Option<ErrorCode>,
        /// Whether the connection ends with it.
        fatal: bool,
        /// The same in words.
        words: &'a str,
    },
    Pong(u64),
    /// The sender's goodbye was heard, and all it sent is used; or the server goes.
    Goodbye,
}

impl FromServer<'_> {
    const WELCOME: u8 = 129;
    const ACCEPTED: u8 = 130;
    const COUNTERS: u8 = 131;
    const ERROR: u8 = 132;
    const PONG: u8 = 133;
    const GOODBYE: u8 = 134;

    /// Appends the frame; `stream` is 0 for what belongs to none.
    pub fn write(&self, stream: u16, out: &mut Vec<u8>) {
        match self {
            FromServer::Welcome { version, streams, max_body, idle_ms } => {
                append(Self::WELCOME, stream, out, |out| {
                    out.extend_from_slice(&version.to_le_bytes());
                    out.extend_from_slice(&streams.to_le_bytes());
                    out.extend_from_slice(&max_body.to_le_bytes());
                    out.extend_from_slice(&idle_ms.to_le_bytes());
                });
            }
            FromServer::Accepted { resumed } => {
                append(Self::ACCEPTED, stream, out, |out| out.push((*resumed).into()));
            }
            FromServer::Counters(counters) => append(Self::COUNTERS, stream, out, |out| {
                for field in counters.fields() {
                    out.extend_from_slice(&field.to_le_bytes());
                }
            }),
            FromServer::Error { code, fatal, words } => append(Self::ERROR, stream, out, |out| {
                out.extend_from_slice(&code.map_or(0, |code| code as u16).to_le_bytes());
                out.push((*fatal).into());
                put_text(words, MAX_WORDS, out);
            }),
            FromServer::Pong(nonce) => {
                append(Self::PONG, stream, out, |out| out.extend_from_slice(&nonce.to_le_bytes()));
            }
            FromServer::Goodbye => append(Self::GOODBYE, stream, out, |_| {}),
        }
    }
}

impl<'a> FromServer<'a> {
    /// Reads a frame; none when its kind is unknown.
    pub fn read(raw: Raw<'a>) -> Result<Option<Self>, FieldError> {
        let mut fields = Fields(raw.body);
        let frame = match raw.header.kind {
            Self::WELCOME => FromServer::Welcome {
                version: fields.u16("version")?,
                streams: fields.u16("streams")?,
                max_body: fields.u32("max_body")?,
                idle_ms: fields.u32("idle_ms")?,
            },
            Self::ACCEPTED => FromServer::Accepted { resumed: fields.flag("resumed")? },
            Self::COUNTERS => FromServer::Counters(Counters {
                received: fields.u64("received")?,
                taken: fields.u64("taken")?,
                lost: fields.u64("lost")?,
                late: fields.u64("late")?,
                duplicate: fields.u64("duplicate")?,
                muted: fields.u64("muted")?,
                withheld: fields.u64("withheld")?,
                bad: fields.u64("bad")?,
                dropped: fields.u64("dropped")?,
            }),
            Self::ERROR => FromServer::Error {
                code: ErrorCode::from_number(fields.u16("code")?),
                fatal: fields.flag("fatal")?,
                words: fields.text("words", MAX_WORDS)?,
            },
            Self::PONG => FromServer::Pong(fields.u64("nonce")?),
            Self::GOODBYE => FromServer::Goodbye,
            _ => return Ok(None),
        };
        fields.end()?;
        Ok(Some(frame))
    }
}
