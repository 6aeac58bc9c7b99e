//! One call as a state machine without I/O: sessions come, choose their encryption, speak, lose their connection,
//! resume, and leave. Time comes in; what is to be done comes out.
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::message::{Message, WireFrame};
use super::outbox::Outbox;
use super::udp::{MODES, Mode};
use super::{close, protocol::ClientBinary};
use crate::dave::{Group, GroupOutput, VERSION, op};
use crate::faults::Faults;
use crate::ids::{ChannelId, UserId};
use crate::trace::Event;

/// SSRCs are given out in threes: sound, video and retransmitted video.
pub(crate) const SSRC_STEP: u32 = 3;
/// From a member's sound to its video.
pub(crate) const VIDEO: u32 = 1;
/// From a member's sound to its retransmitted video.
const RTX: u32 = 2;

/// A websocket of the voice gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Something to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    Send(ConnectionId, WireFrame),
    Close(ConnectionId, u16),
    /// An SSRC was given out.
    Announce {
        ssrc: u32,
        user: UserId,
    },
    /// An SSRC's owner has its transport key.
    Key {
        ssrc: u32,
        user: UserId,
        mode: Mode,
        key: [u8; 32],
    },
    /// An SSRC is no longer in use.
    Silence {
        ssrc: u32,
    },
    /// The owner of an SSRC switched its camera on or off.
    Camera {
        ssrc: u32,
        on: bool,
    },
    /// A session was not resumed in time: its user is in the call no more.
    Lapsed {
        user: UserId,
        token: String,
    },
    Event(Event),
}

/// Who identifies.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub(crate) connection: ConnectionId,
    pub(crate) user: UserId,
    pub(crate) session_id: String,
    pub(crate) token: String,
    pub(crate) version: u8,
    pub(crate) max_dave: u16,
    pub(crate) ssrc: u32,
    pub(crate) udp_port: u16,
}

#[derive(Debug)]
struct Member {
    session_id: String,
    token: String,
    ssrc: u32,
    connection: Option<ConnectionId>,
    /// Since when no connection is there.
    detached: Option<Duration>,
    /// Whether op 4 was sent.
    ready: bool,
    /// What it last said in op 5.
    speaking: Option<u64>,
    outbox: Outbox,
}

/// A message that a fault holds back.
#[derive(Debug)]
struct Late {
    due: Duration,
    user: UserId,
    ssrc: u32,
    message: Message,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Room {
    channel: ChannelId,
    resume_window: Duration,
    group: Option<Group>,
    members: BTreeMap<UserId, Member>,
    late: Vec<Late>,
    out: Vec<Output>,
}

/// Everything that a step needs besides the room itself.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) at: Duration,
    pub(crate) faults: &'a Faults,
}

impl Room {
    /// A call; with a group when it is end-to-end encrypted.
    pub(crate) fn new(channel: ChannelId, resume_window: Duration, group: Option<Group>) -> Self {
        Self { channel, resume_window, group, members: BTreeMap::new(), late: Vec::new(), out: Vec::new() }
    }

    /// What has become due to be done, in order.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn has(&self, user: UserId) -> bool {
        self.members.contains_key(&user)
    }

    /// Whether calls here need DAVE.
    pub(crate) fn needs_dave(&self) -> bool {
        self.group.is_some()
    }

    /// The user of a session.
    pub(crate) fn user_of(&self, session_id: &str) -> Option<UserId> {
        self.members.iter().find(|(_, member)| member.session_id == session_id).map(|(user, _)| *user)
    }

    pub(crate) fn connection_of(&self, user: UserId) -> Option<ConnectionId> {
        self.members.get(&user)?.connection
    }

    pub(crate) fn users(&self) -> Vec<UserId> {
        self.members.keys().copied().collect()
    }

    /// Op 0 with good credentials. An older session of the same user ends with 4014.
    pub(crate) fn identify(&mut self, step: Step<'_>, new: Newcomer) {
        if self.has(new.user) {
            self.end(step, new.user, Some(close::DISCONNECTED));
        }
        let member = Member {
            session_id: new.session_id,
            token: new.token,
            ssrc: new.ssrc,
            connection: Some(new.connection),
            detached: None,
            ready: false,
            speaking: None,
            outbox: Outbox::new(new.version),
        };
        self.members.insert(new.user, member);
        self.out.push(Output::Announce { ssrc: new.ssrc, user: new.user });
        let (user, version, max_dave) = (new.user, new.version, new.max_dave);
        self.out.push(Output::Event(Event::VoiceIdentified { user, version, max_dave }));
        let ready = json!({
            "ssrc": new.ssrc,
            "ip": "127.0.0.1",
            "port": new.udp_port,
            "modes": MODES.map(Mode::name),
            "experiments": [],
            "heartbeat_interval": 1,
        });
        self.send(step, user, Message::json(2, ready));
    }

    /// Op 1: the transport encryption is chosen, and the session takes part from now on.
    pub(crate) fn select(&mut self, step: Step<'_>, user: UserId, mode: Mode, key: [u8; 32]) {
        let dave = if self.group.is_some() { VERSION } else { 0 };
        let Some(member) = self.members.get_mut(&user) else { return };
        let (ssrc, first) = (member.ssrc, !member.ready);
        member.ready = true;
        self.out.push(Output::Key { ssrc, user, mode, key });
        let description = json!({
            "mode": mode.name(),
            "secret_key": key.to_vec(),
            "dave_protocol_version": dave,
            "audio_codec": "opus",
            "video_codec": "H264",
            "media_session_id": member.session_id,
        });
        self.send(step, user, Message::json(4, description));
        self.out.push(Output::Event(Event::VoiceReady { user, ssrc, mode: mode.name().to_owned(), dave }));
        if first {
            self.introduce(step, user);
        }
    }

    /// Introduces a newcomer to the others, and the others to it.
    fn introduce(&mut self, step: Step<'_>, user: UserId) {
        let others = self.ready_except(user);
        if !others.is_empty() {
            self.send(step, user, Message::json(11, json!({ "user_ids": others })));
        }
        for other in &others {
            self.send(step, *other, Message::json(11, json!({ "user_ids": [user] })));
            for (to, about) in [(user, *other), (*other, user)] {
                self.send(step, to, Message::json(18, json!({ "user_id": about, "flags": 0 })));
                self.send(step, to, Message::json(20, json!({ "user_id": about, "platform": 0 })));
            }
            if let Some((flags, ssrc)) = self.members.get(other).and_then(|m| Some((m.speaking?, m.ssrc))) {
                self.send(step, user, speaking(*other, ssrc, flags));
            }
        }
        if let Some(group) = &mut self.group {
            group.join(user);
            self.send_group_output(step);
        }
    }

    fn ready_except(&self, user: UserId) -> Vec<UserId> {
        self.members.iter().filter(|(id, m)| **id != user && m.ready).map(|(id, _)| *id).collect()
    }

    /// Op 5.
    pub(crate) fn speaking(&mut self, step: Step<'_>, user: UserId, flags: u64) {
        let Some(member) = self.members.get_mut(&user).filter(|member| member.ready) else { return };
        member.speaking = Some(flags);
        let ssrc = member.ssrc;
        self.out.push(Output::Event(Event::Speaking { user, ssrc, flags }));
        for other in self.ready_except(user) {
            self.send(step, other, speaking(user, ssrc, flags));
        }
    }

    /// A binary frame.
    pub(crate) fn binary(&mut self, step: Step<'_>, user: UserId, frame: ClientBinary) {
        let Some(group) = self.group.as_mut().filter(|_| self.members.contains_key(&user)) else { return };
        let faults = step.faults;
        group.disturb(faults.gathers_joins(self.channel), faults.has_zero_transitions(self.channel));
        match frame {
            ClientBinary::KeyPackage(bytes) => {
                if let Err(why) = group.key_package(step.at, user, &bytes) {
                    let what = format!("key package of {user}: {why}");
                    self.out.push(Output::Event(Event::Malformed { what }));
                }
            }
            ClientBinary::CommitWelcome(bytes) => group.commit(step.at, user, &bytes),
        }
        self.send_group_output(step);
    }

    /// Op 23.
    pub(crate) fn transition_ready(&mut self, step: Step<'_>, user: UserId, transition: u16) {
        if let Some(group) = &mut self.group {
            group.ready(step.at, user, transition);
            self.send_group_output(step);
        }
    }

    /// Op 31.
    pub(crate) fn invalid_commit(&mut self, step: Step<'_>, user: UserId) {
        if let Some(group) = &mut self.group {
            group.invalid(step.at, user);
            self.send_group_output(step);
        }
    }

    /// The group starts over in mid-stream, for no reason of its own.
    pub(crate) fn restart_group(&mut self, step: Step<'_>) {
        if let Some(group) = &mut self.group {
            group.restart();
            self.send_group_output(step);
        }
    }

    /// A member switches its camera on or off: the others learn of its video streams (op 12).
    pub(crate) fn camera(&mut self, step: Step<'_>, user: UserId, on: bool) {
        let Some(ssrc) = self.members.get(&user).filter(|member| member.ready).map(|member| member.ssrc)
        else {
            return;
        };
        self.out.push(Output::Camera { ssrc, on });
        let (video, rtx) = if on { (ssrc + VIDEO, ssrc + RTX) } else { (0, 0) };
        let stream = json!({
            "type": "video", "rid": "100", "ssrc": video, "rtx_ssrc": rtx, "active": on, "quality": 100,
            "max_bitrate": 2_500_000, "max_framerate": 30,
            "max_resolution": { "type": "fixed", "width": 1280, "height": 720 },
        });
        let data = json!({
            "user_id": user, "audio_ssrc": ssrc, "video_ssrc": video, "rtx_ssrc": rtx, "streams": [stream],
        });
        for other in self.ready_except(user) {
            self.send(step, other, Message::json(12, data.clone()));
        }
    }

    /// A heartbeat of version 8 says what has arrived.
    pub(crate) fn acknowledge(&mut self, user: UserId, seq_ack: i64) {
        if let (Some(member), Ok(ack)) = (self.members.get_mut(&user), u16::try_from(seq_ack)) {
            member.outbox.acknowledge(ack);
        }
    }

    /// Op 7. GroupOutput how many messages were sent again, or that the session cannot be resumed.
    pub(crate) fn resume(
        &mut self,
        step: Step<'_>,
        connection: ConnectionId,
        user: UserId,
        token: &str,
        seq_ack: Option<i64>,
    ) -> Option<usize> {
        let member = self.members.get_mut(&user).filter(|member| member.token == token)?;
        let missed = member.outbox.resume(seq_ack)?;
        let old = member.connection.replace(connection);
        member.detached = None;
        if let Some(old) = old {
            self.out.push(Output::Close(old, close::SESSION_TIMEOUT));
        }
        self.out.push(Output::Send(connection, Message::json(9, Value::Null).bare()));
        let replayed = missed.len();
        self.out.extend(missed.into_iter().map(|frame| Output::Send(connection, frame)));
        self.out.push(Output::Event(Event::VoiceResumed { user, replayed }));
        if let Some(code) = step.faults.closes_resumed(user) {
            self.out.push(Output::Close(connection, code));
        }
        if let Some(group) = &mut self.group {
            group.attach(step.at, user, true);
            self.send_group_output(step);
        }
        Some(replayed)
    }

    /// A connection ended; its session stays for a while to be resumed.
    pub(crate) fn detach(&mut self, step: Step<'_>, user: UserId, connection: ConnectionId) {
        let Some(member) = self.members.get_mut(&user).filter(|m| m.connection == Some(connection)) else {
            return;
        };
        member.connection = None;
        member.detached = Some(step.at);
        if let Some(group) = &mut self.group {
            group.attach(step.at, user, false);
            self.send_group_output(step);
        }
    }

    /// A session ends for good; its connection is closed with a code, if there is one.
    pub(crate) fn end(&mut self, step: Step<'_>, user: UserId, code: Option<u16>) {
        let Some(member) = self.members.remove(&user) else { return };
        if let (Some(connection), Some(code)) = (member.connection, code) {
            self.out.push(Output::Close(connection, code));
        }
        self.out.push(Output::Silence { ssrc: member.ssrc });
        self.out.push(Output::Event(Event::VoiceEnded { user }));
        if !member.ready {
            return;
        }
        for other in self.ready_except(user) {
            self.send(step, other, Message::json(13, json!({ "user_id": user })));
        }
        if let Some(group) = &mut self.group {
            group.leave(step.at, user);
            self.send_group_output(step);
        }
    }

    /// When something is due although no message comes.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let late = self.late.iter().map(|late| late.due);
        let gone = self.members.values().filter_map(|member| Some(member.detached? + self.resume_window));
        let group = self.group.as_ref().and_then(Group::deadline);
        late.chain(gone).chain(group).min()
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, step: Step<'_>) {
        let (due, still): (Vec<Late>, Vec<Late>) = self.late.drain(..).partition(|l| l.due <= step.at);
        self.late = still;
        for late in due {
            if self.members.get(&late.user).is_some_and(|member| member.ssrc == late.ssrc) {
                self.deliver(late.user, late.message);
            }
        }
        let over = |member: &Member| member.detached.is_some_and(|at| at + self.resume_window <= step.at);
        let gone: Vec<UserId> = self.members.iter().filter(|(_, m)| over(m)).map(|(u, _)| *u).collect();
        for user in gone {
            if let Some(token) = self.members.get(&user).map(|member| member.token.clone()) {
                self.out.push(Output::Lapsed { user, token });
            }
            self.end(step, user, None);
        }
        if let Some(group) = &mut self.group {
            group.tick(step.at);
            self.send_group_output(step);
        }
    }

    /// GroupOutput what the group wants said.
    fn send_group_output(&mut self, step: Step<'_>) {
        for says in self.group.as_mut().map(Group::take).unwrap_or_default() {
            match says {
                GroupOutput::Json(user, op, data) => self.send(step, user, Message::json(op, data)),
                GroupOutput::Binary(user, op, payload) => {
                    self.send(step, user, Message::Binary { op, payload });
                }
                GroupOutput::Event(event) => self.out.push(Output::Event(event)),
            }
        }
    }

    /// GroupOutput something to a session, unless a fault loses it or holds it back.
    fn send(&mut self, step: Step<'_>, user: UserId, mut message: Message) {
        let Some(member) = self.members.get(&user) else { return };
        if matches!(message, Message::Binary { .. }) && step.faults.takes_binary(user, message.op()) {
            return;
        }
        if let Message::Binary { op, payload } = &mut message
            && step.faults.spoils_binary(user, *op)
        {
            *payload = spoiled(payload);
        }
        let faults = step.faults.to_receiver(self.channel, user);
        let late = match message.op() {
            5 => faults.late_speaking(),
            op::ANNOUNCE_COMMIT | op::WELCOME => faults.late_keys(),
            _ => Duration::ZERO,
        };
        if late == Duration::ZERO {
            self.deliver(user, message);
        } else {
            self.late.push(Late { due: step.at + late, user, ssrc: member.ssrc, message });
        }
    }

    fn deliver(&mut self, user: UserId, message: Message) {
        if let Some(member) = self.members.get_mut(&user) {
            let frame = member.outbox.push(message, member.connection.is_some());
            if let Some(connection) = member.connection {
                self.out.push(Output::Send(connection, frame));
            }
        }
    }
}

/// A message whose last byte, which belongs to a signature or a tag, has changed.
fn spoiled(payload: &[u8]) -> Bytes {
    let mut bytes = payload.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0xff;
    }
    bytes.into()
}

fn speaking(user: UserId, ssrc: u32, flags: u64) -> Message {
    Message::json(5, json!({ "user_id": user, "ssrc": ssrc, "speaking": flags, "delay": 0 }))
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
