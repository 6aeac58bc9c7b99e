//! Language models, which write the replies.
//!
//! - `model`: the seam, [`LanguageModel`], and its errors (`error`);
//! - [`openai`]: any server that speaks OpenAI's chat completions; [`offline`]: the built-in responder, by rule;
//! - [`antiphon_core::text::sentences`] cuts what they write into sentences, [`spoken`] makes those fit to be spoken, [`stream`] runs a
//!   model and gives them;
//! - [`pool`]: several models with breakers, health and failover.
pub mod offline;
pub mod openai;
pub mod pool;
pub mod spoken;
pub mod stream;

mod error;
mod model;

#[cfg(test)]
mod contract;

pub use error::LanguageError;
pub use model::{Finish, Generated, LanguageModel};
