//! The state machine of one call's group. One batch of proposals is out at a time; the first commit that covers all of
//! it wins; the next batch waits until every member has said that it is ready for the new epoch, or a timeout.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::sender::{ClientKeys, Proposal, Sender, vector};
use super::{VERSION, op, wire};
use crate::ids::{ChannelId, UserId};
use crate::trace::Event;

/// How long to wait for clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// For a commit, before the proposals are revoked and made again.
    pub(crate) commit: Duration,
    /// For every op 23, before op 22 is sent all the same; and for a fresh key package after op 31.
    pub(crate) transition: Duration,
}

/// What the group wants sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupOutput {
    Json(UserId, u8, Value),
    Binary(UserId, u8, Bytes),
    Event(Event),
}

/// Proposals that wait for a commit.
#[derive(Debug)]
struct Batch {
    adds: Vec<(UserId, u64, Proposal)>,
    removes: Vec<(u32, Proposal)>,
    /// Who was asked to commit.
    audience: BTreeSet<UserId>,
    deadline: Duration,
}

/// An epoch that is announced and not yet in use.
#[derive(Debug)]
struct Transition {
    id: u16,
    waiting: BTreeSet<UserId>,
    deadline: Duration,
}

/// A key package that waits for its Add; the number separates a newer one from the one that was proposed.
#[derive(Debug)]
struct Pending {
    keys: ClientKeys,
    number: u64,
}

/// The group of one call.
#[derive(Debug)]
pub(crate) struct Group {
    channel: ChannelId,
    sender: Sender,
    times: Times,
    /// Sessions in the call; true while a connection is there to answer.
    live: BTreeMap<UserId, bool>,
    pending: BTreeMap<UserId, Pending>,
    /// Who has asked to be added again and whose fresh key package is awaited until then.
    renewing: BTreeMap<UserId, Duration>,
    /// The tree's leaves; empty while there is no group.
    tree: Vec<Option<UserId>>,
    /// Leaves whose session ended or is useless.
    stale: BTreeSet<usize>,
    epoch: u64,
    batch: Option<Batch>,
    transition: Option<Transition>,
    /// Proposals have been sent since the last beginning: clients' local groups are no longer blank.
    touched: bool,
    retries: u32,
    transitions: u16,
    packages: u64,
    /// Joiners are proposed together when they come within so long.
    gathering: Duration,
    /// Until when joiners are gathered.
    gathered_at: Option<Duration>,
    /// New epochs have transition 0.
    zero_transitions: bool,
    replies: Vec<GroupOutput>,
}

impl Group {
    pub(crate) fn new(channel: ChannelId, times: Times) -> Result<Self, String> {
        Ok(Self {
            channel,
            sender: Sender::new(channel)?,
            times,
            live: BTreeMap::new(),
            pending: BTreeMap::new(),
            renewing: BTreeMap::new(),
            tree: Vec::new(),
            stale: BTreeSet::new(),
            epoch: 0,
            batch: None,
            transition: None,
            touched: false,
            retries: 0,
            transitions: 0,
            packages: 0,
            gathering: Duration::ZERO,
            gathered_at: None,
            zero_transitions: false,
            replies: Vec::new(),
        })
    }

    /// What has become due to be sent, in order.
    pub(crate) fn take(&mut self) -> Vec<GroupOutput> {
        std::mem::take(&mut self.replies)
    }

    /// What goes wrong on purpose: joiners are gathered for so long, and new epochs have transition 0.
    pub(crate) fn disturb(&mut self, gathering: Duration, zero_transitions: bool) {
        self.gathering = gathering;
        self.zero_transitions = zero_transitions;
    }

    /// Starts over although the group is whole.
    pub(crate) fn restart(&mut self) {
        self.reset();
    }

    /// A session has its transport key; it is sent the external sender, and will send a key package.
    pub(crate) fn join(&mut self, user: UserId) {
        self.live.insert(user, true);
        let package = Bytes::copy_from_slice(self.sender.package());
        self.replies.push(GroupOutput::Binary(user, op::EXTERNAL_SENDER, package));
    }

    /// A session's connection ended or is back: it is waited for only while it is there.
    pub(crate) fn attach(&mut self, at: Duration, user: UserId, there: bool) {
        if let Some(live) = self.live.get_mut(&user) {
            *live = there;
        }
        if !there && let Some(transition) = &mut self.transition {
            transition.waiting.remove(&user);
        }
        self.advance(at);
    }

    /// A session has ended.
    pub(crate) fn leave(&mut self, at: Duration, user: UserId) {
        if self.live.remove(&user).is_none() {
            return;
        }
        self.pending.remove(&user);
        self.renewing.remove(&user);
        self.mark_stale(user);
        if let Some(transition) = &mut self.transition {
            transition.waiting.remove(&user);
        }
        if self.live.len() <= 1 && self.touched {
            self.reset();
        }
        self.advance(at);
    }

    /// Binary 26.
    pub(crate) fn key_package(&mut self, at: Duration, user: UserId, bytes: &[u8]) -> Result<(), String> {
        let keys = self.sender.check(user, bytes)?;
        // A member that sends a key package has thrown its group away.
        self.mark_stale(user);
        if let Some(transition) = &mut self.transition {
            transition.waiting.remove(&user);
        }
        self.renewing.remove(&user);
        self.packages += 1;
        self.pending.insert(user, Pending { keys, number: self.packages });
        if !self.gathering.is_zero() {
            self.gathered_at.get_or_insert(at + self.gathering);
        }
        self.advance(at);
        Ok(())
    }

    /// Op 31: a client could not use a commit or a welcome.
    pub(crate) fn invalid(&mut self, at: Duration, user: UserId) {
        self.replies.push(GroupOutput::Event(Event::DaveInvalid { channel: self.channel, user }));
        self.mark_stale(user);
        self.pending.remove(&user);
        if let Some(transition) = &mut self.transition {
            transition.waiting.remove(&user);
        }
        self.renewing.insert(user, at + self.times.transition);
        self.advance(at);
    }

    /// Op 23.
    pub(crate) fn ready(&mut self, at: Duration, user: UserId, id: u16) {
        if let Some(transition) = self.transition.as_mut().filter(|transition| transition.id == id) {
            transition.waiting.remove(&user);
        }
        self.advance(at);
    }

    /// Binary 28.
    pub(crate) fn commit(&mut self, at: Duration, user: UserId, payload: &[u8]) {
        if let Err(reason) = self.accept(at, user, payload) {
            let ignored = Event::DaveCommitIgnored { channel: self.channel, user, reason: reason.to_owned() };
            self.replies.push(GroupOutput::Event(ignored));
        }
        self.advance(at);
    }

    /// When something is due although no message comes.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let batch = self.batch.as_ref().map(|batch| batch.deadline);
        let transition = self.transition.as_ref().map(|transition| transition.deadline);
        batch
            .into_iter()
            .chain(transition)
            .chain(self.gathered_at)
            .chain(self.renewing.values().copied())
            .min()
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, at: Duration) {
        self.renewing.retain(|_, until| *until > at);
        if self.batch.as_ref().is_some_and(|batch| batch.deadline <= at) {
            self.revoke();
        }
        self.advance(at);
    }

    fn mark_stale(&mut self, user: UserId) {
        let leaves = self.tree.iter().enumerate().filter(|(_, leaf)| **leaf == Some(user));
        self.stale.extend(leaves.map(|(index, _)| index));
    }

    /// Who is in the group, in order of leaves.
    fn participants(&self) -> Vec<UserId> {
        let leaves = self.tree.iter().enumerate().filter(|(index, _)| !self.stale.contains(index));
        leaves.filter_map(|(_, user)| *user).filter(|user| self.live.contains_key(user)).collect()
    }

    fn is_there(&self, user: UserId) -> bool {
        self.live.get(&user) == Some(&true)
    }

    /// Does whatever can be done now.
    fn advance(&mut self, at: Duration) {
        let done = |t: &Transition| t.waiting.is_empty() || t.deadline <= at;
        if let Some(transition) = self.transition.take_if(|transition| done(transition)) {
            self.execute(&transition);
        }
        if let Some(batch) = &self.batch
            && !batch.audience.iter().any(|user| self.live.contains_key(user))
        {
            self.batch = None;
        }
        if self.batch.is_none() && self.transition.is_none() {
            self.propose(at);
        }
    }

    fn execute(&mut self, transition: &Transition) {
        let members = self.participants();
        // Transition 0 is in force without op 22.
        for user in members.iter().filter(|_| transition.id != 0) {
            let data = json!({ "transition_id": transition.id });
            self.replies.push(GroupOutput::Json(*user, op::EXECUTE_TRANSITION, data));
        }
        self.replies.push(GroupOutput::Event(Event::DaveEpoch {
            channel: self.channel,
            epoch: self.epoch,
            transition: transition.id,
            members,
            missing: transition.waiting.iter().copied().collect(),
        }));
    }

    /// Makes the next batch, if there is anything to change.
    fn propose(&mut self, at: Duration) {
        if self.gathered_at.is_some_and(|until| until > at) {
            return;
        }
        self.gathered_at = None;
        if self.tree.is_empty() {
            return self.propose_first(at);
        }
        let audience: BTreeSet<UserId> = self.participants().into_iter().collect();
        if audience.is_empty() {
            // No member is left who could commit.
            return self.reset();
        }
        let awaited = |user: &Option<UserId>| user.is_some_and(|user| self.renewing.contains_key(&user));
        let leaves: Vec<usize> =
            self.stale.iter().copied().filter(|leaf| !self.tree.get(*leaf).is_some_and(awaited)).collect();
        if (leaves.is_empty() && self.pending.is_empty()) || !audience.iter().any(|user| self.is_there(*user))
        {
            return;
        }
        let removes = leaves.iter().filter_map(|leaf| {
            let leaf = u32::try_from(*leaf).ok()?;
            self.sender.remove(self.epoch, leaf).ok().map(|proposal| (leaf, proposal))
        });
        let removes = removes.collect();
        let adds = self.proposed_adds();
        self.send_batch(at, Batch { adds, removes, audience, deadline: at + self.times.commit });
    }

    /// There is no group yet: everybody waiting is asked to add everybody else to a group of its own, and the first
    /// one to do so becomes its creator.
    fn propose_first(&mut self, at: Duration) {
        let waiting: BTreeSet<UserId> = self.pending.keys().copied().collect();
        if waiting.len() < 2 || !waiting.iter().any(|user| self.is_there(*user)) {
            return;
        }
        let adds = self.proposed_adds();
        let batch = Batch { adds, removes: Vec::new(), audience: waiting, deadline: at + self.times.commit };
        self.send_batch(at, batch);
    }

    fn proposed_adds(&self) -> Vec<(UserId, u64, Proposal)> {
        let add = |(user, pending): (&UserId, &Pending)| {
            let proposal = self.sender.add(self.epoch, &pending.keys).ok()?;
            Some((*user, pending.number, proposal))
        };
        self.pending.iter().filter_map(add).collect()
    }

    fn send_batch(&mut self, at: Duration, batch: Batch) {
        self.touched = true;
        for user in &batch.audience {
            // No member can add itself.
            let proposals = batch.proposals_for(*user).map(|proposal| proposal.message.as_slice());
            let Ok(list) = vector(&proposals.collect::<Vec<_>>().concat()) else { continue };
            let payload = [&[0], list.as_slice()].concat();
            self.replies.push(GroupOutput::Binary(*user, op::PROPOSALS, payload.into()));
        }
        let removed = |leaf: &u32| self.tree.get(*leaf as usize).copied().flatten();
        self.replies.push(GroupOutput::Event(Event::DaveProposed {
            channel: self.channel,
            epoch: self.epoch,
            adds: batch.adds.iter().map(|(user, ..)| *user).collect(),
            removes: batch.removes.iter().filter_map(|(leaf, _)| removed(leaf)).collect(),
        }));
        tracing::trace!(?at, ?batch, "DAVE proposals");
        self.batch = Some(batch);
    }

    /// No commit came. The first time the proposals are revoked and made again; after that all starts over.
    fn revoke(&mut self) {
        let Some(batch) = self.batch.take() else { return };
        self.replies
            .push(GroupOutput::Event(Event::DaveRevoked { channel: self.channel, epoch: self.epoch }));
        self.retries += 1;
        if self.retries > 1 {
            return self.reset();
        }
        for user in &batch.audience {
            let refs: Result<Vec<_>, _> = batch.proposals_for(*user).map(|p| vector(&p.reference)).collect();
            let Ok(list) = refs.and_then(|refs| vector(&refs.concat())) else { continue };
            let payload = [&[1], list.as_slice()].concat();
            if self.live.contains_key(user) {
                self.replies.push(GroupOutput::Binary(*user, op::PROPOSALS, payload.into()));
            }
        }
    }

    /// Starts over: everybody makes a blank group, and sends a fresh key package.
    fn reset(&mut self) {
        self.batch = None;
        self.transition = None;
        self.tree.clear();
        self.stale.clear();
        self.pending.clear();
        self.renewing.clear();
        self.epoch = 0;
        self.touched = false;
        self.retries = 0;
        if self.live.is_empty() {
            return;
        }
        for user in self.live.keys() {
            let epoch = json!({ "protocol_version": VERSION, "epoch": 1 });
            self.replies.push(GroupOutput::Json(*user, op::PREPARE_EPOCH, epoch));
            let transition = json!({ "protocol_version": VERSION, "transition_id": 0 });
            self.replies.push(GroupOutput::Json(*user, op::PREPARE_TRANSITION, transition));
        }
        self.replies.push(GroupOutput::Event(Event::DaveReset { channel: self.channel }));
    }

    fn accept(&mut self, at: Duration, user: UserId, payload: &[u8]) -> Result<(), &'static str> {
        let (commit, welcome) = wire::split(payload).ok_or("it cannot be read")?;
        let header = wire::commit(commit).ok_or("it is no commit of a member")?;
        let batch = self.batch.as_ref().ok_or("another one won")?;
        if header.group_id != self.sender.group_id() {
            return Err("it is for another group");
        }
        if header.epoch != self.epoch {
            return Err("it is for another epoch");
        }
        if !batch.audience.contains(&user) {
            return Err("its sender was not asked");
        }
        let leaf_of = |user: UserId| {
            (0..self.tree.len()).find(|i| self.tree[*i] == Some(user) && !self.stale.contains(i))
        };
        let leaf = if self.tree.is_empty() { Some(0) } else { leaf_of(user) };
        if leaf != usize::try_from(header.leaf).ok() {
            return Err("its sender's leaf is another one");
        }
        let asked: BTreeSet<&[u8]> = batch.proposals_for(user).map(|p| p.reference.as_slice()).collect();
        let covered: BTreeSet<&[u8]> = header.refs.iter().map(Vec::as_slice).collect();
        if header.inline || asked != covered {
            return Err("it does not cover exactly the proposals that are out");
        }
        let adds_others = batch.adds.iter().any(|(added, ..)| *added != user);
        if adds_others && welcome.is_empty() {
            return Err("it adds members and has no welcome");
        }
        let (commit, welcome) = (Bytes::copy_from_slice(commit), Bytes::copy_from_slice(welcome));
        if let Some(batch) = self.batch.take() {
            self.apply(at, user, &header.refs, batch, &commit, &welcome);
        }
        Ok(())
    }

    /// Follows what the commit does to the tree, and announces it.
    fn apply(
        &mut self,
        at: Duration,
        committer: UserId,
        refs: &[Vec<u8>],
        batch: Batch,
        commit: &Bytes,
        welcome: &Bytes,
    ) {
        if self.tree.is_empty() {
            self.tree.push(Some(committer));
            self.pending.remove(&committer);
        }
        for (leaf, _) in &batch.removes {
            let leaf = *leaf as usize;
            self.stale.remove(&leaf);
            if let Some(slot) = self.tree.get_mut(leaf) {
                *slot = None;
            }
        }
        let members = self.participants();
        let mut joiners = Vec::new();
        // Members are added in the order of the commit, each at the leftmost free leaf (RFC 9420, section 7.7).
        for reference in refs {
            let Some((user, number, _)) = batch.adds.iter().find(|(_, _, p)| p.reference == *reference)
            else {
                continue;
            };
            let free = self.tree.iter().position(Option::is_none);
            let leaf = free.unwrap_or(self.tree.len());
            if free.is_none() {
                self.tree.push(None);
            }
            self.tree[leaf] = Some(*user);
            // A welcome is of use only to the session whose key package was added, and not after it made a new one.
            let same = self.pending.get(user).is_some_and(|pending| pending.number == *number);
            if same && self.live.contains_key(user) {
                self.pending.remove(user);
                joiners.push(*user);
            } else {
                self.stale.insert(leaf);
            }
        }
        self.epoch += 1;
        self.retries = 0;
        self.transitions = self.transitions.checked_add(1).unwrap_or(1);
        let id = if self.zero_transitions { 0 } else { self.transitions };
        let prefixed = |bytes: &Bytes| Bytes::from([&id.to_be_bytes(), bytes.as_ref()].concat());
        for user in &members {
            self.replies.push(GroupOutput::Binary(*user, op::ANNOUNCE_COMMIT, prefixed(commit)));
        }
        for user in &joiners {
            self.replies.push(GroupOutput::Binary(*user, op::WELCOME, prefixed(welcome)));
        }
        let all = members.into_iter().chain(joiners);
        self.transition = Some(Transition {
            id,
            waiting: all.filter(|user| id != 0 && self.is_there(*user)).collect(),
            deadline: at + self.times.transition,
        });
        self.replies.push(GroupOutput::Event(Event::DaveCommitted {
            channel: self.channel,
            epoch: self.epoch,
            transition: id,
            committer,
            members: self.participants(),
        }));
    }
}

impl Batch {
    /// The proposals that a user was sent: all but its own Add.
    fn proposals_for(&self, user: UserId) -> impl Iterator<Item = &Proposal> {
        let removes = self.removes.iter().map(|(_, proposal)| proposal);
        removes.chain(self.adds.iter().filter(move |(added, ..)| *added != user).map(|(.., p)| p))
    }
}
