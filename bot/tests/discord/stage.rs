//! A simulated Discord, and the bot connected to it as a process of its own.
#![allow(dead_code, reason = "not every part is used by every theme")]
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use discord_sim::speaker::{Speaker, SpeakerOptions};
use discord_sim::trace::{Cursor, Entry};
use discord_sim::{Answer, ChannelId, Event, MessageId, Sim, UserId};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Long enough for a busy machine; nothing waits for it to pass.
pub(crate) const LONG: Duration = Duration::from_secs(40);

/// What the bot is started with besides the simulation.
#[derive(Default)]
pub(crate) struct With<'a> {
    pub(crate) env: Vec<(&'a str, String)>,
    /// The guild's limit for attachments, when it is not the smallest.
    pub(crate) attachment_limit: Option<u64>,
}

impl<'a> With<'a> {
    pub(crate) fn env(name: &'a str, value: impl Into<String>) -> Self {
        Self::default().and(name, value)
    }

    pub(crate) fn and(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }
}

pub(crate) struct Stage {
    pub(crate) sim: Sim,
    pub(crate) home: tempfile::TempDir,
    pub(crate) http: SocketAddr,
    process: Child,
    logs: Arc<Mutex<String>>,
}

impl Stage {
    /// Starts both, and waits until the bot is ready.
    pub(crate) async fn set(with: With<'_>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut builder = Sim::builder().ca_pem_path(home.path().join("ca.pem"));
        if let Some(limit) = with.attachment_limit {
            builder = builder.attachment_limit(limit);
        }
        let sim = builder.start().await.unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command
            .arg("run")
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("ANTIPHON_DATA", home.path().join("data"))
            .env("ANTIPHON_DISCORD_TOKEN", sim.bot_token())
            .env("ANTIPHON_DISCORD_API", sim.http_url())
            .env("ANTIPHON_DISCORD_CA", sim.ca_pem_path())
            .env("ANTIPHON_HTTP", "127.0.0.1:0")
            .env("ANTIPHON_LOG", "debug")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for (name, value) in &with.env {
            command.env(name, value);
        }
        let mut process = command.spawn().unwrap();
        let logs = Arc::new(Mutex::new(String::new()));
        let (address, mut found) = watch::channel(None);
        let (stderr, kept) = (process.stderr.take().unwrap(), logs.clone());
        std::thread::spawn(move || follow(stderr, &kept, &address));
        let registered = |event: &Event| matches!(event, Event::CommandsRegistered { .. });
        let up = async {
            sim.events().wait_for(registered, LONG).await.map_err(|error| error.to_string())?;
            found.wait_for(Option::is_some).await.map(|found| *found).map_err(|error| error.to_string())
        };
        let http = match up.await {
            Ok(Some(http)) => http,
            other => panic!("the bot did not start ({other:?}): {}", logs.lock().unwrap()),
        };
        let stage = Self { sim, home, http, process, logs };
        stage.until_ready(true).await;
        stage
    }

    pub(crate) fn bot(&self) -> UserId {
        self.sim.bot_id()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Everything the bot has logged so far.
    pub(crate) fn logs(&self) -> String {
        self.logs.lock().unwrap().clone()
    }

    /// Waits until `/ready` says so, or says otherwise.
    pub(crate) async fn until_ready(&self, ready: bool) {
        let wanted = if ready { 200 } else { 503 };
        let asked = async {
            while get(self.http, "/ready").await.status != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(LONG, asked).await.is_err() {
            panic!("/ready was never {wanted}: {}\n{}", get(self.http, "/ready").await.text(), self.logs());
        }
    }

    /// A person sits in the voice channel, by voice state only: for people who say nothing.
    pub(crate) fn seated(&self, name: &str) -> UserId {
        let user = self.sim.add_user(name);
        self.sim.join_voice(user, self.sim.voice_channel_id()).unwrap();
        user
    }

    /// A person is in the voice channel with mouth and ears.
    pub(crate) async fn speaker(&self, name: &str) -> Speaker {
        let user = self.sim.add_user(name);
        self.enter(user).await
    }

    pub(crate) async fn enter(&self, user: UserId) -> Speaker {
        let credentials = self.sim.join_voice(user, self.sim.voice_channel_id()).unwrap();
        Speaker::join(credentials, SpeakerOptions::new(self.sim.ca_pem_path())).await.unwrap()
    }

    pub(crate) async fn command(&self, user: UserId, command: &str) -> Answer {
        self.command_with(user, command, json!({})).await
    }

    pub(crate) async fn command_with(&self, user: UserId, command: &str, options: Value) -> Answer {
        match self.sim.invoke(user, command, &options).unwrap().answer(LONG).await {
            Ok(answer) => answer,
            Err(error) => panic!("{command}: {error}\n{}", self.logs()),
        }
    }

    pub(crate) async fn press(&self, user: UserId, message: MessageId, button: &str) -> Answer {
        match self.sim.press(user, message, button, &[]).unwrap().answer(LONG).await {
            Ok(answer) => answer,
            Err(error) => panic!("{button}: {error}\n{}", self.logs()),
        }
    }

    /// Joins, and waits until the bot is in the call and its nickname says so.
    pub(crate) async fn join(&self, user: UserId) -> Answer {
        let from = self.sim.events().cursor();
        let answer = self.command(user, "/voice join").await;
        assert!(answer.content().contains("I am listening"), "{}\n{}", answer.content(), self.logs());
        self.nickname(from, true).await;
        answer
    }

    pub(crate) async fn nickname(&self, from: Cursor, marked: bool) {
        let bot = self.bot();
        self.event(from, "the nickname", |event| {
            matches!(event, Event::Nickname { user, nick, .. } if *user == bot
                && nick.as_deref().is_some_and(|nick| nick.starts_with('🔴')) == marked)
        })
        .await;
    }

    pub(crate) async fn event(&self, from: Cursor, what: &str, wanted: impl Fn(&Event) -> bool) -> Entry {
        match self.sim.events().wait_from(from, wanted, LONG).await {
            Ok(entry) => entry,
            Err(error) => panic!("{what} did not happen: {error}\n{}", self.logs()),
        }
    }

    /// Waits for a message of the bot's that holds these words.
    pub(crate) async fn posted(&self, from: Cursor, words: &str) -> (MessageId, String) {
        let bot = self.bot();
        let said = |event: &Event| match event {
            Event::MessagePosted { author, content, .. } => *author == bot && content.contains(words),
            _ => false,
        };
        match self.event(from, words, said).await.event {
            Event::MessagePosted { id, content, .. } => (id, content),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the bot is in this channel, or in none.
    pub(crate) async fn bot_is(&self, from: Cursor, place: Option<ChannelId>) {
        let bot = self.bot();
        let moved = |event: &Event| *event == Event::VoiceState { user: bot, channel: place };
        self.event(from, &format!("{place:?}"), moved).await;
    }

    /// Waits until the ledger has an audit row of a kind by a person; gives its content.
    pub(crate) async fn audited(&self, what: &str, who: &str) -> String {
        let store = store::open(&self.data().join("ledger.db").display().to_string()).await.unwrap();
        let (what, who) = (format!("\"what\":\"{what}\""), format!("\"who\":\"{who}\""));
        let found = async {
            loop {
                for session in store.sessions(None, None, 100).await.unwrap() {
                    let rows = store.read(session.session, 0, 10_000).await.unwrap();
                    let contents = rows.into_iter().filter_map(|row| row.content);
                    let mut mine =
                        contents.filter(|content| content.contains(&what) && content.contains(&who));
                    if let Some(found) = mine.next() {
                        return found;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(LONG, found).await.expect("no such row");
        store.close().await;
        found
    }

    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends the bot as a crash would.
    pub(crate) fn kill(&self) {
        let sent = Command::new("kill").args(["-KILL", &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) async fn exited(&mut self) -> ExitStatus {
        let waited = async {
            loop {
                if let Some(status) = self.process.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, waited).await.expect("the bot did not end")
    }

    /// Ends the bot cleanly, so that everything is written.
    pub(crate) async fn close(mut self) -> (Sim, tempfile::TempDir, String) {
        self.terminate();
        let status = self.exited().await;
        let logs = self.logs();
        assert!(status.success(), "{status}: {logs}");
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().unwrap());
        let sim = Sim::builder().start().await.unwrap();
        (std::mem::replace(&mut self.sim, sim), home, logs)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ended = self.process.kill().and_then(|()| self.process.wait().map(drop));
    }
}

/// Keeps the log, and finds in it where the bot serves HTTP.
fn follow(stderr: impl Read, kept: &Mutex<String>, address: &watch::Sender<Option<SocketAddr>>) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let field = |log: Value| log["address"].as_str().and_then(|address| address.parse().ok());
        if let Some(found) = serde_json::from_str::<Value>(&line).ok().and_then(field) {
            address.send_replace(Some(found));
        }
        let mut kept = kept.lock().unwrap();
        kept.push_str(&line);
        kept.push('\n');
    }
}

/// What an HTTP server answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One GET over HTTP/1.0, so that the body is what comes until the end.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Reply {
    request(address, "GET", path).await
}

/// The same with another method.
pub(crate) async fn request(address: SocketAddr, method: &str, path: &str) -> Reply {
    request_with(address, method, path, &[]).await
}

/// The same with headers.
pub(crate) async fn request_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n");
    let bytes = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
    .await
    .unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head, body: bytes[end + 4..].to_vec() }
}

/// The only sealed bundle under the bot's data folder.
pub(crate) fn only_bundle(data: &Path) -> PathBuf {
    let guilds = std::fs::read_dir(data.join("bundles")).unwrap().flatten();
    let sessions = guilds.flat_map(|guild| std::fs::read_dir(guild.path()).unwrap().flatten());
    let found: Vec<PathBuf> = sessions.map(|entry| entry.path()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}
