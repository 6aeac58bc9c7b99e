//! End-to-end encryption (DAVE, version 1) as the voice server sees it: it proposes who is added and removed, picks
//! the commit that wins, and says when a new epoch's keys are in use. It never sees a media key.
//!
//! `wire` reads what is needed of a commit, `sender` signs proposals as the group's external sender, `group` is the
//! state machine of one call, without I/O and without a clock.
//! <https://github.com/discord/dave-protocol/blob/main/protocol.md>
mod group;
mod guard;
mod sender;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use group::{Group, GroupOutput, Times};

/// The protocol version that the server offers.
pub(crate) const VERSION: u16 = 1;

/// Opcodes. <https://daveprotocol.com/#voice-gateway-opcodes>
pub(crate) mod op {
    pub(crate) const PREPARE_TRANSITION: u8 = 21;
    pub(crate) const EXECUTE_TRANSITION: u8 = 22;
    pub(crate) const PREPARE_EPOCH: u8 = 24;
    pub(crate) const EXTERNAL_SENDER: u8 = 25;
    pub(crate) const PROPOSALS: u8 = 27;
    pub(crate) const ANNOUNCE_COMMIT: u8 = 29;
    pub(crate) const WELCOME: u8 = 30;
}
