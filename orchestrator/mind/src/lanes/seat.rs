//! The place of the adaptive policy's machine: here, lent, empty or out of service.
use crate::machine::Machine;

/// The place of a machine that need not always be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seat {
    /// It is here and is fed.
    Here(Box<Machine>),
    /// It was lent: its holder feeds it.
    Lent,
    /// The mirror is off and the policy does not act: nothing of it runs.
    Empty,
    /// It failed and is out of service for the rest of the session.
    OutOfService,
}

impl Seat {
    pub(super) fn machine(&self) -> Option<&Machine> {
        match self {
            Seat::Here(machine) => Some(machine),
            Seat::Lent | Seat::Empty | Seat::OutOfService => None,
        }
    }

    pub(super) fn machine_mut(&mut self) -> Option<&mut Machine> {
        match self {
            Seat::Here(machine) => Some(machine),
            Seat::Lent | Seat::Empty | Seat::OutOfService => None,
        }
    }
}
