//! How a voice client connects and behaves.
use std::path::PathBuf;

use super::crypto::TransportMode;

/// What happens to frames while the call has end-to-end encryption and this member has no key yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BeforeKeys {
    /// Speech begins later, when there is a key; alone in the call, or after five seconds, nobody hears it.
    #[default]
    Hold,
    /// Frames go out unencrypted, as every known client library does.
    Plaintext,
    /// Frames have their time but are not sent.
    Drop,
}

/// What the RTP timestamp does while nothing is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RtpClock {
    /// It runs on, as in Discord's own clients and every WebRTC stack.
    #[default]
    Running,
    /// It stands still, as in songbird and discord.js.
    Paused,
}

/// How a client connects.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The PEM file of the authority to trust; nothing else is.
    pub ca_pem: PathBuf,
    /// The transport encryption to ask for.
    pub mode: TransportMode,
    /// The highest DAVE version to declare: 1, or 0 for a client that cannot encrypt end to end.
    pub max_dave: u16,
    /// What happens to frames before there is a key.
    pub before_keys: BeforeKeys,
    /// What the RTP timestamp does while nothing is sent.
    pub rtp_clock: RtpClock,
    /// Whether to begin muted.
    pub muted: bool,
}

impl ClientOptions {
    /// AES-GCM, DAVE v1, not muted, trusting the authority in `ca_pem`.
    pub fn new(ca_pem: impl Into<PathBuf>) -> Self {
        Self {
            ca_pem: ca_pem.into(),
            mode: TransportMode::default(),
            max_dave: 1,
            before_keys: BeforeKeys::default(),
            rtp_clock: RtpClock::default(),
            muted: false,
        }
    }
}
