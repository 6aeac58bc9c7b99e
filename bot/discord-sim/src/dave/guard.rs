//! Reading MLS messages from outside without harm. tls_codec 0.4 checks lengths with debug assertions before it returns
//! an error: in a debug build, a wrong length from a client would end the task that reads it.
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Reads something; a panic within is an error like any other.
pub(crate) fn read<T, E: std::fmt::Display>(reader: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    // Unwind safe: the readers borrow bytes and build new values; nothing half-changed stays behind.
    match catch_unwind(AssertUnwindSafe(reader)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("its lengths do not fit".to_owned()),
    }
}
