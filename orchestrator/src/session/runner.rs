//! The session's task: everything that happens goes through [`Runner::happened`], one thing after the other.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use capture::{Captured, EndReason, Pipeline, Slot};
use ledger::audio::SlotMark;
use ledger::bundle::{Note, Tail};
use ledger::event::{Action, Consent, Failure, FailureKind, Input, Member, Outcome, Policy};
use ledger::ids::{GuildId, Lane, SessionId, TurnId, UserId};
use ledger::record::{Body, Record};
use ledger::store::Recorder;
use ledger::time::{Clock, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, info_span};

use super::breaker_gauge::BreakerGauge;
use super::handle::{Ended, Heard, Order};
use super::link::LinkEvent;
use super::recording::{Recording, note_of};
use super::status::{RECENT_TURNS, SessionStatus, TurnStatus};
use super::timers::Timers;
use super::voice::{VoiceOrder, VoiceTask};
use super::wire::{WireOrder, WireTask};
use crate::breaker::BreakerTrip;
use crate::guard::Guard;
use crate::lanes::{Decided, LaneActions, Lanes};

/// How often slots are given out and timers looked at: one slot.
const TICK: Duration = Duration::from_millis(20);
/// Frames of 20 ms that travel together to the recogniser: 100 ms.
const FRAMES_PER_ENTRY: usize = 5;
/// How long a session that ends waits for its effects to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long its tasks may take to end after that.
const CLOSING: Duration = Duration::from_secs(8);

/// Slots of which one is looked at, to see how long capture takes: a second's.
const SAMPLED: u64 = 50;

/// Records how long one stage of a turn took.
fn stage(name: &'static str, took: Duration) {
    metrics::histogram!("antiphon_stage_seconds", "stage" => name).record(took.as_secs_f64());
}

/// Everything the task owns.
pub(super) struct Runner {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) guild: GuildId,
    pub(super) session: SessionId,
    pub(super) started: Timestamp,
    pub(super) pipeline: Pipeline,
    pub(super) lanes: Lanes,
    pub(super) guard: Guard,
    pub(super) breaker: BreakerGauge,
    pub(super) timers: Timers,
    pub(super) recording: Option<Recording>,
    pub(super) recorder: Option<Recorder>,
    pub(super) wire: WireTask,
    pub(super) voice: VoiceTask,
    pub(super) status: watch::Sender<SessionStatus>,
    pub(super) open: BTreeMap<TurnId, OpenTurn>,
    pub(super) asked: BTreeMap<TurnId, oneshot::Sender<String>>,
    pub(super) playing: BTreeMap<(TurnId, u32), Timestamp>,
    pub(super) last: Timestamp,
    /// How much faster than the wall's the clock runs: 1 but for recordings.
    pub(super) speed: u32,
    /// Packets that found the inbox full since the last tick, and in all.
    pub(super) missed: Arc<AtomicU64>,
    pub(super) missed_total: u64,
}

/// The channels a session's task listens to.
pub(super) struct Inbox {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) results: mpsc::Receiver<Input>,
    pub(super) link: mpsc::Receiver<LinkEvent>,
}

/// What is kept of a turn while it is open.
#[derive(Debug)]
pub(super) struct OpenTurn {
    status: TurnStatus,
    /// When the last voiced slot ended.
    voiced_until: Option<Timestamp>,
    /// Whether the lanes' actions for this turn differ so far: compared by the choices they name.
    production: Vec<String>,
    sandbox: Vec<String>,
    frames: Vec<i16>,
}

impl Runner {
    /// The first inputs: what the session is, and who is there.
    pub(super) fn open_with(&mut self, first: Input, members: Vec<(Member, Consent)>) {
        let started = self.started;
        self.happened(started, first);
        for (member, consent) in members {
            if !member.bot {
                self.pipeline.member_joined(started, member.user, consent);
            }
            self.happened(started, Input::MemberJoined { member, consent });
        }
    }

    /// Runs to the session's end.
    pub(super) async fn run(mut self, mut inbox: Inbox, ended: watch::Sender<Option<Ended>>) {
        metrics::gauge!("antiphon_sessions_active").increment(1.0);
        let mut tick = tokio::time::interval(TICK / self.speed.max(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let reason = loop {
            tokio::select! {
                biased;
                order = inbox.orders.recv() => match order {
                    Some(Order::End { reason }) => break reason,
                    Some(order) => self.order(order),
                    None => break "its owner is gone".to_owned(),
                },
                event = inbox.link.recv() => match event {
                    Some(event) => self.link_event(event),
                    None => break "the voice connection is gone".to_owned(),
                },
                Some(result) = inbox.results.recv() => self.happened(self.clock.now(), result),
                Some(heard) = inbox.heard.recv() => self.heard(heard),
                _ = tick.tick() => self.tick(),
            }
        };
        let ending = self.end(reason, inbox);
        ended.send_replace(Some(ending.await));
        metrics::gauge!("antiphon_sessions_active").decrement(1.0);
    }

    fn order(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Joined { member, consent } => {
                if !member.bot {
                    self.pipeline.member_joined(now, member.user, consent);
                }
                self.happened(now, Input::MemberJoined { member, consent });
            }
            Order::Left { user } => {
                self.pipeline.member_left(now, user);
                self.drain(now);
                self.happened(now, Input::MemberLeft { user });
            }
            Order::Consent { user, consent } => self.consent(now, user, consent),
            Order::Ask { user, text, answer } => {
                let turn = self.pipeline.next_turn();
                self.asked.insert(turn, answer);
                self.happened(now, Input::Asked { turn, user, text });
            }
            Order::Say { user, text } => {
                let turn = self.pipeline.next_turn();
                self.happened(now, Input::SayRequested { turn, user, text });
            }
            Order::Pcm { at, user, samples } => self.pipeline.pcm(at, user, &samples),
            Order::Flags { flags } => self.happened(now, Input::FlagsChanged { flags }),
            Order::Health { kind, provider, healthy, expected_ms } => {
                self.happened(now, Input::HealthChanged { kind, provider, healthy, expected_ms });
            }
            Order::Transition { transition } => {
                if let Some(recorder) = &self.recorder {
                    let body = Body::Transition {
                        key: transition.key,
                        before: transition.before,
                        after: transition.after,
                    };
                    recorder.record(Record::new(self.guild, self.session, transition.at, None, body));
                }
            }
            Order::Audit { what, who, details } => {
                if let Some(recorder) = &self.recorder {
                    let body = Body::Audit { what, who, details };
                    recorder.record(Record::new(self.guild, self.session, now, None, body));
                }
            }
            Order::Drain => self.happened(now, Input::DrainRequested),
            // Handled where it is received.
            Order::End { .. } => {}
        }
    }

    /// Consent taken back counts from this frame on: the machine learns of it before the turn's end does.
    fn consent(&mut self, now: Timestamp, user: UserId, consent: Consent) {
        self.pipeline.consent(now, user, consent);
        self.happened(now, Input::ConsentChanged { user, consent });
        self.drain(now);
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Packet(packet) => self.pipeline.packet(packet),
            Heard::Reconnected => {
                let now = self.clock.now();
                self.note(now, Note::Reconnected { reason: "the voice connection was made anew".into() });
            }
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            self.missed_total += missed;
            self.note(now, Note::Dropped { user: None, queue: "session_inbox".into(), dropped: missed });
        }
        self.pipeline.tick(now);
        self.drain(now);
        for (turn, timer) in self.timers.take_due(now) {
            self.happened(now, Input::TimerFired { turn, timer });
        }
    }

    fn drain(&mut self, now: Timestamp) {
        while let Some(captured) = self.pipeline.next() {
            self.captured(now, captured);
        }
    }

    fn captured(&mut self, now: Timestamp, captured: Captured) {
        self.record_captured(now, &captured);
        match captured {
            Captured::Slot(slot) => {
                self.time_of_capture(now, &slot);
                self.status.send_if_modified(|status| {
                    status.marks.add(slot.mark);
                    false
                });
            }
            Captured::SpeechStarted { turn, user, at, .. } => {
                self.happened(at, Input::SpeechStarted { turn, user });
            }
            Captured::SpeechFrame { turn, pcm, .. } => self.frame(turn, pcm.samples()),
            Captured::SpeechEnded { turn, user, at, audio, voiced_to, why, .. } => {
                self.frames_out(turn);
                self.wire.order(WireOrder::FramesEnd { turn });
                if let Some(open) = self.open.get_mut(&turn) {
                    let voiced = Duration::from_millis((voiced_to + 1) * u64::from(ledger::audio::SLOT_MS));
                    let voiced_until = self.started.after(voiced);
                    open.voiced_until = Some(voiced_until);
                    stage("vad", now.since(voiced_until));
                }
                if why != EndReason::ConsentWithdrawn {
                    self.happened(at, Input::SpeechEnded { turn, user, audio });
                }
            }
            Captured::TrackOpened { .. } | Captured::TrackClosed { .. } | Captured::Surplus { .. } => {}
            Captured::Note(note) => tracing::debug!(session = %self.session, ?note, "capture"),
        }
    }

    /// How long after its sound ended a slot is given out: looked at once a second for each speaker.
    fn time_of_capture(&self, now: Timestamp, slot: &Slot) {
        if slot.mark == SlotMark::Received && slot.slot.is_multiple_of(SAMPLED) {
            let ended = Duration::from_millis((slot.slot + 1) * u64::from(ledger::audio::SLOT_MS));
            stage("capture", now.since(self.started.after(ended)));
        }
    }

    fn record_captured(&mut self, now: Timestamp, captured: &Captured) {
        let Some(recording) = &mut self.recording else { return };
        match captured {
            Captured::Slot(slot) => recording.slot(now, slot.clone()),
            Captured::Surplus { user, slot, packet } => recording.surplus(now, *user, *slot, packet.clone()),
            Captured::Note(note) => recording.note(now, note_of(*note)),
            _ => {}
        }
    }

    fn note(&mut self, at: Timestamp, note: Note) {
        if let Some(recording) = &mut self.recording {
            recording.note(at, note);
        }
    }

    /// 100 ms of a turn travel together: one stream entry for five frames.
    fn frame(&mut self, turn: TurnId, samples: &[i16]) {
        let Some(open) = self.open.get_mut(&turn) else { return };
        open.frames.extend_from_slice(samples);
        if open.frames.len() >= FRAMES_PER_ENTRY * ledger::audio::SLOT_SAMPLES_16K {
            self.frames_out(turn);
        }
    }

    fn frames_out(&mut self, turn: TurnId) {
        let Some(open) = self.open.get_mut(&turn) else { return };
        if !open.frames.is_empty() {
            let pcm = std::mem::take(&mut open.frames);
            self.wire.order(WireOrder::Frames { turn, pcm });
        }
    }

    fn link_event(&mut self, event: LinkEvent) {
        let now = self.clock.now();
        match event {
            LinkEvent::Started { turn, index } => {
                self.playing.insert((turn, index), now);
                self.first_sound(now, turn);
                self.happened(now, Input::PlaybackStarted { turn, index });
            }
            LinkEvent::Finished { clip, played_ms, completed } => {
                let (turn, index) = (clip.turn, clip.index);
                let began = self.playing.remove(&(turn, index));
                if let (Some(began), Some(recording)) = (began, &mut self.recording) {
                    recording.played(began, clip, played_ms);
                }
                self.happened(now, Input::PlaybackFinished { turn, index, played_ms, completed });
            }
        }
    }

    fn first_sound(&mut self, now: Timestamp, turn: TurnId) {
        let Some(open) = self.open.get_mut(&turn) else { return };
        let Some(voiced_until) = open.voiced_until.take() else { return };
        let took = now.since(voiced_until);
        open.status.answer_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        stage("voice_to_voice", took);
    }

    /// The one way in: both lanes are told, everything is written down, production's wishes are performed.
    fn happened(&mut self, at: Timestamp, input: Input) {
        let input = self.without_forgotten_words(input);
        // Inputs are stamped where they arise, on several tasks: the machine's time never runs backwards.
        let at = at.max(self.last);
        self.last = at;
        let turn = input.turn();
        let span = info_span!("step", guild = %self.guild, session = %self.session, turn = turn.map_or(0, |t| t.0),
            correlation = %ledger::ids::CorrelationId::new(self.session, turn));
        let _in = span.enter();
        self.follow(&input);

        let clock = self.clock.clone();
        let begun = clock.now();
        let lanes = self.lanes.step_timed(at, &input, || clock.now().0);
        stage("step", clock.now().since(begun));

        self.write_down(at, input, &lanes);
        self.compare(&lanes);
        let adaptive = Duration::from_micros(lanes.times.of(Policy::Adaptive));
        for decided in lanes.production {
            self.perform(at, decided);
        }
        if let Some(trip) = self.guard.stepped(at, adaptive) {
            self.breaker_moved(at, &trip);
        }
        self.consult(at);
    }

    /// What was said in a turn that is closed (its speaker took consent back, or left) is not written down: the
    /// recogniser may have been at it when the turn was closed.
    fn without_forgotten_words(&self, input: Input) -> Input {
        match input {
            Input::TranscriptFinal { turn, provider, .. } if !self.open.contains_key(&turn) => {
                let detail = "the turn was closed before its transcript came".to_owned();
                let failure = Failure { kind: FailureKind::Cancelled, detail };
                Input::TranscriptFailed { turn, provider, failure }
            }
            Input::TranscriptPartial { turn, user, .. } if !self.open.contains_key(&turn) => {
                Input::TranscriptPartial { turn, user, text: String::new() }
            }
            other => other,
        }
    }

    /// Asks the guard who is to act, and tells the lanes when that is somebody else.
    fn consult(&mut self, at: Timestamp) {
        let flags = *self.lanes.machine(Policy::Established).flags();
        if let Some(chosen) = self.guard.review(at, &flags) {
            self.happened(at, chosen);
        }
    }

    /// Each trip of the adaptive lane's breaker is a ledger row and is seen in a gauge.
    fn breaker_moved(&mut self, at: Timestamp, trip: &BreakerTrip) {
        tracing::warn!(?trip, "the adaptive lane's breaker moved");
        self.breaker.moved(trip.to.as_str());
        if let Some(recorder) = &self.recorder {
            let body = Body::Audit {
                what: "breaker_moved".into(),
                who: "guard".into(),
                details: serde_json::to_value(trip).unwrap_or_default(),
            };
            recorder.record(Record::new(self.guild, self.session, at, None, body));
        }
    }

    fn follow(&mut self, input: &Input) {
        match input {
            Input::SpeechStarted { turn, user }
            | Input::Asked { turn, user, .. }
            | Input::SayRequested { turn, user, .. } => {
                let status = TurnStatus {
                    turn: *turn,
                    user: *user,
                    transcript: match input {
                        Input::Asked { text, .. } => Some(text.clone()),
                        _ => None,
                    },
                    said: String::new(),
                    outcome: None,
                    answer_ms: None,
                };
                let open = OpenTurn {
                    status,
                    voiced_until: None,
                    production: vec![],
                    sandbox: vec![],
                    frames: vec![],
                };
                self.open.insert(*turn, open);
                let open = self.open.len();
                self.status.send_modify(|status| (status.turns, status.open) = (status.turns + 1, open));
            }
            Input::TranscriptFinal { turn, text, .. } => {
                if let Some(open) = self.open.get_mut(turn) {
                    open.status.transcript = Some(text.clone());
                }
            }
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

    fn write_down(&mut self, at: Timestamp, input: Input, lanes: &LaneActions) {
        let decided = || {
            let production = lanes.production.iter().map(|decided| (Lane::Production, decided));
            production.chain(lanes.sandbox.iter().map(|decided| (Lane::Sandbox, decided)))
        };
        if let Some(recorder) = &self.recorder {
            let row = |lane, body| Record::new(self.guild, self.session, at, lane, body);
            recorder.record(row(None, Body::Input { input: input.clone() }));
            for (lane, Decided { policy, action }) in decided() {
                let step_us = lanes.times.of(*policy);
                recorder.record(row(
                    Some(lane),
                    Body::Action { action: action.clone(), policy: *policy, step_us },
                ));
            }
        }
        if let Some(recording) = &mut self.recording {
            let actions =
                decided().map(|(lane, decided)| (lane, decided.policy, decided.action.clone())).collect();
            recording.step(at, input, actions);
        }
    }

    /// Keeps what each lane chose for a turn, to tell people in how many turns the lanes differ.
    fn compare(&mut self, lanes: &LaneActions) {
        let choices = |decided: &Decided| match &decided.action {
            Action::Decide { decision } => Some(format!("{:?}={}", decision.kind, decision.chose)),
            _ => None,
        };
        for decided in &lanes.production {
            if let (Some(choice), Some(turn)) = (choices(decided), decided.action.turn())
                && let Some(open) = self.open.get_mut(&turn)
            {
                open.production.push(choice);
            }
        }
        for decided in &lanes.sandbox {
            if let (Some(choice), Some(turn)) = (choices(decided), decided.action.turn())
                && let Some(open) = self.open.get_mut(&turn)
            {
                open.sandbox.push(choice);
            }
        }
    }

    fn perform(&mut self, at: Timestamp, Decided { action, policy }: Decided) {
        match action {
            Action::Decide { decision } => {
                tracing::info!(policy = policy.as_str(), kind = ?decision.kind, chose = decision.chose, because = decision.because, "decided");
            }
            Action::Transcribe { turn, user, provider } => {
                self.wire.order(WireOrder::Transcribe { turn, user, provider });
            }
            Action::Generate { turn, provider, request } => {
                self.wire.order(WireOrder::Generate { turn, provider, request });
            }
            Action::Synthesize { turn, index, provider, text } => {
                self.wire.order(WireOrder::Synthesize { turn, index, provider, text });
            }
            Action::CancelGeneration { turn } | Action::CancelSynthesis { turn } => {
                self.wire.order(WireOrder::Cancel { turn });
            }
            Action::Play { turn, index } => self.voice.order(VoiceOrder::Play { turn, index }),
            Action::StopPlayback { turn, reason } => {
                tracing::info!(%turn, ?reason, "falling silent");
                self.voice.order(VoiceOrder::Stop);
            }
            Action::PostText { turn, text } => match self.asked.remove(&turn) {
                Some(answer) => {
                    if answer.send(text).is_err() {
                        tracing::debug!(%turn, "whoever asked no longer waits");
                    }
                }
                None => self.voice.order(VoiceOrder::Post { text }),
            },
            Action::SetTimer { turn, timer, after_ms } => {
                self.timers.set(turn, timer, at.after(Duration::from_millis(after_ms.into())));
            }
            Action::CancelTimer { turn, timer } => self.timers.cancel(turn, timer),
            Action::CloseTurn { turn, outcome, said } => self.closed(turn, outcome, said),
        }
    }

    fn closed(&mut self, turn: TurnId, outcome: Outcome, said: String) {
        self.timers.forget(turn);
        self.asked.remove(&turn);
        self.wire.order(WireOrder::Forget { turn });
        let outcome_name = format!("{outcome:?}");
        metrics::counter!("antiphon_turns_total", "outcome" => outcome_name.clone()).increment(1);
        let open = self.open.remove(&turn);
        let still_open = self.open.len();
        let unrecorded = self.recording.as_ref().map_or(0, |recording| recording.dropped_total);
        let dropped = unrecorded + self.missed_total;
        self.status.send_modify(|status| {
            *status.outcomes.entry(outcome_name).or_default() += 1;
            status.dropped = dropped;
            status.open = still_open;
            if let Some(open) = open {
                status.differing_turns += u64::from(status.mirrored && open.production != open.sandbox);
                let mut turn = open.status;
                turn.said = said;
                turn.outcome = Some(outcome);
                status.recent.push(turn);
                if status.recent.len() > RECENT_TURNS {
                    status.recent.remove(0);
                }
            }
        });
    }

    /// Ends every turn, lets the effects have their last word, seals the bundle.
    async fn end(mut self, reason: String, mut inbox: Inbox) -> Ended {
        let span = info_span!("session_end", guild = %self.guild, session = %self.session);
        async move {
            let now = self.clock.now();
            self.pipeline.finish(now);
            self.drain(now);
            // Silence first, so that the record says what was really played.
            self.voice.order(VoiceOrder::Stop);
            let last_words = tokio::time::sleep(LAST_WORDS);
            tokio::pin!(last_words);
            while !self.playing.is_empty() {
                tokio::select! {
                    Some(event) = inbox.link.recv() => self.link_event(event),
                    () = &mut last_words => break,
                }
            }
            self.happened(self.clock.now(), Input::SessionEnded { reason: reason.clone() });
            self.close_tasks(&mut inbox).await;
            self.finish(reason).await
        }
        .instrument(span)
        .await
    }

    /// Lets the tasks end. Results are still taken from them, or they could wait for ever; what they say no longer counts.
    async fn close_tasks(&mut self, inbox: &mut Inbox) {
        let closing = async {
            self.wire.close().await;
            self.voice.close().await;
        };
        let limit = tokio::time::sleep(CLOSING);
        tokio::pin!(closing, limit);
        loop {
            tokio::select! {
                () = &mut closing => return,
                Some(_) = inbox.results.recv() => {}
                () = &mut limit => {
                    tracing::error!("a session's tasks did not end in time and are left behind");
                    return;
                }
            }
        }
    }

    async fn finish(mut self, reason: String) -> Ended {
        let mut rows_dropped = 0;
        let proof = match &self.recorder {
            Some(recorder) => match recorder.finish(self.session).await {
                Ok(finished) => {
                    rows_dropped = finished.dropped;
                    Some(finished.proof)
                }
                Err(error) => {
                    tracing::error!(%error, "the ledger's head could not be read; the bundle goes without it");
                    None
                }
            },
            None => None,
        };
        let tail = Tail { ended: self.clock.now(), reason: reason.clone(), ledger: proof };
        let (mut bundle, mut recording_fault) = (None, None);
        if let Some(recording) = self.recording.take() {
            let lost = recording.step_lost;
            let sealed = tokio::task::spawn_blocking(move || recording.seal(tail)).await;
            match sealed.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(folder) => bundle = Some(folder),
                Err(fault) => recording_fault = Some(fault),
            }
            if lost {
                recording_fault = Some("the disk was too slow: decisions are missing from the bundle".into());
            }
        }
        let status = self.status.borrow().clone();
        if rows_dropped > 0 {
            tracing::error!(rows_dropped, "ledger rows of this session were dropped: its queue was full");
        }
        tracing::info!(reason, turns = status.turns, bundle = ?bundle, fault = ?recording_fault, "session ended");
        Ended { reason, bundle, recording_fault, status }
    }
}
