//! Signed links to bundles that are too large for an attachment. A link names a guild, a session, a format and a moment,
//! and nothing of the file system; HMAC-SHA256 (RFC 2104) over exactly these makes sure that the bot wrote it.
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::time::Timestamp;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::settings::Secret;

/// Stands before what is signed, so that a signature never fits anything else.
const PURPOSE: &[u8] = b"antiphon bundle link, version 1";
/// The path under which links are served.
pub(crate) const PATH: &str = "bundles";

/// What a link gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The bundle as one file: tar, compressed by zstd.
    Archive,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive => f.write_str("archive"),
        }
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "archive" => Ok(Self::Archive),
            _ => Err(()),
        }
    }
}

/// What a link says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) guild: GuildId,
    pub(crate) session: SessionId,
    pub(crate) format: Format,
    /// Seconds since 1970 after which it no longer holds.
    pub(crate) expires: u64,
}

/// Why a link is not honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was not signed here.
    Forged,
    /// It has expired.
    Expired,
}

/// Makes links and checks them.
pub(crate) struct Links {
    /// As long as the hash's block; RFC 2104 fills shorter keys up with zeros.
    key: [u8; 64],
    base: String,
    lifetime: Duration,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("base", &self.base).field("lifetime", &self.lifetime).finish()
    }
}

impl Links {
    /// Links under `base`, signed with a key. Without one they hold until the process ends: a key is drawn for it.
    pub(crate) fn new(base: &str, key: Option<&Secret>, lifetime: Duration) -> Self {
        let digest = match key {
            Some(key) => Sha256::digest(key.reveal()),
            // Each holds 122 bits of the system's randomness.
            None => Sha256::new()
                .chain_update(uuid::Uuid::new_v4().as_bytes())
                .chain_update(uuid::Uuid::new_v4().as_bytes())
                .finalize(),
        };
        let mut key = [0; 64];
        key[..digest.len()].copy_from_slice(&digest);
        Self { key, base: base.trim_end_matches('/').to_owned(), lifetime }
    }

    /// A link to a bundle, and when it expires in seconds since 1970.
    pub(crate) fn link(
        &self,
        guild: GuildId,
        session: SessionId,
        format: Format,
        now: Timestamp,
    ) -> (String, u64) {
        let expires = now.after(self.lifetime).as_millis() / 1_000;
        let grant = Grant { guild, session, format, expires };
        let signature = hex::encode(self.mac(&grant).finalize().into_bytes());
        let base = &self.base;
        (
            format!(
                "{base}/{PATH}/{guild}/{session}?format={format}&expires={expires}&signature={signature}"
            ),
            expires,
        )
    }

    /// Whether a link holds now. The signature is compared in constant time, and before anything else is looked at.
    pub(crate) fn check(&self, grant: &Grant, signature: &str, now: Timestamp) -> Result<(), Refused> {
        let signature = hex::decode(signature).map_err(|_| Refused::Forged)?;
        self.mac(grant).verify_slice(&signature).map_err(|_| Refused::Forged)?;
        if now.as_millis() / 1_000 > grant.expires { Err(Refused::Expired) } else { Ok(()) }
    }

    /// Every field has its length, so that no two grants are signed as the same bytes.
    fn mac(&self, grant: &Grant) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new((&self.key).into());
        mac.update(PURPOSE);
        mac.update(&grant.guild.0.to_be_bytes());
        mac.update(grant.session.0.as_bytes());
        mac.update(&grant.expires.to_be_bytes());
        mac.update(grant.format.to_string().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn links(key: &str) -> Links {
        Links::new("https://bot.example/", Some(&Secret::new(key)), Duration::from_secs(60))
    }

    fn session(n: u128) -> SessionId {
        SessionId(uuid::Uuid::from_u128(n))
    }

    /// What a server reads from a link.
    fn read(link: &str) -> (Grant, String) {
        let (path, query) = link.split_once('?').unwrap();
        let mut parts = path.rsplit('/');
        let session = parts.next().unwrap().parse().unwrap();
        let guild = parts.next().unwrap().parse().unwrap();
        let field = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name))
                .and_then(|rest| rest.strip_prefix('='))
                .unwrap()
        };
        let format = field("format").parse().unwrap();
        (
            Grant { guild, session, format, expires: field("expires").parse().unwrap() },
            field("signature").to_owned(),
        )
    }

    #[test]
    fn a_link_holds_until_it_expires() {
        let links = links("key");
        let (link, expires) = links.link(GuildId(7), session(9), Format::Archive, NOW);
        assert!(link.starts_with("https://bot.example/bundles/7/"), "{link}");
        let (grant, signature) = read(&link);
        assert_eq!(grant.expires, expires);
        assert_eq!(links.check(&grant, &signature, NOW), Ok(()));
        assert_eq!(links.check(&grant, &signature, NOW.after(Duration::from_secs(60))), Ok(()));
        let late = NOW.after(Duration::from_secs(61));
        assert_eq!(links.check(&grant, &signature, late), Err(Refused::Expired));
    }

    #[test]
    fn another_key_makes_another_signature() {
        let (grant, signature) = read(&links("key").link(GuildId(7), session(9), Format::Archive, NOW).0);
        assert_eq!(links("other").check(&grant, &signature, NOW), Err(Refused::Forged));
        let drawn = || Links::new("http://x", None, Duration::from_secs(60));
        let (grant, signature) = read(&drawn().link(GuildId(7), session(9), Format::Archive, NOW).0);
        assert_eq!(drawn().check(&grant, &signature, NOW), Err(Refused::Forged));
    }

    proptest! {
        /// Whatever is changed in a link, it no longer holds.
        #[test]
        fn no_changed_link_holds(guild in any::<u64>(), id in any::<u128>(), later in 1u64..1_000_000, flip in 0usize..256) {
            let links = links("key");
            let (grant, signature) = read(&links.link(GuildId(guild), session(id), Format::Archive, NOW).0);
            let other_guild = Grant { guild: GuildId(guild ^ 1), ..grant };
            let other_session = Grant { session: session(id ^ 1), ..grant };
            let longer = Grant { expires: grant.expires + later, ..grant };
            for changed in [other_guild, other_session, longer] {
                prop_assert_eq!(links.check(&changed, &signature, NOW), Err(Refused::Forged));
            }
            let mut bytes = hex::decode(&signature).unwrap();
            bytes[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(links.check(&grant, &hex::encode(bytes), NOW), Err(Refused::Forged));
            for nonsense in ["", "zz", &signature[..62]] {
                prop_assert_eq!(links.check(&grant, nonsense, NOW), Err(Refused::Forged));
            }
        }
    }
}
