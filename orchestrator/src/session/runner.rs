//! The session's task: everything that happens goes through [`Runner::happened`], one thing after the other.
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use antiphon_core::breaker::BreakerTrip;
use antiphon_core::event::{Failure, FailureKind, Input, PolicyName};
use antiphon_core::ids::{CorrelationId, GuildId, SessionId, UserId};
use antiphon_core::record::Body;
use antiphon_core::time::Timestamp;
use capture::Pipeline;
use capture::mirror::Piece;
use mind::lanes::LaneActions;
use tokio::sync::{mpsc, watch};
use tracing::info_span;

use super::candidate::Report;
use super::clocked::Clocked;
use super::deciding::{Deciding, Rehearsed};
use super::guests::Guests;
use super::handle::{Ended, Heard, Order};
use super::playback::Playback;
use super::sinks::Sinks;
use super::status::SessionStatus;
use super::transport::Transport;
use super::turns::{Turns, opened};
use super::voice_output::LinkEvent;

/// How often slots are given out and timers looked at: one slot.
const TICK: Duration = Duration::from_millis(20);

/// Records how long one stage of a turn took.
pub(super) fn stage(name: &'static str, took: Duration) {
    metrics::histogram!("antiphon_stage_seconds", "stage" => name).record(took.as_secs_f64());
}

/// Everything the task owns.
pub(super) struct Runner {
    pub(super) guild: GuildId,
    pub(super) session: SessionId,
    pub(super) started: Timestamp,
    pub(super) clocked: Clocked,
    pub(super) pipeline: Pipeline,
    pub(super) guests: Guests,
    pub(super) deciding: Deciding,
    pub(super) turns: Turns,
    pub(super) sinks: Sinks,
    pub(super) transport: Transport,
    pub(super) playback: Playback,
    pub(super) status: watch::Sender<SessionStatus>,
    /// Packets that found the inbox full since the last tick, and in all.
    pub(super) missed: Arc<AtomicU64>,
    pub(super) missed_total: u64,
}

/// The channels a session's task listens to.
pub(super) struct Inbox {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) heard: mpsc::Receiver<Heard>,
    /// Sound that was looked at already, for another order's sake; it comes before what is in `heard`.
    pub(super) looked_at: VecDeque<Heard>,
    pub(super) results: mpsc::Receiver<Input>,
    pub(super) link: mpsc::Receiver<LinkEvent>,
    pub(super) reports: mpsc::Receiver<Report>,
}

impl Inbox {
    /// All that waits: no more than the channel holds, twice.
    pub(super) fn all_heard(&mut self) -> VecDeque<Heard> {
        let mut all = std::mem::take(&mut self.looked_at);
        for _ in 0..self.heard.len() {
            all.extend(self.heard.try_recv().ok());
        }
        all
    }
}

/// The next that was heard. Nothing is lost when it is not waited for any more.
async fn next_heard(looked_at: &mut VecDeque<Heard>, heard: &mut mpsc::Receiver<Heard>) -> Option<Heard> {
    match looked_at.pop_front() {
        Some(heard) => Some(heard),
        None => heard.recv().await,
    }
}

impl Runner {
    /// Runs to the session's end.
    pub(super) async fn run(mut self, mut inbox: Inbox, ended: watch::Sender<Option<Ended>>) {
        metrics::gauge!("antiphon_sessions_active").increment(1.0);
        let mut tick = tokio::time::interval(TICK / self.clocked.speed());
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let reason = loop {
            tokio::select! {
                biased;
                order = inbox.orders.recv() => match order {
                    Some(Order::End { reason }) => break reason,
                    Some(Order::Left { user }) => {
                        self.last_sound_of(user, &mut inbox);
                        self.order(Order::Left { user });
                    }
                    Some(order) => self.order(order),
                    None => break "its owner has ended".to_owned(),
                },
                event = inbox.link.recv() => match event {
                    Some(event) => self.link_event(event),
                    None => break "the voice connection was lost".to_owned(),
                },
                Some(report) = inbox.reports.recv() => self.reported(report),
                Some(result) = inbox.results.recv() => self.happened(self.clocked.now(), result),
                Some(heard) = next_heard(&mut inbox.looked_at, &mut inbox.heard) => self.heard(heard),
                _ = tick.tick() => self.tick(),
            }
        };
        let ending = self.end(reason, inbox);
        ended.send_replace(Some(ending.await));
        metrics::gauge!("antiphon_sessions_active").decrement(1.0);
    }

    /// Orders overtake sound: that of somebody who leaves is taken in first, or the end of it would be nobody's. The
    /// others' stays behind the orders that wait, for somebody may have withdrawn consent.
    fn last_sound_of(&mut self, user: UserId, inbox: &mut Inbox) {
        let (theirs, others) = inbox.all_heard().into_iter().partition(|heard| heard.user() == Some(user));
        inbox.looked_at = others;
        for heard in Vec::from(theirs) {
            self.heard(heard);
        }
    }

    fn order(&mut self, order: Order) {
        let now = self.clocked.now();
        match order {
            Order::Joined { member, consent } => {
                let changes = self.guests.joined(&member, consent);
                self.apply_roster_changes(now, changes);
            }
            Order::Left { user } => {
                let changes = self.guests.left(user);
                self.apply_roster_changes(now, changes);
            }
            Order::Consent { user, consent } => {
                let changes = self.guests.consent(user, consent);
                self.apply_roster_changes(now, changes);
            }
            Order::Ask { user, text, answer } => self.asked(now, user, text, answer),
            Order::Say { user, text } => self.say(now, user, text),
            Order::Mirrored(Piece::Packet(packet)) => self.packet(packet),
            Order::Mirrored(Piece::Sound(sound)) => self.sound(sound),
            Order::Flags { flags } => self.happened(now, Input::FlagsChanged { flags }),
            Order::Health { kind, provider, healthy, expected_ms } => {
                self.happened(now, Input::HealthChanged { kind, provider, healthy, expected_ms });
            }
            Order::Transition { transition } => {
                let (key, before, after) = (transition.key, transition.before, transition.after);
                self.sinks.row(transition.at, Body::Transition { key, before, after });
            }
            Order::Audit { what, who, details } => {
                self.sinks.row(now, Body::Audit { what, who, details });
            }
            Order::StopRecording { reason, reply } => self.stop_recording(now, reason, reply),
            Order::Drain => self.happened(now, Input::DrainRequested),
            // Handled where it is received.
            Order::End { .. } => {}
        }
    }

    /// The one way in: both lanes are fed, everything is written down, production's wishes are performed. The
    /// candidate is fed last: nothing that it does can hold up what is performed.
    pub(super) fn happened(&mut self, at: Timestamp, input: Input) {
        let input = self.without_forgotten_words(input);
        let at = self.clocked.in_order(at);
        let turn = input.turn();
        let span = info_span!("step", guild = %self.guild, session = %self.session, turn = turn.map_or(0, |t| t.0),
            correlation = %CorrelationId::new(self.session, turn));
        let _in = span.enter();
        self.follow(&input);

        let begun = self.clocked.now();
        let mut stepped = self.deciding.step(at, &input, self.clocked.clock());
        stage("step", self.clocked.now().since(begun));
        let (step, awaited) = (stepped.step, stepped.awaits_candidate);
        let (adaptive, mut failed) = (stepped.adaptive, stepped.failed.take());
        let production = stepped.lanes.production.clone();
        let fed = awaited.then(|| input.clone());
        let complete = self.sinks.step(at, input, stepped);
        self.completed(complete);
        for decided in production {
            self.perform(at, decided);
        }
        if let Some(input) = fed
            && let Err(why) = self.deciding.rehearse(step, at, &input)
        {
            failed = Some(why);
        }
        if let Some(trip) = adaptive.and_then(|took| self.deciding.timed(at, took)) {
            self.breaker_moved(at, &trip);
        }
        match failed {
            Some(why) => self.candidate_failed(at, if awaited { None } else { Some(step) }, &why),
            None => self.consult(at),
        }
    }

    /// What was said in a turn that is closed (its speaker withdrew consent, or left) is not written down: the
    /// recogniser may have been at it when the turn was closed.
    fn without_forgotten_words(&self, input: Input) -> Input {
        match input {
            Input::TranscriptFinal { turn, provider, .. } if !self.turns.is_open(turn) => {
                let detail = "the turn was closed before its transcript came".to_owned();
                let failure = Failure { kind: FailureKind::Cancelled, detail };
                Input::TranscriptFailed { turn, provider, failure }
            }
            Input::TranscriptPartial { turn, user, .. } if !self.turns.is_open(turn) => {
                Input::TranscriptPartial { turn, user, text: String::new() }
            }
            other => other,
        }
    }

    /// Asks the guard which policy is to act, and passes on a change of it.
    fn consult(&mut self, at: Timestamp) {
        match self.deciding.review(at) {
            Ok(Some(chosen)) => self.happened(at, chosen),
            Ok(None) => {
                let flags = self.deciding.flags();
                self.deciding.lend_candidate(at, &flags);
            }
            Err(why) => self.candidate_failed(at, None, &why),
        }
    }

    /// Something came back from the candidate.
    pub(super) fn reported(&mut self, report: Report) {
        let now = self.clocked.now();
        match report {
            Report::Stepped { step, actions, took } => {
                self.rehearsed(now, Deciding::rehearsed(step, actions, took));
            }
            Report::Returned { machine } => {
                let (steps, failed) = self.deciding.candidate_returned(*machine);
                for step in steps {
                    self.rehearsed(now, step);
                }
                match failed {
                    Some(why) => self.candidate_failed(now, None, &why),
                    None => self.consult(now),
                }
            }
            Report::Panicked { what } => self.candidate_failed(now, None, &what),
        }
    }

    fn rehearsed(&mut self, now: Timestamp, rehearsed: Rehearsed) {
        let took = rehearsed.took;
        let complete = self.sinks.rehearsed(rehearsed);
        self.completed(complete);
        if let Some(trip) = self.deciding.timed(now, took) {
            self.breaker_moved(now, &trip);
        }
    }

    /// A candidate that takes too long, or lets too much wait for it, is of no use any more.
    pub(super) fn look_after_candidate(&mut self, now: Timestamp) {
        if let Some(running) = self.deciding.is_candidate_stalled() {
            let budget = self.deciding.step_budget().as_millis();
            let why = format!("its step has run for {} ms, its budget is {budget}", running.as_millis());
            self.candidate_failed(now, None, &why);
        } else if self.sinks.is_full() {
            self.candidate_failed(now, None, "too much waits for its answer");
        }
    }

    /// The candidate panicked or stalled: it is out of service for the rest of the session, and the record says so.
    /// `at_step` is the step in which it failed; none for the first that it has not answered for.
    pub(super) fn candidate_failed(&mut self, at: Timestamp, at_step: Option<u64>, why: &str) {
        let steps = at_step.or(self.sinks.first_awaited()).unwrap_or(self.deciding.steps());
        tracing::error!(session = %self.session, steps, why, "the candidate is out of service for this session");
        metrics::counter!("antiphon_candidates_stopped_total").increment(1);
        self.deciding.stop_candidate(why);
        let complete = self.sinks.await_nothing();
        self.completed(complete);
        self.status.send_modify(|status| status.candidate_stopped = Some(why.to_owned()));
        let policy = PolicyName::Adaptive;
        self.happened(at, Input::CandidateStopped { policy, steps, reason: why.to_owned() });
    }

    /// Steps that both lanes have answered for.
    fn completed(&mut self, steps: Vec<LaneActions>) {
        let differing: u64 = steps.iter().map(|lanes| self.turns.compare(lanes)).sum();
        if differing > 0 && self.deciding.flags().mirror_enabled {
            self.status.send_modify(|status| status.differing_turns += differing);
        }
    }

    /// Each trip of the adaptive lane's breaker is a ledger row and is seen in a gauge.
    fn breaker_moved(&mut self, at: Timestamp, trip: &BreakerTrip) {
        tracing::warn!(?trip, "the adaptive lane's breaker moved");
        let details = serde_json::to_value(trip).unwrap_or_default();
        self.sinks.row(at, Body::Audit { what: "breaker_moved".into(), who: "guard".into(), details });
    }

    fn follow(&mut self, input: &Input) {
        if let Some((turn, user, transcript)) = opened(input) {
            let open = self.turns.open(turn, user, transcript);
            self.status.send_modify(|status| (status.turns, status.open) = (status.turns + 1, open));
            return;
        }
        match input {
            Input::TranscriptFinal { turn, text, .. } => self.turns.heard(*turn, text),
            Input::GenerationFinished { first_token_ms, .. } => {
                stage("llm_first_token", Duration::from_millis((*first_token_ms).into()));
            }
            Input::FlagsChanged { flags } => {
                self.status.send_modify(|status| status.mirrored = flags.mirror_enabled);
            }
            Input::PolicyChosen { policy, .. } => self.status.send_modify(|status| status.acting = *policy),
            _ => {}
        }
    }
}
