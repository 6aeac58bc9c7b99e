//! A room whose session is played by the test: it may be as slow as it likes.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use antiphon::mirror::{Address, Listener, Options, Room, SessionInput};
use antiphon_core::event::{Consent, Member};
use antiphon_core::ids::UserId;
use antiphon_core::time::WallClock;
use async_trait::async_trait;
use capture::mirror::wire::{Codec, Declaration};
use capture::mirror::{Limits, Piece, Roster};
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine; nothing waits for it to pass.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Stands in for a session, and keeps what it is given.
#[derive(Default)]
pub(crate) struct SessionLog {
    pub(crate) pieces: Mutex<BTreeMap<UserId, Vec<Piece>>>,
    pub(crate) log: Mutex<Vec<String>>,
    /// Nothing fits any more.
    pub(crate) full: AtomicBool,
}

#[async_trait]
impl SessionInput for SessionLog {
    async fn joined(&self, member: Member, consent: Consent, resumed: bool) {
        let how = if resumed { "came again" } else { "joined" };
        self.log.lock().unwrap().push(format!("{} {how} {consent:?}", member.name));
    }

    async fn left(&self, user: UserId) {
        self.log.lock().unwrap().push(format!("{user} left"));
    }

    async fn consent(&self, user: UserId, consent: Consent) {
        self.log.lock().unwrap().push(format!("{user} {consent:?}"));
    }

    fn hear(&self, piece: Piece) -> bool {
        if self.full.load(Ordering::SeqCst) {
            return false;
        }
        let user = match &piece {
            Piece::Packet(packet) => packet.user,
            Piece::Sound(sound) => sound.user,
        };
        self.pieces.lock().unwrap().entry(user).or_default().push(piece);
        true
    }
}

impl SessionLog {
    pub(crate) fn heard(&self, user: u64) -> usize {
        self.pieces.lock().unwrap().get(&UserId(user)).map_or(0, Vec::len)
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// A server on a socket file of its own.
pub(crate) struct Served {
    pub(crate) session: Arc<SessionLog>,
    pub(crate) address: Address,
    pub(crate) room: Arc<Room>,
    pub(crate) options: Options,
    stop: CancellationToken,
    serving: Option<tokio::task::JoinHandle<()>>,
    /// The server's own, so that it can end as a process does.
    runtime: Option<tokio::runtime::Runtime>,
    _home: tempfile::TempDir,
}

pub(crate) fn limits() -> Limits {
    Limits { counters: Duration::from_millis(50), ..Limits::default() }
}

impl Served {
    pub(crate) async fn new(options: Options) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::at(Address::Unix(home.path().join("mirror.sock")), options, home).await
    }

    pub(crate) async fn tcp(options: Options) -> Self {
        Self::at(Address::Tcp("127.0.0.1:0".into()), options, tempfile::tempdir().unwrap()).await
    }

    async fn at(address: Address, options: Options, home: tempfile::TempDir) -> Self {
        let session = Arc::new(SessionLog::default());
        let roster = Roster::new(8, Duration::from_secs(1));
        let room = Arc::new(Room::new(session.clone(), Arc::new(WallClock::default()), roster));
        let mut served = Self {
            session,
            address,
            room,
            options,
            stop: CancellationToken::new(),
            serving: None,
            runtime: None,
            _home: home,
        };
        served.up().await;
        served
    }

    pub(crate) async fn up(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let (address, options) = (self.address.clone(), self.options.clone());
        let listener = runtime.spawn(async move { Listener::bind(&address, options).await.unwrap() });
        let listener = listener.await.unwrap();
        self.address = listener.address();
        self.stop = CancellationToken::new();
        self.serving = Some(runtime.spawn(listener.serve(self.room.clone(), self.stop.clone())));
        self.runtime = Some(runtime);
    }

    /// Ends the server as a crash would: without a goodbye.
    pub(crate) async fn down(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
        assert!(self.serving.take().unwrap().await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn close(&mut self) {
        self.stop.cancel();
        self.serving.take().unwrap().await.unwrap();
        self.runtime.take().unwrap().shutdown_background();
    }

    pub(crate) fn path(&self) -> PathBuf {
        match &self.address {
            Address::Unix(path) => path.clone(),
            Address::Tcp(_) => panic!("a TCP server has no path"),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn declaration(user: u64, name: &str) -> Declaration {
    let name = name.to_owned();
    Declaration { user: UserId(user), name, codec: Codec::Pcm16, rate: 16_000, channels: 1, consent: true }
}

/// Waits for something that other threads do.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
