//! Paths that a command is given: one that does not exist is reported as that, and with what to do.
use std::path::Path;

use anyhow::Context;
use bundle::Reader;

use crate::output::{BUNDLES, hinted};

/// Refuses a path that does not exist. `what` names it, such as "the bundle".
pub(super) fn existing(path: &Path, what: &str, hint: &str) -> anyhow::Result<()> {
    let found =
        path.try_exists().with_context(|| format!("{what} {} cannot be looked at", path.display()))?;
    if found { Ok(()) } else { Err(hinted(format!("{what} {} does not exist", path.display()), hint)) }
}

/// Refuses a bundle's folder that does not exist.
pub(super) fn bundle(path: &Path) -> anyhow::Result<()> {
    existing(path, "the bundle", BUNDLES)
}

/// Opens a bundle.
pub(super) fn open_bundle(path: &Path) -> anyhow::Result<Reader> {
    bundle(path)?;
    Ok(Reader::open(path)?)
}

/// Refuses a file that does not exist.
pub(super) fn file(path: &Path) -> anyhow::Result<()> {
    existing(path, "the file", "check its name and the folder you are in")
}
