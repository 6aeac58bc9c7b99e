//! The two sinks of a session's record: the ledger and the bundle.
//!
//! A step is written with both lanes' actions. While the candidate has yet to answer for one, it is held, and all that
//! comes after it, so that both records keep the order in which things happened.
use std::collections::VecDeque;

use antiphon_core::event::Input;
use antiphon_core::ids::{GuildId, Lane, SessionId};
use antiphon_core::record::{Body, Record};
use antiphon_core::time::Timestamp;
use bundle::Tail;
use mind::lanes::{Decided, LaneActions};
use store::Recorder;
use tokio::task::JoinHandle;

use super::bundle_entry::Entry;
use super::bundle_recorder::BundleRecorder;
use super::bundle_thread::Sealed;
use super::deciding::{Rehearsed, Stepped};
use super::notice::Notice;

/// What may be held at most: a second of everything that twenty speakers and both lanes give.
const MAX_HELD: usize = 4_096;

#[derive(Debug)]
enum Held {
    Step { step: u64, at: Timestamp, input: Box<Input>, lanes: LaneActions, awaited: bool },
    Entry { at: Timestamp, entry: Entry },
    Row { at: Timestamp, body: Body },
    StopBundle { tail: Box<Tail> },
}

/// The ledger's writer, the bundle's recorder, and what waits for the candidate's answer.
#[derive(Debug)]
pub(super) struct Sinks {
    guild: GuildId,
    session: SessionId,
    ledger: Option<Recorder>,
    bundle: Option<BundleRecorder>,
    /// A bundle that was stopped before the session's end, on its way to the disk.
    sealing: Option<JoinHandle<Sealed>>,
    held: VecDeque<Held>,
}

/// How both records ended.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) sealed: Sealed,
    pub(super) rows_dropped: u64,
}

impl Sinks {
    pub(super) fn new(
        (guild, session): (GuildId, SessionId),
        ledger: Option<Recorder>,
        bundle: Option<BundleRecorder>,
    ) -> Self {
        Self { guild, session, ledger, bundle, sealing: None, held: VecDeque::new() }
    }

    /// Something for the bundle: sound, or a note.
    pub(super) fn entry(&mut self, at: Timestamp, entry: Entry) {
        if self.bundle.is_none() {
            return;
        }
        self.hold(Held::Entry { at, entry });
    }

    pub(super) fn is_recording(&self) -> bool {
        self.bundle.is_some() && !self.held.iter().any(|held| matches!(held, Held::StopBundle { .. }))
    }

    /// A row for the ledger that is no step.
    pub(super) fn row(&mut self, at: Timestamp, body: Body) {
        if self.ledger.is_some() {
            self.hold(Held::Row { at, body });
        }
    }

    /// A step, with production's part. Gives the actions of each step that is complete now.
    pub(super) fn step(&mut self, at: Timestamp, input: Input, stepped: Stepped) -> Vec<LaneActions> {
        let Stepped { step, lanes, awaits_candidate: awaited, .. } = stepped;
        self.held.push_back(Held::Step { step, at, input: Box::new(input), lanes, awaited });
        self.flush()
    }

    /// The candidate's part of a step.
    pub(super) fn rehearsed(&mut self, rehearsed: Rehearsed) -> Vec<LaneActions> {
        let Rehearsed { step: of, sandbox, took } = rehearsed;
        for held in &mut self.held {
            if let Held::Step { step, lanes, awaited, .. } = held
                && *step == of
                && *awaited
            {
                lanes.sandbox.extend(sandbox);
                lanes.times.adaptive_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                *awaited = false;
                break;
            }
        }
        self.flush()
    }

    /// The first step that the candidate has yet to answer for.
    pub(super) fn first_awaited(&self) -> Option<u64> {
        self.held.iter().find_map(|held| match held {
            Held::Step { step, awaited: true, .. } => Some(*step),
            _ => None,
        })
    }

    /// Whether more waits for the candidate than may.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() > MAX_HELD
    }

    /// The candidate will not answer any more.
    pub(super) fn await_nothing(&mut self) -> Vec<LaneActions> {
        for held in &mut self.held {
            if let Held::Step { awaited, .. } = held {
                *awaited = false;
            }
        }
        self.flush()
    }

    /// Ends the bundle while the session goes on: what comes after this is not in it. False when there is none.
    pub(super) fn stop_bundle(&mut self, tail: Tail) -> bool {
        let recording = self.is_recording();
        if recording {
            self.hold(Held::StopBundle { tail: Box::new(tail) });
        }
        recording
    }

    /// What people are to be notified of about the recording, if anything.
    pub(super) fn notice(&self) -> Option<Notice> {
        self.bundle.as_ref().and_then(BundleRecorder::notice)
    }

    /// Entries that the bundle lost.
    pub(super) fn dropped(&self) -> u64 {
        self.bundle.as_ref().map_or(0, |bundle| bundle.dropped_total)
    }

    fn hold(&mut self, held: Held) {
        if self.held.is_empty() {
            self.write(held);
        } else {
            self.held.push_back(held);
        }
    }

    fn flush(&mut self) -> Vec<LaneActions> {
        let mut complete = Vec::new();
        while self.held.front().is_some_and(|held| !matches!(held, Held::Step { awaited: true, .. })) {
            if let Some(held) = self.held.pop_front() {
                complete.extend(self.write(held));
            }
        }
        complete
    }

    fn write(&mut self, held: Held) -> Option<LaneActions> {
        match held {
            Held::Step { at, input, lanes, .. } => {
                self.write_step(at, *input, &lanes);
                return Some(lanes);
            }
            Held::Entry { at, entry } => {
                if let Some(bundle) = &mut self.bundle {
                    bundle.entry(at, entry);
                }
            }
            Held::Row { at, body } => {
                if let Some(ledger) = &self.ledger {
                    ledger.record(Record::new(self.guild, self.session, at, None, body));
                }
            }
            Held::StopBundle { tail } => {
                self.sealing =
                    self.bundle.take().map(|bundle| tokio::task::spawn_blocking(move || bundle.seal(*tail)));
            }
        }
        None
    }

    fn write_step(&mut self, at: Timestamp, input: Input, lanes: &LaneActions) {
        let decided = || {
            let production = lanes.production.iter().map(|decided| (Lane::Production, decided));
            production.chain(lanes.sandbox.iter().map(|decided| (Lane::Sandbox, decided)))
        };
        if let Some(ledger) = &self.ledger {
            let row = |lane, body| Record::new(self.guild, self.session, at, lane, body);
            ledger.record(row(None, Body::Input { input: input.clone() }));
            for (lane, Decided { policy, action }) in decided() {
                let (action, policy) = (action.clone(), *policy);
                let step_us = lanes.times.of(policy);
                ledger.record(row(Some(lane), Body::Action { action, policy, step_us }));
            }
        }
        if let Some(bundle) = &mut self.bundle {
            let actions =
                decided().map(|(lane, decided)| (lane, decided.policy, decided.action.clone())).collect();
            bundle.step(at, input, actions);
        }
    }

    /// Ends both records; waits until they are on disk.
    pub(super) async fn finish(mut self, ended: Timestamp, reason: String) -> Written {
        self.await_nothing();
        let mut rows_dropped = 0;
        let proof = match &self.ledger {
            Some(ledger) => match ledger.finish(self.session).await {
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
        let mut sealed = Sealed { folder: None, fault: None };
        if let Some(sealing) = self.sealing.take() {
            sealed = sealing.await.unwrap_or_else(|error| Sealed::nothing(&error.to_string()));
        }
        if let Some(bundle) = self.bundle.take() {
            let lost = bundle.step_lost;
            let tail = Tail { ended, reason, ledger: proof };
            let done = tokio::task::spawn_blocking(move || bundle.seal(tail)).await;
            sealed = done.unwrap_or_else(|error| Sealed::nothing(&error.to_string()));
            if lost {
                sealed.fault = Some("the disk was too slow: decisions are missing from the bundle".into());
            }
        }
        Written { sealed, rows_dropped }
    }
}
