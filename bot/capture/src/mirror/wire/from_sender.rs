//! Frames that a sender sends.
use super::declaration::Declaration;
use super::fields::{FieldError, Fields, put_blob, put_text};
use super::header::append;
use super::inbound::Raw;

/// Most bytes of a token.
const MAX_TOKEN: usize = 512;
/// Most bytes of a sender's own name.
const MAX_AGENT: usize = 128;

/// One frame of a sender's. Tokens and sound are borrowed, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum FromSender<'a> {
    /// The first frame.
    Hello {
        /// What it takes to be let in; empty where none is asked for.
        token: &'a [u8],
        /// Name and version of the sending program.
        agent: &'a str,
    },
    /// A stream begins.
    Declare(Declaration),
    Audio {
        /// Its number in the stream: each one more than the one before.
        sequence: u32,
        /// Where its first sample lies by the sender's clock, counted in samples of the stream's rate (as RTP does, in 64
        /// bits). A frame that follows without a pause begins where the one before ended.
        timestamp: u64,
        /// At most 20 ms of whole sample frames, or one Opus packet.
        payload: &'a [u8],
    },
    /// The speaker is muted, or no longer.
    Mute(bool),
    /// The speaker gave consent, or took it back.
    Consent(bool),
    /// The speaker leaves.
    Leave,
    /// The sender goes. Its speakers leave.
    Goodbye,
    /// Are you there? Also keeps a connection whose speakers are silent.
    Ping(u64),
}

impl FromSender<'_> {
    const HELLO: u8 = 1;
    const DECLARE: u8 = 2;
    const AUDIO: u8 = 3;
    const MUTE: u8 = 4;
    const CONSENT: u8 = 5;
    const LEAVE: u8 = 6;
    const GOODBYE: u8 = 7;
    const PING: u8 = 8;

    /// Appends the frame; `stream` is 0 for what belongs to none.
    pub fn write(&self, stream: u16, out: &mut Vec<u8>) {
        match self {
            FromSender::Hello { token, agent } => append(Self::HELLO, stream, out, |out| {
                put_blob(token, MAX_TOKEN, out);
                put_text(agent, MAX_AGENT, out);
            }),
            FromSender::Declare(declaration) => {
                append(Self::DECLARE, stream, out, |out| declaration.write(out));
            }
            FromSender::Audio { sequence, timestamp, payload } => append(Self::AUDIO, stream, out, |out| {
                out.extend_from_slice(&sequence.to_le_bytes());
                out.extend_from_slice(&timestamp.to_le_bytes());
                out.extend_from_slice(payload);
            }),
            FromSender::Mute(on) => append(Self::MUTE, stream, out, |out| out.push((*on).into())),
            FromSender::Consent(given) => append(Self::CONSENT, stream, out, |out| out.push((*given).into())),
            FromSender::Leave => append(Self::LEAVE, stream, out, |_| {}),
            FromSender::Goodbye => append(Self::GOODBYE, stream, out, |_| {}),
            FromSender::Ping(nonce) => {
                append(Self::PING, stream, out, |out| out.extend_from_slice(&nonce.to_le_bytes()));
            }
        }
    }
}

impl<'a> FromSender<'a> {
    /// Reads a frame; none when its kind is unknown.
    pub fn read(raw: Raw<'a>) -> Result<Option<Self>, FieldError> {
        let mut fields = Fields(raw.body);
        let frame = match raw.header.kind {
            Self::HELLO => FromSender::Hello {
                token: fields.blob("token", MAX_TOKEN)?,
                agent: fields.text("agent", MAX_AGENT)?,
            },
            Self::DECLARE => FromSender::Declare(Declaration::read(&mut fields)?),
            Self::AUDIO => FromSender::Audio {
                sequence: fields.u32("sequence")?,
                timestamp: fields.u64("timestamp")?,
                payload: fields.rest(),
            },
            Self::MUTE => FromSender::Mute(fields.flag("muted")?),
            Self::CONSENT => FromSender::Consent(fields.flag("consent")?),
            Self::LEAVE => FromSender::Leave,
            Self::GOODBYE => FromSender::Goodbye,
            Self::PING => FromSender::Ping(fields.u64("nonce")?),
            _ => return Ok(None),
        };
        fields.end()?;
        Ok(Some(frame))
    }
}

impl std::fmt::Debug for FromSender<'_> {
    /// Without tokens and sound.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FromSender::Hello { agent, .. } => write!(f, "Hello({agent:?})"),
            FromSender::Declare(declaration) => write!(f, "Declare({})", declaration.user),
            FromSender::Audio { sequence, timestamp, payload } => {
                write!(f, "Audio(sequence {sequence}, timestamp {timestamp}, {} bytes)", payload.len())
            }
            FromSender::Mute(on) => write!(f, "Mute({on})"),
            FromSender::Consent(given) => write!(f, "Consent({given})"),
            FromSender::Leave => f.write_str("Leave"),
            FromSender::Goodbye => f.write_str("Goodbye"),
            FromSender::Ping(nonce) => write!(f, "Ping({nonce})"),
        }
    }
}
