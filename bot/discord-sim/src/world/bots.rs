//! Bots: a user, an application and a token.
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ids::UserId;

/// The flags of every application: the privileged intents, as for bots in few guilds.
/// <https://docs.discord.com/developers/resources/application#application-object-application-flags>
pub(crate) const APPLICATION_FLAGS: u64 = (1 << 13) | (1 << 15) | (1 << 19);

/// A bot that clients can log in as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bot {
    /// Its user, whose id is the application's too.
    pub user_id: UserId,
    /// Its token, of the shape of a real one.
    pub token: String,
}

impl Bot {
    /// A bot with a token derived from its id: worthless outside the simulation, the same in every run with the
    /// same ids, and of the form that client libraries check.
    pub(crate) fn new(user_id: UserId) -> Self {
        let id = URL_SAFE_NO_PAD.encode(user_id.to_string());
        Self {
            user_id,
            token: format!("{id}.AntPhn.simulated-token-of-no-worth-{:06}", user_id.0 % 1_000_000),
        }
    }
}

/// The token in an `Authorization` header, or in IDENTIFY, with or without the word `Bot` before it.
pub(crate) fn bare_token(header: &str) -> &str {
    header.strip_prefix("Bot ").unwrap_or(header).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_starts_with_the_bots_id() {
        let bot = Bot::new(UserId(1234));
        let (first, rest) = bot.token.split_once('.').unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(first).unwrap(), b"1234");
        assert_eq!(rest.split('.').count(), 2);
        assert_eq!(bare_token(&format!("Bot {}", bot.token)), bot.token);
    }
}
