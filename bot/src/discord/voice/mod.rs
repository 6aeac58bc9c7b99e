//! Hearing and speaking through songbird.
//!
//! [`Connection`] joins a channel; [`Ears`] turn decrypted RTP packets into capture's packets, with the speaker fixed
//! at arrival; [`SongbirdLink`] plays clips and reports what was really played.
mod connection;
mod ears;
mod player;
mod sealing;

pub(super) use connection::Connection;
