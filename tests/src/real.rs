//! Real speech models, out of packages (`make real-models`): where they are, and what a test does without them.
use std::io::Write as _;
use std::path::PathBuf;

/// The folder that `make real-models` fills.
pub fn folder() -> PathBuf {
    if let Some(named) = std::env::var_os("ANTIPHON_REAL_MODELS") {
        return PathBuf::from(named);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    cache.unwrap_or_else(home).join("antiphon/real-models")
}

/// A file of that folder. Without it the test that asks is to return: it is then noted as skipped, in the output and in the
/// file that `ANTIPHON_SKIPPED` names, from which `make test` counts at its end. Continuous integration never skips: there
/// (`CI` is set) a missing file is a panic.
pub fn file(name: &str) -> Option<PathBuf> {
    let path = folder().join(name);
    if path.exists() {
        return Some(path);
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let why = format!("{test} needs {name}, which is not in {}: run `make real-models`", folder().display());
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
    if let Some(list) = std::env::var_os("ANTIPHON_SKIPPED") {
        let list = std::fs::OpenOptions::new().create(true).append(true).open(list);
        let _ = list.and_then(|mut list| writeln!(list, "{why}"));
    }
    None
}
