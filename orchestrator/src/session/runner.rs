//! The session's task: everything that happens goes through [`Runner::happened`], one thing after the other.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use antiphon_core::event::{Failure, FailureKind, Input, PolicyName};
use antiphon_core::ids::{GuildId, SessionId, TurnId, UserId};
use antiphon_core::record::{Body, Record};
use antiphon_core::time::{Clock, Timestamp};
use capture::Pipeline;
use capture::mirror::Piece;
use store::Recorder;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::info_span;

use super::breaker_gauge::BreakerGauge;
use super::bundle_thread::Sealed;
use super::guests::Guests;
use super::handle::{Ended, Heard, Order};
use super::playback::VoiceTask;
use super::playback_recording::Playing;
use super::recording::Recording;
use super::status::{SessionStatus, TurnStatus};
use super::timers::Timers;
use super::transport::WireTask;
use super::voice_output::LinkEvent;
use antiphon_core::breaker::BreakerTrip;
use mind::guard::Guard;
use mind::lanes::Lanes;

/// How often slots are given out and timers looked at: one slot.
const TICK: Duration = Duration::from_millis(20);

/// Records how long one stage of a turn took.
pub(super) fn stage(name: &'static str, took: Duration) {
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
    /// A recording that was stopped before the session's end, on its way to the disk.
    pub(super) sealing: Option<JoinHandle<Sealed>>,
    pub(super) guests: Guests,
    pub(super) recorder: Option<Recorder>,
    pub(super) wire: WireTask,
    pub(super) voice: VoiceTask,
    pub(super) status: watch::Sender<SessionStatus>,
    pub(super) open: BTreeMap<TurnId, OpenTurn>,
    pub(super) asked: BTreeMap<TurnId, oneshot::Sender<String>>,
    pub(super) playing: BTreeMap<(TurnId, u32), Playing>,
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
    /// Sound that was looked at already, for somebody else's sake; it comes before what is in `heard`.
    pub(super) looked_at: VecDeque<Heard>,
    pub(super) results: mpsc::Receiver<Input>,
    pub(super) link: mpsc::Receiver<LinkEvent>,
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

/// What is kept of a turn while it is open.
#[derive(Debug)]
pub(super) struct OpenTurn {
    pub(super) status: TurnStatus,
    /// When the last voiced slot ended.
    pub(super) voiced_until: Option<Timestamp>,
    /// Whether the lanes' actions for this turn differ so far: compared by the choices they name.
    pub(super) production: Vec<String>,
    pub(super) sandbox: Vec<String>,
    pub(super) frames: Vec<i16>,
}

impl Runner {
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
                    Some(Order::Left { user }) => {
                        self.last_sound_of(user, &mut inbox);
                        self.order(Order::Left { user });
                    }
                    Some(order) => self.order(order),
                    None => break "its owner is gone".to_owned(),
                },
                event = inbox.link.recv() => match event {
                    Some(event) => self.link_event(event),
                    None => break "the voice connection is gone".to_owned(),
                },
                Some(result) = inbox.results.recv() => self.happened(self.clock.now(), result),
                Some(heard) = next_heard(&mut inbox.looked_at, &mut inbox.heard) => self.heard(heard),
                _ = tick.tick() => self.tick(),
            }
        };
        let ending = self.end(reason, inbox);
        ended.send_replace(Some(ending.await));
        metrics::gauge!("antiphon_sessions_active").decrement(1.0);
    }

    /// Orders overtake sound: that of somebody who leaves is taken in first, or the end of it would be nobody's. The
    /// others' stays behind the orders that wait, for somebody may have taken consent back.
    fn last_sound_of(&mut self, user: UserId, inbox: &mut Inbox) {
        let (theirs, others) = inbox.all_heard().into_iter().partition(|heard| heard.user() == Some(user));
        inbox.looked_at = others;
        for heard in Vec::from(theirs) {
            self.heard(heard);
        }
    }

    fn order(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Joined { member, consent } => {
                let told = self.guests.joined(&member, consent);
                self.tell(now, told);
            }
            Order::Left { user } => {
                let told = self.guests.left(user);
                self.tell(now, told);
            }
            Order::Consent { user, consent } => {
                let told = self.guests.consent(user, consent);
                self.tell(now, told);
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
            Order::StopRecording { reason, told } => self.stop_recording(now, reason, told),
            Order::Drain => self.happened(now, Input::DrainRequested),
            // Handled where it is received.
            Order::End { .. } => {}
        }
    }

    /// The one way in: both lanes are told, everything is written down, production's wishes are performed.
    pub(super) fn happened(&mut self, at: Timestamp, input: Input) {
        let input = self.without_forgotten_words(input);
        // Inputs are stamped where they arise, on several tasks: the machine's time never runs backwards.
        let at = at.max(self.last);
        self.last = at;
        let turn = input.turn();
        let span = info_span!("step", guild = %self.guild, session = %self.session, turn = turn.map_or(0, |t| t.0),
            correlation = %antiphon_core::ids::CorrelationId::new(self.session, turn));
        let _in = span.enter();
        self.follow(&input);

        let clock = self.clock.clone();
        let begun = clock.now();
        let lanes = self.lanes.step_timed(at, &input, || clock.now().0);
        stage("step", clock.now().since(begun));

        self.write_down(at, input, &lanes);
        self.compare(&lanes);
        let adaptive = Duration::from_micros(lanes.times.of(PolicyName::Adaptive));
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
        let flags = *self.lanes.machine(PolicyName::Established).flags();
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
            Input::UserSpeechStarted { turn, user }
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
}
