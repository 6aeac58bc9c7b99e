//! Replays of a bundle.
use std::collections::BTreeSet;
use std::path::Path;

use antiphon_core::ids::{Lane, TurnId};
use bundle::{BundleError, Reader};
use parity::diff::{ReplayHead, ReplayWriter};

use super::verify::candidate_stop;
use super::{Candidate, CandidateSettings, Replayed, Replayer, Tape, verify};

/// Feeds a bundle's inputs to fresh lanes and says whether they decide what was recorded.
pub fn verify_bundle(bundle: &Reader) -> Result<Replayed, BundleError> {
    let replayer = Replayer::of_format(bundle.manifest().schema_version)
        .candidate_until(candidate_stop(bundle.inputs()?)?);
    verify(replayer, bundle.inputs()?, bundle.actions(Lane::Production)?, bundle.actions(Lane::Sandbox)?)
}

/// What a candidate's replay of a bundle came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Steps: recorded inputs, and what followed from the candidate's own wishes.
    pub steps: u64,
    /// Actions it wanted.
    pub actions: u64,
    /// Turns whose reply was written by the offline responder in place of the provider that the candidate chose.
    pub stand_ins: BTreeSet<TurnId>,
}

/// Has a candidate go through a bundle and writes what happened to `out`, a folder that is not there yet or empty, to
/// be compared with the bundle.
pub fn try_candidate(bundle: &Reader, settings: CandidateSettings, out: &Path) -> Result<Tried, BundleError> {
    let head = bundle.manifest();
    let mut writer = ReplayWriter::create(
        out,
        ReplayHead {
            source: bundle.dir().display().to_string(),
            session: head.session,
            started: head.started,
            lane: Lane::Sandbox,
            policy: settings.policy,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    )?;
    let tape = Tape::read(bundle.inputs()?, bundle.actions(Lane::Production)?)?;
    let mut candidate = Candidate::new(settings, tape);
    let mut tried = Tried { steps: 0, actions: 0, stand_ins: BTreeSet::new() };
    for line in bundle.inputs()? {
        for step in candidate.feed(&line?) {
            let number = writer.input(step.at, &step.input, step.provenance)?;
            writer.actions(candidate.policy(), step.at, number, &step.actions)?;
            tried.steps += 1;
            tried.actions += step.actions.len() as u64;
        }
    }
    writer.seal()?;
    tried.stand_ins.clone_from(candidate.stand_ins());
    Ok(tried)
}
