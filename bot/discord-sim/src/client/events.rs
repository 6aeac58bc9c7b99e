//! What a voice client reports.
use std::collections::BTreeSet;
use std::time::Instant;

use super::error::ClientError;
use super::session::SessionEvent;
use crate::ids::UserId;

/// A frame that was received and decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardFrame {
    /// Who spoke.
    pub user: UserId,
    /// The stream.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// When its packet arrived.
    pub at: Instant,
    /// Opus.
    pub opus: Vec<u8>,
    /// Whether it was end-to-end encrypted.
    pub encrypted: bool,
}

/// What a client reports, in order, from its own task: the receiver must not block for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// A frame was heard.
    Heard(HeardFrame),
    /// Something happened in the call.
    Session(SessionEvent),
    /// The client ended, by itself or because it was asked to.
    Ended(Option<ClientError>),
}

/// The receiver of a client's events.
pub type OnEvent = Box<dyn FnMut(ClientEvent) + Send>;

/// Where a client stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether packets can flow.
    pub connected: bool,
    /// The call's DAVE version.
    pub dave_version: u16,
    /// The MLS epoch whose keys are in use.
    pub epoch: Option<u64>,
    /// Who shares these keys, oneself included.
    pub members: Vec<UserId>,
    /// Who else is in the call.
    pub others: BTreeSet<UserId>,
    /// Whether the client has ended.
    pub ended: bool,
}
