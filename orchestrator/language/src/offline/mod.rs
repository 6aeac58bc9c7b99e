//! The built-in responder: answers by rule, with no model and no network, and says so.
//!
//! Everything it says is a pure function, [`answer`], of the request, the time and the time zone, so that a replay can
//! know what it would have said. `responder` makes a `question` of it and chooses the rule; `calendar` knows time and date;
//! `arithmetic` computes; `canned` and `stories` hold the rest.
mod arithmetic;
mod calendar;
mod canned;
mod model;
mod question;
mod responder;
mod stories;

pub use model::{NAME, Offline};
pub use responder::answer;
