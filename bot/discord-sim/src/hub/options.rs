//! Times, limits and switches that a simulation is started with.
use std::time::Duration;

/// Times, limits and switches that a simulation is started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How often clients of both gateways are to send a heartbeat.
    pub(crate) heartbeat_interval: Duration,
    /// How long a gateway session can be resumed.
    pub(crate) gateway_resume_window: Duration,
    /// How long a voice session can be resumed.
    pub(crate) voice_resume_window: Duration,
    /// How long the server waits for every op 23 before it sends op 22 all the same.
    pub(crate) transition_timeout: Duration,
    /// How long the server waits for a commit before it makes new proposals.
    pub(crate) commit_timeout: Duration,
    /// The largest attachment that a bot may send, in bytes; INTERACTION_CREATE names it.
    pub(crate) attachment_limit: u64,
    /// Whether the first thing that a client asks for and the simulation does not have ends the run.
    pub(crate) strict: bool,
    /// Whether voice states have sessions of their own, rather than the gateway session's.
    pub(crate) separate_voice_sessions: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_millis(13_750),
            gateway_resume_window: Duration::from_secs(30),
            voice_resume_window: Duration::from_secs(15),
            transition_timeout: Duration::from_secs(2),
            commit_timeout: Duration::from_secs(4),
            attachment_limit: 10 * 1024 * 1024,
            strict: false,
            separate_voice_sessions: false,
        }
    }
}
