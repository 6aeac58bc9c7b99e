//! The built-in responder: answers by rule, with no model and no network, and says so.
//!
//! Everything it says is a pure function, [`answer`], of the request, the time and the time zone, so that a replay can
//! tell what it would have said. `responder` chooses the rule; `calendar` tells time and date; `arithmetic` computes;
//! `smalltalk` and `tales` hold the rest.
mod arithmetic;
mod calendar;
mod canned;
mod model;
mod responder;
mod tales;

pub use model::{NAME, Offline};
pub use responder::answer;
