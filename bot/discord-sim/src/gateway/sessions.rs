//! The gateway's sessions, and how to reach their connections. A session outlives its connection for a while, so that
//! a client can resume it.
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc;

use super::session::Session;
use crate::ids::UserId;

/// How many frames may wait for a slow client before it is cut off.
pub(crate) const SEND_QUEUE_CAPACITY: usize = 4096;

/// Something for a connection to do.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Text(String),
    Close(u16, &'static str),
    /// The TCP connection ends without a close frame.
    Cut,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: Mutex<HashMap<String, Slot>>,
}

#[derive(Debug)]
struct Slot {
    session: Session,
    send_queue: Option<mpsc::Sender<Outgoing>>,
    /// The number of its connection: an old connection's end leaves the session of a new one alone.
    connection: u64,
}

impl Slot {
    /// Sends, or cuts a client off that does not keep up.
    fn send(&mut self, outgoing: Outgoing) {
        if let Some(send_queue) = &self.send_queue
            && send_queue.try_send(outgoing).is_err()
        {
            tracing::warn!(user = %self.session.user, "a gateway client does not keep up and is cut off");
            self.send_queue = None;
        }
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(
        &self,
        id: String,
        session: Session,
        connection: u64,
        send_queue: mpsc::Sender<Outgoing>,
    ) {
        self.lock().insert(id, Slot { session, send_queue: Some(send_queue), connection });
    }

    /// Gives a session a new connection, and sends what it missed. None when it cannot be resumed.
    pub(crate) fn resume(
        &self,
        id: &str,
        user: UserId,
        seq: u64,
        connection: u64,
        send_queue: mpsc::Sender<Outgoing>,
    ) -> Option<usize> {
        let mut slots = self.lock();
        let slot = slots.get_mut(id).filter(|slot| slot.session.user == user)?;
        let missed = slot.session.after(seq)?;
        let count = missed.len();
        slot.send_queue = Some(send_queue);
        slot.connection = connection;
        for text in missed {
            slot.send(Outgoing::Text(text));
        }
        if let Some(text) = slot.session.dispatch("RESUMED", &serde_json::json!({ "_trace": [] })) {
            slot.send(Outgoing::Text(text));
        }
        Some(count)
    }

    /// A connection ended; its session stays to be resumed. True when it was the session's present connection.
    pub(crate) fn detach(&self, id: &str, connection: u64) -> bool {
        let mut slots = self.lock();
        match slots.get_mut(id) {
            Some(slot) if slot.connection == connection => {
                slot.send_queue = None;
                true
            }
            _ => false,
        }
    }

    /// A session ended for good, unless it has got another connection meanwhile. Gives whose it was.
    pub(crate) fn end(&self, id: &str, connection: u64) -> Option<UserId> {
        let mut slots = self.lock();
        if slots.get(id)?.connection != connection {
            return None;
        }
        slots.remove(id).map(|slot| slot.session.user)
    }

    /// Sends an event to one session.
    pub(crate) fn dispatch_to(&self, id: &str, name: &str, data: &Value) {
        if let Some(slot) = self.lock().get_mut(id)
            && let Some(text) = slot.session.dispatch(name, data)
        {
            slot.send(Outgoing::Text(text));
        }
    }

    /// Sends an event to every session of the users that `to` picks. Gives how many connected sessions got it.
    pub(crate) fn dispatch(&self, to: impl Fn(UserId) -> bool, name: &str, data: &Value) -> usize {
        let mut count = 0;
        for slot in self.lock().values_mut().filter(|slot| to(slot.session.user)) {
            if let Some(text) = slot.session.dispatch(name, data) {
                slot.send(Outgoing::Text(text));
                count += usize::from(slot.send_queue.is_some());
            }
        }
        count
    }

    /// Does something to every connection of a bot. Gives how many there were.
    pub(crate) fn command(&self, user: UserId, outgoing: impl Fn() -> Outgoing) -> usize {
        let mut count = 0;
        for slot in
            self.lock().values_mut().filter(|slot| slot.session.user == user && slot.send_queue.is_some())
        {
            slot.send(outgoing());
            count += 1;
        }
        count
    }

    /// Forgets every session of a bot, so that resuming is refused.
    pub(crate) fn forget(&self, user: UserId) {
        self.lock().retain(|_, slot| slot.session.user != user);
    }

    /// The id of a bot's connected session; the first one when it has several.
    pub(crate) fn session_of(&self, user: UserId) -> Option<String> {
        let slots = self.lock();
        let connected =
            slots.iter().filter(|(_, slot)| slot.session.user == user && slot.send_queue.is_some());
        connected.map(|(id, _)| id.clone()).min()
    }

    /// Whether a client of the bot is connected.
    pub(crate) fn is_online(&self, user: UserId) -> bool {
        self.lock().values().any(|slot| slot.session.user == user && slot.send_queue.is_some())
    }
}
