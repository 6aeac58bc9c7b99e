//! Signals to the supervisor of a link.
use crate::config::Node;

/// What makes the supervisor look at its link.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A link has shown itself to be of no use.
    Suspect { number: u64, why: &'static str },
    /// A command's deadline passed without an answer.
    Doubt { number: u64 },
    /// Another server was announced as the primary.
    Moved(Node),
    /// Something happened that may concern the link.
    Recheck,
}
