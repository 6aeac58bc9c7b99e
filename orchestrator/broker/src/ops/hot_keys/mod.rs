//! Hot keys: which keys are asked for more than a thousand times a minute, and what is done about it.
//!
//! - [`sketch`] counts the heavy hitters of any number of keys in bounded memory (pure); [`window`] does so over the
//!   last minute (pure);
//! - [`HotKeys`] is what a process knows, with an alert and a short-lived local copy of what is hot;
//! - [`share`] makes it visible to other processes, for `antiphon redis hotkeys`.
pub mod share;
pub mod sketch;
mod watch;
mod window;

pub use sketch::{Estimate, Sketch};
pub use watch::{HOT_PER_MINUTE, HotKeys};
pub use window::Window;
