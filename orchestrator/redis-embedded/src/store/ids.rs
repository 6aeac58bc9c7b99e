//! Names of connections.

/// Names a connection to the store.
pub type ClientId = u64;
