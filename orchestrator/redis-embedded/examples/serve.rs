//! An embedded server for other programs: `serve [PORT]` listens on a loopback port (0 or none: a free one), prints its
//! URL, and runs until it is killed.
use std::io::Write as _;

use redis_embedded::{EmbeddedConfig, EmbeddedServer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let server =
        EmbeddedServer::start_with(EmbeddedConfig { port: Some(port), ..EmbeddedConfig::default() }).await?;
    writeln!(std::io::stdout(), "{}", server.url())?;
    std::future::pending().await
}
