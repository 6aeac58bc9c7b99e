//! The format as JSON Schema, for other programs. The files in `assets/schema/` are generated from here.
use schemars::{Schema, schema_for};

use super::lines::{ActionLine, InputLine, TimelineLine, TranscriptLine};
use super::manifest::Manifest;

/// Every schema of format version 1, with its file's name.
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("bundle-1.manifest.schema.json", schema_for!(Manifest)),
        ("bundle-1.timeline.schema.json", schema_for!(TimelineLine)),
        ("bundle-1.inputs.schema.json", schema_for!(InputLine)),
        ("bundle-1.actions.schema.json", schema_for!(ActionLine)),
        ("bundle-1.transcripts.schema.json", schema_for!(TranscriptLine)),
        ("bundle-1.recovery.schema.json", schema_for!(crate::recover::Recovery)),
    ]
}
