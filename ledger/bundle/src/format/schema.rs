//! The format as JSON Schema, for other programs. The files in `assets/schema/` are generated from here.
use schemars::{Schema, schema_for};

use super::lines::{ActionLine, InputLine, TimelineLine, TranscriptLine};
use super::manifest::Manifest;

/// Every schema of the format that is written, with its file's name. Those of format 1 stay as they were published.
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("bundle-2.manifest.schema.json", schema_for!(Manifest)),
        ("bundle-2.timeline.schema.json", schema_for!(TimelineLine)),
        ("bundle-2.inputs.schema.json", schema_for!(InputLine)),
        ("bundle-2.actions.schema.json", schema_for!(ActionLine)),
        ("bundle-2.transcripts.schema.json", schema_for!(TranscriptLine)),
        ("bundle-2.recovery.schema.json", schema_for!(crate::recover::Recovery)),
    ]
}
