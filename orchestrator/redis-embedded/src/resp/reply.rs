//! What a command answers, before it is known which protocol the client speaks.

use bytes::Bytes;

/// A reply. Types that only RESP3 has are written in their RESP2 form to older clients.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `+OK`.
    Simple(&'static str),
    /// A status whose text is not known beforehand (from a script).
    Status(Bytes),
    /// `-ERR …`, with its prefix.
    Error(Bytes),
    /// `:1`.
    Int(i64),
    /// `$3 abc`.
    Bulk(Bytes),
    /// No value.
    Nil,
    /// No array (RESP2 has two ways of saying that there is nothing).
    NilArray,
    /// `*`.
    Array(Vec<Reply>),
    /// `%` in RESP3, a flat array in RESP2.
    Map(Vec<(Reply, Reply)>),
    /// `~` in RESP3, an array in RESP2.
    Set(Vec<Reply>),
    /// `,` in RESP3, a string in RESP2.
    Double(f64),
    /// `#` in RESP3, 0 or 1 in RESP2.
    Bool(bool),
    /// `=txt:` in RESP3, a string in RESP2.
    Verbatim(Bytes),
    /// `>` in RESP3, an array in RESP2: messages, and answers to SUBSCRIBE.
    Push(Vec<Reply>),
    /// Several replies to one command (SUBSCRIBE with many channels); or none.
    Many(Vec<Reply>),
}

impl Reply {
    /// `+OK`.
    pub const OK: Self = Self::Simple("OK");

    /// A string.
    pub fn bulk(bytes: impl Into<Bytes>) -> Self {
        Self::Bulk(bytes.into())
    }

    /// A string copied from a slice.
    #[must_use]
    pub fn copy(bytes: &[u8]) -> Self {
        Self::Bulk(Bytes::copy_from_slice(bytes))
    }

    /// A string, or no value.
    #[must_use]
    pub fn bulk_or_nil(bytes: Option<Bytes>) -> Self {
        bytes.map_or(Self::Nil, Self::Bulk)
    }

    /// A number of things.
    #[must_use]
    pub fn count(n: usize) -> Self {
        Self::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// An error, worded as Redis words it.
    pub fn error(text: impl Into<Bytes>) -> Self {
        Self::Error(text.into())
    }

    /// An array of strings.
    pub fn strings(items: impl IntoIterator<Item = Bytes>) -> Self {
        Self::Array(items.into_iter().map(Self::Bulk).collect())
    }

    /// The bytes of a string.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Bulk(bytes) | Self::Verbatim(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The strings of an array or a set; what is no string is left out.
    #[must_use]
    pub fn into_strings(self) -> Vec<Bytes> {
        match self {
            Self::Array(items) | Self::Set(items) => items.into_iter().filter_map(Self::into_bytes).collect(),
            _ => Vec::new(),
        }
    }
}
