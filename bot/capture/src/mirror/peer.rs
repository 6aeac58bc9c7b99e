//! The server's side of one sender's connection, without the socket: bytes and time go in, events and bytes come out.
//!
//! Nothing a sender does makes it wait or grow: what is malformed is refused with an error frame and counted, and the
//! connection ends when that goes on; what is for the sender and is not read by it is left out.
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;

use super::intake::{Intake, Piece};
use super::wire::{
    Counters, Declaration, ErrorCode, FromSender, FromServer, Inbound, MAX_BODY, Raw, VERSION,
};
use crate::metrics::{MIRROR_DROPPED, MIRROR_ERRORS};

/// Most bytes that wait for a sender; beyond, counters, answers and errors that don't end it are left out.
const MAX_WAITING_BYTES: usize = 8 * 1024;

/// What one connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Streams at the same time.
    pub streams: u16,
    /// How long nothing may come.
    pub idle: Duration,
    /// How long the hello may take.
    pub hello: Duration,
    /// Refused frames that are put up with in a row; one is forgiven every second.
    pub faults: u32,
    /// How often counters are sent.
    pub counters: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 16,
            idle: Duration::from_secs(30),
            hello: Duration::from_secs(5),
            faults: 50,
            counters: Duration::from_secs(1),
        }
    }
}

/// What a sender wants.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// To be let in: answer with [`Peer::welcome`] or [`Peer::refuse`].
    Hello {
        /// What it shows for that.
        token: Vec<u8>,
        agent: String,
    },
    /// To begin a stream: answer with [`Peer::accept`] or [`Peer::decline`].
    Declared {
        /// The sender's number for it.
        stream: u16,
        /// What it is.
        declaration: Declaration,
    },
    /// The speaker gave consent or took it back.
    Consent {
        user: UserId,
        /// Whether they agree.
        given: bool,
    },
    /// Sound for the pipeline; say [`Peer::dropped`] if there was no room for it.
    Piece {
        /// The sender's number of the stream.
        stream: u16,
        piece: Piece,
    },
    /// The speaker left.
    Left { user: UserId },
}

impl std::fmt::Debug for Event {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::Hello { agent, .. } => write!(f, "Hello({agent:?})"),
            Event::Declared { stream, declaration } => write!(f, "Declared({stream}, {})", declaration.user),
            Event::Consent { user, given } => write!(f, "Consent({user}, {given})"),
            Event::Piece { stream, .. } => write!(f, "Piece({stream})"),
            Event::Left { user } => write!(f, "Left({user})"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waiting for the hello.
    Greeting,
    /// The hello waits for the caller's decision.
    Asking,
    Open,
    /// What waits may still go out.
    Closing,
}

#[derive(Debug)]
struct Stream {
    declaration: Declaration,
    /// None until it is accepted.
    intake: Option<Intake>,
    muted: bool,
    consent: bool,
    reported: Counters,
}

/// The server's side of one connection.
#[derive(Debug)]
pub struct Peer {
    limits: Limits,
    state: State,
    inbound: Inbound,
    streams: BTreeMap<u16, Stream>,
    events: VecDeque<Event>,
    out: Vec<u8>,
    began: Timestamp,
    heard: Timestamp,
    reported: Timestamp,
    forgiven: Timestamp,
    faults: u32,
    refused: u64,
}

impl Peer {
    /// A sender connected at `now`.
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            limits,
            state: State::Greeting,
            inbound: Inbound::with_preamble(),
            streams: BTreeMap::new(),
            events: VecDeque::new(),
            out: Vec::new(),
            began: now,
            heard: now,
            reported: now,
            forgiven: now,
            faults: 0,
            refused: 0,
        }
    }

    /// Where the next bytes go.
    pub fn space(&mut self) -> &mut [u8] {
        self.inbound.space()
    }

    /// So many bytes were put there, at `now`.
    pub fn filled(&mut self, bytes: usize, now: Timestamp) {
        self.inbound.filled(bytes);
        self.heard = now;
    }

    /// The sender sends no more: whether it stopped between two frames. Its speakers are still seated.
    pub fn ended(&mut self) {
        if self.state != State::Closing
            && let Err(error) = self.inbound.ended()
        {
            self.fatal(ErrorCode::Truncated, &error.to_string());
        }
        self.state = State::Closing;
    }

    /// What the sender wants next, by what came so far.
    pub fn next_event(&mut self, now: Timestamp) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if matches!(self.state, State::Closing | State::Asking) {
                return None;
            }
            // Lent to the frame while it is looked at.
            let mut inbound = std::mem::replace(&mut self.inbound, Inbound::empty());
            let more = match inbound.next() {
                Ok(Some(raw)) => {
                    self.frame(raw, now);
                    true
                }
                Ok(None) => false,
                Err(error) => {
                    self.fatal(error.code(), &error.to_string());
                    false
                }
            };
            self.inbound = inbound;
            if !more && self.events.is_empty() {
                return None;
            }
        }
    }

    /// Lets the sender in.
    pub fn welcome(&mut self) {
        if self.state != State::Asking {
            return;
        }
        self.state = State::Open;
        let idle_ms = u32::try_from(self.limits.idle.as_millis()).unwrap_or(u32::MAX);
        let (streams, max_body) = (self.limits.streams, MAX_BODY as u32);
        FromServer::Welcome { version: VERSION, streams, max_body, idle_ms }.write(0, &mut self.out);
    }

    /// Ends the connection.
    pub fn refuse(&mut self, code: ErrorCode, words: &str) {
        self.fatal(code, words);
    }

    /// Takes a stream that was declared, as RTP stream `ssrc`.
    pub fn accept(&mut self, stream: u16, ssrc: u32, resumed: bool) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        match Intake::new(&entry.declaration, ssrc) {
            Ok(intake) => {
                entry.intake = Some(intake);
                self.answer(stream, &FromServer::Accepted { resumed });
            }
            Err(error) => self.decline(stream, ErrorCode::Declaration, &error.to_string()),
        }
    }

    /// Refuses a stream, or ends one: its frames are unknown from now on.
    pub fn decline(&mut self, stream: u16, code: ErrorCode, words: &str) {
        self.streams.remove(&stream);
        self.fault(stream, code, words);
    }

    /// A piece found no room in the session.
    pub fn dropped(&mut self, stream: u16) {
        if let Some(intake) = self.streams.get_mut(&stream).and_then(|entry| entry.intake.as_mut()) {
            intake.counters_mut().dropped += 1;
            metrics::counter!(MIRROR_DROPPED).increment(1);
        }
    }

    /// The server goes.
    pub fn goodbye(&mut self) {
        if self.state != State::Closing {
            self.tell_counters();
            FromServer::Goodbye.write(0, &mut self.out);
            self.state = State::Closing;
        }
    }

    /// Bytes for the sender.
    pub fn outgoing(&self) -> &[u8] {
        &self.out
    }

    /// So many of them were sent.
    pub fn sent(&mut self, bytes: usize) {
        self.out.drain(..bytes.min(self.out.len()));
    }

    /// Whether only [`Peer::outgoing`] is left to be done.
    pub fn is_closing(&self) -> bool {
        self.state == State::Closing
    }

    /// Frames refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Speakers whose streams were accepted, by the sender's number.
    pub fn seated(&self) -> impl Iterator<Item = (u16, UserId)> {
        self.streams
            .iter()
            .filter(|(_, entry)| entry.intake.is_some())
            .map(|(stream, entry)| (*stream, entry.declaration.user))
    }

    /// Time goes on: counters are due, or a timeout has passed.
    pub fn tick(&mut self, now: Timestamp) {
        let since = |then: Timestamp| now.since(then);
        if matches!(self.state, State::Greeting | State::Asking) && since(self.began) >= self.limits.hello {
            self.fatal(ErrorCode::Idle, "no hello came in time: it is the first thing that a sender says");
        } else if self.state == State::Open && since(self.heard) >= self.limits.idle {
            let words = format!(
                "nothing came for {} s: send a ping while everybody is silent",
                self.limits.idle.as_secs()
            );
            self.fatal(ErrorCode::Idle, &words);
        }
        let seconds = u32::try_from(since(self.forgiven).as_secs()).unwrap_or(u32::MAX);
        if seconds > 0 {
            self.faults = self.faults.saturating_sub(seconds);
            self.forgiven = now;
        }
        if since(self.reported) >= self.limits.counters {
            self.reported = now;
            self.tell_counters();
        }
    }

    fn frame(&mut self, raw: Raw<'_>, now: Timestamp) {
        let stream = raw.header.stream;
        let frame = match FromSender::read(raw) {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                let words = format!("frames of kind {} are not known in version {VERSION}", raw.header.kind);
                return self.fault(stream, ErrorCode::UnknownKind, &words);
            }
            Err(error) => return self.fault(stream, ErrorCode::Malformed, &error.to_string()),
        };
        match (self.state, frame) {
            (State::Greeting, FromSender::Hello { token, agent }) => {
                self.state = State::Asking;
                self.events.push_back(Event::Hello { token: token.to_vec(), agent: agent.to_owned() });
            }
            (State::Greeting, _) => self.fatal(ErrorCode::Hello, "the hello comes first"),
            (_, FromSender::Hello { .. }) => self.fatal(ErrorCode::Hello, "a second hello"),
            (_, FromSender::Ping(nonce)) => self.answer(0, &FromServer::Pong(nonce)),
            (_, FromSender::Declare(declaration)) => self.declare(stream, declaration),
            (_, FromSender::Goodbye) => {
                let streams: Vec<u16> = self.streams.keys().copied().collect();
                streams.into_iter().for_each(|stream| self.leave(stream, now));
                FromServer::Goodbye.write(0, &mut self.out);
                self.state = State::Closing;
            }
            (_, FromSender::Audio { sequence, timestamp, payload }) => {
                self.audio(stream, now, sequence, timestamp, payload);
            }
            (_, FromSender::Leave) if self.streams.contains_key(&stream) => self.leave(stream, now),
            (_, FromSender::Mute(on)) if self.streams.contains_key(&stream) => self.mute(stream, on, now),
            (_, FromSender::Consent(given)) if self.streams.contains_key(&stream) => {
                self.consent(stream, given, now);
            }
            _ => self.unknown(stream),
        }
    }

    fn declare(&mut self, stream: u16, declaration: Declaration) {
        if self.streams.contains_key(&stream) {
            return self.fault(stream, ErrorCode::Stream, "this stream is declared already");
        }
        if self.streams.len() >= self.limits.streams.into() {
            let words = format!("a connection has at most {} streams", self.limits.streams);
            return self.fault(stream, ErrorCode::Stream, &words);
        }
        let user = declaration.user;
        if self.streams.values().any(|entry| entry.declaration.user == user) {
            return self.fault(stream, ErrorCode::Stream, "another stream of this connection is this user's");
        }
        if let Err(error) = declaration.validate() {
            return self.fault(stream, ErrorCode::Declaration, &error.to_string());
        }
        let entry = Stream {
            consent: declaration.consent,
            declaration: declaration.clone(),
            intake: None,
            muted: false,
            reported: Counters::default(),
        };
        self.streams.insert(stream, entry);
        self.events.push_back(Event::Declared { stream, declaration });
    }

    fn audio(&mut self, stream: u16, now: Timestamp, sequence: u32, timestamp: u64, payload: &[u8]) {
        let Some(entry) = self.streams.get_mut(&stream) else { return self.unknown(stream) };
        let Some(intake) = &mut entry.intake else { return };
        let unread = match (entry.consent, entry.muted) {
            (false, _) => Some(&mut intake.counters_mut().withheld),
            (true, true) => Some(&mut intake.counters_mut().muted),
            (true, false) => None,
        };
        if let Some(unread) = unread {
            *unread += 1;
            intake.counters_mut().received += 1;
            return;
        }
        let events = &mut self.events;
        let taken = intake.audio(now, sequence, timestamp, payload, |piece| {
            events.push_back(Event::Piece { stream, piece });
        });
        if let Err(error) = taken {
            self.fault(stream, ErrorCode::Audio, &error.to_string());
        }
    }

    fn mute(&mut self, stream: u16, on: bool, now: Timestamp) {
        let events = &mut self.events;
        if let Some(Stream { intake: Some(intake), muted, .. }) = self.streams.get_mut(&stream) {
            if on && !*muted {
                intake.pause(now, |piece| events.push_back(Event::Piece { stream, piece }));
            }
            *muted = on;
        }
    }

    fn consent(&mut self, stream: u16, given: bool, now: Timestamp) {
        let Some(Stream { intake: Some(intake), consent, declaration, .. }) = self.streams.get_mut(&stream)
        else {
            return;
        };
        if *consent != given {
            *consent = given;
            if !given {
                // What is held of their voice is let go.
                intake.pause(now, drop);
            }
            self.events.push_back(Event::Consent { user: declaration.user, given });
        }
    }

    fn leave(&mut self, stream: u16, now: Timestamp) {
        let Some(mut entry) = self.streams.remove(&stream) else { return };
        let Some(intake) = &mut entry.intake else { return };
        let events = &mut self.events;
        if entry.consent {
            intake.pause(now, |piece| events.push_back(Event::Piece { stream, piece }));
        }
        FromServer::Counters(intake.counters()).write(stream, &mut self.out);
        self.events.push_back(Event::Left { user: entry.declaration.user });
    }

    fn tell_counters(&mut self) {
        for (stream, entry) in &mut self.streams {
            let Some(intake) = &entry.intake else { continue };
            let counters = intake.counters();
            if counters != entry.reported && self.out.len() < MAX_WAITING_BYTES {
                entry.reported = counters;
                FromServer::Counters(counters).write(*stream, &mut self.out);
            }
        }
    }

    fn answer(&mut self, stream: u16, frame: &FromServer<'_>) {
        if self.out.len() < MAX_WAITING_BYTES {
            frame.write(stream, &mut self.out);
        }
    }

    fn unknown(&mut self, stream: u16) {
        self.fault(stream, ErrorCode::Stream, "this stream was not declared, or has ended");
    }

    fn fault(&mut self, stream: u16, code: ErrorCode, words: &str) {
        self.refused += 1;
        metrics::counter!(MIRROR_ERRORS, "code" => code.as_str()).increment(1);
        self.faults += 1;
        if self.faults > self.limits.faults {
            return self.fatal(
                ErrorCode::TooManyErrors,
                &format!("too many frames were refused; the last one: {words}"),
            );
        }
        self.answer(stream, &FromServer::Error { code: Some(code), fatal: false, words });
    }

    fn fatal(&mut self, code: ErrorCode, words: &str) {
        if self.state != State::Closing {
            self.state = State::Closing;
            self.refused += 1;
            metrics::counter!(MIRROR_ERRORS, "code" => code.as_str()).increment(1);
            FromServer::Error { code: Some(code), fatal: true, words }.write(0, &mut self.out);
        }
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
