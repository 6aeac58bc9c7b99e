//! The store as the server sees it: commands and the time go in, replies and effects come out.

use bytes::Bytes;

use super::dispatch::{dispatch, resume, serve_ready};
use crate::commands::table;
use crate::resp::{Protocol, Reply};
use crate::store::client::ReplyMode;
use crate::store::effect::Effect;
use crate::store::ids::ClientId;
use crate::store::slowlog::SlowCommand;
use crate::store::state::{State, StoreConfig};

/// All data of one server, as a pure value: commands and the time go in, replies and effects come out. No clock, no
/// socket, no thread.
pub struct Store {
    state: State,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("clients", &self.state.clients.len()).finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store that begins at this time (microseconds since the epoch).
    #[must_use]
    pub fn new(config: StoreConfig, micros: u64) -> Self {
        Self { state: State::new(config, micros) }
    }

    /// A new connection; `None` when there are too many.
    pub fn connect(&mut self, micros: u64, address: impl Into<String>) -> Option<ClientId> {
        self.state.connect(micros, address)
    }

    /// A connection closed, with all it waited for, subscribed to and watched.
    pub fn disconnect(&mut self, id: ClientId) {
        self.state.disconnect(id);
    }

    /// What is to be done besides the replies given; empties the list.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.state.effects)
    }

    /// Which protocol a connection speaks.
    #[must_use]
    pub fn protocol(&self, id: ClientId) -> Protocol {
        self.state.protocol(id)
    }

    /// Whether a connection waits for something: its further commands are to wait too.
    #[must_use]
    pub fn is_blocked(&self, id: ClientId) -> bool {
        self.state.blocked.contains(id) || self.state.pause.contains(id)
    }

    /// Whether a connection subscribes to channels.
    #[must_use]
    pub fn is_subscriber(&self, id: ClientId) -> bool {
        self.state.clients.get(&id).is_some_and(|client| client.subscriptions() > 0)
    }

    /// Whether a connection asked to be closed once its replies are sent.
    #[must_use]
    pub fn is_closing(&self, id: ClientId) -> bool {
        self.state.clients.get(&id).is_none_or(|client| client.closing)
    }

    /// When (milliseconds since the epoch) the next waiting command gives up.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        [self.state.blocked.next_deadline(), self.state.pause.deadline()].into_iter().flatten().min()
    }

    /// Runs one command of one connection at this time (microseconds since the epoch). `None`
    /// means that the command waits, and will be answered by an [`Effect::Send`].
    pub fn apply(&mut self, micros: u64, client: ClientId, command: &[Bytes]) -> Option<Reply> {
        // Time does not run backwards in here, whatever the wall clock does.
        self.state.micros = self.state.micros.max(micros);
        self.state.expire();
        self.state.stats.commands += 1;
        resume(&mut self.state);
        self.state.current = Some(client);
        let reply = dispatch(&mut self.state, client, command);
        if let Some(Reply::Error(text)) = &reply {
            self.state.stats.count_error(text);
        }
        serve_ready(&mut self.state);
        resume(&mut self.state);
        self.state.broadcast();
        self.state.current = None;
        self.caching_ends(client, command);
        self.after(client, reply)
    }

    /// Runs one command on a connection of its own, which may do everything. One that waits gets no value.
    pub fn direct(&mut self, micros: u64, command: &[Bytes]) -> Reply {
        let id = self.state.attach(micros, "direct".to_owned(), true);
        let reply = self.apply(micros, id, command);
        self.state.disconnect(id);
        reply.unwrap_or(Reply::Nil)
    }

    /// Lets time pass: what is due expires, and commands that waited too long are answered.
    pub fn tick(&mut self, micros: u64) {
        self.state.micros = self.state.micros.max(micros);
        self.state.expire();
        while let Some((client, waiting)) = self.state.blocked.pop_late(self.state.now()) {
            self.state.effects.push(Effect::Send(client, waiting.timed_out()));
        }
        resume(&mut self.state);
        serve_ready(&mut self.state);
        self.state.broadcast();
    }

    /// CLIENT REPLY decides whether the answer is sent at all.
    fn after(&mut self, client: ClientId, reply: Option<Reply>) -> Option<Reply> {
        let mode = self.state.clients.get(&client).map_or(ReplyMode::On, |c| c.reply_mode);
        let next = match mode {
            ReplyMode::SkipNext => ReplyMode::Skipping,
            ReplyMode::Skipping => ReplyMode::On,
            other => other,
        };
        if let Some(client) = self.state.clients.get_mut(&client) {
            client.reply_mode = next;
        }
        match mode {
            ReplyMode::On => reply,
            // What is pushed is no reply.
            _ if matches!(&reply, Some(Reply::Many(all)) if matches!(all[..], [Reply::Push(_), ..])) => reply,
            _ => reply.map(|_| Reply::Many(Vec::new())),
        }
    }

    /// A command is done: how long it took is counted, and kept if it was long.
    pub fn took(&mut self, client: ClientId, command: &[Bytes], micros: u64) {
        let state = &mut self.state;
        let name = command.first().and_then(|name| table::find(name)).map(|command| command.spec.name);
        if let Some(name) = name {
            state.stats.command(name).micros += micros;
        }
        let slow = u64::try_from(state.settings.slower_than).is_ok_and(|bound| micros >= bound);
        if !slow || matches!(name, None | Some("exec" | "auth" | "hello")) {
            return;
        }
        let (address, name) =
            state.clients.get(&client).map(|c| (c.address.clone(), c.name.clone())).unwrap_or_default();
        let at_seconds = state.micros / 1_000_000;
        let entry = SlowCommand { id: 0, at_seconds, micros, words: command.to_vec(), address, name };
        state.slowlog.push(entry, state.settings.slow_entries);
    }

    /// CLIENT CACHING holds for one command, or one transaction.
    fn caching_ends(&mut self, id: ClientId, command: &[Bytes]) {
        if self.state.tracked.clients == 0
            || command.first().is_some_and(|name| name.eq_ignore_ascii_case(b"client"))
        {
            return;
        }
        if let Some(client) = self.state.clients.get_mut(&id)
            && client.queued.is_none()
            && let Some(tracking) = &mut client.tracking
        {
            tracking.caching = false;
        }
    }
}
