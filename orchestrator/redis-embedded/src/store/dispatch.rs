//! From a command to its reply: the checks every command goes through, and those who wait.

use bytes::Bytes;

use super::blocked::Waiting;
use super::client::{ClientId, Queued, ReplyMode};
use super::state::{Effect, Store};
use crate::commands::{Abort, Call, Caller, Spec, find};
use crate::resp::{Protocol, Reply};

const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";
const KEY_GONE: &str = "UNBLOCKED the stream key no longer exists";
const GROUP_GONE: &str = "NOGROUP the consumer group this client was blocked on no longer exists";

impl Store {
    /// Runs one command of one connection at this time (microseconds since the epoch). `None`
    /// means that the command waits, and will be answered by an [`Effect::Send`].
    pub fn apply(&mut self, micros: u64, client: ClientId, command: &[Bytes]) -> Option<Reply> {
        // Time does not run backwards in here, whatever the wall clock does.
        self.micros = self.micros.max(micros);
        self.expire();
        self.stats.commands += 1;
        self.current = Some(client);
        let reply = self.checked(client, command);
        if let Some(Reply::Error(text)) = &reply {
            self.count_error(text);
        }
        self.serve_ready();
        self.broadcast();
        self.current = None;
        self.cached(client, command.first().and_then(find).map_or("", |spec| spec.name));
        self.after(client, reply)
    }

    /// Lets time pass: what is due expires, and commands that waited too long are answered.
    pub fn tick(&mut self, micros: u64) {
        self.micros = self.micros.max(micros);
        self.expire();
        while let Some((client, waiting)) = self.blocked.pop_late(self.now()) {
            self.effects.push(Effect::Send(client, timed_out(&waiting)));
        }
        self.serve_ready();
        self.broadcast();
    }

    /// CLIENT REPLY decides whether the answer is sent at all.
    fn after(&mut self, client: ClientId, reply: Option<Reply>) -> Option<Reply> {
        let mode = self.clients.get(&client).map_or(ReplyMode::On, |c| c.reply_mode);
        let next = match mode {
            ReplyMode::SkipNext => ReplyMode::Skipping,
            ReplyMode::Skipping => ReplyMode::On,
            other => other,
        };
        if let Some(client) = self.clients.get_mut(&client) {
            client.reply_mode = next;
        }
        match mode {
            ReplyMode::On => reply,
            // What is pushed is no reply.
            _ if matches!(&reply, Some(Reply::Many(all)) if matches!(all[..], [Reply::Push(_), ..])) => reply,
            _ => reply.map(|_| Reply::Many(Vec::new())),
        }
    }

    fn count_error(&mut self, text: &Bytes) {
        let prefix = text.split(|&b| b == b' ').next().unwrap_or_default();
        let prefix: String = String::from_utf8_lossy(prefix).chars().take(32).collect();
        // Scripts can make up prefixes: keep the table small.
        if self.stats.errors.len() < 128 || self.stats.errors.contains_key(&prefix) {
            *self.stats.errors.entry(prefix).or_default() += 1;
        }
    }

    fn checked(&mut self, id: ClientId, command: &[Bytes]) -> Option<Reply> {
        let now = self.now();
        let name = command.first()?;
        let spec = match find(name) {
            Some(spec) if spec.accepts(command.len()) => spec,
            found => {
                if let Some(spec) = found {
                    self.stats.by_command.entry(spec.name).or_default().rejected += 1;
                }
                self.spoil(id);
                return Some(found.map_or_else(|| unknown(command), wrong_arity));
            }
        };
        let client = self.clients.get_mut(&id)?;
        client.used_at = now;
        client.last_command = spec.name;
        if !client.authenticated && !spec.has(Spec::NO_AUTH) {
            return Some(Reply::error("NOAUTH Authentication required."));
        }
        if client.subscriptions() > 0
            && client.protocol == Protocol::Resp2
            && !spec.has(Spec::WHILE_SUBSCRIBED)
        {
            return Some(Reply::error(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                spec.name
            )));
        }
        if let Some(queued) = &mut client.queued
            && !spec.has(Spec::IN_MULTI_NOW)
        {
            if spec.has(Spec::NO_MULTI) {
                queued.spoiled = true;
                return Some(Reply::error("ERR Command not allowed inside a transaction"));
            }
            if queued.commands.len() >= self.config.limits.queued_commands {
                queued.spoiled = true;
                return Some(Reply::error("ERR too many commands in one transaction"));
            }
            let full = spec.takes_memory() && self.is_full();
            let queued = self.clients.get_mut(&id).and_then(|client| client.queued.as_mut())?;
            if full {
                queued.spoiled = true;
                return Some(Reply::error(OUT_OF_MEMORY));
            }
            queued.commands.push(command.to_vec());
            return Some(Reply::Simple("QUEUED"));
        }
        let db = client.db;
        match self.run(spec, id, db, command, Caller::Client) {
            Ok(reply) => Some(reply),
            Err(Abort::Error(text)) => Some(Reply::Error(text)),
            Err(Abort::Wait(waiting)) => {
                self.blocked.add(id, waiting);
                None
            }
        }
    }

    /// Runs a command whose name and length are already checked.
    pub(crate) fn run(
        &mut self,
        spec: &Spec,
        client: ClientId,
        db: usize,
        args: &[Bytes],
        caller: Caller,
    ) -> Result<Reply, Abort> {
        // A command that looks again was counted when it came.
        if caller != Caller::Woken {
            if spec.takes_memory() {
                let allowed = matches!(caller, Caller::Script { without_memory: true, .. });
                if !allowed && self.is_full() {
                    self.stats.by_command.entry(spec.name).or_default().rejected += 1;
                    return Err(Abort::error(OUT_OF_MEMORY));
                }
                self.memory.grown += args.iter().map(|arg| arg.len() as u64 + 64).sum::<u64>();
            } else if spec.has(Spec::WRITE) {
                self.memory.freed = true;
            }
            if !spec.has(Spec::ADMIN) {
                self.show(client, db, args, caller);
            }
        }
        let result = (spec.run)(&mut Call { store: self, client, db, args, caller });
        if caller != Caller::Woken {
            let counted = self.stats.by_command.entry(spec.name).or_default();
            counted.calls += 1;
            counted.failed += u64::from(matches!(result, Err(Abort::Error(_))));
            if result.is_ok() {
                self.has_read(client, spec, args);
            }
        }
        result
    }

    /// Whether a key that is waited for holds what is waited for: then the command fails for another reason.
    fn has_any(&self, waiting: &Waiting, spec: &Spec) -> bool {
        let kind = match spec.name {
            name if name.starts_with("bz") => "zset",
            name if name.starts_with('x') => "stream",
            _ => "list",
        };
        let there =
            |key: &Bytes| self.dbs[waiting.db].get(key).is_some_and(|entry| entry.value.type_name() == kind);
        waiting.keys.iter().any(there)
    }

    fn spoil(&mut self, id: ClientId) {
        if let Some(Queued { spoiled, .. }) =
            self.clients.get_mut(&id).and_then(|client| client.queued.as_mut())
        {
            *spoiled = true;
        }
    }

    /// Lets those whose keys were written look again, first come first served.
    fn serve_ready(&mut self) {
        while let Some((client, waiting)) = self.blocked.pop_ready() {
            let Some(spec) = waiting.command.first().and_then(find) else { continue };
            let grouped = spec.name == "xreadgroup";
            let reply = match self.run(spec, client, waiting.db, &waiting.command, Caller::Woken) {
                Ok(reply) => reply,
                Err(Abort::Wait(_)) => continue,
                // What it waits for is of another type now: it waits on, as in Redis.
                Err(Abort::Error(text))
                    if text.starts_with(b"WRONGTYPE") && !grouped && !self.has_any(&waiting, spec) =>
                {
                    continue;
                }
                Err(Abort::Error(text)) if text.starts_with(b"WRONGTYPE") && !grouped => Reply::Error(text),
                Err(Abort::Error(text)) if text.starts_with(b"WRONGTYPE") => Reply::error(KEY_GONE),
                Err(Abort::Error(text)) if text.starts_with(b"NOGROUP") && grouped => {
                    let there = waiting.keys.iter().all(|key| self.dbs[waiting.db].contains(key));
                    Reply::error(if there { GROUP_GONE } else { KEY_GONE })
                }
                Err(Abort::Error(text)) => Reply::Error(text),
            };
            self.blocked.remove(client);
            if let Reply::Error(text) = &reply {
                self.count_error(text);
                self.stats.by_command.entry(spec.name).or_default().failed += 1;
            }
            self.effects.push(Effect::Send(client, reply));
        }
    }
}

/// What a command gets that waited in vain.
pub(crate) fn timed_out(waiting: &Waiting) -> Reply {
    match waiting.command.first() {
        // These answer with one element, or with no value.
        Some(name) if name.eq_ignore_ascii_case(b"blmove") || name.eq_ignore_ascii_case(b"brpoplpush") => {
            Reply::Nil
        }
        _ => Reply::NilArray,
    }
}

pub(crate) fn unknown(command: &[Bytes]) -> Reply {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(128)]).into_owned();
    let mut args = String::new();
    for arg in command.iter().skip(1) {
        if args.len() >= 128 {
            break;
        }
        args.push_str(&format!("'{}' ", shown(arg)));
    }
    let name = command.first().map(|name| shown(name)).unwrap_or_default();
    Reply::error(format!("ERR unknown command '{name}', with args beginning with: {args}"))
}

pub(crate) fn wrong_arity(spec: &Spec) -> Reply {
    Reply::error(format!("ERR wrong number of arguments for '{}' command", spec.name))
}
