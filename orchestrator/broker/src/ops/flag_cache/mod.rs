//! What guilds set, at hand: a local cache of their flags, warm soon after the start.
//!
//! - [`cache`] is the cache, bounded and with a lifetime (pure);
//! - [`flags`] reads and writes flags through it;
//! - [`warmer`] fills it in the background with the guilds that were busy lately, and keeps it fresh.
pub mod cache;
pub mod flags;
pub mod warmer;

pub use flags::{FlagStore, Flags};
pub use warmer::{Warmer, keep_warm};
