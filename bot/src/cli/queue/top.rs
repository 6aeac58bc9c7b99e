//! `antiphon queue top`: how each partition of each queue stands, live.
use std::io::IsTerminal as _;
use std::time::Duration;

use broker::RedisHandle;
use broker::queue::{PartitionView, inspect};

use crate::output::{json, line, screen};

/// How each partition of each queue stands, every other second
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon queue top                  until Ctrl-C
  antiphon queue top --once --json    for a program

length: jobs outstanding; pending: of these, in the hands of a worker; lag: not read by any worker yet;
later: to be tried again; dead: given up; oldest: how long the oldest job has been outstanding.")]
pub(in crate::cli) struct Args {
    /// Show it once and end
    #[arg(long)]
    once: bool,
    /// As JSON: one value, or one a line without --once
    #[arg(long)]
    json: bool,
    /// Seconds between looks
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=3600))]
    every: u16,
}

pub(super) async fn run(redis: &RedisHandle, args: &Args) -> anyhow::Result<()> {
    let mut every = tokio::time::interval(Duration::from_secs(args.every.into()));
    let live = !args.once && !args.json && std::io::stdout().is_terminal();
    loop {
        tokio::select! {
            _ = every.tick() => {}
            stopped = tokio::signal::ctrl_c() => return Ok(stopped?),
        }
        let views = inspect(redis).await?;
        match (args.json, args.once) {
            (true, true) => json(&views)?,
            (true, false) => line(serde_json::to_string(&views)?),
            (false, _) if live => screen(&table(&views)),
            (false, _) => line(table(&views)),
        }
        if args.once {
            return Ok(());
        }
    }
}

fn table(views: &[PartitionView]) -> String {
    let mut out = format!(
        "{:<10} {:>7} {:>8} {:>6} {:>6} {:>6} {:>8} {:>9}\n",
        "partition", "length", "pending", "lag", "later", "dead", "workers", "oldest"
    );
    for view in views {
        let name = format!("{}:{}", view.queue, view.partition);
        let lag = view.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string());
        let oldest = view.oldest_ms.map_or_else(|| "-".to_owned(), age);
        out.push_str(&format!(
            "{name:<10} {:>7} {:>8} {lag:>6} {:>6} {:>6} {:>8} {oldest:>9}\n",
            view.length, view.pending, view.later, view.dead, view.consumers
        ));
    }
    out.truncate(out.trim_end().len());
    out
}

fn age(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use broker::keys::WorkQueue;

    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_partition() {
        let view = PartitionView {
            queue: WorkQueue::Stt,
            partition: 3,
            length: 12,
            pending: 4,
            later: 0,
            dead: 1,
            consumers: 2,
            lag: None,
            oldest_ms: Some(1_250),
        };
        let empty = PartitionView { oldest_ms: None, lag: Some(0), ..view.clone() };
        let table = table(&[view, empty]);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], ["stt:3", "12", "4", "-", "0", "1", "2", "1.2", "s"]);
        assert_eq!(lines[2][7], "-");
        assert_eq!([age(0), age(59_999), age(60_000), age(7_200_000)], ["0 ms", "59.9 s", "1 min", "2 h"]);
    }
}
