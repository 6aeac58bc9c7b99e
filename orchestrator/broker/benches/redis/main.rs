//! What Redis, as Antiphon uses it, costs: work queues, operations, rate limits, sessions, the embedded server. Each is
//! measured next to what bounds it, in the same run on the same server: ratios are what counts, absolute figures belong
//! to the machine.
//!
//! `cargo bench -p antiphon-orchestrator --bench redis [-- [queue|operations|limits|sessions|embedded] [TURNS]]`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod embedded;
mod limits;
mod operations;
mod peers;
mod queue;
mod rig;
mod sessions;

use broker::{RedisConfig, RedisHandle};

fn main() {
    // Cargo passes flags of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let turns = words.iter().find_map(|word| word.parse().ok()).unwrap_or(20_000);
    let wanted = words.iter().find(|word| word.parse::<usize>().is_err()).cloned();
    let wants = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let embedded = RedisHandle::open(RedisConfig::embedded()).await.unwrap();
        let Some(real) = rig::Real::start() else {
            println!("redis-server is not installed: only the embedded server is measured, against itself");
            queue::measure("embedded", &embedded, None, turns).await;
            return;
        };
        let socket = real.socket();
        let url = format!("redis+unix://{}", socket.display());
        let redis = RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap();
        if wants("queue") {
            queue::measure("redis-server", &redis, Some(&socket), turns).await;
            queue::measure("embedded", &embedded, None, turns).await;
        }
        if wants("operations") {
            operations::measure(&redis, &socket).await;
        }
        if wants("limits") {
            limits::measure("redis-server", &redis).await;
            limits::measure("embedded", &embedded).await;
        }
        if wants("sessions") {
            sessions::measure("redis-server", &redis).await;
            sessions::measure("embedded", &embedded).await;
        }
        if wants("embedded") {
            embedded::measure(&socket).await;
        }
    });
}
