//! What of Discord is simulated, as data: `routes`, `gateway` and `voice` list what Discord has, and `page` writes the
//! matrix that is `docs/discord-parity.md`.
mod gateway;
mod page;
mod routes;
mod status;
mod voice;

pub(crate) use gateway::is_simulated_event;
pub use page::parity_page;
pub(crate) use routes::{Documented, documented, is_same_route};
