//! A call between the group and davey clients that behave as songbird's do, without a network.
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use davey::{DaveSession, MediaType, ProposalsOperationType};

use super::super::group::{Group, GroupOutput, Times};
use crate::ids::{ChannelId, UserId};
use crate::trace::Event;

const CHANNEL: ChannelId = ChannelId(77);
pub(super) const TIMES: Times = Times { commit: Duration::from_secs(4), transition: Duration::from_secs(2) };

/// What a client answers.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    KeyPackage(Vec<u8>),
    Commit(Vec<u8>),
    Ready(u16),
    Invalid,
}

pub(super) struct Client {
    pub(super) session: DaveSession,
    user: u64,
    expected: Vec<u64>,
    /// Opcodes of binary messages that are lost on the way, each once.
    pub(super) loses: Vec<u8>,
    /// Receives nothing and says nothing.
    pub(super) dead: bool,
}

impl Client {
    fn new(user: u64) -> Self {
        let one = NonZeroU16::MIN;
        let session = DaveSession::new(one, user, CHANNEL.0, None).unwrap();
        Self { session, user, expected: Vec::new(), loses: Vec::new(), dead: false }
    }

    fn renew(&mut self) -> Reply {
        self.session.reinit(NonZeroU16::MIN, self.user, CHANNEL.0, None).unwrap();
        Reply::KeyPackage(self.session.create_key_package().unwrap())
    }

    fn hear(&mut self, op: u8, payload: &[u8]) -> Vec<Reply> {
        if self.dead {
            return Vec::new();
        }
        if let Some(at) = self.loses.iter().position(|lost| *lost == op) {
            self.loses.remove(at);
            return Vec::new();
        }
        let transition = || u16::from_be_bytes([payload[0], payload[1]]);
        let heard = |result: Result<(), String>, this: &mut Self| match result {
            Ok(()) => vec![Reply::Ready(transition())],
            Err(_) => vec![Reply::Invalid, this.renew()],
        };
        match op {
            24 => vec![self.renew()],
            25 => {
                self.session.set_external_sender(payload).unwrap();
                Vec::new()
            }
            27 => {
                let operation = match payload[0] {
                    0 => ProposalsOperationType::APPEND,
                    _ => ProposalsOperationType::REVOKE,
                };
                let expected = self.expected.clone();
                match self.session.process_proposals(operation, &payload[1..], Some(&expected)) {
                    Ok(Some(both)) => {
                        vec![Reply::Commit([both.commit, both.welcome.unwrap_or_default()].concat())]
                    }
                    Ok(None) | Err(_) => Vec::new(),
                }
            }
            29 => {
                let result = self.session.process_commit(&payload[2..]).map_err(|e| e.to_string());
                heard(result, self)
            }
            30 => {
                let result = self.session.process_welcome(&payload[2..]).map_err(|e| e.to_string());
                heard(result, self)
            }
            _ => Vec::new(),
        }
    }
}

pub(super) struct Call {
    pub(super) group: Group,
    pub(super) clients: BTreeMap<u64, Client>,
    pub(super) now: Duration,
    pub(super) events: Vec<Event>,
    replies: VecDeque<(u64, Reply)>,
    /// Before each reply, its message is sent again with a byte changed.
    pub(super) garble: Option<StdRng>,
}

impl Call {
    pub(super) fn new() -> Self {
        let group = Group::new(CHANNEL, TIMES).unwrap();
        let (clients, events, replies) = (BTreeMap::new(), Vec::new(), VecDeque::new());
        Self { group, clients, now: Duration::ZERO, events, replies, garble: None }
    }

    /// A member joins and sends its key package; nothing else happens yet.
    pub(super) fn enter(&mut self, user: u64) {
        for client in self.clients.values_mut() {
            client.expected.push(user);
        }
        let mut client = Client::new(user);
        client.expected = self.clients.keys().copied().collect();
        let package = client.session.create_key_package().unwrap();
        self.clients.insert(user, client);
        self.group.join(UserId(user));
        self.listen();
        self.replies.push_back((user, Reply::KeyPackage(package)));
    }

    pub(super) fn leave(&mut self, user: u64) {
        self.clients.remove(&user);
        self.replies.retain(|(from, _)| *from != user);
        for client in self.clients.values_mut() {
            client.expected.retain(|known| *known != user);
        }
        self.group.leave(self.now, UserId(user));
        self.listen();
    }

    pub(super) fn join(&mut self, users: &[u64]) {
        for user in users {
            self.enter(*user);
            self.settle();
        }
    }

    /// Clients hear what the group says; their replies wait.
    fn listen(&mut self) {
        for says in self.group.take() {
            let (user, op, payload) = match says {
                GroupOutput::Json(user, op, _) => (user, op, Vec::new()),
                GroupOutput::Binary(user, op, payload) => (user, op, payload.to_vec()),
                GroupOutput::Event(event) => {
                    self.events.push(event);
                    continue;
                }
            };
            if let Some(client) = self.clients.get_mut(&user.0) {
                for reply in client.hear(op, &payload) {
                    self.replies.push_back((user.0, reply));
                }
            }
        }
    }

    /// The group hears one waiting reply: the `pick`th, in each client's own order. False when none waits.
    pub(super) fn answer(&mut self, pick: usize) -> bool {
        if self.replies.is_empty() {
            return false;
        }
        let chosen = self.replies[pick % self.replies.len()].0;
        let first = self.replies.iter().position(|(user, _)| *user == chosen).unwrap();
        let (user, reply) = self.replies.remove(first).unwrap();
        let who = UserId(user);
        self.garble(who, &reply);
        match reply {
            Reply::KeyPackage(bytes) => self.group.key_package(self.now, who, &bytes).unwrap(),
            Reply::Commit(bytes) => self.group.commit(self.now, who, &bytes),
            Reply::Ready(transition) => self.group.ready(self.now, who, transition),
            Reply::Invalid => self.group.invalid(self.now, who),
        }
        self.listen();
        true
    }

    fn garble(&mut self, who: UserId, reply: &Reply) {
        let (Some(dice), Reply::KeyPackage(bytes) | Reply::Commit(bytes)) = (&mut self.garble, reply) else {
            return;
        };
        let mut bytes = bytes.clone();
        let at = dice.random_range(0..bytes.len());
        bytes[at] ^= 1 << dice.random_range(0..8);
        if dice.random_bool(0.3) {
            bytes.truncate(at);
        }
        match reply {
            Reply::KeyPackage(_) => assert!(self.group.key_package(self.now, who, &bytes).is_err()),
            _ => self.group.commit(self.now, who, &bytes),
        }
        self.listen();
    }

    /// Until nothing is left to send. Time stands still.
    pub(super) fn settle(&mut self) {
        while self.answer(0) {}
    }

    /// Lets time pass to the next deadline.
    pub(super) fn wait(&mut self) -> bool {
        let Some(deadline) = self.group.deadline() else { return false };
        self.now = self.now.max(deadline);
        self.group.tick(self.now);
        self.listen();
        true
    }

    /// The newest epoch in use, and its members.
    pub(super) fn epoch(&self) -> (u64, Vec<u64>) {
        let found = self.events.iter().rev().find_map(|event| match event {
            Event::DaveEpoch { epoch, members, .. } => Some((*epoch, members)),
            Event::DaveReset { .. } => Some((0, const { &Vec::new() })),
            _ => None,
        });
        let (epoch, members) = found.unwrap_or((0, const { &Vec::new() }));
        let mut members: Vec<u64> = members.iter().map(|user| user.0).collect();
        members.sort_unstable();
        (epoch, members)
    }

    /// Everybody hears everybody, end to end.
    pub(super) fn assert_all_hear_all(&mut self) {
        let users: Vec<u64> = self.clients.keys().copied().filter(|u| !self.clients[u].dead).collect();
        for speaker in &users {
            let words = format!("frame of {speaker}, spoken at {:?}", self.now);
            let client = self.clients.get_mut(speaker).unwrap();
            let sealed = client.session.encrypt_opus(words.as_bytes()).unwrap().into_owned();
            assert_ne!(sealed, words.as_bytes(), "it is encrypted");
            for listener in users.iter().filter(|user| *user != speaker) {
                let client = self.clients.get_mut(listener).unwrap();
                let heard = client.session.decrypt(*speaker, MediaType::AUDIO, &sealed);
                let heard = heard.unwrap_or_else(|e| panic!("{listener} hears {speaker}: {e:?}"));
                assert_eq!(heard, words.as_bytes());
            }
        }
    }

    pub(super) fn ignored(&self) -> Vec<&str> {
        let reasons = self.events.iter().filter_map(|event| match event {
            Event::DaveCommitIgnored { reason, .. } => Some(reason.as_str()),
            _ => None,
        });
        reasons.collect()
    }
}
