//! Reads runs from where they are kept.
use std::path::Path;

use super::assemble::Assembler;
use super::provenance::Provenance;
use super::replay_dir::{REPLAY, ReplayReader};
use super::run::{Run, RunSource};
use antiphon_core::event::PolicyName;
use antiphon_core::ids::{Lane, SessionId};
use antiphon_core::record::Body;
use bundle::{ActionLine, BundleError, InputLine, Reader};
use store::{LedgerStore, StoreError};

/// A run that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// From a bundle or a replay's output.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// From the ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger has no such session.
    #[error("the ledger has no session {0}")]
    NoSession(SessionId),
    /// A row whose content was erased or is of another version.
    #[error(
        "row {seq} of session {session} cannot be read: its content was erased, or a newer antiphon wrote it"
    )]
    Row {
        session: SessionId,
        /// The row.
        seq: u64,
    },
}

/// A lane of a bundle.
pub fn bundle(reader: &Reader, lane: Lane) -> Result<Run, DiffError> {
    let manifest = reader.manifest();
    let assembler = Assembler::new(manifest.session, lane, manifest.policies.of(lane), manifest.started);
    let source = RunSource::Bundle { path: reader.dir().display().to_string() };
    let inputs = reader.inputs()?.map(|line| line.map(|line| (line, None)));
    Ok(merge(assembler, inputs, reader.actions(lane)?)?.finish(source))
}

/// A replay's output.
pub fn replay(reader: &ReplayReader, path: &Path) -> Result<Run, DiffError> {
    let head = reader.head();
    let assembler = Assembler::new(head.session, head.lane, head.policy, head.started).of_replay();
    let source = RunSource::Replay { path: path.display().to_string() };
    let inputs = reader
        .inputs()?
        .map(|line| line.map(|line| (InputLine { at: line.at, input: line.input }, line.provenance)));
    Ok(merge(assembler, inputs, reader.actions()?)?.finish(source))
}

/// What a folder holds: a bundle, of which `lane` is taken, or a replay's output, which has one lane.
pub fn folder(path: &Path, lane: Lane) -> Result<Run, DiffError> {
    if path.join(REPLAY).symlink_metadata().is_ok() {
        return replay(&ReplayReader::open(path)?, path);
    }
    bundle(&Reader::open(path)?, lane)
}

/// A lane of a session in the ledger.
pub async fn ledger(store: &dyn LedgerStore, session: SessionId, lane: Lane) -> Result<Run, DiffError> {
    let mut assembler: Option<Assembler> = None;
    let (mut next, mut steps) = (0, 0u64);
    loop {
        let rows = store.read(session, next, 1_000).await?;
        let Some(last) = rows.last() else {
            break;
        };
        next = last.seq + 1;
        for row in rows {
            // The policy stands in the rows; a session without any action shows the lane's usual one.
            let assembler = assembler.get_or_insert_with(|| {
                Assembler::new(session, lane, bundle::Policies::default().of(lane), row.at)
            });
            let wanted = row.kind == "input" || (row.kind == "action" && row.lane == Some(lane));
            if !wanted {
                continue;
            }
            match row.body() {
                Some(Body::Input { input }) => {
                    steps += 1;
                    assembler.input(&InputLine { at: row.at, input });
                }
                Some(Body::Action { action, policy, .. }) => {
                    let step = steps.saturating_sub(1);
                    assembler.action(&ActionLine { at: row.at, step, policy, action });
                }
                _ => return Err(DiffError::Row { session, seq: row.seq }),
            }
        }
    }
    let source = RunSource::Ledger { store: store.kind().to_owned() };
    assembler.map(|assembler| assembler.finish(source)).ok_or(DiffError::NoSession(session))
}

/// A run from inputs and actions already in memory, as a test or a live comparison has them.
pub fn lines<'a>(
    session: SessionId,
    lane: Lane,
    policy: PolicyName,
    source: RunSource,
    inputs: impl IntoIterator<Item = &'a InputLine>,
    actions: impl IntoIterator<Item = &'a ActionLine>,
) -> Run {
    let mut inputs = inputs.into_iter().peekable();
    let started = inputs.peek().map(|line| line.at).unwrap_or_default();
    let mut assembler = Assembler::new(session, lane, policy, started);
    let mut actions = actions.into_iter().peekable();
    for (step, input) in (0..).zip(inputs) {
        assembler.input(input);
        while let Some(action) = actions.next_if(|action| action.step <= step) {
            assembler.action(action);
        }
    }
    actions.for_each(|action| assembler.action(action));
    assembler.finish(source)
}

/// Feeds each input and then the actions of its step.
fn merge(
    mut assembler: Assembler,
    inputs: impl Iterator<Item = bundle::Result<(InputLine, Option<Provenance>)>>,
    mut actions: impl Iterator<Item = bundle::Result<ActionLine>>,
) -> Result<Assembler, BundleError> {
    let mut next = actions.next().transpose()?;
    for (step, input) in (0..).zip(inputs) {
        match input? {
            (line, Some(provenance)) => assembler.result(&line, provenance),
            (line, None) => assembler.input(&line),
        }
        while let Some(action) = next.take_if(|action| action.step <= step) {
            assembler.action(&action);
            next = actions.next().transpose()?;
        }
    }
    Ok(assembler)
}
