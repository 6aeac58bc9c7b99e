//! Commands that wait: for an entry in a stream or an element in a list.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::ids::ClientId;
use crate::resp::Reply;

/// A command that waits for its keys.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) db: usize,
    pub(crate) keys: Vec<Bytes>,
    /// What to run again: `$` is already replaced by the id it stood for.
    pub(crate) command: Vec<Bytes>,
    /// Milliseconds since the epoch; `None` waits for ever.
    pub(crate) until: Option<u64>,
}

impl Waiting {
    /// What a command gets that waited in vain.
    pub(crate) fn timed_out(&self) -> Reply {
        match self.command.first() {
            // These answer with one element, or with no value.
            Some(name)
                if name.eq_ignore_ascii_case(b"blmove") || name.eq_ignore_ascii_case(b"brpoplpush") =>
            {
                Reply::Nil
            }
            Some(name) if name.eq_ignore_ascii_case(b"wait") => Reply::Int(0),
            _ => Reply::NilArray,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Blocked {
    /// In order of arrival, which is the order of service.
    waiting: BTreeMap<u64, (ClientId, Waiting)>,
    tickets: HashMap<ClientId, u64>,
    by_key: HashMap<(usize, Bytes), BTreeSet<u64>>,
    deadlines: BTreeSet<(u64, u64)>,
    /// Tickets whose key was touched since they were last served.
    ready: BTreeSet<u64>,
    next: u64,
}

impl Blocked {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn contains(&self, client: ClientId) -> bool {
        self.tickets.contains_key(&client)
    }

    pub(crate) fn add(&mut self, client: ClientId, waiting: Waiting) {
        let ticket = self.next;
        self.next += 1;
        for key in &waiting.keys {
            self.by_key.entry((waiting.db, key.clone())).or_default().insert(ticket);
        }
        if let Some(until) = waiting.until {
            self.deadlines.insert((until, ticket));
        }
        self.tickets.insert(client, ticket);
        self.waiting.insert(ticket, (client, waiting));
    }

    pub(crate) fn remove(&mut self, client: ClientId) -> Option<Waiting> {
        let ticket = self.tickets.remove(&client)?;
        let (_, waiting) = self.waiting.remove(&ticket)?;
        for key in &waiting.keys {
            let place = (waiting.db, key.clone());
            if let Some(tickets) = self.by_key.get_mut(&place) {
                tickets.remove(&ticket);
                if tickets.is_empty() {
                    self.by_key.remove(&place);
                }
            }
        }
        if let Some(until) = waiting.until {
            self.deadlines.remove(&(until, ticket));
        }
        self.ready.remove(&ticket);
        Some(waiting)
    }

    /// A key was written: commands that wait for it are to run again.
    pub(crate) fn touch(&mut self, db: usize, key: &Bytes) {
        if self.by_key.is_empty() {
            return;
        }
        if let Some(tickets) = self.by_key.get(&(db, key.clone())) {
            self.ready.extend(tickets);
        }
    }

    /// Everything may have changed (FLUSHALL, SWAPDB).
    pub(crate) fn touch_all(&mut self) {
        self.ready.extend(self.waiting.keys());
    }

    /// The next one that is to run again.
    pub(crate) fn pop_ready(&mut self) -> Option<(ClientId, Waiting)> {
        let ticket = self.ready.pop_first()?;
        self.waiting.get(&ticket).cloned()
    }

    /// The next one that has timed out.
    pub(crate) fn pop_late(&mut self, now: u64) -> Option<(ClientId, Waiting)> {
        let (until, ticket) = *self.deadlines.first()?;
        if until > now {
            return None;
        }
        let client = self.waiting.get(&ticket)?.0;
        self.remove(client).map(|waiting| (client, waiting))
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(until, _)| *until)
    }
}
