//! Reads what voice clients send. <https://docs.discord.com/developers/topics/voice-connections>
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::ids::{GuildId, UserId};

/// A text frame from a voice client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientFrame {
    Identify(Identify),
    SelectProtocol(SelectProtocol),
    Heartbeat { echo: Value, seq_ack: Option<i64> },
    Speaking { flags: u64 },
    Resume(Resume),
    BackendVersion,
    TransitionReady { transition: u16 },
    InvalidCommit,
    Ignored,
}

/// Op 0.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Identify {
    pub(crate) server_id: GuildId,
    pub(crate) user_id: UserId,
    pub(crate) session_id: String,
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) max_dave_protocol_version: u16,
}

/// Op 7.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Resume {
    pub(crate) server_id: GuildId,
    pub(crate) session_id: String,
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) seq_ack: Option<i64>,
}

/// Op 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct SelectProtocol {
    pub(crate) protocol: String,
    pub(crate) data: SelectData,
}

/// What op 1 chooses. The address is not used: the server answers to where packets come from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct SelectData {
    pub(crate) mode: String,
}

/// A frame that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    Undecodable(String),
    UnknownOpcode(u64),
}

/// Reads one text frame.
pub(crate) fn read_text(text: &str) -> Result<ClientFrame, BadFrame> {
    fn data<T: for<'de> Deserialize<'de>>(frame: &Value) -> Result<T, BadFrame> {
        serde_json::from_value(frame["d"].clone()).map_err(|error| BadFrame::Undecodable(error.to_string()))
    }
    let frame: Value =
        serde_json::from_str(text).map_err(|error| BadFrame::Undecodable(error.to_string()))?;
    let op = frame["op"].as_u64().ok_or_else(|| BadFrame::Undecodable("there is no \"op\"".to_owned()))?;
    let d = &frame["d"];
    Ok(match op {
        0 => ClientFrame::Identify(data(&frame)?),
        1 => ClientFrame::SelectProtocol(data(&frame)?),
        // Up to version 7 the nonce itself is the data; in version 8 it is `t`, next to `seq_ack`.
        3 if d.is_object() => ClientFrame::Heartbeat {
            echo: serde_json::json!({ "t": d["t"] }),
            seq_ack: d["seq_ack"].as_i64(),
        },
        3 => ClientFrame::Heartbeat { echo: d.clone(), seq_ack: None },
        5 => ClientFrame::Speaking { flags: speaking_flags(&d["speaking"]) },
        7 => ClientFrame::Resume(data(&frame)?),
        16 => ClientFrame::BackendVersion,
        23 => {
            let transition = d["transition_id"].as_u64().and_then(|id| u16::try_from(id).ok());
            let wrong = || BadFrame::Undecodable("op 23 needs \"transition_id\", a u16".to_owned());
            ClientFrame::TransitionReady { transition: transition.ok_or_else(wrong)? }
        }
        31 => ClientFrame::InvalidCommit,
        // Video, media sink wants, session updates, flags, platform: of no use to bots without video.
        12 | 14 | 15 | 18 | 20 => ClientFrame::Ignored,
        other => return Err(BadFrame::UnknownOpcode(other)),
    })
}

/// Old clients send a boolean.
fn speaking_flags(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| u64::from(value.as_bool().unwrap_or(false)))
}

/// A binary frame from a voice client: never numbered, in any version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClientBinary {
    /// Op 26.
    KeyPackage(Bytes),
    /// Op 28: a commit, and a welcome when members are added.
    CommitWelcome(Bytes),
}

/// Reads one binary frame.
pub(crate) fn read_binary(bytes: &Bytes) -> Result<ClientBinary, BadFrame> {
    match bytes.first() {
        Some(26) => Ok(ClientBinary::KeyPackage(bytes.slice(1..))),
        Some(28) => Ok(ClientBinary::CommitWelcome(bytes.slice(1..))),
        Some(other) => Err(BadFrame::UnknownOpcode(u64::from(*other))),
        None => Err(BadFrame::Undecodable("an empty binary frame".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn heartbeats_of_both_versions_are_echoed_in_their_own_form() {
        let v4 = read_text(r#"{"op":3,"d":1234}"#).unwrap();
        assert_eq!(v4, ClientFrame::Heartbeat { echo: json!(1234), seq_ack: None });
        let v8 = read_text(r#"{"op":3,"d":{"t":1234,"seq_ack":7}}"#).unwrap();
        assert_eq!(v8, ClientFrame::Heartbeat { echo: json!({ "t": 1234 }), seq_ack: Some(7) });
    }

    #[test]
    fn identify_is_read_with_ids_as_strings_and_numbers() {
        let read = |guild: &str| {
            read_text(&format!(
                r#"{{"op":0,"d":{{"server_id":{guild},"user_id":"2","session_id":"s","token":"t"}}}}"#
            ))
        };
        assert_eq!(read("1"), read("\"1\""));
        let Ok(ClientFrame::Identify(identify)) = read("1") else { panic!("not read") };
        assert_eq!(identify.max_dave_protocol_version, 0, "a client that knows no DAVE says nothing of it");
    }

    #[test]
    fn unreadable_frames_are_refused() {
        assert!(matches!(read_text("nonsense"), Err(BadFrame::Undecodable(_))));
        assert_eq!(read_text(r#"{"op":77,"d":null}"#), Err(BadFrame::UnknownOpcode(77)));
        assert!(matches!(
            read_text(r#"{"op":23,"d":{"transition_id":70000}}"#),
            Err(BadFrame::Undecodable(_))
        ));
        assert!(read_binary(&Bytes::new()).is_err());
        assert_eq!(read_binary(&Bytes::from_static(&[29, 1])), Err(BadFrame::UnknownOpcode(29)));
    }
}
