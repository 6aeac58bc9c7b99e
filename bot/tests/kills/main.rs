//! Killing things while the bot runs: Redis, PostgreSQL, the bot itself; and two signals in a row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../discord/stage.rs"]
mod stage;

mod bot;
mod servers;
mod signals;
mod workers;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::stage::{LONG, Stage, get};

/// The command, with nothing of the caller's settings.
fn antiphon(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_antiphon"))
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(args)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Asks in writing; gives the answer and how long it took.
async fn ask(stage: &Stage, user: discord_sim::UserId, question: &str) -> (String, Duration) {
    let began = Instant::now();
    let answer = stage.command_with(user, "/ask", json!({ "question": question })).await;
    (answer.content().to_owned(), began.elapsed())
}

/// Asks again and again until it is answered with these words.
async fn ask_until(stage: &Stage, user: discord_sim::UserId, question: &str, words: &str) {
    let deadline = Instant::now() + LONG;
    loop {
        let (answer, _) = ask(stage, user, question).await;
        if answer.contains(words) {
            return;
        }
        assert!(Instant::now() < deadline, "still {answer:?}\n{}", stage.logs());
    }
}

/// A gauge or counter of the bot's, summed over its labels.
async fn metric(stage: &Stage, name: &str) -> f64 {
    let text = get(stage.http, "/metrics").await.text();
    let values =
        text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn until(what: &str, stage: &Stage, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not happen\n{}", stage.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
