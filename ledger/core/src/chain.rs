//! The hash chain of a session's ledger rows.
//!
//! Each row's content is committed to under a salt of its own, and each row's hash covers the hash before it:
//!
//! ```text
//! commitment = SHA-256("antiphon/commitment/1" ‖ salt ‖ content)
//! hash       = SHA-256("antiphon/row/1" ‖ prev ‖ seq ‖ at ‖ guild ‖ session ‖ lane ‖ turn ‖ correlation ‖ kind ‖ commitment)
//! ```
//!
//! Numbers are big-endian, texts carry their length in front, and the first row's `prev` is all zeros. The content
//! is the row's body as compact JSON, kept byte for byte as it was written, so that a later version that would
//! spell the same body otherwise still verifies it. Because the hash covers the commitment and not the content,
//! a row's content and salt can be destroyed and the chain still holds; without the salt the commitment says nothing.
//!
//! What a chain shows and what it doesn't: a row changed, removed or put in is found, and named. Somebody who may
//! write to the whole table can compute a whole new chain, and nothing inside the table shows it. Only a head kept
//! elsewhere ([`Proof`], in every sealed bundle) finds that out.
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::ids::{CorrelationId, GuildId, Lane, SessionId, TurnId};
use crate::record::{Body, Record};
use crate::time::Timestamp;

/// A SHA-256 digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands before the first row.
    pub const ZERO: Digest = Digest([0; 32]);

    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = BadHex;
    fn from_str(text: &str) -> Result<Self, BadHex> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BadHex { digits: 64 })?;
        Ok(Self(bytes))
    }
}

/// The random bytes that keep a commitment from being guessed, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Salt(pub [u8; 16]);

impl fmt::Debug for Salt {
    /// Salts are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Salt {
    type Err = BadHex;
    fn from_str(text: &str) -> Result<Self, BadHex> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BadHex { digits: 32 })?;
        Ok(Self(bytes))
    }
}

/// A text that is not the hexadecimal digits it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} hexadecimal digits")]
pub struct BadHex {
    digits: usize,
}

macro_rules! as_hex {
    ($name:ident, $pattern:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}
as_hex!(Digest, "^[0-9a-f]{64}$");
as_hex!(Salt, "^[0-9a-f]{32}$");

/// How far a session's chain goes: what a bundle carries to anchor it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// Rows so far.
    pub rows: u64,
    /// The last row's hash; all zeros when there is none.
    pub head: Digest,
}

/// A row with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainedRow {
    /// Its number within the session, from 0.
    pub seq: u64,
    /// The guild.
    pub guild: GuildId,
    /// The session.
    pub session: SessionId,
    /// When it happened.
    pub at: Timestamp,
    /// Whose action it is; none for what both lanes share.
    pub lane: Option<Lane>,
    /// The turn, if any.
    pub turn: Option<TurnId>,
    /// What ties it to logs, spans and jobs.
    pub correlation: CorrelationId,
    /// The body's kind, readable even when the content was erased.
    pub kind: String,
    /// The body as compact JSON; none once erased.
    pub content: Option<String>,
    /// The commitment's salt; none once erased.
    pub salt: Option<Salt>,
    /// What the chain covers instead of the content.
    pub commitment: Digest,
    /// The hash of the row before.
    pub prev: Digest,
    /// This row's hash.
    pub hash: Digest,
}

impl ChainedRow {
    /// The body, read from the content. None when it was erased or is of a kind that this version does not know.
    pub fn body(&self) -> Option<Body> {
        self.content.as_deref().and_then(|content| serde_json::from_str(content).ok())
    }

    /// The hash this row should have.
    pub fn expected_hash(&self) -> Digest {
        let mut sha = Sha256::new();
        sha.update(b"antiphon/row/1");
        sha.update(self.prev.0);
        sha.update(self.seq.to_be_bytes());
        sha.update(self.at.0.to_be_bytes());
        sha.update(self.guild.0.to_be_bytes());
        sha.update(self.session.0.as_bytes());
        sha.update([match self.lane {
            None => 0,
            Some(Lane::Production) => 1,
            Some(Lane::Sandbox) => 2,
        }]);
        // A turn is 1 to u32::MAX, so 0 is free for "none" only in 64 bits.
        sha.update(self.turn.map_or(0, |turn| u64::from(turn.0) + 1).to_be_bytes());
        for text in [&self.correlation.0, &self.kind] {
            sha.update((text.len() as u64).to_be_bytes());
            sha.update(text.as_bytes());
        }
        sha.update(self.commitment.0);
        Digest(sha.finalize().into())
    }
}

/// What a commitment is for a salt and a content.
pub fn commitment(salt: &Salt, content: &str) -> Digest {
    let mut sha = Sha256::new();
    sha.update(b"antiphon/commitment/1");
    sha.update(salt.0);
    sha.update(content.as_bytes());
    Digest(sha.finalize().into())
}

/// The end of a chain, to which the next row is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain {
    proof: Proof,
}

impl Chain {
    /// Goes on where a chain stands.
    pub fn from_proof(proof: Proof) -> Self {
        Self { proof }
    }

    /// Rows and head so far.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Adds a record. Fails only when its body cannot be written as JSON.
    pub fn push(&mut self, record: &Record, salt: Salt) -> Result<ChainedRow, serde_json::Error> {
        let content = serde_json::to_string(&record.body)?;
        let mut row = ChainedRow {
            seq: self.proof.rows,
            guild: record.guild,
            session: record.session,
            at: record.at,
            lane: record.lane,
            turn: record.turn,
            correlation: record.correlation.clone(),
            kind: record.body.kind().to_owned(),
            commitment: commitment(&salt, &content),
            content: Some(content),
            salt: Some(salt),
            prev: self.proof.head,
            hash: Digest::ZERO,
        };
        row.hash = row.expected_hash();
        self.proof = Proof { rows: self.proof.rows + 1, head: row.hash };
        Ok(row)
    }
}

/// Where a chain breaks, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "break", rename_all = "snake_case")]
pub enum Break {
    /// A row is missing, doubled or out of order.
    #[error("row {expected} of session {session} is missing: row {found} stands in its place")]
    Sequence {
        /// Which session.
        session: SessionId,
        /// The number that was due.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A row does not follow the one before.
    #[error(
        "row {seq} of session {session} does not follow the row before it (its prev is another row's hash)"
    )]
    Link {
        /// Which session.
        session: SessionId,
        /// Which row.
        seq: u64,
    },
    /// A row's fields were changed.
    #[error("row {seq} of session {session} was changed: its hash is not that of its fields")]
    Hash {
        /// Which session.
        session: SessionId,
        /// Which row.
        seq: u64,
    },
    /// A row's content was changed.
    #[error("row {seq} of session {session} was changed: its content is not what was committed to")]
    Content {
        /// Which session.
        session: SessionId,
        /// Which row.
        seq: u64,
    },
    /// Fewer or more rows than the anchored head says, or another head: rows cut off the end, or a chain rewritten.
    #[error(
        "session {session} has {found_rows} rows with head {found}, but {anchored_rows} rows with head {anchored} were anchored"
    )]
    Head {
        /// Which session.
        session: SessionId,
        /// Rows found.
        found_rows: u64,
        /// Head found.
        found: Digest,
        /// Rows anchored.
        anchored_rows: u64,
        /// Head anchored.
        anchored: Digest,
    },
}

/// Checks a session's rows in order, one at a time, in constant memory.
#[derive(Debug, Clone)]
pub struct Verifier {
    session: SessionId,
    chain: Proof,
    erased: u64,
}

impl Verifier {
    /// For the rows of `session`, from its first.
    pub fn new(session: SessionId) -> Self {
        Self { session, chain: Proof::default(), erased: 0 }
    }

    /// Checks the next row.
    pub fn check(&mut self, row: &ChainedRow) -> Result<(), Break> {
        let (session, seq) = (self.session, row.seq);
        if row.seq != self.chain.rows {
            return Err(Break::Sequence { session, expected: self.chain.rows, found: row.seq });
        }
        if row.prev != self.chain.head {
            return Err(Break::Link { session, seq });
        }
        if row.session != session || row.hash != row.expected_hash() {
            return Err(Break::Hash { session, seq });
        }
        match (&row.content, &row.salt) {
            (Some(content), Some(salt)) => {
                if commitment(salt, content) != row.commitment {
                    return Err(Break::Content { session, seq });
                }
            }
            (None, None) => self.erased += 1,
            // Erasure takes both: a content without its salt cannot be checked, so it was tampered with.
            _ => return Err(Break::Content { session, seq }),
        }
        self.chain = Proof { rows: self.chain.rows + 1, head: row.hash };
        Ok(())
    }

    /// What was checked so far.
    pub fn proof(&self) -> Proof {
        self.chain
    }

    /// Rows whose content was erased.
    pub fn erased(&self) -> u64 {
        self.erased
    }

    /// Compares the whole with an anchored proof.
    pub fn finish(self, anchored: Option<Proof>) -> Result<Proof, Break> {
        match anchored {
            Some(anchor) if anchor != self.chain => Err(Break::Head {
                session: self.session,
                found_rows: self.chain.rows,
                found: self.chain.head,
                anchored_rows: anchor.rows,
                anchored: anchor.head,
            }),
            _ => Ok(self.chain),
        }
    }
}

/// Checks a session's rows, all at once.
pub fn verify(session: SessionId, rows: &[ChainedRow], anchored: Option<Proof>) -> Result<Proof, Break> {
    let mut verifier = Verifier::new(session);
    for row in rows {
        verifier.check(row)?;
    }
    verifier.finish(anchored)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Input;
    use crate::ids::UserId;

    fn session() -> SessionId {
        SessionId(uuid::Uuid::from_u128(7))
    }

    fn rows(n: u64) -> (Vec<ChainedRow>, Proof) {
        let mut chain = Chain::default();
        let rows = (0..n)
            .map(|i| {
                let body = Body::Input { input: Input::MemberLeft { user: UserId(i % 3) } };
                let record = Record::new(GuildId(1), session(), Timestamp(1000 + i), None, body);
                chain.push(&record, Salt([i as u8; 16])).unwrap()
            })
            .collect();
        (rows, chain.proof())
    }

    #[test]
    fn a_chain_as_written_verifies_against_its_head() {
        let (rows, proof) = rows(20);
        assert_eq!(proof.rows, 20);
        assert_eq!(verify(session(), &rows, Some(proof)), Ok(proof));
    }

    #[test]
    fn the_hashes_of_version_1_never_change() {
        let (rows, _) = rows(2);
        assert_eq!(
            rows[1].hash.to_string(),
            "0c68f7252f6863b39db987b98075456a5fe87d9254507c823b90a4341d47c4bf",
            "the layout of hashed fields is a published format"
        );
    }

    #[test]
    fn a_changed_content_is_named() {
        let (mut rows, proof) = rows(5);
        rows[3].content = Some(rows[3].content.clone().unwrap().replace("member_left", "member_lost"));
        assert_eq!(verify(session(), &rows, Some(proof)), Err(Break::Content { session: session(), seq: 3 }));
    }

    #[test]
    fn an_erased_content_leaves_the_chain_whole() {
        let (mut rows, proof) = rows(5);
        rows[2].content = None;
        rows[2].salt = None;
        assert_eq!(verify(session(), &rows, Some(proof)), Ok(proof));
        rows[3].salt = None;
        assert_eq!(verify(session(), &rows, Some(proof)), Err(Break::Content { session: session(), seq: 3 }));
    }

    #[test]
    fn only_the_anchored_head_finds_rows_cut_off() {
        let (mut rows, proof) = rows(5);
        rows.pop();
        assert!(verify(session(), &rows, None).is_ok(), "the chain itself does not show it");
        assert!(matches!(
            verify(session(), &rows, Some(proof)),
            Err(Break::Head { found_rows: 4, anchored_rows: 5, .. })
        ));
    }

    proptest! {
        #[test]
        fn any_change_is_found_at_its_row_or_the_next(
            n in 2u64..30, pick in any::<prop::sample::Index>(), field in 0u8..7,
        ) {
            let (mut rows, proof) = rows(n);
            let i = pick.index(rows.len());
            match field {
                0 => rows[i].at.0 += 1,
                1 => rows[i].guild.0 += 1,
                2 => rows[i].lane = Some(Lane::Sandbox),
                3 => rows[i].turn = Some(TurnId(9)),
                4 => rows[i].kind.push('x'),
                5 => { rows.remove(i); }
                _ => { let twin = rows[i].clone(); rows.insert(i, twin); }
            }
            let broken = verify(session(), &rows, Some(proof)).unwrap_err();
            let at = match broken {
                Break::Sequence { expected, .. } => expected,
                Break::Link { seq, .. } | Break::Hash { seq, .. } | Break::Content { seq, .. } => seq,
                Break::Head { found_rows, .. } => found_rows,
            };
            prop_assert!(at == i as u64 || at == i as u64 + 1, "row {} changed, {} named", i, at);
        }
    }
}
