//! Counts of packets.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::UserId;
use crate::trace::DropReason;

/// One user's packets, over all its voice sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStats {
    /// RTP packets that arrived from the user and decrypted.
    pub sent: u64,
    /// RTP packets that the server sent to the user, doubled ones included.
    pub received: u64,
    /// Packets meant for the user that the fault knobs lost.
    pub lost: u64,
    /// Packets meant for the user that were sent twice.
    pub duplicated: u64,
    /// Packets meant for the user that were held back so that others overtook them.
    pub reordered: u64,
}

/// The packets of all voice servers of a simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpStats {
    /// By user.
    pub users: BTreeMap<UserId, StreamStats>,
    /// Packets that went nowhere, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
}

impl UdpStats {
    pub(crate) fn user(&mut self, user: UserId) -> &mut StreamStats {
        self.users.entry(user).or_default()
    }

    pub(crate) fn drop(&mut self, reason: DropReason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Adds another server's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        for (user, stats) in &other.users {
            let sum = self.user(*user);
            sum.sent += stats.sent;
            sum.received += stats.received;
            sum.lost += stats.lost;
            sum.duplicated += stats.duplicated;
            sum.reordered += stats.reordered;
        }
        for (reason, count) in &other.dropped {
            *self.dropped.entry(*reason).or_default() += count;
        }
    }
}
