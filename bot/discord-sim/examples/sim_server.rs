//! Runs a simulated Discord until its standard input ends, for programs in other languages: prints one line of JSON with
//! its addresses, and is driven by the control API under `/sim`.
//!
//! ```sh
//! cargo run -p antiphon-discord-sim --example sim_server
//! ```
#![allow(clippy::print_stdout, reason = "the program's output")]
use std::io::Write;

use discord_sim::Sim;
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let sim = Sim::builder().start().await?;
    let addresses = serde_json::json!({
        "http_url": sim.http_url(),
        "gateway_url": sim.gateway_url(),
        "ca_pem_path": sim.ca_pem_path(),
        "token": sim.bot_token(),
        "bot": sim.bot_id(),
        "guild": sim.guild_id(),
        "text_channel": sim.text_channel_id(),
        "voice_channel": sim.voice_channel_id(),
        "owner": sim.owner_id(),
    });
    println!("{addresses}");
    std::io::stdout().flush()?;
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    sim.shutdown().await;
    Ok(())
}
