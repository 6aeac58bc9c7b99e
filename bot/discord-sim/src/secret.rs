//! Session ids and tokens.

/// A secret of 32 random hex digits.
pub(crate) fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}
