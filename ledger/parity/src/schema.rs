//! Every published format as JSON Schema. The files in `assets/schema/` are generated from here.
use schemars::{Schema, schema_for};

/// Every schema, with its file's name: the bundle's, and the comparison's.
pub fn all() -> Vec<(&'static str, Schema)> {
    let mut all = bundle::schema::all();
    all.push(("parity-2.schema.json", schema_for!(crate::diff::Parity)));
    all
}
