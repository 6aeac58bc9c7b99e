//! The core of a voice client: messages in, actions out. It opens no socket and reads no clock.
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::crypto::TransportMode;
use super::dave::{DaveMember, DaveOut};
use super::error::{AfterClose, ClientError, after_close};
use super::wire::{self, BinaryMessage, ServerMessage};
use crate::ids::UserId;
use crate::voice::VoiceCredentials;

/// Streams remembered at most; a call has far fewer members.
const MAX_STREAMS: usize = 1024;
/// Heartbeats without an answer after which the connection counts as dead.
const MAX_UNANSWERED: u32 = 2;

/// What the shell around the core must do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Send a text message.
    Text(String),
    /// Send a binary message.
    Binary(Vec<u8>),
    /// Send a heartbeat this often from now on.
    HeartbeatEvery(Duration),
    /// Ask the voice server over UDP for one's address, and report it by [`SessionCore::discovered`].
    Discover {
        /// The voice server.
        server: SocketAddr,
        /// This client's stream.
        ssrc: u32,
    },
    /// Packets can flow.
    StartMedia {
        /// This client's stream.
        ssrc: u32,
        /// How packets are encrypted.
        mode: TransportMode,
        /// Their key.
        key: [u8; 32],
    },
    /// Report an event.
    Notify(SessionEvent),
    /// The session ended.
    Fail(ClientError),
}

/// What happened in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// Somebody is in the call.
    Joined(UserId),
    /// Somebody left the call.
    Left(UserId),
    /// A stream has an owner (op 5).
    Stream {
        /// The owner.
        user: UserId,
        /// The stream.
        ssrc: u32,
    },
    /// The group's keys changed.
    NewEpoch {
        /// The MLS epoch.
        epoch: u64,
        /// The group's members.
        members: Vec<UserId>,
    },
    /// The session went on after a lost connection.
    Resumed,
}

/// One voice session.
#[derive(Debug)]
pub struct SessionCore {
    credentials: VoiceCredentials,
    mode: TransportMode,
    max_dave: u16,
    dave: DaveMember,
    streams: HashMap<u32, UserId>,
    ssrc: Option<u32>,
    seq_ack: i32,
    unanswered: u32,
    established: bool,
}

impl SessionCore {
    /// A session that has not been opened. `max_dave` 0 declares no end-to-end encryption.
    pub fn new(credentials: VoiceCredentials, mode: TransportMode, max_dave: u16) -> Self {
        let dave = DaveMember::new(credentials.user_id, credentials.channel_id);
        Self {
            credentials,
            mode,
            max_dave,
            dave,
            streams: HashMap::new(),
            ssrc: None,
            seq_ack: -1,
            unanswered: 0,
            established: false,
        }
    }

    /// The member's DAVE state.
    pub const fn dave(&self) -> &DaveMember {
        &self.dave
    }

    /// The member's DAVE state, to seal and open frames.
    pub const fn dave_mut(&mut self) -> &mut DaveMember {
        &mut self.dave
    }

    /// Whose stream that is, once op 5 said so.
    pub fn owner(&self, ssrc: u32) -> Option<UserId> {
        self.streams.get(&ssrc).copied()
    }

    /// Who this is.
    pub const fn credentials(&self) -> &VoiceCredentials {
        &self.credentials
    }

    /// Whether op 4 has come: from then on a lost connection is resumed.
    pub const fn is_established(&self) -> bool {
        self.established
    }

    /// The websocket is open: op 0, or op 7 when there is a session to go on with.
    pub fn opened(&mut self) -> Vec<Action> {
        self.unanswered = 0;
        if self.established {
            return vec![Action::Text(wire::resume(&self.credentials, self.seq_ack))];
        }
        self.dave = DaveMember::new(self.credentials.user_id, self.credentials.channel_id);
        self.streams.clear();
        self.ssrc = None;
        self.seq_ack = -1;
        vec![Action::Text(wire::identify(&self.credentials, self.max_dave))]
    }

    /// The websocket ended. Says whether to connect again.
    pub fn closed(&mut self, code: Option<u16>, reason: &str) -> Result<(), ClientError> {
        let (after, meaning) = after_close(code);
        match after {
            AfterClose::Resume => Ok(()),
            // Refused again right after identifying: the credentials are stale, only the main gateway has new ones.
            AfterClose::Identify if self.established => {
                self.established = false;
                Ok(())
            }
            AfterClose::Identify | AfterClose::GiveUp => Err(ClientError::Closed {
                code: code.unwrap_or_default(),
                meaning,
                reason: reason.to_owned(),
            }),
        }
    }

    /// A heartbeat is due. None when so many went unanswered that the connection counts as dead.
    pub fn heartbeat(&mut self, nonce: u64) -> Option<Action> {
        if self.unanswered >= MAX_UNANSWERED {
            return None;
        }
        self.unanswered += 1;
        Some(Action::Text(wire::heartbeat(nonce, self.seq_ack)))
    }

    /// IP discovery answered.
    pub fn discovered(&self, address: IpAddr, port: u16) -> Action {
        Action::Text(wire::select_protocol(address, port, self.mode))
    }

    /// The speaking state changes. Nothing before the session has a stream.
    pub fn speaking(&self, speaking: bool) -> Option<Action> {
        self.ssrc.map(|ssrc| Action::Text(wire::speaking(ssrc, speaking)))
    }

    /// A text message came.
    pub fn text(&mut self, text: &str) -> Result<Vec<Action>, wire::WireError> {
        let (message, sequence) = wire::read_text(text)?;
        if let Some(sequence) = sequence {
            self.seq_ack = i32::from(sequence);
        }
        Ok(match message {
            ServerMessage::Hello(interval) if interval.is_finite() && interval >= 1.0 => {
                vec![Action::HeartbeatEvery(Duration::from_secs_f64(interval / 1000.0))]
            }
            ServerMessage::Ready(ready) => self.ready(ready),
            ServerMessage::SessionDescription(description) => self.described(&description),
            ServerMessage::Speaking { user_id, ssrc } => self.stream(user_id, ssrc),
            ServerMessage::HeartbeatAck => {
                self.unanswered = 0;
                Vec::new()
            }
            ServerMessage::Resumed => vec![Action::Notify(SessionEvent::Resumed)],
            ServerMessage::ClientsConnect(users) => {
                self.dave.recognise(&users);
                users.into_iter().map(|user| Action::Notify(SessionEvent::Joined(user))).collect()
            }
            ServerMessage::ClientDisconnect(user) => {
                self.dave.forget(user);
                self.streams.retain(|_, owner| *owner != user);
                vec![Action::Notify(SessionEvent::Left(user))]
            }
            ServerMessage::PrepareTransition { transition, version } => {
                sent(self.dave.prepare_transition(transition, version))
            }
            ServerMessage::ExecuteTransition { transition } => {
                self.dave.execute_transition(transition);
                Vec::new()
            }
            ServerMessage::PrepareEpoch { epoch, version } => sent(self.dave.prepare_epoch(epoch, version)),
            ServerMessage::Hello(_) | ServerMessage::Other(_) => Vec::new(),
        })
    }

    /// A binary message came.
    pub fn binary(&mut self, bytes: &[u8]) -> Result<Vec<Action>, wire::WireError> {
        let (message, sequence) = wire::read_binary(bytes)?;
        self.seq_ack = i32::from(sequence);
        let before = self.dave.epochs();
        let mut actions = sent(match message {
            BinaryMessage::ExternalSender(sender) => {
                self.dave.external_sender(&sender);
                Vec::new()
            }
            BinaryMessage::Proposals { revoke, body } => self.dave.proposals(revoke, &body),
            BinaryMessage::AnnounceCommit { transition, commit } => self.dave.commit(transition, &commit),
            BinaryMessage::Welcome { transition, welcome } => self.dave.welcome(transition, &welcome),
            BinaryMessage::Other(_) => Vec::new(),
        });
        if self.dave.epochs() > before
            && let Some(epoch) = self.dave.epoch()
        {
            actions.push(Action::Notify(SessionEvent::NewEpoch { epoch, members: self.dave.members() }));
        }
        Ok(actions)
    }

    fn ready(&mut self, ready: wire::Ready) -> Vec<Action> {
        if !ready.modes.iter().any(|mode| mode == self.mode.name()) {
            return vec![Action::Fail(ClientError::NoMode {
                wanted: self.mode.name(),
                offered: ready.modes,
            })];
        }
        self.ssrc = Some(ready.ssrc);
        vec![Action::Discover { server: SocketAddr::new(ready.ip, ready.port), ssrc: ready.ssrc }]
    }

    fn described(&mut self, description: &wire::SessionDescription) -> Vec<Action> {
        let Some(ssrc) = self.ssrc else { return Vec::new() };
        let Some(mode) = TransportMode::from_name(&description.mode) else {
            let offered = vec![description.mode.clone()];
            return vec![Action::Fail(ClientError::NoMode { wanted: self.mode.name(), offered })];
        };
        self.established = true;
        let mut actions = vec![Action::StartMedia { ssrc, mode, key: description.secret_key }];
        // Those that op 11 named before op 4 stay recognised.
        actions.extend(sent(self.dave.begin(description.dave_protocol_version)));
        actions
    }

    fn stream(&mut self, user: UserId, ssrc: u32) -> Vec<Action> {
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(&ssrc) {
            tracing::warn!(%user, ssrc, "more than {MAX_STREAMS} streams in one call: this one is ignored");
            return Vec::new();
        }
        // A member has one stream: an older one is from before it came back.
        self.streams.retain(|other, owner| *owner != user || *other == ssrc);
        self.streams.insert(ssrc, user);
        vec![Action::Notify(SessionEvent::Stream { user, ssrc })]
    }
}

fn sent(out: Vec<DaveOut>) -> Vec<Action> {
    out.into_iter()
        .map(|out| match out {
            DaveOut::Text(text) => Action::Text(text),
            DaveOut::Binary(bytes) => Action::Binary(bytes),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ids::{ChannelId, GuildId};

    fn core() -> SessionCore {
        let credentials = VoiceCredentials {
            guild_id: GuildId(1),
            channel_id: ChannelId(2),
            user_id: UserId(3),
            session_id: "session".to_owned(),
            token: "token".to_owned(),
            endpoint: "localhost:1".to_owned(),
        };
        SessionCore::new(credentials, TransportMode::Aes256Gcm, 1)
    }

    fn ready() -> String {
        json!({"op": 2, "seq": 0, "d": {
            "ssrc": 7, "ip": "127.0.0.1", "port": 9, "modes": ["aead_aes256_gcm_rtpsize"]}})
        .to_string()
    }

    fn description(version: u16) -> String {
        json!({"op": 4, "seq": 1, "d": {
            "mode": "aead_aes256_gcm_rtpsize", "secret_key": vec![5; 32], "dave_protocol_version": version}})
        .to_string()
    }

    fn op(action: &Action) -> u64 {
        let Action::Text(text) = action else { panic!("{action:?}") };
        serde_json::from_str::<Value>(text).unwrap()["op"].as_u64().unwrap()
    }

    fn established() -> SessionCore {
        let mut core = core();
        core.opened();
        core.text(&ready()).unwrap();
        core.text(&description(1)).unwrap();
        core
    }

    #[test]
    fn a_session_identifies_discovers_selects_and_starts() {
        let mut core = core();
        assert_eq!(op(&core.opened()[0]), 0);
        let hello = core.text(r#"{"op":8,"d":{"heartbeat_interval":5000}}"#).unwrap();
        assert_eq!(hello, [Action::HeartbeatEvery(Duration::from_secs(5))]);
        let discover = core.text(&ready()).unwrap();
        assert_eq!(discover, [Action::Discover { server: "127.0.0.1:9".parse().unwrap(), ssrc: 7 }]);
        assert_eq!(op(&core.discovered("127.0.0.1".parse().unwrap(), 1234)), 1);
        let actions = core.text(&description(1)).unwrap();
        let [Action::StartMedia { ssrc: 7, mode: TransportMode::Aes256Gcm, key }, Action::Binary(package)] =
            &actions[..]
        else {
            panic!("{actions:?}")
        };
        assert_eq!((key, package[0]), (&[5; 32], 26));
        assert_eq!(op(&core.speaking(true).unwrap()), 5);
    }

    #[test]
    fn a_lost_connection_is_resumed_from_the_last_sequence() {
        let mut core = established();
        core.binary(&[0, 9, 18]).unwrap();
        core.closed(None, "").unwrap();
        let actions = core.opened();
        let [Action::Text(text)] = &actions[..] else { panic!("{actions:?}") };
        let resume: Value = serde_json::from_str(text).unwrap();
        assert_eq!((&resume["op"], &resume["d"]["seq_ack"]), (&json!(7), &json!(9)));
    }

    #[test]
    fn a_second_refusal_after_a_refused_resume_is_final() {
        let mut core = established();
        core.closed(Some(4006), "").unwrap();
        assert_eq!(op(&core.opened()[0]), 0);
        let error = core.closed(Some(4006), "unknown session").unwrap_err();
        assert!(matches!(error, ClientError::Closed { code: 4006, .. }));
    }

    #[test]
    fn a_kick_is_final() {
        assert!(matches!(established().closed(Some(4014), ""), Err(ClientError::Closed { code: 4014, .. })));
    }

    #[test]
    fn two_unanswered_heartbeats_mean_a_dead_connection() {
        let mut core = established();
        assert!(core.heartbeat(1).is_some());
        core.text(r#"{"op":6,"d":{"t":1}}"#).unwrap();
        assert!(core.heartbeat(2).is_some());
        assert!(core.heartbeat(3).is_some());
        assert!(core.heartbeat(4).is_none());
    }

    #[test]
    fn a_mode_that_is_not_offered_fails_by_name() {
        let mut core = SessionCore::new(core().credentials().clone(), TransportMode::XChaCha20Poly1305, 1);
        let actions = core.text(&ready()).unwrap();
        assert!(matches!(&actions[..], [Action::Fail(ClientError::NoMode { .. })]), "{actions:?}");
    }

    #[test]
    fn a_stream_is_owned_from_op_5_until_op_13() {
        let mut core = established();
        assert_eq!(core.owner(50), None);
        core.text(r#"{"op":5,"d":{"user_id":"8","ssrc":50,"speaking":1}}"#).unwrap();
        assert_eq!(core.owner(50), Some(UserId(8)));
        core.text(r#"{"op":5,"d":{"user_id":"8","ssrc":51,"speaking":1}}"#).unwrap();
        assert_eq!((core.owner(50), core.owner(51)), (None, Some(UserId(8))));
        core.text(r#"{"op":13,"d":{"user_id":"8"}}"#).unwrap();
        assert_eq!(core.owner(51), None);
    }

    #[test]
    fn members_named_before_op_4_stay_recognised() {
        let mut core = core();
        core.opened();
        core.text(&ready()).unwrap();
        core.text(r#"{"op":11,"d":{"user_ids":["8","9"]}}"#).unwrap();
        core.text(&description(1)).unwrap();
        assert_eq!(core.dave().others().collect::<Vec<_>>(), [UserId(8), UserId(9)]);
    }
}
