//! Which policy acts for which turn.
use std::collections::BTreeMap;

use antiphon_core::event::PolicyName;
use antiphon_core::ids::TurnId;

use crate::machine::limits::{MAX_CLOSED, MAX_OPEN_TURNS};

/// Turns whose acting policy is remembered: all that can be open, and those closed lately, for what comes late.
const MAX_OWNERS: usize = MAX_OPEN_TURNS * 2 + MAX_CLOSED;

/// Who acts: from now on, and for each turn that is open or was until lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roles {
    acting: PolicyName,
    owners: BTreeMap<TurnId, PolicyName>,
}

impl Roles {
    pub(super) fn new(acting: PolicyName) -> Self {
        Self { acting, owners: BTreeMap::new() }
    }

    pub(super) fn acting(&self) -> PolicyName {
        self.acting
    }

    pub(super) fn act(&mut self, policy: PolicyName) {
        self.acting = policy;
    }

    /// The policy that acts for a turn, or for the session as a whole.
    pub(super) fn owner(&self, turn: Option<TurnId>) -> PolicyName {
        turn.and_then(|turn| self.owners.get(&turn).copied()).unwrap_or(self.acting)
    }

    /// The turns that a policy acts for.
    pub(super) fn owned_by(&self, policy: PolicyName) -> impl Iterator<Item = TurnId> + '_ {
        self.owners.iter().filter(move |(_, owner)| **owner == policy).map(|(turn, _)| *turn)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (TurnId, PolicyName)> + '_ {
        self.owners.iter().map(|(turn, owner)| (*turn, *owner))
    }

    /// A turn opens under the acting policy. Of too many, the oldest that is not open is forgotten: there is one, as
    /// fewer than this can be open.
    pub(super) fn open(&mut self, turn: TurnId, is_open: impl Fn(TurnId, PolicyName) -> bool) {
        if self.owners.contains_key(&turn) {
            return;
        }
        if self.owners.len() >= MAX_OWNERS {
            let closed = self.all().find(|(turn, owner)| !is_open(*turn, *owner));
            if let Some((closed, _)) = closed {
                self.owners.remove(&closed);
            }
        }
        self.owners.insert(turn, self.acting);
    }

    /// Everything that `from` acted for is `to`'s from now on.
    pub(super) fn hand_over(&mut self, from: PolicyName, to: PolicyName) {
        if self.acting == from {
            self.acting = to;
        }
        for owner in self.owners.values_mut().filter(|owner| **owner == from) {
            *owner = to;
        }
    }
}
