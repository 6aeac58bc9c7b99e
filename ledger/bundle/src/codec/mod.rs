//! Tracks as files: Ogg Opus as it arrived, WAV and FLAC for PCM.
pub(crate) mod flac;
pub(crate) mod ogg_packets;
pub(crate) mod ogg_track;
pub mod opus;
pub(crate) mod samples;
pub(crate) mod wav;
