//! Servers to test against: a real redis-server (`rig`), and the embedded one.

use redis_embedded::{EmbeddedConfig, EmbeddedServer};
pub use rig::redis::Redis as RealServer;

use crate::client::Client;

/// An embedded server with a runtime of its own, for tests without one.
pub struct Embedded {
    pub server: EmbeddedServer,
    _runtime: tokio::runtime::Runtime,
}

impl Embedded {
    pub fn start() -> Self {
        Self::start_with(EmbeddedConfig::default())
    }

    pub fn start_with(config: EmbeddedConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let server = runtime.block_on(EmbeddedServer::start_with(config)).unwrap();
        Self { server, _runtime: runtime }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.server.socket())
    }
}
