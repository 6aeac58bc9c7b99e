//! What every language model must do, run against each of them; and the wire cases of the OpenAI client, against a
//! local server that speaks its protocol.
mod server;

mod pooled;
mod suite;
mod wire;
