//! Handle of a running session, for the rest of the program.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::event::{Consent, Flags, Member, ProviderKind};
use antiphon_core::ids::{ChannelId, GuildId, SessionId, UserId};
use antiphon_core::time::{Clock, Timestamp};
use capture::mirror::Piece;
use capture::{Packet, Payload, Sound};
use tokio::sync::{mpsc, oneshot, watch};

use super::status::SessionStatus;
use super::voice_output::VoiceLink;
use broker::transitions::Transition;

/// Orders to a session.
#[derive(Debug)]
pub(super) enum Order {
    Joined { member: Member, consent: Consent },
    Left { user: UserId },
    Consent { user: UserId, consent: Consent },
    Ask { user: UserId, text: String, answer: oneshot::Sender<String> },
    Say { user: UserId, text: String },
    Mirrored(Piece),
    Flags { flags: Flags },
    Health { kind: ProviderKind, provider: String, healthy: bool, expected_ms: u32 },
    Transition { transition: Transition },
    Audit { what: String, who: String, details: serde_json::Value },
    StopRecording { reason: String, reply: oneshot::Sender<bool> },
    Drain,
    End { reason: String },
}

/// People of the channel, as the session's owner sees them.
pub(super) type Roster = Arc<Mutex<BTreeMap<UserId, (Member, Consent)>>>;

/// How a session came to its end.
#[derive(Debug, Clone)]
pub struct Ended {
    pub reason: String,
    /// Where its bundle is, if there is a whole one: of everything, or of what came before the fault.
    pub bundle: Option<PathBuf>,
    /// What went wrong while recording, if anything.
    pub recording_fault: Option<String>,
    /// The last status.
    pub status: SessionStatus,
}

/// A running session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    pub(super) session: SessionId,
    pub(super) guild: GuildId,
    pub(super) channel: ChannelId,
    pub(super) started: Timestamp,
    pub(super) orders: mpsc::Sender<Order>,
    /// Whether this session has a chain in the ledger.
    pub(super) has_ledger: bool,
    pub(super) ears: EarsHandle,
    pub(super) roster: Roster,
    pub(super) link: Arc<dyn VoiceLink>,
    pub(super) status: watch::Receiver<SessionStatus>,
    pub(super) ended: watch::Receiver<Option<Ended>>,
}

impl SessionHandle {
    pub fn id(&self) -> SessionId {
        self.session
    }

    /// Its guild.
    pub fn guild(&self) -> GuildId {
        self.guild
    }

    /// Its voice channel.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// When it started.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// How it stands.
    pub fn status(&self) -> SessionStatus {
        self.status.borrow().clone()
    }

    /// Follows how it stands.
    pub fn watch(&self) -> watch::Receiver<SessionStatus> {
        self.status.clone()
    }

    /// Where packets go.
    pub fn ears(&self) -> EarsHandle {
        self.ears.clone()
    }

    async fn order(&self, order: Order) -> bool {
        self.orders.send(order).await.is_ok()
    }

    /// Somebody came in.
    pub async fn joined(&self, member: Member, consent: Consent) {
        lock(&self.roster).insert(member.user, (member.clone(), consent));
        self.order(Order::Joined { member, consent }).await;
    }

    /// Somebody left.
    pub async fn left(&self, user: UserId) {
        lock(&self.roster).remove(&user);
        self.order(Order::Left { user }).await;
    }

    /// Somebody gave or took back consent.
    pub async fn consent(&self, user: UserId, consent: Consent) {
        if let Some((_, held)) = lock(&self.roster).get_mut(&user) {
            *held = consent;
        }
        self.order(Order::Consent { user, consent }).await;
    }

    /// Whether somebody is in the channel.
    pub fn has_member(&self, user: UserId) -> bool {
        lock(&self.roster).contains_key(&user)
    }

    /// Everybody in the channel, and what they said about being heard.
    pub fn roster(&self) -> Vec<(Member, Consent)> {
        lock(&self.roster).values().cloned().collect()
    }

    /// Whether no person is left in the channel.
    pub fn is_alone(&self) -> bool {
        lock(&self.roster).values().all(|(member, _)| member.bot)
    }

    /// Speaks a text as it stands. `false` when the session has ended.
    pub async fn say(&self, user: UserId, text: &str) -> bool {
        self.order(Order::Say { user, text: text.to_owned() }).await
    }

    /// Asks in writing. `None` when there was no answer.
    pub async fn ask(&self, user: UserId, text: &str) -> Option<String> {
        let (answer, answered) = oneshot::channel();
        if !self.order(Order::Ask { user, text: text.to_owned(), answer }).await {
            return None;
        }
        answered.await.ok()
    }

    /// Mirrored sound of a speaker. `false` when the session has ended. Waits while the session is behind: for callers that
    /// read a recording. Live sound goes by [`EarsHandle::mirrored`], which never waits.
    pub async fn mirrored(&self, piece: Piece) -> bool {
        self.order(Order::Mirrored(piece)).await
    }

    /// Writes to the session's text channel, outside of any turn.
    pub async fn post(&self, text: &str) {
        if let Err(error) = self.link.post_text(text).await {
            tracing::warn!(session = %self.session, %error, "a message could not be posted");
        }
    }

    /// Flags changed.
    pub async fn flags(&self, flags: Flags) {
        self.order(Order::Flags { flags }).await;
    }

    /// A provider's health changed.
    pub async fn health(&self, kind: ProviderKind, provider: &str, healthy: bool, expected_ms: u32) {
        self.order(Order::Health { kind, provider: provider.to_owned(), healthy, expected_ms }).await;
    }

    /// A key of this session changed in Redis: for the ledger. Never waits; gives back whether it was taken.
    pub fn transition(&self, transition: Transition) -> bool {
        self.orders.try_send(Order::Transition { transition }).is_ok()
    }

    /// An audit row for this session's chain. Never waits; gives back whether it was taken: a session whose ledger is off
    /// has no chain.
    pub fn audit(&self, what: &str, who: &str, details: serde_json::Value) -> bool {
        let (what, who) = (what.to_owned(), who.to_owned());
        self.has_ledger && self.orders.try_send(Order::Audit { what, who, details }).is_ok()
    }

    /// Ends the recording and seals its bundle, while the session goes on. `false` when nothing was being recorded.
    pub async fn stop_recording(&self, reason: &str) -> bool {
        let (reply, stopped) = oneshot::channel();
        self.order(Order::StopRecording { reason: reason.to_owned(), reply }).await
            && stopped.await.unwrap_or(false)
    }

    /// No new turns from now on.
    pub async fn drain(&self) {
        self.order(Order::Drain).await;
    }

    /// Ends the session and waits until everything is written.
    pub async fn end(&self, reason: &str) -> Option<Ended> {
        self.order(Order::End { reason: reason.to_owned() }).await;
        self.wait().await
    }

    /// Waits until no turn is open.
    pub async fn idle(&self) {
        let mut status = self.status.clone();
        // An error means that the session has ended.
        let _over = status.wait_for(|status| status.open == 0).await.is_err();
    }

    /// Waits for the session's end.
    pub async fn wait(&self) -> Option<Ended> {
        let mut ended = self.ended.clone();
        ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone())
    }

    /// Its state in words for people.
    pub fn in_words(&self) -> String {
        let roster = lock(&self.roster);
        let names = |wanted: Consent| {
            let names: Vec<&str> = roster
                .values()
                .filter(|(member, consent)| !member.bot && *consent == wanted)
                .map(|(member, _)| member.name.as_str())
                .collect();
            if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
        };
        let status = self.status.borrow();
        format!(
            "I am listening in <#{}>.\nI hear: {}. I do not hear (no consent): {}.\n{} {}",
            self.channel,
            names(Consent::Granted),
            names(Consent::Withheld),
            if status.recording { "I am recording." } else { "No sound is being recorded." },
            status.in_words()
        )
    }
}

/// A poisoned lock still holds good data here: every change is a single insert or remove.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What may come from the voice connection.
#[derive(Debug)]
pub(super) enum Heard {
    Packet(Packet),
    Sound(Sound),
    Reconnected,
    Note(String),
    /// The same mirrored speaker from another connection.
    CameAgain(UserId),
}

impl Heard {
    /// Whose sound it is.
    pub(super) fn user(&self) -> Option<UserId> {
        match self {
            Self::Packet(packet) => Some(packet.user),
            Self::Sound(sound) => Some(sound.user),
            Self::Reconnected | Self::Note(_) | Self::CameAgain(_) => None,
        }
    }
}

/// Where the voice connection's packets go. Never blocks: it is called from the driver's own tasks.
#[derive(Debug, Clone)]
pub struct EarsHandle {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) packets: mpsc::Sender<Heard>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) missed: Arc<AtomicU64>,
}

impl EarsHandle {
    /// A packet arrived: its time and speaker are fixed here.
    pub fn packet(&self, user: UserId, ssrc: u32, sequence: u16, timestamp: u32, payload: Payload) {
        let packet = Packet { at: self.clock.now(), user, ssrc, sequence, timestamp, epoch: None, payload };
        self.hear(Heard::Packet(packet));
    }

    /// Mirrored sound, its speaker and time fixed. Says whether there was room for it.
    pub fn mirrored(&self, piece: Piece) -> bool {
        self.hear(match piece {
            Piece::Packet(packet) => Heard::Packet(packet),
            Piece::Sound(sound) => Heard::Sound(sound),
        })
    }

    fn hear(&self, heard: Heard) -> bool {
        let taken = self.packets.try_send(heard).is_ok();
        if !taken {
            self.missed.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("antiphon_capture_dropped_total", "where" => "session_inbox", "why" => "full")
                .increment(1);
        }
        taken
    }

    /// Something about the connection that the timeline should keep.
    pub fn note(&self, what: String) {
        if self.packets.try_send(Heard::Note(what)).is_err() {
            tracing::debug!("something about a connection could not be noted");
        }
    }

    /// A mirrored speaker comes from another connection now.
    pub fn came_again(&self, user: UserId) {
        if self.packets.try_send(Heard::CameAgain(user)).is_err() {
            tracing::debug!("that a sender came again could not be noted");
        }
    }

    /// The voice connection was made again.
    pub fn reconnected(&self) {
        if self.packets.try_send(Heard::Reconnected).is_err() {
            tracing::debug!("a reconnection could not be noted");
        }
    }

    /// The voice connection is lost for good.
    pub async fn lost(&self, reason: String) {
        if self.orders.send(Order::End { reason }).await.is_err() {
            tracing::debug!("the session had ended before its connection");
        }
    }
}
