//! Consent stands before everything else: what is not consented to is dropped when it arrives.
use antiphon_core::event::Consent;

/// What one speaker agreed to, by slots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    consent: Consent,
    /// The first slot that may be used.
    from: u64,
}

impl Gate {
    /// The gate of a person who joins.
    pub(crate) fn new(consent: Consent, from: u64) -> Self {
        Self { consent, from }
    }

    /// Consent changes during slot `current`. What was granted holds for whole slots that begin after it was granted;
    /// what is withdrawn is withdrawn for everything not yet given out. Says whether this withdraws it.
    pub(crate) fn change(&mut self, consent: Consent, current: u64) -> bool {
        let withdrawn = self.open() && consent == Consent::Withheld;
        if !self.open() && consent == Consent::Granted {
            self.from = current + 1;
        }
        self.consent = consent;
        withdrawn
    }

    /// Whether packets may be looked at.
    pub(crate) fn open(&self) -> bool {
        self.consent == Consent::Granted
    }

    /// Whether this slot may be used.
    pub(crate) fn admits(&self, slot: u64) -> bool {
        self.open() && slot >= self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_given_within_a_slot_holds_from_the_next_one() {
        let mut gate = Gate::new(Consent::Withheld, 0);
        assert!(!gate.change(Consent::Granted, 7));
        assert!(!gate.admits(7));
        assert!(gate.admits(8));
    }

    #[test]
    fn only_a_change_from_granted_withdraws() {
        let mut gate = Gate::new(Consent::Withheld, 0);
        assert!(!gate.change(Consent::Withheld, 1));
        assert!(!gate.change(Consent::Granted, 2));
        assert!(gate.change(Consent::Withheld, 3));
        assert!(!gate.admits(100));
    }
}
