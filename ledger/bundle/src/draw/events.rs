//! What a drawing shows besides sound, gathered from timeline, inputs, actions and transcripts.
use std::collections::{BTreeMap, BTreeSet};

use crate::export::subtitles::spoken;
use crate::format::error::Result;
use crate::format::lines::TimelineLine;
use crate::read::reader::Reader;
use antiphon_core::audio::{SLOT_MS, SlotMark};
use antiphon_core::event::{Action, Consent, Decision, DecisionKind, Input, StopReason};
use antiphon_core::ids::{Lane, TurnId, UserId};

/// Of each sort at the most: no screen shows more, and memory stays bounded whatever the session's length.
const MOST: usize = 20_000;

/// A stretch of time with something to say.
#[derive(Debug)]
pub(super) struct Stretch<T> {
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    pub(super) what: T,
}

/// A decision, and whether the other lane decided otherwise.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) at_ms: u64,
    pub(super) decision: Decision,
    pub(super) differs: bool,
}

#[derive(Debug, Default)]
pub(super) struct Events {
    /// Runs of slots with the same mark, by speaker.
    pub(super) marks: BTreeMap<UserId, Vec<Stretch<SlotMark>>>,
    /// When the bot was heard.
    pub(super) played: Vec<Stretch<()>>,
    /// Turns, by speaker.
    pub(super) turns: BTreeMap<UserId, Vec<Stretch<TurnId>>>,
    /// Words, by speaker, the bot included.
    pub(super) words: BTreeMap<UserId, Vec<Stretch<String>>>,
    /// Who came, left, agreed or no longer agreed.
    pub(super) people: BTreeMap<UserId, Vec<(u64, &'static str)>>,
    /// When the bot fell silent because somebody spoke.
    pub(super) barge_in: Vec<u64>,
    pub(super) production: Vec<Decided>,
    pub(super) sandbox: Vec<Decided>,
    /// The end of the last of all this.
    pub(super) end_ms: u64,
    /// Things left out because there are too many.
    pub(super) left_out: u64,
}

impl Events {
    pub(super) fn gather(bundle: &Reader) -> Result<Self> {
        let manifest = bundle.manifest();
        let since = |at: antiphon_core::time::Timestamp| at.millis_since(manifest.started);
        let mut out = Self { end_ms: manifest.ended.millis_since(manifest.started), ..Self::default() };
        for line in bundle.timeline()? {
            match line? {
                TimelineLine::Slots(run) => {
                    let (from, to) = (slot_ms(run.first_slot), slot_ms(run.first_slot + run.slots));
                    let runs = out.marks.entry(run.user).or_default();
                    match runs.last_mut() {
                        Some(last) if last.to_ms == from && last.what == run.mark => last.to_ms = to,
                        _ => push(
                            runs,
                            Stretch { from_ms: from, to_ms: to, what: run.mark },
                            &mut out.left_out,
                        ),
                    }
                }
                TimelineLine::Played { first_slot, slots } => {
                    let (from_ms, to_ms) = (slot_ms(first_slot), slot_ms(first_slot.saturating_add(slots)));
                    push(&mut out.played, Stretch { from_ms, to_ms, what: () }, &mut out.left_out);
                }
                TimelineLine::Joined { at, member, consent } => {
                    let what = if consent == Consent::Granted { "joined" } else { "joined, no consent" };
                    push(out.people.entry(member.user).or_default(), (since(at), what), &mut out.left_out);
                }
                TimelineLine::Left { at, user } => {
                    push(out.people.entry(user).or_default(), (since(at), "left"), &mut out.left_out);
                }
                TimelineLine::Consent { at, user, consent } => {
                    let what = if consent == Consent::Granted { "consents" } else { "takes consent back" };
                    push(out.people.entry(user).or_default(), (since(at), what), &mut out.left_out);
                }
                TimelineLine::Surplus(_) | TimelineLine::Note { .. } => {}
            }
        }
        for line in bundle.inputs()? {
            if let Input::UserSpeechEnded { turn, user, audio } = line?.input {
                let from_ms = slot_ms(audio.first_slot);
                let to_ms = from_ms.saturating_add(audio.millis());
                push(
                    out.turns.entry(user).or_default(),
                    Stretch { from_ms, to_ms, what: turn },
                    &mut out.left_out,
                );
            }
        }
        for line in spoken(bundle)? {
            let words = Stretch { from_ms: line.start_ms, to_ms: line.end_ms, what: line.text };
            push(out.words.entry(line.user).or_default(), words, &mut out.left_out);
        }
        for lane in [Lane::Production, Lane::Sandbox] {
            let mut decided = Vec::new();
            for line in bundle.actions(lane)? {
                let line = line?;
                match line.action {
                    Action::Decide { decision } => {
                        let decided_at = Decided { at_ms: since(line.at), decision, differs: false };
                        push(&mut decided, decided_at, &mut out.left_out);
                    }
                    Action::StopPlayback { reason: StopReason::BargeIn, .. } if lane == Lane::Production => {
                        push(&mut out.barge_in, since(line.at), &mut out.left_out);
                    }
                    _ => {}
                }
            }
            match lane {
                Lane::Production => out.production = decided,
                Lane::Sandbox => out.sandbox = decided,
            }
        }
        compare(&mut out.production, &mut out.sandbox);
        Ok(out)
    }
}

/// Marks the decisions that the other lane did not take alike: of the same turn and kind, in their order.
fn compare(production: &mut [Decided], sandbox: &mut [Decided]) {
    type Key = (Option<TurnId>, DecisionKind, usize, String);
    fn keys(decided: &[Decided]) -> Vec<Key> {
        let mut counts: BTreeMap<(Option<TurnId>, DecisionKind), usize> = BTreeMap::new();
        let key = |of: &Decided| {
            let n = counts.entry((of.decision.turn, of.decision.kind)).or_default();
            *n += 1;
            (of.decision.turn, of.decision.kind, *n, of.decision.choice.clone())
        };
        decided.iter().map(key).collect()
    }
    let (ours, theirs) = (keys(production), keys(sandbox));
    // A session without a sandbox lane has nothing to differ from.
    if ours.is_empty() || theirs.is_empty() {
        return;
    }
    let known: BTreeSet<&Key> = ours.iter().collect();
    for (decided, key) in sandbox.iter_mut().zip(&theirs) {
        decided.differs = !known.contains(key);
    }
    let known: BTreeSet<&Key> = theirs.iter().collect();
    for (decided, key) in production.iter_mut().zip(&ours) {
        decided.differs = !known.contains(key);
    }
}

fn slot_ms(slot: u64) -> u64 {
    slot.saturating_mul(u64::from(SLOT_MS))
}

fn push<T>(into: &mut Vec<T>, what: T, left_out: &mut u64) {
    if into.len() < MOST {
        into.push(what);
    } else {
        *left_out += 1;
    }
}
