//! Why an embedded server could not be used.

use std::path::PathBuf;

/// Why an embedded server could not be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its directory or socket could not be made.
    #[error(
        "the embedded Redis could not make its socket at {path}: {source}; check that the temporary directory (TMPDIR) is writable"
    )]
    Socket {
        /// Where it was to be.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Its TCP port could not be taken.
    #[error("the embedded Redis could not listen on 127.0.0.1:{port}: {source}; choose another port")]
    Port {
        /// The port.
        port: u16,
        /// The system's error.
        source: std::io::Error,
    },
    /// Its thread could not be started, or ended at once.
    #[error("the embedded Redis could not start its thread: {0}")]
    Thread(String),
    /// Its thread has ended, so that nothing answers any more.
    #[error("the embedded Redis has stopped; start another one")]
    Stopped,
}
