//! Which events a session asked for. <https://docs.discord.com/developers/events/gateway#list-of-intents>
use serde_json::Value;

use crate::ids::UserId;

/// A bit of `intents`.
pub(crate) const GUILD_MEMBERS: u64 = 1 << 1;
/// A bit of `intents`.
pub(crate) const GUILD_VOICE_STATES: u64 = 1 << 7;
/// A bit of `intents`.
pub(crate) const GUILD_MESSAGES: u64 = 1 << 9;
/// A bit of `intents`.
pub(crate) const MESSAGE_CONTENT: u64 = 1 << 15;

/// The event as a session with these intents gets to see it, or none when it did not ask for it.
pub(crate) fn seen(name: &str, data: &Value, intents: u64, me: UserId) -> Option<Value> {
    let mine = |path: &str| data.pointer(path).and_then(Value::as_str) == Some(me.to_string().as_str());
    let wanted = match name {
        "VOICE_STATE_UPDATE" => intents & GUILD_VOICE_STATES != 0,
        "GUILD_MEMBER_UPDATE" => intents & GUILD_MEMBERS != 0 || mine("/user/id"),
        "GUILD_MEMBER_ADD" | "GUILD_MEMBER_REMOVE" => intents & GUILD_MEMBERS != 0,
        "MESSAGE_CREATE" | "MESSAGE_UPDATE" | "MESSAGE_DELETE" => intents & GUILD_MESSAGES != 0,
        _ => true,
    };
    if !wanted {
        return None;
    }
    let mut data = data.clone();
    let hides = name.starts_with("MESSAGE_") && intents & MESSAGE_CONTENT == 0 && !mine("/author/id");
    if hides && name != "MESSAGE_DELETE" {
        data["content"] = "".into();
        for list in ["embeds", "attachments", "components"] {
            data[list] = Value::Array(Vec::new());
        }
    }
    Some(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn without_the_intent_only_other_peoples_text_is_hidden() {
        let theirs = json!({ "author": { "id": "1" }, "content": "secret" });
        let mine = json!({ "author": { "id": "2" }, "content": "hello" });
        let see = |data: &Value, intents| seen("MESSAGE_CREATE", data, intents, UserId(2));
        assert_eq!(see(&theirs, GUILD_MESSAGES).unwrap()["content"], "");
        assert_eq!(see(&theirs, GUILD_MESSAGES | MESSAGE_CONTENT).unwrap()["content"], "secret");
        assert_eq!(see(&mine, GUILD_MESSAGES).unwrap()["content"], "hello");
        assert_eq!(see(&mine, 0), None);
    }

    #[test]
    fn a_bot_gets_its_own_nickname_without_the_members_intent() {
        let update = |id: &str| json!({ "user": { "id": id } });
        assert!(seen("GUILD_MEMBER_UPDATE", &update("2"), 0, UserId(2)).is_some());
        assert!(seen("GUILD_MEMBER_UPDATE", &update("1"), 0, UserId(2)).is_none());
    }
}
