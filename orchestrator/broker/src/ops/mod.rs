//! For those who run it: [`diagnose`] looks closely at a server and says how to fix what is wrong; [`hot_keys`] finds
//! keys that are asked for too often; [`flag_cache`] keeps what guilds set at hand.
pub mod diagnose;
pub mod flag_cache;
pub mod hot_keys;
