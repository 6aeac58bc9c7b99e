//! What a connection asked for with CLIENT TRACKING.

use bytes::Bytes;

use super::ids::ClientId;

#[derive(Clone, Debug, Default)]
pub(crate) struct Tracking {
    /// The connection that gets the messages instead.
    pub(crate) redirect: Option<ClientId>,
    /// Every key is reported, or those with these beginnings, whether it was read or not.
    pub(crate) broadcast: bool,
    pub(crate) prefixes: Vec<Bytes>,
    /// Only reads that were announced count, or all but those.
    pub(crate) opt_in: bool,
    pub(crate) opt_out: bool,
    /// Not what it changes itself.
    pub(crate) no_loop: bool,
    /// CLIENT CACHING, for the next command.
    pub(crate) caching: bool,
    /// The connection that got the messages has closed.
    pub(crate) broken: bool,
}

impl Tracking {
    /// Whether what the command at hand reads is remembered.
    pub(crate) fn remembers_reads(&self) -> bool {
        !(self.broadcast || (self.opt_in && !self.caching) || (self.opt_out && self.caching))
    }

    /// The prefix under which a change of this key is broadcast.
    pub(crate) fn broadcast_prefix(&self, key: &Bytes) -> Option<Bytes> {
        if !self.broadcast {
            return None;
        }
        if self.prefixes.is_empty() {
            return Some(Bytes::new());
        }
        self.prefixes.iter().find(|prefix| key.starts_with(prefix)).cloned()
    }
}
