//! Strings, and how Redis would hold them.

use bytes::Bytes;

use crate::number::parse_i64;

/// A string longer than this is `raw` (`OBJ_ENCODING_EMBSTR_SIZE_LIMIT`).
const MAX_EMBEDDED_BYTES: usize = 44;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Text {
    pub(crate) bytes: Bytes,
    /// It was changed in place (APPEND, SETRANGE, SETBIT …): Redis has room behind it then.
    pub(crate) changed_in_place: bool,
}

impl Text {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), changed_in_place: false }
    }

    pub(crate) fn encoding(&self) -> &'static str {
        match () {
            () if self.changed_in_place => "raw",
            () if parse_i64(&self.bytes).is_some() => "int",
            () if self.bytes.len() <= MAX_EMBEDDED_BYTES => "embstr",
            () => "raw",
        }
    }
}
