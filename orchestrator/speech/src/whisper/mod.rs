//! Speech to text by whisper.cpp.
//!
//! [`mod@file`] reads a model file before whisper.cpp does, because whisper.cpp trusts what it reads; [`engine`] owns the
//! loaded model and its decoding states; [`cut`] divides turns longer than the model's window; [`hearing`] judges
//! what came out, [`doubt`] says when to decode again; [`provider`] puts them together; [`nano`] is the model that ships with the project.
pub mod cut;
pub mod doubt;
pub mod engine;
pub mod file;
pub mod hearing;
pub mod nano;
pub mod provider;

pub use file::{BadModel, Header};
pub use provider::{Options, Whisper};
