//! The folder that the demo leaves its results in: emptied only when it is a demo's.
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Marks a folder as the demo's own.
const MARK: &str = ".antiphon-demo";

/// An empty folder, with `heard/` in it; its absolute path.
pub(super) fn prepare(wanted: &Path) -> anyhow::Result<PathBuf> {
    let out = std::path::absolute(wanted).with_context(|| format!("{} is no path", wanted.display()))?;
    let occupied = std::fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        if !out.join(MARK).exists() {
            bail!(
                "{} is not empty and is no earlier demo's folder: give another one with --out",
                out.display()
            );
        }
        std::fs::remove_dir_all(&out).with_context(|| format!("{} could not be emptied", out.display()))?;
    }
    std::fs::create_dir_all(out.join("heard"))
        .with_context(|| format!("{} could not be made", out.display()))?;
    std::fs::write(out.join(MARK), "made by `antiphon demo`, emptied by the next one\n")?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_somebodys_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        assert!(prepare(folder.path()).unwrap_err().to_string().contains("--out"));
        assert!(folder.path().join("thesis.txt").exists());
    }

    #[test]
    fn an_earlier_demos_folder_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let out = prepare(&folder.path().join("demo")).unwrap();
        std::fs::write(out.join("summary.json"), "{}").unwrap();
        let again = prepare(&out).unwrap();
        assert!(!again.join("summary.json").exists() && again.join("heard").is_dir());
    }
}
