//! Rate limits: how many requests and how many tokens a guild, and a person in it, may use within a window that slides.
//!
//! - [`quota`] is what is allowed, and what may be said otherwise for one guild;
//! - [`decision`] is what a caller learns;
//! - [`limiter`] asks Redis, where one script checks all windows and takes from all of them or from none;
//! - [`wording`] says it to people;
//! - [`model`] is the same in plain Rust, for tests to compare with.
mod decision;
mod limiter;
mod model;
mod quota;
mod wording;

pub use decision::{Decision, Grant, Window};
pub use limiter::RateLimiter;
pub use model::Model;
pub use quota::{Limits, Quota, Subject};
pub use wording::{tokens_of, wait_in_words};
