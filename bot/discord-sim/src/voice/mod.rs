//! The voice side: the voice gateway over TLS, and the UDP server that forwards audio.
mod credentials;

pub use credentials::VoiceCredentials;
