//! People, providers, the session's beginning and end.
use antiphon_core::event::{
    Consent, DecisionKind, Flags, Member, Outcome, PolicyName, Provider, ProviderKind, Settings, StopReason,
};
use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;

use super::limits::{MAX_CONTEXT, MAX_NAME, MAX_PEOPLE, MAX_PROVIDERS, MAX_SENTENCES};
use super::out::{Out, clip};
use super::state::{Machine, Person, Phase};
use super::turn::{Origin, Stage, Turn};

impl Machine {
    pub(super) fn start(&mut self, bot: &Member, flags: Flags, providers: &[Provider], settings: &Settings) {
        self.phase = Phase::Running;
        self.bot = clipped(bot);
        self.flags = flags;
        self.settings = settings.clone();
        self.settings.wake_name = clip(&settings.wake_name, MAX_NAME);
        self.settings.max_sentences = settings.max_sentences.clamp(1, MAX_SENTENCES);
        self.settings.context_turns =
            settings.context_turns.min(u32::try_from(MAX_CONTEXT).unwrap_or(u32::MAX));
        self.context.keep(usize::try_from(self.settings.context_turns).unwrap_or(MAX_CONTEXT));
        self.providers = providers.iter().take(MAX_PROVIDERS).cloned().collect();
        for provider in &mut self.providers {
            provider.name = clip(&provider.name, MAX_NAME);
        }
    }

    pub(super) fn joined(&mut self, member: &Member, consent: Consent) {
        if self.people.len() < MAX_PEOPLE || self.people.contains_key(&member.user) {
            self.people.insert(member.user, Person { member: clipped(member), consent });
        }
    }

    pub(super) fn left(&mut self, at: Timestamp, user: UserId, out: &mut Out) {
        if self.people.remove(&user).is_some() {
            self.forsake(at, user, "the person left before an answer was heard", out);
        }
    }

    pub(super) fn consent(&mut self, at: Timestamp, user: UserId, consent: Consent, out: &mut Out) {
        if consent == Consent::Withheld {
            // Also what somebody said who has left since.
            self.context.forget(user);
        }
        let Some(person) = self.people.get_mut(&user) else { return };
        person.consent = consent;
        if consent == Consent::Withheld {
            self.forsake(at, user, "the person took back consent", out);
        }
    }

    /// Abandons a person's spoken turns, except for a reply that is being heard already.
    fn forsake(&mut self, at: Timestamp, user: UserId, reason: &str, out: &mut Out) {
        let unheard = |t: &&Turn| {
            t.user == user && t.origin == Origin::Spoken && !t.reply.audible && t.stage != Stage::Stopping
        };
        let ids: Vec<_> = self.turns.values().filter(unheard).map(|t| t.id).collect();
        for id in ids {
            self.abandon(at, id, reason, StopReason::Superseded, out);
        }
    }

    pub(super) fn health(&mut self, kind: ProviderKind, name: &str, healthy: bool, expected_ms: u32) {
        let name = clip(name, MAX_NAME);
        match self.providers.iter().position(|p| p.kind == kind && p.name == name) {
            Some(known) => {
                if let Some(provider) = self.providers.get_mut(known) {
                    provider.healthy = healthy;
                    provider.expected_ms = expected_ms;
                }
            }
            None if self.providers.len() < MAX_PROVIDERS => {
                self.providers.push(Provider { kind, name, healthy, expected_ms });
            }
            None => {}
        }
    }

    pub(super) fn policy_chosen(&mut self, policy: PolicyName, reason: &str, out: &mut Out) {
        let other = match policy {
            PolicyName::Established => PolicyName::Adaptive,
            PolicyName::Adaptive => PolicyName::Established,
        };
        out.decide(None, DecisionKind::Policy, policy.as_str(), clip(reason, 500), &[other.as_str()]);
    }

    pub(super) fn end(&mut self, at: Timestamp, reason: &str, out: &mut Out) {
        let reason = format!("the session ended: {}", clip(reason, 500));
        let ids: Vec<_> = self.turns.keys().copied().collect();
        for id in ids {
            if self.turns.get(&id).is_some_and(|t| t.stage == Stage::Stopping) {
                self.close(at, id, Outcome::Interrupted, out);
            } else {
                self.abandon(at, id, &reason, StopReason::SessionEnded, out);
            }
        }
        self.phase = Phase::Ended;
        self.people.clear();
        self.context.clear();
    }

    /// How a person is called.
    pub(super) fn name_of(&self, user: UserId) -> String {
        self.people.get(&user).map_or_else(|| "somebody".into(), |p| p.member.name.clone())
    }
}

fn clipped(member: &Member) -> Member {
    Member { name: clip(&member.name, MAX_NAME), ..member.clone() }
}
