//! People and bots.
use serde_json::{Value, json};

use crate::ids::UserId;

/// A person or a bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its unique name.
    pub username: String,
    /// The name that is shown.
    pub global_name: Option<String>,
    /// Whether it is a bot.
    pub bot: bool,
}

impl User {
    /// The user object. <https://docs.discord.com/developers/resources/user#user-object>
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "username": self.username,
            "discriminator": if self.bot { format!("{:04}", self.id.0 % 9999 + 1) } else { "0".to_owned() },
            "global_name": self.global_name,
            "avatar": null,
            "avatar_decoration_data": null,
            "collectibles": null,
            "primary_guild": null,
            "banner": null,
            "accent_color": null,
            "bot": self.bot,
            "system": false,
            "public_flags": 0,
            "flags": 0,
        })
    }

    /// The user object as its owner sees it.
    pub fn json_me(&self) -> Value {
        let mut me = self.json();
        me["verified"] = json!(true);
        me["mfa_enabled"] = json!(false);
        me["email"] = Value::Null;
        me["locale"] = json!("en-US");
        me
    }
}
