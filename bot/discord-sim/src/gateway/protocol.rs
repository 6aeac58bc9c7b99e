//! Reads what clients send. <https://docs.discord.com/developers/events/gateway-events#send-events>
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ids::{ChannelId, GuildId, UserId};

/// A frame from a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientFrame {
    Heartbeat,
    Identify(Identify),
    Resume { token: String, session_id: String, seq: u64 },
    VoiceState(VoiceStateRequest),
    RequestMembers(MembersRequest),
    RequestSoundboardSounds(SoundboardRequest),
    Presence,
}

/// Op 2, as far as it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identify {
    pub(crate) token: String,
    pub(crate) intents: u64,
    pub(crate) shard: Option<(u64, u64)>,
    /// Payload compression.
    pub(crate) compress: bool,
}

/// Op 31.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct SoundboardRequest {
    pub(crate) guild_ids: Vec<GuildId>,
}

/// Op 4.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct VoiceStateRequest {
    pub(crate) guild_id: GuildId,
    pub(crate) channel_id: Option<ChannelId>,
    #[serde(default)]
    pub(crate) self_mute: bool,
    #[serde(default)]
    pub(crate) self_deaf: bool,
}

/// Op 8.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct MembersRequest {
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) guild_id: Vec<GuildId>,
    #[serde(default)]
    pub(crate) query: Option<String>,
    #[serde(default)]
    pub(crate) limit: usize,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(crate) user_ids: Vec<UserId>,
    #[serde(default)]
    pub(crate) nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
    None,
}

fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
        OneOrMany::None => Vec::new(),
    })
}

/// A frame that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// No JSON, or not the fields that the opcode needs.
    Undecodable(String),
    /// Erlang's external term format.
    Etf,
    /// No opcode that clients may send.
    UnknownOpcode(u64),
    /// An opcode that Discord has and the simulation does not.
    NotSimulated(u64),
}

/// The first byte of Erlang's external term format; no JSON begins with it.
const ETF_VERSION: u8 = 131;

/// Reads one frame, text or binary: libraries send JSON in either.
pub(crate) fn read(frame: &[u8]) -> Result<ClientFrame, BadFrame> {
    if frame.first() == Some(&ETF_VERSION) {
        return Err(BadFrame::Etf);
    }
    let undecodable = |error: serde_json::Error| BadFrame::Undecodable(error.to_string());
    let frame: Value = serde_json::from_slice(frame).map_err(undecodable)?;
    let op = frame["op"].as_u64().ok_or_else(|| BadFrame::Undecodable("there is no \"op\"".to_owned()))?;
    let data = frame.get("d").cloned().unwrap_or(Value::Null);
    let text_of = |field: &str| {
        let missing = || BadFrame::Undecodable(format!("op {op} needs {field:?}, a string"));
        data.get(field).and_then(Value::as_str).map(str::to_owned).ok_or_else(missing)
    };
    Ok(match op {
        1 => ClientFrame::Heartbeat,
        2 => ClientFrame::Identify(Identify {
            token: text_of("token")?,
            intents: data["intents"].as_u64().unwrap_or(0),
            shard: data["shard"][0].as_u64().zip(data["shard"][1].as_u64()),
            compress: data["compress"].as_bool().unwrap_or(false),
        }),
        3 => ClientFrame::Presence,
        4 => ClientFrame::VoiceState(serde_json::from_value(data).map_err(undecodable)?),
        6 => ClientFrame::Resume {
            token: text_of("token")?,
            session_id: text_of("session_id")?,
            seq: data["seq"].as_u64().unwrap_or(0),
        },
        8 => ClientFrame::RequestMembers(serde_json::from_value(data).map_err(undecodable)?),
        31 => ClientFrame::RequestSoundboardSounds(serde_json::from_value(data).map_err(undecodable)?),
        43 => return Err(BadFrame::NotSimulated(op)),
        other => return Err(BadFrame::UnknownOpcode(other)),
    })
}

/// A frame that is no numbered event: op 7, 9, 10 and 11.
pub(crate) fn control(op: u8, data: &Value) -> String {
    json!({ "op": op, "d": data, "s": null, "t": null }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voice_states_are_read_with_numeric_and_string_ids() {
        for (guild, channel) in [("7", "8"), ("\"7\"", "\"8\"")] {
            let text = format!(
                r#"{{"op":4,"d":{{"guild_id":{guild},"channel_id":{channel},"self_mute":true,"self_deaf":false}}}}"#
            );
            let request = VoiceStateRequest {
                guild_id: GuildId(7),
                channel_id: Some(ChannelId(8)),
                self_mute: true,
                self_deaf: false,
            };
            assert_eq!(read(text.as_bytes()), Ok(ClientFrame::VoiceState(request)));
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert_eq!(read(&[131, 116, 0]), Err(BadFrame::Etf));
        assert!(matches!(read(b"{"), Err(BadFrame::Undecodable(_))));
        assert_eq!(read(br#"{"op":99,"d":{}}"#), Err(BadFrame::UnknownOpcode(99)));
        let Err(BadFrame::Undecodable(why)) = read(br#"{"op":2,"d":{}}"#) else { panic!("no token") };
        assert!(why.contains("token"), "{why}");
    }

    #[test]
    fn members_are_asked_for_by_one_id_or_many() {
        let one = read(br#"{"op":8,"d":{"guild_id":"1","user_ids":"5","limit":0}}"#).unwrap();
        let many = read(br#"{"op":8,"d":{"guild_id":["1"],"user_ids":["5"],"limit":0}}"#).unwrap();
        assert_eq!(one, many);
    }
}
