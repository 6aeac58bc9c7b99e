//! SHA-1, by which scripts are known.

use sha1::{Digest as _, Sha1};

/// The digest in lower-case hexadecimal digits.
pub(crate) fn sha1_hex(data: &[u8]) -> String {
    hex::encode(Sha1::digest(data))
}
