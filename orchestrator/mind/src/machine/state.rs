//! The machine's state.
use std::collections::{BTreeMap, VecDeque};

use antiphon_core::event::{Action, Consent, Flags, Input, Member, PolicyName, Provider, Settings};
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;

use super::context::Context;
use super::limits::{MAX_CLOSED, MAX_PACE, PACE_WINDOW};
use super::turn::Turn;
use crate::policy::{Conversation, Policy};

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Unstarted,
    Running,
    Draining,
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) member: Member,
    pub(super) consent: Consent,
}

/// To whom something was said last, and when that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastReply {
    pub(super) to: UserId,
    pub(super) ended: Timestamp,
}

/// A policy with the name it goes by. Two of the same name are the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) name: PolicyName,
    policy: &'static dyn Policy,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Rules {}

/// One policy's mind in one session. Fed with the same inputs, two machines of the same policy give the same actions,
/// bit for bit: all its collections are ordered, and it has no source of chance or time but its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub(super) rules: Rules,
    pub(super) phase: Phase,
    pub(super) bot: Member,
    pub(super) flags: Flags,
    pub(super) settings: Settings,
    pub(super) providers: Vec<Provider>,
    pub(super) people: BTreeMap<UserId, Person>,
    pub(super) turns: BTreeMap<TurnId, Turn>,
    /// The turn whose reply is being written or spoken.
    pub(super) floor: Option<TurnId>,
    /// Turns to be answered next, in order.
    pub(super) waiting: Vec<TurnId>,
    pub(super) context: Context,
    pub(super) last_reply: Option<LastReply>,
    pace: VecDeque<Timestamp>,
    closed: VecDeque<TurnId>,
    closed_below: TurnId,
    /// Open turns that another policy acted for until it failed: closed with the input that says so.
    pub(super) adopted: Vec<TurnId>,
}

impl Machine {
    /// A machine that waits for [`Input::SessionStarted`] and follows `policy`.
    pub fn new(policy: PolicyName) -> Self {
        Self::with_policy(policy, crate::policy::named(policy))
    }

    /// Like [`Machine::new`], with a policy that goes by the name `name`.
    pub fn with_policy(name: PolicyName, policy: &'static dyn Policy) -> Self {
        Self {
            rules: Rules { name, policy },
            phase: Phase::Unstarted,
            bot: Member { user: UserId(0), name: String::new(), bot: true },
            flags: Flags::default(),
            settings: Settings::default(),
            providers: Vec::new(),
            people: BTreeMap::new(),
            turns: BTreeMap::new(),
            floor: None,
            waiting: Vec::new(),
            context: Context::default(),
            last_reply: None,
            pace: VecDeque::new(),
            closed: VecDeque::new(),
            closed_below: TurnId(0),
            adopted: Vec::new(),
        }
    }

    /// Takes what happened at `at`, gives what is wanted. Never fails: an input that makes no sense (a turn that is
    /// unknown or closed, a result nobody asked for) changes nothing.
    pub fn step(&mut self, at: Timestamp, input: &Input) -> Vec<Action> {
        self.take(at, input)
    }

    /// The policy it follows.
    pub fn policy(&self) -> PolicyName {
        self.rules.name
    }

    /// A machine that follows `policy` and knows what this one knows of the session, but none of its open turns.
    pub fn successor(&self, policy: PolicyName) -> Self {
        let mut machine = self.clone();
        machine.rules = Rules { name: policy, policy: crate::policy::named(policy) };
        let open: Vec<TurnId> = machine.turns.keys().copied().collect();
        machine.turns.clear();
        machine.floor = None;
        machine.waiting.clear();
        for turn in open {
            machine.note_closed(turn);
        }
        machine
    }

    /// Takes over open turns of a policy that failed. Nothing of what this machine wanted for them was performed, so those
    /// that were being answered are closed with the next input, and those who wait behind them go on.
    pub fn adopt(&mut self, turns: impl IntoIterator<Item = TurnId>) {
        self.adopted.extend(turns);
    }

    /// The flags in force.
    pub fn flags(&self) -> &Flags {
        &self.flags
    }

    /// Whether a turn is open.
    pub fn is_open(&self, turn: TurnId) -> bool {
        self.turns.contains_key(&turn)
    }

    /// How many turns are open.
    pub fn open_turns(&self) -> usize {
        self.turns.len()
    }

    /// Whether the session's first input has not come yet.
    pub fn has_not_started(&self) -> bool {
        self.phase == Phase::Unstarted
    }

    /// Whether the session has ended.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    pub(super) fn rules(&self) -> &'static dyn Policy {
        self.rules.policy
    }

    pub(super) fn conversation(&self, at: Timestamp) -> Conversation<'_> {
        Conversation {
            settings: &self.settings,
            providers: &self.providers,
            people: self.people.values().filter(|p| !p.member.bot).count(),
            pace: self.pace.iter().filter(|&&then| at.since(then) <= PACE_WINDOW).count(),
        }
    }

    pub(super) fn note_pace(&mut self, at: Timestamp) {
        if self.pace.len() == MAX_PACE {
            self.pace.pop_front();
        }
        self.pace.push_back(at);
    }

    /// Whether a turn's number was used already.
    pub(super) fn is_used(&self, turn: TurnId) -> bool {
        self.turns.contains_key(&turn)
            || self.closed.contains(&turn)
            || (turn <= self.closed_below && self.closed_below.0 > 0)
    }

    pub(super) fn note_closed(&mut self, turn: TurnId) {
        if self.closed.len() == MAX_CLOSED
            && let Some(oldest) = self.closed.pop_front()
        {
            self.closed_below = self.closed_below.max(oldest);
        }
        self.closed.push_back(turn);
    }

    /// How many things are remembered, each with the characters of its texts: what the bounds bound.
    #[cfg(test)]
    pub(crate) fn footprint(&self) -> usize {
        let turns: usize = self
            .turns
            .values()
            .map(|t| {
                1 + t.text.len()
                    + t.name.len()
                    + t.tried.len()
                    + t.reply.sentences.iter().map(|s| 1 + s.text.len() + s.tried.len()).sum::<usize>()
            })
            .sum();
        let people: usize = self.people.values().map(|p| 1 + p.member.name.len()).sum();
        turns
            + people
            + self.providers.iter().map(|p| 1 + p.name.len()).sum::<usize>()
            + self.waiting.len()
            + self.pace.len()
            + self.closed.len()
            + self.context.footprint()
    }
}
