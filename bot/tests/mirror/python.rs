//! The sender in Python, run by the real python3 as a module, while the server goes away and comes back.
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use antiphon::mirror::{Address, Options};
use serde_json::Value;

use crate::room::{Served, limits, until};

/// Pushes 20 ms of sound every 2 ms, as an audio callback would, and obeys the lines that it reads. Prints how many blocks were
/// pushed, how long the slowest push took, and what `close` gave.
const DRIVER: &str = r#"
import json, sys, threading, time
from antiphon_mirror import Mirror
mirror = Mirror(sys.argv[1], user=7, name="Alice", rate=16000)
orders, pushed, slowest = [], 0, 0.0
def read():
    for line in sys.stdin:
        orders.append(line.strip())
threading.Thread(target=read, daemon=True).start()
block, seen = bytes(640), 0
while "close" not in orders:
    if orders and orders[0] == "withhold":
        mirror.consent(False)
        orders.pop(0)
    began = time.perf_counter()
    mirror.push(block)
    slowest, pushed = max(slowest, time.perf_counter() - began), pushed + 1
    if (mirror.dropped > 0) + mirror.reconnects > seen:
        seen += 1
        print("reconnected" if mirror.reconnects else "dropping", flush=True)
    time.sleep(0.002)
print(json.dumps({"pushed": pushed, "slowest_ms": slowest * 1000, "waiting": len(mirror._ring), **mirror.close()}))
"#;

struct Script {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn start(to: &Address) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/mirror");
        let mut child = Command::new("python3")
            .args(["-c", DRIVER, &to.to_string()])
            .env("PYTHONPATH", folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 must be installed");
        let said = Arc::new(Mutex::new(Vec::new()));
        let (out, into) = (child.stdout.take().unwrap(), said.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        Self { child, said }
    }

    fn order(&mut self, what: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{what}").unwrap();
    }

    fn has_said(&self, what: &str) -> bool {
        self.said.lock().unwrap().iter().any(|line| line.contains(what))
    }

    async fn close(mut self) -> Value {
        self.order("close");
        until("the script's last words", || self.has_said("slowest_ms")).await;
        assert!(self.child.wait().unwrap().success());
        let said = self.said.lock().unwrap();
        serde_json::from_str(said.last().unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_server_is_found_and_no_push_waits() {
    let mut served = Served::new(Options { limits: limits(), ..Options::default() }).await;
    let mut script = Script::start(&served.address);
    until("hearing", || served.session.heard(7) > 10).await;
    served.down().await;
    until("dropping", || script.has_said("dropping")).await;
    served.up().await;
    until("connecting again", || script.has_said("reconnected")).await;
    let before = served.session.heard(7);
    until("hearing again", || served.session.heard(7) > before + 10).await;
    // Consent taken back is passed on over the new connection.
    script.order("withhold");
    until("withholding", || served.session.log().iter().any(|line| line == "7 Withheld")).await;
    let last = script.close().await;
    println!("{last}");
    let number = |name: &str| last[name].as_f64().unwrap();
    assert_eq!((number("reconnects"), last["refused"].is_null()), (1.0, true), "{last}");
    assert!(number("slowest_ms") < 100.0, "{last}");
    assert!(number("waiting") <= 50.0, "at most a second waits: {last}");
    assert!(number("dropped_here") > 0.0 && number("withheld") > 0.0, "{last}");
    let heard = served.session.heard(7) as f64;
    // What neither was heard nor dropped nor withheld was on its way when the server went.
    let on_the_way = number("pushed") - number("dropped_here") - number("withheld") - heard;
    assert!((-1.0..=60.0).contains(&on_the_way), "{on_the_way} of {last}, {heard} heard");
    let log = served.session.log();
    assert_eq!(log[..2], ["Alice joined Granted", "Alice came again Granted"]);
    until("leaving", || served.session.log().last().is_some_and(|last| last == "7 left")).await;
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sender_ends_the_first_for_good() {
    let mut served = Served::new(Options { limits: limits(), ..Options::default() }).await;
    let first = Script::start(&served.address);
    until("hearing", || served.session.heard(7) > 10).await;
    let second = Script::start(&served.address);
    until("taking over", || served.session.log().iter().any(|line| line.contains("came again"))).await;
    let last = first.close().await;
    assert!(last["refused"].as_str().is_some_and(|why| why.contains("another connection")), "{last}");
    assert_eq!(last["reconnects"], 0, "{last}");
    let before = served.session.heard(7);
    until("hearing the second", || served.session.heard(7) > before).await;
    assert!(second.close().await["refused"].is_null());
    served.close().await;
}
