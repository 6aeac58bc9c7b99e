//! RESP, the Redis serialisation protocol: requests in, replies out.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

mod inline;
mod parse;
mod reply;
mod write;

pub(crate) use inline::split as split_words;
pub use parse::{Parser, ProtocolError};
pub use reply::Reply;
pub use write::{Protocol, content, encode};
