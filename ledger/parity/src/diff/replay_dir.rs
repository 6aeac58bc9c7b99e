//! What a replay leaves: a folder with the inputs that were fed and the actions that came of them.
//!
//! ```text
//! replay.json              written last: a replay that was cut off has none
//! inputs.jsonl             as in a bundle, results with their provenance
//! actions.<lane>.jsonl     as in a bundle
//! ```
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provenance::Provenance;
use antiphon_core::chain::Digest;
use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::{Lane, SessionId};
use antiphon_core::private_files;
use antiphon_core::time::Timestamp;
use bundle::files::{JsonLinesFile, digest_file, sync_dir, write_json};
use bundle::{ActionLine, BundleError, INPUTS, JsonLines, Result, actions_file};
use bundle::{json, names};

/// `replay.json`.
pub const REPLAY: &str = "replay.json";

/// What was replayed, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayHead {
    /// The bundle that was replayed.
    pub source: String,
    /// Its session.
    pub session: SessionId,
    /// Slot 0 of the session.
    pub started: Timestamp,
    /// The lane that was replayed.
    pub lane: Lane,
    /// The policy that it followed at the start.
    pub policy: PolicyName,
    /// The version that replayed it.
    pub version: String,
}

/// A line of a replay's `inputs.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayLine {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub input: Input,
    /// Where a result comes from; none for what people and operators did, and in replays of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sealed {
    schema_version: u32,
    replay: ReplayHead,
    inputs: Part,
    actions: Part,
    /// How many results come from where.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    provenance: BTreeMap<Provenance, u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Part {
    lines: u64,
    sha256: Digest,
}

/// Writes a replay's output.
pub struct ReplayWriter {
    dir: PathBuf,
    head: ReplayHead,
    inputs: JsonLinesFile,
    actions: JsonLinesFile,
    provenance: BTreeMap<Provenance, u64>,
}

impl ReplayWriter {
    /// Begins in a folder that is not there yet, or is empty.
    pub fn create(dir: &Path, head: ReplayHead) -> Result<Self> {
        let io = |source| BundleError::Io { doing: "create", path: dir.to_path_buf(), source };
        private_files::create_dir_all(dir).map_err(io)?;
        if fs::read_dir(dir).map_err(io)?.next().is_some() {
            return Err(BundleError::Exists(dir.to_path_buf()));
        }
        let inputs = JsonLinesFile::create(&dir.join(INPUTS))?;
        let actions = JsonLinesFile::create(&dir.join(actions_file(head.lane)))?;
        Ok(Self { dir: dir.to_path_buf(), head, inputs, actions, provenance: BTreeMap::new() })
    }

    /// Writes an input that was fed, with where it comes from if it is a result; gives its step.
    pub fn input(&mut self, at: Timestamp, input: &Input, provenance: Option<Provenance>) -> Result<u64> {
        let step = self.inputs.lines();
        self.inputs.write(&ReplayLine { at, input: input.clone(), provenance })?;
        if let Some(provenance) = provenance {
            *self.provenance.entry(provenance).or_default() += 1;
        }
        Ok(step)
    }

    /// Writes the actions that came of it.
    pub fn actions(
        &mut self,
        policy: PolicyName,
        at: Timestamp,
        step: u64,
        actions: &[Action],
    ) -> Result<()> {
        for action in actions {
            self.actions.write(&ActionLine { at, step, policy, action: action.clone() })?;
        }
        Ok(())
    }

    /// Ends the output.
    pub fn seal(self) -> Result<()> {
        let part = |file: JsonLinesFile| {
            let lines = file.lines();
            let name = file.finish()?;
            Ok::<_, BundleError>(Part { lines, sha256: digest_file(&self.dir.join(name))?.1 })
        };
        let sealed = Sealed {
            schema_version: 1,
            inputs: part(self.inputs)?,
            actions: part(self.actions)?,
            provenance: self.provenance,
            replay: self.head,
        };
        let new = self.dir.join("replay.json.new");
        write_json(&new, &sealed)?;
        fs::rename(&new, self.dir.join(REPLAY)).map_err(|source| BundleError::Io {
            doing: "rename",
            path: new.clone(),
            source,
        })?;
        sync_dir(&self.dir)
    }
}

impl std::fmt::Debug for ReplayWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayWriter").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Reads a replay's output, after checking its digests.
#[derive(Debug)]
pub struct ReplayReader {
    dir: PathBuf,
    head: ReplayHead,
    provenance: BTreeMap<Provenance, u64>,
}

impl ReplayReader {
    /// Opens the folder.
    pub fn open(dir: &Path) -> Result<Self> {
        let (path, _) = names::regular_file(dir, REPLAY)?;
        let sealed: Sealed = json::parse(REPLAY, 1, &json::read_manifest(&path, REPLAY)?)?;
        if sealed.schema_version != 1 {
            return Err(BundleError::Value {
                file: REPLAY.into(),
                field: "schema_version".into(),
                message: format!(
                    "is {}, but this build reads version 1: use a newer antiphon",
                    sealed.schema_version
                ),
            });
        }
        for (name, part) in [(INPUTS, &sealed.inputs), (actions_file(sealed.replay.lane), &sealed.actions)] {
            let (_, found) = digest_file(&names::regular_file(dir, name)?.0)?;
            if found != part.sha256 {
                let (expected, found) = (part.sha256.to_string(), found.to_string());
                return Err(BundleError::Digest { file: name.into(), expected, found });
            }
        }
        Ok(Self { dir: dir.to_path_buf(), head: sealed.replay, provenance: sealed.provenance })
    }

    /// What was replayed.
    pub fn head(&self) -> &ReplayHead {
        &self.head
    }

    /// How many results come from where; empty in replays of earlier versions.
    pub fn provenance(&self) -> &BTreeMap<Provenance, u64> {
        &self.provenance
    }

    /// The inputs that were fed.
    pub fn inputs(&self) -> Result<JsonLines<ReplayLine>> {
        JsonLines::open(&self.dir.join(INPUTS), INPUTS)
    }

    /// The actions that came of them.
    pub fn actions(&self) -> Result<JsonLines<ActionLine>> {
        let name = actions_file(self.head.lane);
        JsonLines::open(&self.dir.join(name), name)
    }
}
