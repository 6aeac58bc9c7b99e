//! How far something of Discord's is simulated.

/// How far something of Discord's is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It does what Discord does.
    Simulated,
    /// It is answered as Discord answers it, and changes nothing.
    Accepted,
    /// It is answered with an error, logged by name, and ends a strict run.
    Refused,
    /// It never comes.
    Absent,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Accepted => "accepted, without effect",
            Self::Refused => "refused",
            Self::Absent => "absent",
        }
    }
}
