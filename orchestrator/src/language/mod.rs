//! Language models: who writes the replies.
pub mod sentences;
