//! Stand-ins for people and things, made from a key: the same key and the same person give the same stand-in, and
//! without the key nobody can try out who it was (HMAC, RFC 2104, with SHA-256).
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};

use antiphon_core::ids::{ChannelId, GuildId, SessionId, UserId};

/// What pseudonyms are made from. Never written anywhere.
#[derive(Clone)]
pub struct Key {
    /// Padded to HMAC's block with zeros, as RFC 2104 does.
    block: [u8; 64],
    given: bool,
}

impl std::fmt::Debug for Key {
    /// Keys are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// A key for this run alone: pseudonyms cannot be traced, nor recognised in another bundle.
    pub fn random() -> Self {
        Self::new(&rand::random::<[u8; 32]>(), false)
    }

    /// A key from a secret of any length: the same people get the same pseudonyms again.
    pub fn from_secret(secret: &[u8]) -> Self {
        Self::new(&Sha256::digest(secret).into(), true)
    }

    /// Whether it was given, and so will give the same pseudonyms again.
    pub fn is_given(&self) -> bool {
        self.given
    }

    fn new(key: &[u8; 32], given: bool) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self { block, given }
    }

    fn code(&self, what: &str, of: &[u8]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new((&self.block).into());
        mac.update(b"antiphon/pseudonym/1\0");
        mac.update(what.as_bytes());
        mac.update(b"\0");
        mac.update(of);
        mac.finalize().into_bytes().into()
    }

    fn number(&self, what: &str, of: u64) -> u64 {
        let code = self.code(what, &of.to_be_bytes());
        let number = code[..8].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        // 18 digits, as snowflakes have.
        100_000_000_000_000_000 + number % 800_000_000_000_000_000
    }

    pub(super) fn user(&self, id: UserId) -> UserId {
        UserId(self.number("user", id.0))
    }

    pub(super) fn guild(&self, id: GuildId) -> GuildId {
        GuildId(self.number("guild", id.0))
    }

    pub(super) fn channel(&self, id: ChannelId) -> ChannelId {
        ChannelId(self.number("channel", id.0))
    }

    pub(super) fn ssrc(&self, ssrc: u64) -> u32 {
        self.number("ssrc", ssrc) as u32
    }

    /// A UUID of version 8 (RFC 9562): version 7 would give away when the session was.
    pub(super) fn session(&self, id: SessionId) -> SessionId {
        let code = self.code("session", id.0.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&code[..16]);
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        SessionId(uuid::Uuid::from_bytes(bytes))
    }

    /// A name for a person by their id, that can be read aloud. `again` separates two people that happen to get the same one.
    pub(super) fn name(&self, id: UserId, again: u8) -> String {
        let mut of = id.0.to_be_bytes().to_vec();
        of.push(again);
        self.syllables("name", &of)
    }

    /// A name for somebody of whom only the name is known.
    pub(super) fn heard(&self, normalized: &str) -> String {
        self.syllables("heard", normalized.as_bytes())
    }

    /// Four syllables: one of 24 million names.
    fn syllables(&self, what: &str, of: &[u8]) -> String {
        const BEGIN: &[u8; 14] = b"bdfgklmnprstvz";
        const END: &[u8; 5] = b"aeiou";
        let code = self.code(what, of);
        let mut out = String::with_capacity(8);
        for pair in code[..8].chunks_exact(2) {
            let begin = char::from(BEGIN[usize::from(pair[0]) % BEGIN.len()]);
            out.push(if out.is_empty() { begin.to_ascii_uppercase() } else { begin });
            out.push(char::from(END[usize::from(pair[1]) % END.len()]));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_depend_on_the_key() {
        let (a, again, b) = (Key::from_secret(b"a"), Key::from_secret(b"a"), Key::from_secret(b"b"));
        let id = UserId(80_351_110_224_678_912);
        assert_eq!((a.user(id), a.name(id, 0)), (again.user(id), again.name(id, 0)));
        assert_ne!(a.user(id), b.user(id));
        assert_ne!(a.name(id, 0), b.name(id, 0));
        assert_ne!(Key::random().user(id), Key::random().user(id));
        assert_eq!(a.user(id).to_string().len(), 18);
        assert_eq!(a.name(id, 0).len(), 8);
        assert!(format!("{a:?}").len() < 10, "keys are not for logs");
    }

    #[test]
    fn the_code_is_hmac_sha_256() {
        // RFC 4231, test case 2 has the key "Jefe"; here the construction alone is held to a second implementation of it.
        let key = Key::new(&[7; 32], true);
        let message = b"antiphon/pseudonym/1\0user\0abc";
        let pad = |with: u8| -> Vec<u8> { key.block.iter().map(|byte| byte ^ with).collect() };
        let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
        let outer: [u8; 32] = Sha256::digest([pad(0x5c), inner.to_vec()].concat()).into();
        assert_eq!(key.code("user", b"abc"), outer);
    }
}
