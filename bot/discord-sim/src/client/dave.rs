//! The member's side of DAVE v1 (<https://daveprotocol.com>), with the same MLS library as songbird's: `davey`.
//!
//! Keys change as in songbird: the sending key with the commit or welcome (op 29, 30), receiving keys too, the old
//! ones staying valid for ten seconds.
use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU16;

use davey::{DaveSession, MediaType, ProposalsOperationType};

use super::rtp::SILENCE_FRAME;
use super::wire;
use crate::ids::{ChannelId, UserId};

/// The shortest frame that DAVE can have encrypted: an 8-byte tag, the supplemental size, the marker.
const MIN_ENCRYPTED: usize = 11;
const MARKER: [u8; 2] = [0xfa, 0xfa];

/// What to send to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaveOut {
    /// A JSON message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

/// A frame on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// Encrypted for the group, or silence, or the call has no DAVE.
    Ready(Vec<u8>),
    /// The call has DAVE and this member has no key yet.
    NoKey,
}

/// A frame that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It was encrypted for the group.
    Encrypted(Vec<u8>),
    /// It was never encrypted: silence, a call without DAVE, or a sender without a key.
    Plain(Vec<u8>),
    /// It is encrypted and cannot be opened now; later keys may.
    NotNow,
    /// It is encrypted and the sender is not known yet.
    WhoseIsIt,
}

/// One member's DAVE state through the whole of a call.
pub struct DaveMember {
    user: UserId,
    channel: ChannelId,
    version: u16,
    session: Option<DaveSession>,
    recognised: BTreeSet<u64>,
    transitions: HashMap<u16, u16>,
    /// An external sender that came before the session description.
    early_sender: Option<Vec<u8>>,
    epochs: u64,
    failures: u64,
}

impl std::fmt::Debug for DaveMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DaveMember")
            .field("user", &self.user)
            .field("version", &self.version)
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}

impl DaveMember {
    /// A member that does not know the call's DAVE version yet.
    pub fn new(user: UserId, channel: ChannelId) -> Self {
        Self {
            user,
            channel,
            version: 0,
            session: None,
            recognised: BTreeSet::from([user.0]),
            transitions: HashMap::new(),
            early_sender: None,
            epochs: 0,
            failures: 0,
        }
    }

    /// The call's DAVE version; 0 when it is not end-to-end encrypted.
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// Whether frames can be encrypted for the group now.
    pub fn has_key(&self) -> bool {
        self.session.as_ref().is_some_and(DaveSession::is_ready)
    }

    /// The MLS epoch, once in a group.
    pub fn epoch(&self) -> Option<u64> {
        self.session.as_ref().filter(|session| session.is_ready()).and_then(|s| s.epoch()).map(|e| e.as_u64())
    }

    /// The members of the group, oneself included.
    pub fn members(&self) -> Vec<UserId> {
        let ids =
            self.session.as_ref().filter(|session| session.is_ready()).and_then(DaveSession::get_user_ids);
        ids.unwrap_or_default().into_iter().map(UserId).collect()
    }

    /// The code that members compare by voice; equal for all members of an epoch.
    pub fn privacy_code(&self) -> Option<&str> {
        self.session.as_ref().and_then(DaveSession::voice_privacy_code)
    }

    /// How often the keys changed.
    pub const fn epochs(&self) -> u64 {
        self.epochs
    }

    /// How many commits, welcomes and proposals could not be used.
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    /// Others in the call, as far as the server said.
    pub fn others(&self) -> impl Iterator<Item = UserId> + '_ {
        self.recognised.iter().filter(|id| **id != self.user.0).map(|id| UserId(*id))
    }

    /// op 11.
    pub fn recognise(&mut self, users: &[UserId]) {
        self.recognised.extend(users.iter().map(|user| user.0));
    }

    /// op 13.
    pub fn forget(&mut self, user: UserId) {
        if user != self.user {
            self.recognised.remove(&user.0);
        }
    }

    /// op 4: the call's version; from version 1 on, a key package to send.
    pub fn begin(&mut self, version: u16) -> Vec<DaveOut> {
        self.version = version;
        self.session = None;
        let out = self.start_over();
        if let Some(sender) = self.early_sender.take() {
            self.external_sender(&sender);
        }
        out
    }

    /// op 24: epoch 1 means that the group starts over.
    pub fn prepare_epoch(&mut self, epoch: u64, version: u16) -> Vec<DaveOut> {
        if epoch != 1 {
            return Vec::new();
        }
        self.version = version;
        self.start_over()
    }

    /// op 21: transition 0 is at once, another is acknowledged when it leads to no encryption (the commit or
    /// welcome acknowledges the rest).
    pub fn prepare_transition(&mut self, transition: u16, version: u16) -> Vec<DaveOut> {
        self.transitions.insert(transition, version);
        if transition == 0 {
            self.execute_transition(0);
        } else if version == 0 {
            if let Some(session) = &mut self.session {
                session.set_passthrough_mode(true, Some(120));
            }
            return vec![DaveOut::Text(wire::transition_ready(transition))];
        }
        Vec::new()
    }

    /// op 22.
    pub fn execute_transition(&mut self, transition: u16) {
        let Some(version) = self.transitions.remove(&transition) else {
            tracing::debug!(user = %self.user, transition, "op 22 for a transition that was not prepared");
            return;
        };
        let before = std::mem::replace(&mut self.version, version);
        if before == 0
            && version != 0
            && let Some(session) = &mut self.session
        {
            session.set_passthrough_mode(true, Some(10));
        }
    }

    /// op 25.
    pub fn external_sender(&mut self, sender: &[u8]) {
        let Some(session) = &mut self.session else {
            self.early_sender = Some(sender.to_vec());
            return;
        };
        if let Err(error) = guarded(|| session.set_external_sender(sender)) {
            self.failed("the external sender (op 25)", &error);
        }
    }

    /// op 27: a commit to send, unless there is nothing left to commit.
    pub fn proposals(&mut self, revoke: bool, body: &[u8]) -> Vec<DaveOut> {
        let Some(session) = &mut self.session else { return Vec::new() };
        let operation = if revoke { ProposalsOperationType::REVOKE } else { ProposalsOperationType::APPEND };
        let expected: Vec<u64> = self.recognised.iter().copied().collect();
        match guarded(|| session.process_proposals(operation, body, Some(&expected))) {
            Ok(Some(made)) => {
                vec![DaveOut::Binary(wire::commit_welcome(&made.commit, made.welcome.as_deref()))]
            }
            Ok(None) => Vec::new(),
            Err(error) => {
                self.failed("proposals (op 27)", &error);
                Vec::new()
            }
        }
    }

    /// op 29.
    pub fn commit(&mut self, transition: u16, commit: &[u8]) -> Vec<DaveOut> {
        let Some(session) = &mut self.session else { return Vec::new() };
        match guarded(|| session.process_commit(commit)) {
            Ok(()) => self.new_epoch(transition),
            Err(error) => {
                self.failed("a commit (op 29)", &error);
                self.recover(transition)
            }
        }
    }

    /// op 30.
    pub fn welcome(&mut self, transition: u16, welcome: &[u8]) -> Vec<DaveOut> {
        let Some(session) = &mut self.session else { return Vec::new() };
        match guarded(|| session.process_welcome(welcome)) {
            Ok(()) => self.new_epoch(transition),
            Err(error) => {
                self.failed("a welcome (op 30)", &error);
                self.recover(transition)
            }
        }
    }

    /// Encrypts an Opus frame for the group.
    pub fn seal(&mut self, frame: &[u8]) -> Sealed {
        if self.version == 0 || frame == SILENCE_FRAME {
            return Sealed::Ready(frame.to_vec());
        }
        match self.session.as_mut().filter(|session| session.is_ready()) {
            Some(session) => match session.encrypt_opus(frame) {
                Ok(sealed) => Sealed::Ready(sealed.into_owned()),
                Err(error) => {
                    self.failed("an outgoing frame", &error);
                    Sealed::NoKey
                }
            },
            None => Sealed::NoKey,
        }
    }

    /// Decrypts a frame of `user`, if it is known whose it is.
    pub fn open(&mut self, user: Option<UserId>, frame: &[u8]) -> Opened {
        let encrypted = self.version != 0 && frame.len() >= MIN_ENCRYPTED && frame.ends_with(&MARKER);
        if !encrypted {
            return Opened::Plain(frame.to_vec());
        }
        let Some(user) = user else { return Opened::WhoseIsIt };
        let Some(session) = self.session.as_mut().filter(|session| session.is_ready()) else {
            return Opened::NotNow;
        };
        guarded(|| session.decrypt(user.0, MediaType::AUDIO, frame)).map_or(Opened::NotNow, Opened::Encrypted)
    }

    fn new_epoch(&mut self, transition: u16) -> Vec<DaveOut> {
        self.epochs += 1;
        if transition == 0 {
            return Vec::new();
        }
        self.transitions.insert(transition, self.version);
        vec![DaveOut::Text(wire::transition_ready(transition))]
    }

    /// op 31, then a fresh key package, unprompted: what every known client does.
    fn recover(&mut self, transition: u16) -> Vec<DaveOut> {
        let mut out = vec![DaveOut::Text(wire::invalid_commit_welcome(transition))];
        out.extend(self.start_over());
        out
    }

    /// A fresh session (keeping the external sender) and its key package.
    fn start_over(&mut self) -> Vec<DaveOut> {
        let Some(version) = NonZeroU16::new(self.version) else {
            self.session = None;
            return Vec::new();
        };
        let fresh = match self.session.take() {
            Some(mut session) => session
                .reinit(version, self.user.0, self.channel.0, None)
                .map(|()| session)
                .map_err(|error| error.to_string()),
            None => DaveSession::new(version, self.user.0, self.channel.0, None).map_err(|e| e.to_string()),
        };
        let made = fresh.and_then(|mut session| {
            let package = session.create_key_package().map_err(|error| error.to_string())?;
            Ok((session, package))
        });
        match made {
            Ok((session, package)) => {
                self.session = Some(session);
                vec![DaveOut::Binary(wire::key_package(&package))]
            }
            Err(error) => {
                self.failed("a new session", &error);
                Vec::new()
            }
        }
    }

    fn failed(&mut self, what: &str, error: &dyn std::fmt::Display) {
        self.failures += 1;
        tracing::warn!(user = %self.user, channel = %self.channel, %error, "DAVE: cannot use {what}");
    }
}

/// The MLS library asserts some lengths that come from outside instead of refusing them: a message that trips over
/// one is refused here, and the session is made again where it turns out unusable.
fn guarded<T, E: std::fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the MLS library panicked on it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> DaveMember {
        DaveMember::new(UserId(10), ChannelId(20))
    }

    #[test]
    fn only_version_one_begins_with_a_key_package() {
        let mut dave = member();
        let out = dave.begin(1);
        assert!(matches!(&out[..], [DaveOut::Binary(package)] if package[0] == 26 && package.len() > 100));
        assert!(!dave.has_key());
        assert_eq!(dave.seal(b"frame"), Sealed::NoKey);
        assert!(member().begin(0).is_empty());
        assert_eq!(member().seal(b"frame"), Sealed::Ready(b"frame".to_vec()));
    }

    #[test]
    fn silence_is_never_encrypted() {
        let mut dave = member();
        dave.begin(1);
        assert_eq!(dave.seal(&SILENCE_FRAME), Sealed::Ready(SILENCE_FRAME.to_vec()));
        assert_eq!(dave.open(None, &SILENCE_FRAME), Opened::Plain(SILENCE_FRAME.to_vec()));
    }

    #[test]
    fn an_encrypted_frame_waits_for_its_owner_and_the_key() {
        let mut dave = member();
        dave.begin(1);
        let frame = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xfa, 0xfa];
        assert_eq!(dave.open(None, &frame), Opened::WhoseIsIt);
        assert_eq!(dave.open(Some(UserId(11)), &frame), Opened::NotNow);
        let mut without = member();
        without.begin(0);
        assert_eq!(without.open(None, &frame), Opened::Plain(frame.to_vec()), "no DAVE in this call");
    }

    #[test]
    fn a_useless_welcome_is_answered_with_op_31() {
        let mut dave = member();
        dave.begin(1);
        let out = dave.welcome(7, b"not a welcome");
        let [DaveOut::Text(invalid), DaveOut::Binary(package)] = &out[..] else { panic!("{out:?}") };
        assert_eq!(invalid, &wire::invalid_commit_welcome(7));
        assert_eq!(package[0], 26);
        assert_eq!(dave.failures(), 1);
    }

    #[test]
    fn proposals_and_senders_that_are_noise_do_no_harm() {
        let mut dave = member();
        assert!(dave.proposals(false, b"x").is_empty());
        dave.begin(1);
        dave.external_sender(b"noise");
        assert!(dave.proposals(false, b"noise").is_empty());
        assert!(dave.proposals(true, b"").is_empty());
        assert_eq!(dave.epoch(), None);
    }

    #[test]
    fn after_leaving_dave_frames_go_out_unencrypted() {
        let mut dave = member();
        dave.begin(1);
        assert_eq!(dave.prepare_transition(4, 0), [DaveOut::Text(wire::transition_ready(4))]);
        assert_eq!(dave.seal(b"frame"), Sealed::NoKey, "not before op 22");
        dave.execute_transition(4);
        assert_eq!(dave.seal(b"frame"), Sealed::Ready(b"frame".to_vec()));
    }
}
