//! The voice gateway's messages, version 8, as a client reads and writes them.
//!
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#voice> and, for 21 to 31,
//! <https://daveprotocol.com/#voice-gateway-opcodes>. Ids are read from strings or numbers.
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use super::crypto::TransportMode;
use crate::ids::UserId;
use crate::voice::VoiceCredentials;

/// A message that cannot be understood. The connection goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not JSON, or no opcode.
    #[error("a voice gateway message is not {{\"op\": …, \"d\": …}}: {0}")]
    NotAMessage(String),
    /// A known opcode with a body that does not fit it.
    #[error("voice gateway op {op} has an unusable body: {why}")]
    BadBody {
        /// The opcode.
        op: u8,
        /// What does not fit.
        why: String,
    },
    /// A binary message too short for its opcode.
    #[error("a binary voice gateway message of {0} bytes is too short")]
    Short(usize),
}

/// A JSON message from the voice server.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ServerMessage {
    /// op 2.
    Ready(Ready),
    /// op 4.
    SessionDescription(SessionDescription),
    /// op 5.
    Speaking {
        /// Whose.
        user_id: UserId,
        /// The stream.
        ssrc: u32,
    },
    /// op 6.
    HeartbeatAck,
    /// op 8: milliseconds between heartbeats.
    Hello(f64),
    /// op 9.
    Resumed,
    /// op 11.
    ClientsConnect(Vec<UserId>),
    /// op 13.
    ClientDisconnect(UserId),
    /// op 21.
    PrepareTransition {
        /// Which.
        transition: u16,
        /// The DAVE version after it.
        version: u16,
    },
    /// op 22.
    ExecuteTransition {
        /// Which.
        transition: u16,
    },
    /// op 24.
    PrepareEpoch {
        /// The epoch; 1 means a new group.
        epoch: u64,
        /// Its DAVE version.
        version: u16,
    },
    /// Any other opcode.
    Other(u8),
}

/// op 2.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ready {
    /// This client's stream.
    pub ssrc: u32,
    /// The UDP server's address.
    pub ip: IpAddr,
    /// The UDP server's port.
    pub port: u16,
    /// Names of the transport modes it offers.
    pub modes: Vec<String>,
}

/// op 4.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionDescription {
    /// The transport mode that was chosen.
    pub mode: String,
    /// Its key.
    pub secret_key: [u8; 32],
    /// The DAVE version of the call, 0 for none.
    #[serde(default)]
    pub dave_protocol_version: u16,
}

/// A binary message from the voice server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryMessage {
    /// op 25.
    ExternalSender(Vec<u8>),
    /// op 27.
    Proposals {
        /// To withdraw what was proposed, instead of adding to it.
        revoke: bool,
        /// A TLS vector of proposals, or of references to them.
        body: Vec<u8>,
    },
    /// op 29.
    AnnounceCommit {
        /// The transition to acknowledge; 0 needs none.
        transition: u16,
        /// The commit.
        commit: Vec<u8>,
    },
    /// op 30.
    Welcome {
        /// The transition to acknowledge; 0 needs none.
        transition: u16,
        /// The welcome.
        welcome: Vec<u8>,
    },
    /// Any other opcode.
    Other(u8),
}

#[derive(Deserialize)]
struct Envelope {
    op: u8,
    #[serde(default)]
    d: Value,
    #[serde(default)]
    seq: Option<u16>,
}

/// Reads a text message: the message, and the sequence number it carries, if any.
pub fn read_text(text: &str) -> Result<(ServerMessage, Option<u16>), WireError> {
    #[derive(Deserialize)]
    struct Speaking {
        user_id: UserId,
        ssrc: u32,
    }
    #[derive(Deserialize)]
    struct Hello {
        heartbeat_interval: f64,
    }
    #[derive(Deserialize)]
    struct Users {
        user_ids: Vec<UserId>,
    }
    #[derive(Deserialize)]
    struct User {
        user_id: UserId,
    }
    #[derive(Deserialize)]
    struct Transition {
        transition_id: u16,
        #[serde(default)]
        protocol_version: u16,
    }
    #[derive(Deserialize)]
    struct Epoch {
        epoch: u64,
        protocol_version: u16,
    }
    fn body<T: serde::de::DeserializeOwned>(op: u8, d: Value) -> Result<T, WireError> {
        serde_json::from_value(d).map_err(|error| WireError::BadBody { op, why: error.to_string() })
    }

    let Envelope { op, d, seq } =
        serde_json::from_str(text).map_err(|error| WireError::NotAMessage(error.to_string()))?;
    let message = match op {
        2 => ServerMessage::Ready(body(op, d)?),
        4 => ServerMessage::SessionDescription(body(op, d)?),
        5 => {
            let Speaking { user_id, ssrc } = body(op, d)?;
            ServerMessage::Speaking { user_id, ssrc }
        }
        6 => ServerMessage::HeartbeatAck,
        8 => ServerMessage::Hello(body::<Hello>(op, d)?.heartbeat_interval),
        9 => ServerMessage::Resumed,
        11 => ServerMessage::ClientsConnect(body::<Users>(op, d)?.user_ids),
        13 => ServerMessage::ClientDisconnect(body::<User>(op, d)?.user_id),
        21 => {
            let Transition { transition_id, protocol_version } = body(op, d)?;
            ServerMessage::PrepareTransition { transition: transition_id, version: protocol_version }
        }
        22 => ServerMessage::ExecuteTransition { transition: body::<Transition>(op, d)?.transition_id },
        24 => {
            let Epoch { epoch, protocol_version } = body(op, d)?;
            ServerMessage::PrepareEpoch { epoch, version: protocol_version }
        }
        other => ServerMessage::Other(other),
    };
    Ok((message, seq))
}

/// Reads a binary message: `[u16 sequence][u8 opcode]…`.
pub fn read_binary(bytes: &[u8]) -> Result<(BinaryMessage, u16), WireError> {
    let short = || WireError::Short(bytes.len());
    let [high, low, op, rest @ ..] = bytes else { return Err(short()) };
    let transition = |rest: &[u8]| match rest {
        [high, low, body @ ..] => Ok((u16::from_be_bytes([*high, *low]), body.to_vec())),
        _ => Err(short()),
    };
    let message = match op {
        25 => BinaryMessage::ExternalSender(rest.to_vec()),
        27 => {
            let [operation, body @ ..] = rest else { return Err(short()) };
            if *operation > 1 {
                return Err(WireError::BadBody { op: 27, why: format!("its operation is {operation}") });
            }
            BinaryMessage::Proposals { revoke: *operation == 1, body: body.to_vec() }
        }
        29 => {
            let (transition, commit) = transition(rest)?;
            BinaryMessage::AnnounceCommit { transition, commit }
        }
        30 => {
            let (transition, welcome) = transition(rest)?;
            BinaryMessage::Welcome { transition, welcome }
        }
        other => BinaryMessage::Other(*other),
    };
    Ok((message, u16::from_be_bytes([*high, *low])))
}

/// op 0.
pub fn identify(credentials: &VoiceCredentials, max_dave: u16) -> String {
    message(
        0,
        json!({
            "server_id": credentials.guild_id, "user_id": credentials.user_id,
            "session_id": credentials.session_id, "token": credentials.token,
            "max_dave_protocol_version": max_dave,
        }),
    )
}

/// op 1, after IP discovery.
pub fn select_protocol(address: IpAddr, port: u16, mode: TransportMode) -> String {
    let data = json!({ "address": address, "port": port, "mode": mode.name() });
    message(1, json!({ "protocol": "udp", "data": data }))
}

/// op 3.
pub fn heartbeat(nonce: u64, seq_ack: i32) -> String {
    message(3, json!({ "t": nonce, "seq_ack": seq_ack }))
}

/// op 5; `speaking` is the microphone bit.
pub fn speaking(ssrc: u32, speaking: bool) -> String {
    message(5, json!({ "speaking": u8::from(speaking), "delay": 0, "ssrc": ssrc }))
}

/// op 7.
pub fn resume(credentials: &VoiceCredentials, seq_ack: i32) -> String {
    message(
        7,
        json!({
            "server_id": credentials.guild_id, "session_id": credentials.session_id,
            "token": credentials.token, "seq_ack": seq_ack,
        }),
    )
}

/// op 23.
pub fn transition_ready(transition: u16) -> String {
    message(23, json!({ "transition_id": transition }))
}

/// op 31.
pub fn invalid_commit_welcome(transition: u16) -> String {
    message(31, json!({ "transition_id": transition }))
}

/// op 26, binary.
pub fn key_package(package: &[u8]) -> Vec<u8> {
    [&[26], package].concat()
}

/// op 28, binary.
pub fn commit_welcome(commit: &[u8], welcome: Option<&[u8]>) -> Vec<u8> {
    [&[28], commit, welcome.unwrap_or_default()].concat()
}

fn message(op: u8, d: Value) -> String {
    json!({ "op": op, "d": d }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ChannelId, GuildId};

    #[test]
    fn messages_are_read_with_their_sequence() {
        let (ready, seq) = read_text(
            r#"{"op":2,"d":{"ssrc":7,"ip":"127.0.0.1","port":9,"modes":["a"],"heartbeat_interval":1},"seq":4}"#,
        )
        .unwrap();
        assert_eq!(seq, Some(4));
        assert_eq!(
            ready,
            ServerMessage::Ready(Ready {
                ssrc: 7,
                ip: "127.0.0.1".parse().unwrap(),
                port: 9,
                modes: vec!["a".to_owned()]
            })
        );
        let (hello, seq) = read_text(r#"{"op":8,"d":{"v":8,"heartbeat_interval":41250.5}}"#).unwrap();
        assert_eq!((hello, seq), (ServerMessage::Hello(41250.5), None));
        let (users, _) = read_text(r#"{"op":11,"d":{"user_ids":["1",2]}}"#).unwrap();
        assert_eq!(users, ServerMessage::ClientsConnect(vec![UserId(1), UserId(2)]));
        assert_eq!(read_text(r#"{"op":9}"#).unwrap().0, ServerMessage::Resumed);
        assert_eq!(read_text(r#"{"op":18,"d":null}"#).unwrap().0, ServerMessage::Other(18));
    }

    #[test]
    fn what_cannot_be_read_names_the_opcode() {
        assert!(matches!(read_text("{"), Err(WireError::NotAMessage(_))));
        assert!(matches!(read_text(r#"{"d":{}}"#), Err(WireError::NotAMessage(_))));
        assert!(matches!(read_text(r#"{"op":4,"d":{"mode":"x"}}"#), Err(WireError::BadBody { op: 4, .. })));
        assert!(matches!(read_text(r#"{"op":5,"d":null}"#), Err(WireError::BadBody { op: 5, .. })));
    }

    #[test]
    fn binary_messages_are_read() {
        assert_eq!(read_binary(&[1, 2, 25, 9, 9]), Ok((BinaryMessage::ExternalSender(vec![9, 9]), 0x0102)));
        assert_eq!(
            read_binary(&[0, 0, 27, 1, 5]),
            Ok((BinaryMessage::Proposals { revoke: true, body: vec![5] }, 0))
        );
        assert_eq!(
            read_binary(&[0, 1, 29, 0, 3, 5]),
            Ok((BinaryMessage::AnnounceCommit { transition: 3, commit: vec![5] }, 1))
        );
        assert_eq!(
            read_binary(&[0, 1, 30, 1, 0]),
            Ok((BinaryMessage::Welcome { transition: 256, welcome: vec![] }, 1))
        );
        for short in [&[][..], &[0], &[0, 0], &[0, 0, 27], &[0, 0, 29, 1], &[0, 0, 30]] {
            assert_eq!(read_binary(short), Err(WireError::Short(short.len())));
        }
        assert!(matches!(read_binary(&[0, 0, 27, 2]), Err(WireError::BadBody { op: 27, .. })));
    }

    #[test]
    fn identify_and_resume_carry_what_the_server_asks_for() {
        let credentials = VoiceCredentials {
            guild_id: GuildId(1),
            channel_id: ChannelId(2),
            user_id: UserId(3),
            session_id: "s".to_owned(),
            token: "t".to_owned(),
            endpoint: "localhost:1".to_owned(),
        };
        let identify: Value = serde_json::from_str(&identify(&credentials, 1)).unwrap();
        assert_eq!(identify["op"], 0);
        assert_eq!(identify["d"]["server_id"], "1");
        assert_eq!(identify["d"]["max_dave_protocol_version"], 1);
        let resume: Value = serde_json::from_str(&resume(&credentials, -1)).unwrap();
        assert_eq!((&resume["op"], &resume["d"]["seq_ack"]), (&json!(7), &json!(-1)));
    }
}
