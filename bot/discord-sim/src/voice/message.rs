//! Messages of the voice gateway, and the two ways of framing them. Up to version 7 nothing is numbered; in version 8
//! JSON carries `seq`, and binary messages begin with it as a big-endian u16.
//! <https://docs.discord.com/developers/topics/voice-connections#buffered-resume>
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

/// The first version that numbers messages.
pub(crate) const NUMBERED: u8 = 8;

/// Something that the server says to a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Json { op: u8, data: Value },
    Binary { op: u8, payload: Bytes },
}

/// A message as a websocket carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WireFrame {
    Text(String),
    Binary(Bytes),
}

impl Message {
    pub(crate) fn json(op: u8, data: Value) -> Self {
        Self::Json { op, data }
    }

    pub(crate) fn op(&self) -> u8 {
        match self {
            Self::Json { op, .. } | Self::Binary { op, .. } => *op,
        }
    }

    /// The frame of a numbered message, in the framing of `version`.
    pub(crate) fn frame(&self, version: u8, seq: u16) -> WireFrame {
        match self {
            Self::Json { op, data } if version >= NUMBERED => {
                WireFrame::Text(json!({ "op": op, "d": data, "seq": seq }).to_string())
            }
            Self::Json { .. } => self.bare(),
            Self::Binary { op, payload } => {
                let mut bytes = BytesMut::with_capacity(payload.len() + 3);
                if version >= NUMBERED {
                    bytes.put_u16(seq);
                }
                bytes.put_u8(*op);
                bytes.put_slice(payload);
                WireFrame::Binary(bytes.freeze())
            }
        }
    }

    /// The frame of a message that is never numbered: op 6, 8 and 9.
    pub(crate) fn bare(&self) -> WireFrame {
        match self {
            // `op` stands first: one client library reads `d` in the light of it as it comes.
            Self::Json { op, data } => WireFrame::Text(json!({ "op": op, "d": data }).to_string()),
            Self::Binary { .. } => self.frame(0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_8_numbers_json_and_binary_and_version_4_neither() {
        let text = Message::json(5, json!({ "ssrc": 1 }));
        assert_eq!(text.frame(4, 7), WireFrame::Text(r#"{"op":5,"d":{"ssrc":1}}"#.to_owned()));
        assert_eq!(text.frame(8, 7), WireFrame::Text(r#"{"op":5,"d":{"ssrc":1},"seq":7}"#.to_owned()));
        let binary = Message::Binary { op: 27, payload: Bytes::from_static(&[0, 9]) };
        assert_eq!(binary.frame(4, 258), WireFrame::Binary(Bytes::from_static(&[27, 0, 9])));
        assert_eq!(binary.frame(8, 258), WireFrame::Binary(Bytes::from_static(&[1, 2, 27, 0, 9])));
    }
}
