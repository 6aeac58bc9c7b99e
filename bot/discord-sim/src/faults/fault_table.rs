//! Which faults are in force for whom. Shared: tests change it while calls run.
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::LinkFaults;
use crate::ids::{ChannelId, UserId};

/// The faults in force.
#[derive(Debug, Default)]
pub struct Faults {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    seed: u64,
    channels: HashMap<ChannelId, LinkFaults>,
    senders: HashMap<UserId, LinkFaults>,
    receivers: HashMap<UserId, LinkFaults>,
    dropped_binaries: HashMap<(UserId, u8), u32>,
    spoiled_binaries: HashMap<(UserId, u8), u32>,
    refused_resumes: HashMap<UserId, u32>,
    refused_identifies: HashMap<UserId, VecDeque<(u16, u32)>>,
    closed_resumes: HashMap<UserId, (u16, u32)>,
    zero_transitions: HashSet<ChannelId>,
    gathered_joins: HashMap<ChannelId, Duration>,
    voice_server_first: bool,
    failing_rest: Vec<FailingRest>,
}

/// REST requests that are to fail.
#[derive(Debug)]
struct FailingRest {
    path: String,
    status: u16,
    left: u32,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { table: Mutex::new(Table { seed, ..Table::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seed of every decision.
    pub fn seed(&self) -> u64 {
        self.lock().seed
    }

    /// Faults for all traffic of a call.
    pub fn set_channel(&self, channel: ChannelId, faults: LinkFaults) {
        self.lock().channels.insert(channel, faults);
    }

    /// Faults for what a user sends.
    pub fn set_sender(&self, user: UserId, faults: LinkFaults) {
        self.lock().senders.insert(user, faults);
    }

    /// Faults for what a user receives.
    pub fn set_receiver(&self, user: UserId, faults: LinkFaults) {
        self.lock().receivers.insert(user, faults);
    }

    /// Takes every fault back.
    pub fn clear(&self) {
        let mut table = self.lock();
        *table = Table { seed: table.seed, ..Table::default() };
    }

    /// The next `count` binary messages with this opcode to this user are lost on the way.
    pub fn drop_binary(&self, user: UserId, opcode: u8, count: u32) {
        self.lock().dropped_binaries.insert((user, opcode), count);
    }

    /// The next `count` binary messages with this opcode to this user arrive damaged: a commit or welcome that no client
    /// can use, which is answered by op 31.
    pub fn spoil_binary(&self, user: UserId, opcode: u8, count: u32) {
        self.lock().spoiled_binaries.insert((user, opcode), count);
    }

    /// The next `count` attempts of this user to resume its voice session are refused with 4006.
    pub fn refuse_resume(&self, user: UserId, count: u32) {
        self.lock().refused_resumes.insert(user, count);
    }

    /// The next `count` attempts of this user to identify at the voice gateway are refused with a close code.
    pub fn refuse_identify(&self, user: UserId, code: u16, count: u32) {
        self.lock().refused_identifies.insert(user, VecDeque::from([(code, count)]));
    }

    /// This user's next attempts to identify at the voice gateway are refused with these codes, one after the other.
    pub fn refuse_identify_with(&self, user: UserId, codes: &[u16]) {
        self.lock().refused_identifies.insert(user, codes.iter().map(|code| (*code, 1)).collect());
    }

    /// The next `count` voice sessions that this user resumes are closed with a code at once.
    pub fn close_resumed(&self, user: UserId, code: u16, count: u32) {
        self.lock().closed_resumes.insert(user, (code, count));
    }

    /// New epochs in a call have transition 0, which is in force at once.
    pub fn zero_transitions(&self, channel: ChannelId) {
        self.lock().zero_transitions.insert(channel);
    }

    /// Members who join a call within so long are added by one commit.
    pub fn gather_joins(&self, channel: ChannelId, within: Duration) {
        self.lock().gathered_joins.insert(channel, within);
    }

    /// VOICE_SERVER_UPDATE comes before VOICE_STATE_UPDATE. Discord documents no order of the two.
    pub fn send_voice_server_first(&self) {
        self.lock().voice_server_first = true;
    }

    /// The next `count` REST requests whose path contains `path` fail with a status; `/gw` is the gateway's own path. 429 comes with Discord's fields
    /// and headers, and asks to wait a quarter of a second.
    pub fn fail_rest(&self, path: &str, status: u16, count: u32) {
        self.lock().failing_rest.push(FailingRest { path: path.to_owned(), status, left: count });
    }

    /// What is in force for packets from `sender` to `receiver`, with the seed.
    pub(crate) fn between(&self, channel: ChannelId, sender: UserId, receiver: UserId) -> (u64, LinkFaults) {
        let table = self.lock();
        let get = |found: Option<&LinkFaults>| found.copied().unwrap_or(LinkFaults::NONE);
        let faults = get(table.channels.get(&channel))
            .and(get(table.senders.get(&sender)))
            .and(get(table.receivers.get(&receiver)));
        (table.seed, faults)
    }

    /// What is in force for the voice gateway's messages to `receiver`.
    pub(crate) fn to_receiver(&self, channel: ChannelId, receiver: UserId) -> LinkFaults {
        let table = self.lock();
        let get = |found: Option<&LinkFaults>| found.copied().unwrap_or(LinkFaults::NONE);
        get(table.channels.get(&channel)).and(get(table.receivers.get(&receiver)))
    }

    pub(crate) fn takes_binary(&self, user: UserId, opcode: u8) -> bool {
        count_down(self.lock().dropped_binaries.get_mut(&(user, opcode)))
    }

    pub(crate) fn spoils_binary(&self, user: UserId, opcode: u8) -> bool {
        count_down(self.lock().spoiled_binaries.get_mut(&(user, opcode)))
    }

    pub(crate) fn refuses_resume(&self, user: UserId) -> bool {
        count_down(self.lock().refused_resumes.get_mut(&user))
    }

    pub(crate) fn fails_rest(&self, path: &str) -> Option<u16> {
        let mut table = self.lock();
        let failing =
            table.failing_rest.iter_mut().find(|fail| fail.left > 0 && path.contains(&fail.path))?;
        failing.left -= 1;
        Some(failing.status)
    }

    pub(crate) fn refuses_identify(&self, user: UserId) -> Option<u16> {
        let mut table = self.lock();
        let refusals = table.refused_identifies.get_mut(&user)?;
        refusals.retain(|(_, left)| *left > 0);
        let (code, left) = refusals.front_mut()?;
        *left -= 1;
        Some(*code)
    }

    pub(crate) fn closes_resumed(&self, user: UserId) -> Option<u16> {
        let mut table = self.lock();
        let (code, left) = table.closed_resumes.get_mut(&user)?;
        let code = *code;
        count_down(Some(left)).then_some(code)
    }

    pub(crate) fn has_zero_transitions(&self, channel: ChannelId) -> bool {
        self.lock().zero_transitions.contains(&channel)
    }

    pub(crate) fn gathers_joins(&self, channel: ChannelId) -> Duration {
        self.lock().gathered_joins.get(&channel).copied().unwrap_or_default()
    }

    pub(crate) fn sends_voice_server_first(&self) -> bool {
        self.lock().voice_server_first
    }
}

fn count_down(left: Option<&mut u32>) -> bool {
    match left {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_channel_sender_and_receiver_add_up() {
        let faults = Faults::new(1);
        faults.set_channel(ChannelId(1), LinkFaults::lossy(0.5));
        faults.set_sender(UserId(2), LinkFaults { padding: true, ..LinkFaults::lossy(0.5) });
        let (_, both) = faults.between(ChannelId(1), UserId(2), UserId(3));
        assert!((both.loss - 0.75).abs() < 1e-9 && both.padding);
        let (_, other) = faults.between(ChannelId(1), UserId(4), UserId(3));
        assert!((other.loss - 0.5).abs() < 1e-9 && !other.padding);
        faults.clear();
        assert_eq!(faults.between(ChannelId(1), UserId(2), UserId(3)).1, LinkFaults::NONE);
    }

    #[test]
    fn refusals_come_in_the_order_that_was_asked() {
        let faults = Faults::new(1);
        faults.refuse_identify_with(UserId(1), &[4017, 4006]);
        let refused: Vec<_> = (0..3).map(|_| faults.refuses_identify(UserId(1))).collect();
        assert_eq!(refused, [Some(4017), Some(4006), None]);
    }

    #[test]
    fn a_message_is_lost_only_as_often_as_asked() {
        let faults = Faults::new(1);
        faults.drop_binary(UserId(1), 29, 2);
        let lost: Vec<bool> = (0..4).map(|_| faults.takes_binary(UserId(1), 29)).collect();
        assert_eq!(lost, [true, true, false, false]);
        assert!(!faults.takes_binary(UserId(1), 30));
    }
}
