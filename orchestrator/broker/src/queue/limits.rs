//! How much a queue may hold.

/// Jobs that may wait in one partition. Beyond that a job is refused, and its caller decides: sound that waits in a queue for
/// so long would come too late anyway.
pub const MAX_LENGTH: u64 = 1_000;
