//! All calls, and carrying out what they want: frames to connections, changes to the relay, events to the log.
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::close;
use super::endpoint::Endpoint;
use super::message::WireFrame;
use super::protocol::{ClientBinary, Identify, Resume};
use super::room::{ConnectionId, Newcomer, Output, Room, SSRC_STEP, Step};
use super::udp::{Mode, Peer, Transport, UdpStats};
use crate::dave::{Group, Times};
use crate::hub::{Core, Options};
use crate::ids::{ChannelId, UserId};
use crate::trace::Event;

/// How many frames may wait for a slow client before it is disconnected.
const OUTBOX_CAPACITY: usize = 2048;

/// Something for a connection to do.
#[derive(Debug)]
pub(crate) enum ConnectionCommand {
    Send(WireFrame),
    Close(u16),
    /// The TCP connection ends without a word.
    Cut,
}

/// A session at the voice gateway, from its connection's point of view.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    room: RoomId,
    pub(crate) user: UserId,
}

/// A call on a voice server; after a move to another server it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RoomId {
    channel: ChannelId,
    server: usize,
}

#[derive(Debug)]
struct State {
    /// The voice servers; the first one is where calls begin.
    servers: Vec<Arc<Endpoint>>,
    /// Calls that have moved to another server.
    moved: HashMap<ChannelId, usize>,
    rooms: HashMap<RoomId, Room>,
    connections: HashMap<ConnectionId, mpsc::Sender<ConnectionCommand>>,
    next_connection: u64,
    next_ssrc: u32,
}

/// The voice side of a simulation.
#[derive(Debug)]
pub(crate) struct VoiceServer {
    state: Mutex<State>,
    started: Instant,
    changed: Notify,
}

/// A step's borrowed surroundings.
struct Scene<'a> {
    state: MutexGuard<'a, State>,
    at: Duration,
    core: &'a Core,
    /// Whose sessions were not resumed in time, with their tokens.
    lapsed: Vec<(UserId, String)>,
}

impl VoiceServer {
    pub(crate) fn new(first: Arc<Endpoint>) -> Self {
        let state = State {
            servers: vec![first],
            moved: HashMap::new(),
            rooms: HashMap::new(),
            connections: HashMap::new(),
            next_connection: 1,
            next_ssrc: 1000,
        };
        Self { state: Mutex::new(state), started: Instant::now(), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scene<'a>(&'a self, core: &'a Core) -> Scene<'a> {
        // Whatever happens may bring a deadline forward.
        self.changed.notify_one();
        Scene { state: self.lock(), at: self.started.elapsed(), core, lapsed: Vec::new() }
    }

    /// `host:port` of the server where a call is.
    pub(crate) fn endpoint(&self, channel: ChannelId) -> String {
        let state = self.lock();
        let index = state.moved.get(&channel).copied().unwrap_or(0);
        state.servers.get(index).map(|server| server.name()).unwrap_or_default()
    }

    /// A new connection.
    pub(crate) fn open(&self) -> (ConnectionId, mpsc::Receiver<ConnectionCommand>) {
        let (sender, receiver) = mpsc::channel(OUTBOX_CAPACITY);
        let mut state = self.lock();
        let id = ConnectionId(state.next_connection);
        state.next_connection += 1;
        state.connections.insert(id, sender);
        (id, receiver)
    }

    /// A connection ended.
    pub(crate) fn closed(&self, core: &Core, id: ConnectionId, seat: Option<&Seat>) {
        let mut scene = self.scene(core);
        scene.state.connections.remove(&id);
        if let Some(seat) = seat {
            scene.step(seat.room, |room, step| room.detach(step, seat.user, id));
        }
    }

    /// Op 0. Gives the seat, or the code to close with.
    pub(crate) fn identify(
        &self,
        core: &Core,
        connection: ConnectionId,
        version: u8,
        endpoint: &Arc<Endpoint>,
        identify: Identify,
    ) -> Result<Seat, u16> {
        let user = identify.user_id;
        if let Some(code) = core.faults.refuses_identify(user) {
            return Err(code);
        }
        let world = core.world();
        let state = world.voice_states.get(&(identify.server_id, user)).ok_or(close::SESSION_INVALID)?;
        if state.session_id != identify.session_id {
            return Err(close::SESSION_INVALID);
        }
        if state.token != identify.token {
            return Err(close::AUTHENTICATION_FAILED);
        }
        let channel = state.channel;
        let dave = world.channel(channel).is_some_and(|channel| channel.dave);
        let mut scene = self.scene(core);
        drop(world);
        let id = scene.room_at(channel, dave, &core.options).ok_or(close::SESSION_INVALID)?;
        if !scene.state.servers.get(id.server).is_some_and(|server| Arc::ptr_eq(server, endpoint)) {
            return Err(close::SESSION_INVALID);
        }
        let needs_dave = scene.state.rooms.get(&id).is_some_and(Room::needs_dave);
        if needs_dave && identify.max_dave_protocol_version == 0 {
            return Err(close::DAVE_REQUIRED);
        }
        scene.state.next_ssrc += SSRC_STEP;
        let new = Newcomer {
            connection,
            user,
            session_id: identify.session_id,
            token: identify.token,
            version,
            max_dave: identify.max_dave_protocol_version,
            ssrc: scene.state.next_ssrc,
            udp_port: endpoint.udp_port(),
        };
        scene.step(id, |room, step| room.identify(step, new));
        Ok(Seat { room: id, user })
    }

    /// Op 7. Gives the seat, or the code to close with.
    pub(crate) fn resume(&self, core: &Core, connection: ConnectionId, resume: &Resume) -> Result<Seat, u16> {
        let mut scene = self.scene(core);
        let found = scene
            .state
            .rooms
            .iter()
            .find_map(|(id, room)| room.user_of(&resume.session_id).map(|user| Seat { room: *id, user }));
        let refused = || {
            core.events.push(Event::VoiceResumeRefused { session: resume.session_id.clone() });
            close::SESSION_INVALID
        };
        let seat = found.filter(|seat| !core.faults.refuses_resume(seat.user)).ok_or_else(refused)?;
        let resumed = scene
            .step(seat.room, |room, step| {
                room.resume(step, connection, seat.user, &resume.token, resume.seq_ack)
            })
            .flatten();
        resumed.map(|_| seat).ok_or_else(refused)
    }

    /// Op 1. Gives the code to close with when the mode is unknown.
    pub(crate) fn select(&self, core: &Core, seat: &Seat, mode: &str) -> Result<(), u16> {
        let mode = Mode::from_name(mode).ok_or(close::UNKNOWN_ENCRYPTION_MODE)?;
        let key = rand::random();
        self.scene(core).step(seat.room, |room, step| room.select(step, seat.user, mode, key));
        Ok(())
    }

    /// Op 5.
    pub(crate) fn speaking(&self, core: &Core, seat: &Seat, flags: u64) {
        self.scene(core).step(seat.room, |room, step| room.speaking(step, seat.user, flags));
    }

    /// Op 23.
    pub(crate) fn transition_ready(&self, core: &Core, seat: &Seat, transition: u16) {
        self.scene(core).step(seat.room, |room, step| room.transition_ready(step, seat.user, transition));
    }

    /// Op 31.
    pub(crate) fn invalid_commit(&self, core: &Core, seat: &Seat) {
        self.scene(core).step(seat.room, |room, step| room.invalid_commit(step, seat.user));
    }

    /// A binary frame.
    pub(crate) fn binary(&self, core: &Core, seat: &Seat, frame: ClientBinary) {
        self.scene(core).step(seat.room, |room, step| room.binary(step, seat.user, frame));
    }

    /// What a heartbeat acknowledges.
    pub(crate) fn acknowledge(&self, core: &Core, seat: &Seat, seq_ack: i64) {
        self.scene(core).step(seat.room, |room, _| room.acknowledge(seat.user, seq_ack));
    }

    /// The groups of a call start over in mid-stream.
    pub(crate) fn restart_group(&self, core: &Core, channel: ChannelId) {
        let mut scene = self.scene(core);
        for id in scene.rooms_of(channel) {
            scene.step(id, |room, step| room.restart_group(step));
        }
    }

    /// A member switches its camera on or off.
    pub(crate) fn camera(&self, core: &Core, channel: ChannelId, user: UserId, on: bool) {
        let mut scene = self.scene(core);
        for id in scene.rooms_of(channel) {
            scene.step(id, |room, step| room.camera(step, user, on));
        }
    }

    /// A user has left a call, by its voice state.
    pub(crate) fn leave(&self, core: &Core, channel: ChannelId, user: UserId, code: u16) {
        let mut scene = self.scene(core);
        for id in scene.rooms_of(channel) {
            scene.step(id, |room, step| room.end(step, user, Some(code)));
        }
    }

    /// Whether a user has a voice session in a call.
    pub(crate) fn has(&self, channel: ChannelId, user: UserId) -> bool {
        self.lock().rooms.iter().any(|(id, room)| id.channel == channel && room.has(user))
    }

    /// Does something to the connection of a user, wherever it is. False when there is none.
    pub(crate) fn command(&self, user: UserId, command: ConnectionCommand) -> bool {
        let state = self.lock();
        let connection = state.rooms.values().find_map(|room| room.connection_of(user));
        let sender = connection.and_then(|id| state.connections.get(&id));
        sender.is_some_and(|sender| sender.try_send(command).is_ok())
    }

    /// A call moves to another server. Everybody in it is to get new credentials first.
    pub(crate) fn move_call(&self, channel: ChannelId, to: Arc<Endpoint>) {
        let mut state = self.lock();
        state.servers.push(to);
        let index = state.servers.len() - 1;
        state.moved.insert(channel, index);
    }

    /// Ends the sessions of a call on servers that it has moved away from.
    pub(crate) fn abandon(&self, core: &Core, channel: ChannelId) {
        let mut scene = self.scene(core);
        let here = scene.state.moved.get(&channel).copied().unwrap_or(0);
        for id in scene.rooms_of(channel).into_iter().filter(|id| id.server != here) {
            let users = scene.state.rooms.get(&id).map(Room::users).unwrap_or_default();
            for user in users {
                scene.step(id, |room, step| room.end(step, user, Some(close::DISCONNECTED)));
            }
        }
    }

    /// Packet counts of all servers.
    pub(crate) fn stats(&self) -> UdpStats {
        let servers = self.lock().servers.clone();
        let mut sum = UdpStats::default();
        for server in servers {
            sum.add(&server.relay().stats);
        }
        sum
    }

    /// Lets time pass in all calls. Gives whose sessions were not resumed in time.
    pub(crate) fn tick(&self, core: &Core) -> Vec<(UserId, String)> {
        let mut scene = self.scene(core);
        let ids: Vec<RoomId> = scene.state.rooms.keys().copied().collect();
        for id in ids {
            scene.step(id, |room, step| room.tick(step));
        }
        std::mem::take(&mut scene.lapsed)
    }

    /// When a call next has something due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.lock().rooms.values().filter_map(Room::deadline).min().map(|at| self.started + at)
    }

    /// Waits until something happened that may have brought a deadline forward.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Scene<'_> {
    fn rooms_of(&self, channel: ChannelId) -> Vec<RoomId> {
        self.state.rooms.keys().copied().filter(|id| id.channel == channel).collect()
    }

    /// The room where a call is now, made when it is not there yet.
    fn room_at(&mut self, channel: ChannelId, dave: bool, options: &Options) -> Option<RoomId> {
        let server = self.state.moved.get(&channel).copied().unwrap_or(0);
        let id = RoomId { channel, server };
        if let Entry::Vacant(place) = self.state.rooms.entry(id) {
            let times = Times { commit: options.commit_timeout, transition: options.transition_timeout };
            let group = if dave { Some(Group::new(channel, times).ok()?) } else { None };
            place.insert(Room::new(channel, options.voice_resume_window, group));
        }
        Some(id)
    }

    /// Lets something happen in a room, and carries out what it wants.
    fn step<T>(&mut self, id: RoomId, happen: impl FnOnce(&mut Room, Step<'_>) -> T) -> Option<T> {
        let room = self.state.rooms.get_mut(&id)?;
        let result = happen(room, Step { at: self.at, faults: &self.core.faults });
        let outputs = room.take();
        if room.is_empty() {
            self.state.rooms.remove(&id);
        }
        for output in outputs {
            self.perform(id, output);
        }
        Some(result)
    }

    fn perform(&mut self, id: RoomId, output: Output) {
        let relay = self.state.servers.get(id.server).cloned();
        match output {
            Output::Send(connection, frame) => self.command(connection, ConnectionCommand::Send(frame)),
            Output::Close(connection, code) => self.command(connection, ConnectionCommand::Close(code)),
            Output::Event(event) => self.core.events.push(event),
            Output::Lapsed { user, token } => self.lapsed.push((user, token)),
            Output::Announce { ssrc, user } => {
                if let Some(server) = relay {
                    server.relay().announce(ssrc, user, id.channel);
                }
            }
            Output::Key { ssrc, user, mode, key } => {
                if let Some(server) = relay {
                    let transport = Transport::new(mode, &key);
                    server.relay().ready(ssrc, Peer { user, channel: id.channel, transport });
                }
            }
            Output::Camera { ssrc, on } => {
                if let Some(server) = relay {
                    server.relay().camera(ssrc, on);
                }
            }
            Output::Silence { ssrc } => {
                if let Some(server) = relay {
                    server.relay().remove(ssrc);
                }
            }
        }
    }

    /// A client that does not keep up is disconnected: without its sender, the connection ends.
    fn command(&mut self, connection: ConnectionId, command: ConnectionCommand) {
        let full = match self.state.connections.get(&connection) {
            Some(sender) => sender.try_send(command).is_err(),
            None => false,
        };
        if full {
            tracing::warn!(?connection, "a voice client does not keep up and is disconnected");
            self.state.connections.remove(&connection);
        }
    }
}
