//! What every language model must do, run against each of them; the OpenAI client's protocol (`protocol`) and the ways in
//! which real servers speak it (`servers`), against a local server.
mod server;

mod pooled;
mod protocol;
mod servers;
mod suite;
