//! Pushes one speaker's sound to a mirror, from a thread that must not wait: an audio callback, say.
//!
//! [`Sender::push`] copies into a bounded queue and returns; it takes no lock that is held for long, and makes no system
//! call but to wake the sending thread. When the queue is full (the network is slow, the server is away) sound is dropped
//! and counted, and its numbers are used up, so that the server knows how much is missing. Two threads do the rest: one
//! writes and, when the connection breaks off, reconnects; one reads what the server says.
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use antiphon_core::backoff::Backoff;
use capture::mirror::wire::{
    Counters, Declaration, DeclarationError, ErrorCode, FromSender, FromServer, Inbound, preamble,
};

use super::address::Address;
use super::socket::{PATIENCE, Socket};
use crate::settings::Secret;

/// The longest frame of sound: 20 ms of stereo floats at 48 kHz.
const BLOCK: usize = 7_680;
/// Frames that wait: a second.
const QUEUE: usize = 50;
/// How often a silent sender says that it is there.
const PING: Duration = Duration::from_secs(5);
/// Waits before it tries to connect again.
const RECONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// Why sound cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server cannot be reached.
    #[error("no mirror answers on {at}: {why}; is `antiphon capture --listen {at}` running?")]
    Unreachable { at: Address, why: String },
    /// The server refused.
    #[error("the mirror refused: {0}")]
    Refused(String),
    /// The declaration cannot be.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// The threads could not be started.
    #[error("a thread for sending could not be started: {0}")]
    Thread(String),
}

/// What waits to be sent. Held in place, so that pushing allocates nothing.
#[expect(clippy::large_enum_variant, reason = "nearly all that waits is sound")]
enum Item {
    Audio { sequence: u32, timestamp: u64, length: usize, bytes: [u8; BLOCK] },
    Mute(bool),
    Consent(bool),
    Goodbye,
}

/// What both threads and the pusher know.
#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    reconnects: AtomicU64,
    over: AtomicBool,
    counters: Mutex<Counters>,
    complaint: Mutex<Option<String>>,
    refused: Mutex<Option<SendError>>,
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each change is one assignment: a poisoned lock still holds good data.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One speaker's way to a mirror.
#[derive(Debug)]
pub struct Sender {
    queue: SyncSender<Item>,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    sequence: u32,
    timestamp: u64,
    frame_bytes: usize,
    block: usize,
}

impl Sender {
    /// Connects, declares the speaker, and waits until the server took both (at most 5 s).
    pub fn connect(to: Address, token: Option<Secret>, declaration: Declaration) -> Result<Self, SendError> {
        declaration.validate()?;
        let (frame_bytes, block) = match declaration.format() {
            Some(format) => (format.frame_bytes(), format.rate as usize / 50 * format.frame_bytes()),
            None => (0, 0),
        };
        let shared = Arc::new(Shared::default());
        let (queue, inbox) = sync_channel(QUEUE);
        let mut line = Line { to, token, declaration, shared: shared.clone() };
        let connected = line.connect()?;
        let writer = std::thread::Builder::new()
            .name("mirror-write".into())
            .spawn(move || line.run(connected, &inbox))
            .map_err(|error| SendError::Thread(error.to_string()))?;
        Ok(Self { queue, shared, writer: Some(writer), sequence: 0, timestamp: 0, frame_bytes, block })
    }

    /// Sends PCM of any length (whole sample frames), 20 ms in a frame. Never waits; gives the frames that found no room.
    pub fn push(&mut self, pcm: &[u8]) -> u64 {
        let mut dropped = 0;
        for piece in pcm.chunks(self.block.max(1)) {
            let frames = piece.len() / self.frame_bytes.max(1);
            dropped += self.audio(piece, frames as u64);
        }
        dropped
    }

    /// Sends one Opus packet of so many samples at 48 kHz. Never waits; gives 1 if it found no room.
    pub fn push_opus(&mut self, packet: &[u8], samples: u64) -> u64 {
        self.audio(packet, samples)
    }

    /// The speaker's clock goes on without sound: silence that is not sent.
    pub fn skip(&mut self, samples: u64) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// The speaker is muted, or no longer. False if there was no room to say so.
    pub fn mute(&self, on: bool) -> bool {
        self.queue.try_send(Item::Mute(on)).is_ok()
    }

    /// The speaker gave consent or took it back. Waits for room: this must not get lost.
    pub fn consent(&self, given: bool) -> bool {
        self.queue.send(Item::Consent(given)).is_ok()
    }

    /// Frames that found no room here.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// How often it reconnected.
    pub fn reconnects(&self) -> u64 {
        self.shared.reconnects.load(Ordering::Relaxed)
    }

    /// What the server last said of this stream, since the last connect.
    pub fn counters(&self) -> Counters {
        *held(&self.shared.counters)
    }

    /// The last thing the server complained of.
    pub fn complaint(&self) -> Option<String> {
        held(&self.shared.complaint).clone()
    }

    /// Why the server does not take this sender any more, if so: nothing is sent from then on.
    pub fn refused(&self) -> Option<SendError> {
        held(&self.shared.refused).clone()
    }

    /// Sends what waits, says goodbye, and gives what became of it all.
    pub fn finish(mut self) -> Result<Counters, SendError> {
        // An error means that the thread has ended; why stands in `refused`.
        let _ended = self.queue.send(Item::Goodbye);
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            return Err(SendError::Thread("it failed".into()));
        }
        match self.refused() {
            Some(refused) => Err(refused),
            None => Ok(self.counters()),
        }
    }

    fn audio(&mut self, payload: &[u8], samples: u64) -> u64 {
        let mut bytes = [0; BLOCK];
        let length = payload.len().min(BLOCK);
        bytes[..length].copy_from_slice(&payload[..length]);
        let item = Item::Audio { sequence: self.sequence, timestamp: self.timestamp, length, bytes };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(samples);
        let dropped = u64::from(self.queue.try_send(item).is_err());
        self.shared.dropped.fetch_add(dropped, Ordering::Relaxed);
        dropped
    }
}

/// The writing thread's part.
struct Line {
    to: Address,
    token: Option<Secret>,
    declaration: Declaration,
    shared: Arc<Shared>,
}

struct Connected {
    socket: Socket,
    reader: JoinHandle<()>,
}

/// The one stream of each connection.
const STREAM: u16 = 1;

impl Line {
    fn unreachable(&self, why: impl ToString) -> SendError {
        SendError::Unreachable { at: self.to.clone(), why: why.to_string() }
    }

    /// Connects, says hello, declares, and waits for both answers.
    fn connect(&mut self) -> Result<Connected, SendError> {
        let mut socket = Socket::connect(&self.to).map_err(|error| self.unreachable(error))?;
        let mut bytes = preamble().to_vec();
        let token = self.token.as_ref().map(|token| token.reveal().as_bytes()).unwrap_or_default();
        let agent = concat!("antiphon ", env!("CARGO_PKG_VERSION"));
        FromSender::Hello { token, agent }.write(0, &mut bytes);
        FromSender::Declare(self.declaration.clone()).write(STREAM, &mut bytes);
        // A server that turns us away may have closed before all of this is written: what it said is read all the same.
        let written = socket.write_all(&bytes);
        let mut inbound = Inbound::frames_only();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.answered(&mut inbound)? {
                true => break,
                false if Instant::now() >= deadline => return Err(self.unreachable("it does not answer")),
                false => {}
            }
            match socket.read(inbound.space()) {
                Ok(0) => {
                    let why =
                        written.err().map_or_else(|| "it hung up".to_owned(), |error| error.to_string());
                    return Err(self.unreachable(why));
                }
                Ok(read) => inbound.filled(read),
                Err(error) => return Err(self.unreachable(error)),
            }
        }
        let (ours, shared) =
            (socket.try_clone().map_err(|error| self.unreachable(error))?, self.shared.clone());
        ours.set_timeouts(None, Some(PATIENCE)).map_err(|error| self.unreachable(error))?;
        let reader = std::thread::Builder::new()
            .name("mirror-read".into())
            .spawn(move || listen(ours, inbound, &shared))
            .map_err(|error| SendError::Thread(error.to_string()))?;
        Ok(Connected { socket, reader })
    }

    /// Whether the stream was accepted, by what came so far.
    fn answered(&self, inbound: &mut Inbound) -> Result<bool, SendError> {
        while let Some(raw) = inbound.next().map_err(|error| SendError::Refused(error.to_string()))? {
            match FromServer::read(raw) {
                Ok(Some(FromServer::Accepted { .. })) => return Ok(true),
                Ok(Some(FromServer::Error { code: Some(ErrorCode::Busy), words, .. })) => {
                    return Err(self.unreachable(words));
                }
                Ok(Some(FromServer::Error { words, .. })) => {
                    return Err(SendError::Refused(words.to_owned()));
                }
                Ok(_) => {}
                Err(error) => return Err(SendError::Refused(error.to_string())),
            }
        }
        Ok(false)
    }

    fn run(mut self, mut connected: Connected, inbox: &Receiver<Item>) {
        let (mut muted, mut frame) = (false, Vec::with_capacity(BLOCK + 64));
        loop {
            let item = match inbox.recv_timeout(PING) {
                Ok(item) => Some(item),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Item::Goodbye),
            };
            frame.clear();
            match &item {
                Some(Item::Audio { sequence, timestamp, length, bytes }) => {
                    let payload = &bytes[..*length];
                    FromSender::Audio { sequence: *sequence, timestamp: *timestamp, payload }
                        .write(STREAM, &mut frame);
                }
                Some(Item::Mute(on)) => {
                    muted = *on;
                    FromSender::Mute(*on).write(STREAM, &mut frame);
                }
                Some(Item::Consent(given)) => {
                    self.declaration.consent = *given;
                    FromSender::Consent(*given).write(STREAM, &mut frame);
                }
                Some(Item::Goodbye) => FromSender::Goodbye.write(0, &mut frame),
                None => FromSender::Ping(0).write(0, &mut frame),
            }
            let written = match self.shared.over.load(Ordering::Acquire) {
                true => false,
                false => connected.socket.write_all(&frame).is_ok(),
            };
            let goodbye = matches!(item, Some(Item::Goodbye));
            if written && !goodbye {
                continue;
            }
            if goodbye {
                wait_for_last_words(connected);
                return;
            }
            connected.socket.close();
            // It ends because its socket is closed.
            let _read = connected.reader.join();
            if let Some(Item::Audio { .. }) = item {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
            match self.reconnect(inbox, &mut muted) {
                Some(new) => connected = new,
                None => return,
            }
        }
    }

    /// Reconnects. What is pushed meanwhile is old by then: dropped and counted.
    fn reconnect(&mut self, inbox: &Receiver<Item>, muted: &mut bool) -> Option<Connected> {
        let mut backoff = RECONNECT_BACKOFF;
        loop {
            if held(&self.shared.refused).is_some() {
                return None;
            }
            let until = Instant::now() + backoff.next(rand::random());
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                match inbox.recv_timeout(left) {
                    Ok(Item::Audio { .. }) => drop(self.shared.dropped.fetch_add(1, Ordering::Relaxed)),
                    Ok(Item::Mute(on)) => *muted = on,
                    Ok(Item::Consent(given)) => self.declaration.consent = given,
                    Ok(Item::Goodbye) | Err(RecvTimeoutError::Disconnected) => {
                        *held(&self.shared.refused) = Some(self.unreachable("the connection broke off"));
                        return None;
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            self.shared.over.store(false, Ordering::Release);
            match self.connect() {
                Ok(mut connected) => {
                    self.shared.reconnects.fetch_add(1, Ordering::Relaxed);
                    let mut frame = Vec::new();
                    FromSender::Mute(*muted).write(STREAM, &mut frame);
                    if connected.socket.write_all(&frame).is_ok() {
                        return Some(connected);
                    }
                }
                Err(SendError::Unreachable { .. }) => {}
                Err(refused) => {
                    *held(&self.shared.refused) = Some(refused);
                    return None;
                }
            }
        }
    }
}

/// The server says goodbye when it has used everything.
fn wait_for_last_words(connected: Connected) {
    let Connected { socket, reader } = connected;
    let deadline = Instant::now() + PATIENCE;
    while !reader.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    socket.close();
    // It ends because its socket is closed.
    let _read = reader.join();
}

/// Takes in what the server says, until the connection ends.
fn listen(mut socket: Socket, mut inbound: Inbound, shared: &Shared) {
    loop {
        match inbound.next() {
            Ok(Some(raw)) => match FromServer::read(raw) {
                Ok(Some(FromServer::Counters(counters))) => *held(&shared.counters) = counters,
                Ok(Some(FromServer::Error { code, fatal, words })) => {
                    *held(&shared.complaint) = Some(words.to_owned());
                    // Another sender speaks for this user now: to come again would be to quarrel.
                    if fatal && code != Some(ErrorCode::Idle) || code == Some(ErrorCode::TakenOver) {
                        *held(&shared.refused) = Some(SendError::Refused(words.to_owned()));
                        break;
                    }
                }
                Ok(Some(FromServer::Goodbye)) => break,
                Ok(_) => {}
                Err(error) => *held(&shared.complaint) = Some(error.to_string()),
            },
            Ok(None) => match socket.read(inbound.space()) {
                Ok(0) | Err(_) => break,
                Ok(read) => inbound.filled(read),
            },
            Err(error) => {
                *held(&shared.complaint) = Some(error.to_string());
                break;
            }
        }
    }
    shared.over.store(true, Ordering::Release);
}
