//! What can go wrong for a voice client.
use std::path::PathBuf;

use super::discovery::DiscoveryError;

/// A voice client could not connect, or its connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file with the certificate authority is not usable.
    #[error("cannot use the certificate authority {path}: {why}; give the file the simulated Discord wrote", path = path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The voice gateway could not be reached.
    #[error(
        "cannot connect to the voice gateway wss://{endpoint}: {why}; is the simulated Discord running there?"
    )]
    Connect {
        /// `host:port`.
        endpoint: String,
        /// What the network or TLS said.
        why: String,
    },
    /// The voice server ended the session for good.
    #[error("the voice server closed the session with {code} ({meaning}){}", because(reason))]
    Closed {
        /// Discord's close code.
        code: u16,
        /// What it means.
        meaning: &'static str,
        /// What the server added.
        reason: String,
    },
    /// The voice server did not send something it must.
    #[error("the voice server sent no {what} within {seconds} s")]
    Silent {
        /// What was awaited.
        what: &'static str,
        /// For how long.
        seconds: u64,
    },
    /// The server does not offer the wanted transport mode.
    #[error("the voice server does not offer the transport mode {wanted}; it offers {offered:?}")]
    NoMode {
        /// What this client was to use.
        wanted: &'static str,
        /// What there is.
        offered: Vec<String>,
    },
    /// The UDP socket failed.
    #[error("the UDP socket for voice failed: {0}")]
    Udp(String),
    /// IP discovery failed.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The connection was lost too often.
    #[error("gave up after {attempts} attempts to reconnect to wss://{endpoint}: {why}")]
    Lost {
        /// How often it was tried.
        attempts: u32,
        /// `host:port`.
        endpoint: String,
        /// What the last attempt said.
        why: String,
    },
    /// Too many clips wait to be said.
    #[error("more than 32 clips wait to be said; wait until some have been")]
    TooMuchToSay,
    /// The client has already ended.
    #[error("the voice client has left the call")]
    Gone,
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// What a client does after its websocket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterClose {
    /// Connect again and resume (op 7).
    Resume,
    /// Connect again and identify again (op 0).
    Identify,
    /// The session ended.
    GiveUp,
}

/// Discord's voice close codes: what they mean, and what to do.
///
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#voice-voice-close-event-codes>
pub const fn after_close(code: Option<u16>) -> (AfterClose, &'static str) {
    match code {
        Some(4001) => (AfterClose::GiveUp, "unknown opcode"),
        Some(4002) => (AfterClose::GiveUp, "payload could not be decoded"),
        Some(4003) => (AfterClose::Identify, "not authenticated"),
        Some(4004) => (AfterClose::GiveUp, "wrong token"),
        Some(4005) => (AfterClose::GiveUp, "identified twice"),
        Some(4006) => (AfterClose::Identify, "session no longer valid"),
        Some(4009) => (AfterClose::Resume, "session timed out"),
        Some(4011) => (AfterClose::GiveUp, "server not found"),
        Some(4012) => (AfterClose::GiveUp, "unknown protocol"),
        Some(4014) => (AfterClose::GiveUp, "disconnected: kicked, moved, or replaced"),
        Some(4015) => (AfterClose::Resume, "the voice server crashed"),
        Some(4016) => (AfterClose::GiveUp, "unknown encryption mode"),
        Some(4017) => (AfterClose::GiveUp, "end-to-end encryption (DAVE) required"),
        Some(4020) => (AfterClose::GiveUp, "bad request"),
        Some(4021) => (AfterClose::GiveUp, "rate limited"),
        Some(4022) => (AfterClose::GiveUp, "call terminated"),
        _ => (AfterClose::Resume, "connection lost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_code_meaning_and_reason() {
        let error =
            ClientError::Closed { code: 4014, meaning: after_close(Some(4014)).1, reason: "moved".into() };
        assert_eq!(
            error.to_string(),
            "the voice server closed the session with 4014 (disconnected: kicked, moved, or replaced): moved"
        );
    }

    #[test]
    fn a_cut_is_resumed_and_a_kick_is_final() {
        assert_eq!(after_close(None).0, AfterClose::Resume);
        assert_eq!(after_close(Some(1006)).0, AfterClose::Resume);
        assert_eq!(after_close(Some(4015)).0, AfterClose::Resume);
        assert_eq!(after_close(Some(4006)).0, AfterClose::Identify);
        assert_eq!(after_close(Some(4014)).0, AfterClose::GiveUp);
    }
}
