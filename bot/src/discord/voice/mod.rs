//! Hearing and speaking through songbird.
//!
//! [`Connection`] joins a channel; [`VoiceReceiver`] turn decrypted RTP packets into capture's packets, with the speaker fixed
//! at arrival; [`SongbirdLink`] plays clips and reports what was really played.
mod connection;
mod e2ee_detector;
mod player;
mod receiver;
mod ssrc_table;

pub(super) use connection::Connection;
