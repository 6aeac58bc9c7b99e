//! The server: sockets around `capture::mirror::Peer`. It never stops reading, and never waits for a sender to read.
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use capture::mirror::wire::{ErrorCode, FromServer};
use capture::mirror::{Claim, Event, Limits, Peer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Address;
use super::room::Room;
use crate::settings::Secret;

/// How often a connection looks at the time.
const TICK: Duration = Duration::from_millis(200);
/// How long the last words to a sender may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes read at a time.
const READ: usize = 16 * 1024;

/// What the server asks of senders.
#[derive(Debug, Clone)]
pub struct Options {
    /// What one connection may do.
    pub limits: Limits,
    /// Connections at the same time.
    pub connections: usize,
    /// What senders must show; required for TCP.
    pub token: Option<Secret>,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), connections: 32, token: None }
    }
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// TCP without a token.
    #[error("{0} can be reached from this machine and beyond, so senders must show a token")]
    NoToken(Address),
    /// Another process listens there.
    #[error("{0} is in use by another process")]
    InUse(Address),
    /// The system refused.
    #[error("{at} cannot be listened on: {why}")]
    Refused { at: Address, why: std::io::Error },
}

impl ListenError {
    /// How to fix it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoToken(_) => {
                Some("set ANTIPHON_MIRROR_TOKEN, or ANTIPHON_MIRROR_TOKEN_FILE to a file that holds it")
            }
            Self::InUse(_) => Some("choose another path, or end that process"),
            Self::Refused { .. } => None,
        }
    }
}

#[derive(Debug)]
enum Sockets {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

/// A socket that senders may connect to. A socket file is removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    sockets: Sockets,
    options: Options,
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Sockets::Unix(_, path) = &self.sockets
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, path = %path.display(), "a socket file was gone already");
        }
    }
}

impl Listener {
    /// Begins to listen. A socket file without a listener is replaced; one of ours can be opened by its
    /// owner only.
    pub async fn bind(address: &Address, options: Options) -> Result<Self, ListenError> {
        let refused = |why| ListenError::Refused { at: address.clone(), why };
        let sockets = match address {
            Address::Tcp(_) if options.token.is_none() => return Err(ListenError::NoToken(address.clone())),
            Address::Tcp(place) => Sockets::Tcp(TcpListener::bind(place).await.map_err(refused)?),
            Address::Unix(path) => {
                if UnixStream::connect(path).await.is_ok() {
                    return Err(ListenError::InUse(address.clone()));
                }
                use std::os::unix::fs::FileTypeExt as _;
                if tokio::fs::symlink_metadata(path).await.is_ok_and(|about| about.file_type().is_socket()) {
                    tokio::fs::remove_file(path).await.map_err(refused)?;
                }
                let listener = UnixListener::bind(path).map_err(refused)?;
                let owner_only = std::fs::Permissions::from_mode(0o600);
                tokio::fs::set_permissions(path, owner_only).await.map_err(refused)?;
                Sockets::Unix(listener, path.clone())
            }
        };
        Ok(Self { sockets, options })
    }

    /// Where it listens, with the port that was chosen.
    pub fn address(&self) -> Address {
        match &self.sockets {
            Sockets::Unix(_, path) => Address::Unix(path.clone()),
            Sockets::Tcp(listener) => {
                Address::Tcp(listener.local_addr().map_or_else(|_| "?".to_owned(), |at| at.to_string()))
            }
        }
    }

    /// Serves senders until stopped; then says goodbye to them, and waits until that is done.
    pub async fn serve(self, room: Arc<Room>, stop: CancellationToken) {
        let free = Arc::new(Semaphore::new(self.options.connections));
        let tasks = TaskTracker::new();
        let mut sweep = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = sweep.tick() => room.sweep().await,
                accepted = self.accept() => {
                    let Some(stream) = accepted else { continue };
                    let permit = free.clone().try_acquire_owned().ok();
                    let connection = Connection {
                        room: room.clone(),
                        options: self.options.clone(),
                        stop: stop.clone(),
                        claim: room.claim(),
                        _permit: permit,
                    };
                    match connection._permit {
                        Some(_) => drop(tasks.spawn(connection.attend(stream))),
                        // Refused on the spot: what does not fit into the socket's own buffer is not sent.
                        None => turn_away(stream).await,
                    }
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn accept(&self) -> Option<Box<dyn Stream>> {
        let accepted: std::io::Result<Box<dyn Stream>> = match &self.sockets {
            Sockets::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Box::new(stream) as _),
            Sockets::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "small frames may wait");
                }
                Box::new(stream) as _
            }),
        };
        match accepted {
            Ok(stream) => Some(stream),
            Err(error) => {
                // Too many open files, most likely: others end in a while.
                tracing::warn!(%error, "a mirror connection could not be accepted");
                tokio::time::sleep(TICK).await;
                None
            }
        }
    }
}

/// A socket of either kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn turn_away(mut stream: Box<dyn Stream>) {
    metrics::counter!("antiphon_mirror_errors_total", "code" => ErrorCode::Busy.as_str()).increment(1);
    let mut bytes = Vec::new();
    let words = "too many connections: end one, or allow more with --connections";
    FromServer::Error { code: Some(ErrorCode::Busy), fatal: true, words }.write(0, &mut bytes);
    let refusal = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await?;
        while stream.read(&mut bytes).await? > 0 {}
        std::io::Result::Ok(())
    };
    let sent = tokio::time::timeout(Duration::from_millis(50), refusal).await;
    tracing::debug!(sent = matches!(sent, Ok(Ok(()))), "a mirror connection was turned away: too many");
}

struct Connection {
    room: Arc<Room>,
    options: Options,
    stop: CancellationToken,
    claim: Claim,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    async fn attend(self, stream: Box<dyn Stream>) {
        metrics::gauge!("antiphon_mirror_connections").increment(1.0);
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut peer = Peer::new(self.options.limits, self.room.now());
        let mut buffer = vec![0; READ].into_boxed_slice();
        let mut pending: Vec<u8> = Vec::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !peer.is_closing() {
            if pending.is_empty() {
                pending.extend_from_slice(peer.outgoing());
                peer.sent(pending.len());
            }
            tokio::select! {
                read = reader.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => peer.ended(),
                    Ok(read) => self.take(&mut peer, &buffer[..read]).await,
                },
                wrote = writer.write(&pending), if !pending.is_empty() => match wrote {
                    Ok(0) | Err(_) => peer.ended(),
                    Ok(wrote) => drop(pending.drain(..wrote)),
                },
                _ = tick.tick() => {
                    peer.tick(self.room.now());
                    self.look_who_speaks(&mut peer);
                }
                () = self.stop.cancelled() => peer.goodbye(),
            }
        }
        self.room.vacate(self.claim);
        pending.extend_from_slice(peer.outgoing());
        let last_words = async {
            writer.write_all(&pending).await?;
            writer.shutdown().await?;
            // What still comes is read: a TCP connection closed over unread bytes discards what was sent last.
            while reader.read(&mut buffer).await? > 0 {}
            std::io::Result::Ok(())
        };
        if !matches!(tokio::time::timeout(GOODBYE_TIMEOUT, last_words).await, Ok(Ok(()))) {
            tracing::debug!("a mirror's sender did not hear the last words");
        }
        metrics::gauge!("antiphon_mirror_connections").decrement(1.0);
        tracing::info!(refused = peer.refused(), "a mirror connection ended");
    }

    /// Everything in these bytes, before any more are read.
    async fn take(&self, peer: &mut Peer, mut bytes: &[u8]) {
        let now = self.room.now();
        loop {
            while let Some(event) = peer.next_event(now) {
                self.happened(peer, event).await;
            }
            if bytes.is_empty() || peer.is_closing() {
                return;
            }
            let space = peer.space();
            let piece = space.len().min(bytes.len());
            space[..piece].copy_from_slice(&bytes[..piece]);
            peer.filled(piece, now);
            bytes = &bytes[piece..];
        }
    }

    async fn happened(&self, peer: &mut Peer, event: Event) {
        match event {
            Event::Hello { token, agent } => {
                if self.may_pass(&token) {
                    tracing::info!(agent, "a mirror's sender connected");
                    peer.welcome();
                } else {
                    tracing::warn!(agent, "a mirror's sender with a wrong token was sent away");
                    peer.refuse(
                        ErrorCode::Token,
                        "the token is wrong or missing: it is the server's ANTIPHON_MIRROR_TOKEN",
                    );
                }
            }
            Event::Declared { stream, declaration } => match self.room.sit(self.claim, &declaration).await {
                Ok(seated) => {
                    let (resumed, channels) = (seated.resumed, declaration.channels);
                    tracing::info!(resumed, channels, "a mirrored speaker is here");
                    if channels > 1 && declaration.format().is_some() {
                        metrics::counter!("antiphon_mirror_mixed_total").increment(1);
                        tracing::info!(channels, "their channels are mixed to one: a track is one voice");
                    }
                    peer.accept(stream, seated.ssrc, resumed);
                }
                Err(refusal) => peer.decline(stream, ErrorCode::Declaration, &refusal.to_string()),
            },
            Event::Consent { user, given } => self.room.consent(self.claim, user, given).await,
            Event::Piece { stream, piece } => {
                let user = match &piece {
                    capture::mirror::Piece::Packet(packet) => packet.user,
                    capture::mirror::Piece::Sound(sound) => sound.user,
                };
                if !self.room.holds(self.claim, user) {
                    self.look_who_speaks(peer);
                } else if !self.room.hear(piece) {
                    peer.dropped(stream);
                }
            }
            Event::Left { user } => self.room.leave(self.claim, user).await,
        }
    }

    /// Streams whose speaker another connection speaks for now are ended.
    fn look_who_speaks(&self, peer: &mut Peer) {
        let lost: Vec<u16> =
            peer.seated().filter(|(_, user)| !self.room.holds(self.claim, *user)).map(|(s, _)| s).collect();
        for stream in lost {
            peer.decline(stream, ErrorCode::TakenOver, "another connection speaks for this user now");
        }
    }

    /// Compared in constant time over digests, so that neither content nor length shows.
    fn may_pass(&self, shown: &[u8]) -> bool {
        match &self.options.token {
            Some(token) => Sha256::digest(shown).ct_eq(&Sha256::digest(token.reveal())).into(),
            None => true,
        }
    }
}
