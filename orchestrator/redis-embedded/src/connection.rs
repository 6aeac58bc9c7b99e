//! One connection: bytes in, commands to the store, replies out.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::engine::store::Store;
use crate::limits::Limits;
use crate::resp::{Parser, Protocol, Reply, content, encode};
use crate::store::effect::Effect;
use crate::store::ids::ClientId;

/// What all connections of a server share. They run on one thread: nothing is held across an await.
pub(super) struct Shared {
    pub(super) store: RefCell<Store>,
    pub(super) clock: crate::clock::ShiftedClock,
    pub(super) limits: Limits,
    pub(super) outboxes: RefCell<HashMap<ClientId, Rc<Outbox>>>,
    /// A command began to wait: the next deadline may be an earlier one.
    pub(super) deadlines: Notify,
    pub(super) stop: CancellationToken,
}

/// Bytes on their way to a client.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: RefCell<BytesMut>,
    filled: Notify,
    closed: Cell<bool>,
}

/// Commands of one connection run before others have their turn.
const MAX_COMMANDS_PER_TURN: usize = 128;
/// Buffers beyond this are given back when they are empty.
const MAX_IDLE_BUFFER: usize = 64 << 10;

impl Shared {
    /// Carries out what commands have caused for other connections.
    pub(super) fn deliver(&self) {
        loop {
            let effects = self.store.borrow_mut().take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::Send(id, reply) => self.send(id, &reply),
                    Effect::Close(id) => self.close(id),
                }
            }
        }
    }

    fn send(&self, id: ClientId, reply: &Reply) {
        let outboxes = self.outboxes.borrow();
        let Some(outbox) = outboxes.get(&id) else { return };
        let (protocol, subscriber) = {
            let store = self.store.borrow();
            (store.protocol(id), store.is_subscriber(id))
        };
        let mut bytes = outbox.bytes.borrow_mut();
        let limit = if subscriber { self.limits.subscriber_output_bytes } else { self.limits.output_bytes };
        if bytes.len() + content(reply) <= limit {
            encode(reply, protocol, &mut bytes);
        } else {
            // It does not read: it is let go, as Redis does.
            tracing::warn!(
                client = id,
                bytes = bytes.len(),
                "embedded redis closes a client that does not read"
            );
            metrics::counter!("antiphon_redis_embedded_closed_total", "reason" => "output_limit")
                .increment(1);
            outbox.closed.set(true);
        }
        outbox.filled.notify_one();
    }

    fn close(&self, id: ClientId) {
        if let Some(outbox) = self.outboxes.borrow().get(&id) {
            outbox.closed.set(true);
            outbox.filled.notify_one();
        }
    }
}

/// Refuses a client because there are too many, and hangs up.
pub(super) async fn refuse<S: AsyncWrite + Unpin>(mut stream: S) {
    metrics::counter!("antiphon_redis_embedded_closed_total", "reason" => "max_clients").increment(1);
    let text = b"-ERR max number of clients reached\r\n";
    // A client that does not even read this is not waited for.
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(text)).await;
}

/// Serves a connection until either side is done with it.
pub(super) async fn serve<S>(shared: Rc<Shared>, stream: S, id: ClientId, outbox: Rc<Outbox>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = Connection {
        parser: Parser::new(&shared.limits),
        input: BytesMut::with_capacity(4096),
        sending: BytesMut::new(),
        spoken: false,
        hanging_up: false,
        shared: Rc::clone(&shared),
        outbox,
        id,
    };
    connection.run(stream).await;
    shared.outboxes.borrow_mut().remove(&id);
    shared.store.borrow_mut().disconnect(id);
    shared.deliver();
}

struct Connection {
    shared: Rc<Shared>,
    outbox: Rc<Outbox>,
    id: ClientId,
    parser: Parser,
    input: BytesMut,
    sending: BytesMut,
    /// A whole command has come.
    spoken: bool,
    /// No further command is read; what is to be sent still is.
    hanging_up: bool,
}

impl Connection {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: S) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let shared = Rc::clone(&self.shared);
        let first_command = tokio::time::sleep(Duration::from_secs(shared.limits.first_command_seconds));
        tokio::pin!(first_command);
        loop {
            let more = self.work();
            if self.outbox.closed.get() {
                return;
            }
            self.load();
            if self.hanging_up && self.sending.is_empty() {
                return;
            }
            // Input is read on while a command waits, so that a hang-up is noticed; up to a bound.
            let reading =
                !self.hanging_up && self.input.len() < self.shared.limits.request_bytes + MAX_IDLE_BUFFER;
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = &mut first_command, if !self.spoken => return,
                read = reader.read_buf(&mut self.input), if reading => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                },
                written = writer.write_buf(&mut self.sending), if !self.sending.is_empty() => match written {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                },
                () = self.outbox.filled.notified() => {}
                // Others had their turn: there are more commands in the buffer.
                () = tokio::task::yield_now(), if more => {}
            }
        }
    }

    /// Runs commands from the buffer; says whether there may be more.
    fn work(&mut self) -> bool {
        for _ in 0..MAX_COMMANDS_PER_TURN {
            if self.hanging_up || self.outbox.closed.get() || self.shared.store.borrow().is_blocked(self.id) {
                return false;
            }
            match self.parser.next(&mut self.input) {
                Ok(Some(command)) if command.is_empty() => {}
                Ok(Some(command)) => self.command(&command),
                Ok(None) => {
                    if self.input.is_empty() && self.input.capacity() > MAX_IDLE_BUFFER {
                        self.input = BytesMut::with_capacity(4096);
                    }
                    return false;
                }
                Err(error) => {
                    self.reply(&Reply::error(error.to_string()));
                    self.hanging_up = true;
                    return false;
                }
            }
        }
        true
    }

    fn command(&mut self, command: &[bytes::Bytes]) {
        self.spoken = true;
        let micros = self.shared.clock.micros();
        let reply = {
            let mut store = self.shared.store.borrow_mut();
            let reply = store.apply(micros, self.id, command);
            let took = self.shared.clock.micros().saturating_sub(micros);
            store.took(self.id, command, took);
            reply
        };
        match reply {
            Some(reply) => self.reply(&reply),
            None => self.shared.deadlines.notify_one(),
        }
        self.shared.deliver();
        if self.shared.store.borrow().is_closing(self.id) {
            self.hanging_up = true;
        }
    }

    fn reply(&self, reply: &Reply) {
        let protocol: Protocol = self.shared.store.borrow().protocol(self.id);
        let mut bytes = self.outbox.bytes.borrow_mut();
        // Looked at before it is written: a few hundred large values in one pipeline would fill the memory otherwise.
        if bytes.len() + content(reply) <= self.shared.limits.output_bytes {
            encode(reply, protocol, &mut bytes);
        } else {
            metrics::counter!("antiphon_redis_embedded_closed_total", "reason" => "output_limit")
                .increment(1);
            self.outbox.closed.set(true);
        }
    }

    /// Takes what is to be sent out of the outbox.
    fn load(&mut self) {
        if self.sending.is_empty() {
            let mut waiting = self.outbox.bytes.borrow_mut();
            if !waiting.is_empty() {
                self.sending = waiting.split();
            }
            if waiting.capacity() > MAX_IDLE_BUFFER {
                *waiting = BytesMut::new();
            }
        }
    }
}
