//! `docs/redis.md` names every key there is: whatever a command touches is looked for in its table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use antiphon_core::ids::GuildId;
use broker::keys::WorkQueue;
use broker::queue::{Outcome, Queue, Worker};
use broker::sessions::Sessions;
use broker::{RedisConfig, RedisHandle};

use crate::client::{Client, Value};
use crate::isolation::everything;
use crate::queue::{job, quick};
use crate::servers::RealServer;

const PAGE: &str = include_str!("../../../../docs/redis.md");
const LAST: &str = "nothing-comes-after-this";

/// A row of the table: pattern, type, and the seconds that it lives.
struct Row {
    pattern: &'static str,
    kind: &'static str,
    seconds: Option<i64>,
}

fn rows() -> Vec<Row> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `antiphon:"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let seconds = cells[4].strip_suffix(" s").map(|seconds| seconds.parse().unwrap());
        Row { pattern: cells[1].trim_matches('`'), kind: cells[2], seconds }
    })
    .collect()
}

/// Whether a name is one that a pattern describes.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('<') {
        None => pattern == name,
        Some((fixed, rest)) => {
            let Some(name) = name.strip_prefix(fixed) else { return false };
            let after = rest.split_once('>').map_or("", |(_, after)| after);
            let end = name.find([':', '{', '}']).unwrap_or(name.len());
            end > 0 && fits(after, &name[end..])
        }
    }
}

/// The words of a line of MONITOR.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut inside, mut escaped) = (Vec::new(), String::new(), false, false);
    for letter in line.chars() {
        match letter {
            _ if escaped => {
                word.push(letter);
                escaped = false;
            }
            '\\' if inside => escaped = true,
            '"' if inside => {
                words.push(std::mem::take(&mut word));
                inside = false;
            }
            '"' => inside = true,
            _ if inside => word.push(letter),
            _ => {}
        }
    }
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_touched_is_documented_with_type_and_life() {
    let real = RealServer::start();
    let mut monitor = Client::connect(&real.socket());
    assert_eq!(monitor.line("MONITOR"), Value::Status("OK".to_owned()));
    let url = format!("redis+unix://{}", real.socket().display());
    let redis = RedisHandle::open(RedisConfig::from_url(Some(url), false)).await.unwrap();
    // All that can be done for a guild, and a worker that does one job, tries another again and gives it up.
    everything(&redis, GuildId(1)).await;
    let watch = Sessions::new(&redis).watch(GuildId(1)).await.unwrap();
    let (done_tx, mut done) = tokio::sync::mpsc::channel(8);
    let worker = Worker::start(&redis, WorkQueue::Stt, quick("w"), move |job, _| {
        let done_tx = done_tx.clone();
        async move {
            done_tx.send(job.turn).await.unwrap();
            if job.turn.0 == 1 { Outcome::Done } else { Outcome::Retry("no".into()) }
        }
    })
    .await
    .unwrap();
    let queue = Queue::new(&redis, WorkQueue::Stt);
    for turn in [1, 2] {
        queue.enqueue(&job(1, turn), Some("the same")).await.unwrap();
        queue.enqueue(&job(1, turn), None).await.unwrap();
    }
    // Two jobs done, and one that is tried three times.
    for _ in 0..5 {
        tokio::time::timeout(Duration::from_secs(20), done.recv()).await.unwrap().unwrap();
    }
    worker.stop().await;
    drop(watch);
    let mut connection = redis.connection();
    let _: String = redis::cmd("ECHO").arg(LAST).query_async(&mut connection).await.unwrap();
    let mut touched = BTreeSet::new();
    loop {
        let Value::Status(line) = monitor.read() else { panic!("MONITOR shows lines") };
        if line.contains(LAST) {
            break;
        }
        touched.extend(
            words(&line).into_iter().filter(|word| word.starts_with("antiphon:") && !word.contains('*')),
        );
    }
    let rows = rows();
    let mut seen = BTreeMap::new();
    for name in &touched {
        let fitting: Vec<&Row> = rows.iter().filter(|row| fits(row.pattern, name)).collect();
        let [row] = fitting[..] else { panic!("{name} is {} times in the table", fitting.len()) };
        seen.insert(row.pattern, name);
        let kind: String = redis::cmd("TYPE").arg(name).query_async(&mut connection).await.unwrap();
        let expected = if row.kind == "sorted set" { "zset" } else { row.kind };
        assert!(kind == expected || kind == "none", "{name} is a {kind}, not a {}", row.kind);
        let lives: i64 = redis::cmd("TTL").arg(name).query_async(&mut connection).await.unwrap();
        match row.seconds {
            Some(seconds) => {
                assert!(lives != -1 && lives <= seconds, "{name} lives {lives} s, not {seconds} s");
            }
            None if row.pattern.contains(":limit") => assert!(lives != -1, "{name} stays for ever"),
            None => assert!(lives < 0, "{name} lives {lives} s"),
        }
    }
    // What nothing here did: results of workers that speak, breakers, barriers of replicas, the doctor.
    let unseen: Vec<&str> =
        rows.iter().map(|row| row.pattern).filter(|row| !seen.contains_key(row)).collect();
    for pattern in &unseen {
        let known = ["breakers", "barrier", "doctor", "{flags}"];
        assert!(known.iter().any(|known| pattern.contains(known)), "nothing touched {pattern}: {unseen:?}");
    }
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    for key in keys {
        assert!(touched.contains(&key), "{key} was never named in a command");
    }
}
