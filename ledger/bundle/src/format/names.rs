//! Names of blobs, which come from outside.
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{BundleError, Doing, Result};

const MAX_NAME: usize = 128;

/// Why a blob's name is refused, if it is. Allowed: up to two parts of letters, digits, `.`, `_`, `-`.
pub fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Some("it is empty or longer than 128 bytes");
    }
    if name.starts_with('/') {
        return Some("it is an absolute path");
    }
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 2 {
        return Some("it lies more than one folder deep");
    }
    for part in parts {
        if part == ".." || part == "." || part.is_empty() {
            return Some("it leads out of the bundle or nowhere");
        }
        if part.starts_with('.') {
            return Some("it is a hidden file");
        }
        if part.ends_with('.') || is_device(part) {
            return Some("it is no file's name on some systems");
        }
        if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
            return Some("it has other characters than letters, digits, '.', '_' and '-'");
        }
    }
    None
}

/// Names that mean devices on Windows, whatever their ending
/// (<https://learn.microsoft.com/windows/win32/fileio/naming-a-file>).
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |stem: &str| stem.len() == 4 && stem.ends_with(|last: char| last.is_ascii_digit());
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        || numbered(&stem) && (stem.starts_with("com") || stem.starts_with("lpt"))
}

/// The path of a blob whose name was checked: a regular file, reached through no symlink.
pub fn regular_file(dir: &Path, name: &str) -> Result<(PathBuf, u64)> {
    let mut path = dir.to_path_buf();
    let mut bytes = 0;
    let parts: Vec<&str> = name.split('/').collect();
    for (i, part) in parts.iter().enumerate() {
        path.push(part);
        let meta = match fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(BundleError::Missing { file: name.to_owned() });
            }
            Err(error) => return Err(error).doing("look at", &path),
        };
        let last = i + 1 == parts.len();
        let what = if meta.is_symlink() {
            Some("a symlink")
        } else if last && meta.is_dir() {
            Some("a folder")
        } else if last && !meta.is_file() {
            Some("a device or pipe")
        } else {
            None
        };
        if let Some(what) = what {
            return Err(BundleError::NotAFile { file: parts[..=i].join("/"), what });
        }
        bytes = meta.len();
    }
    Ok((path, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "tracks/../../x",
            "tracks/..",
            ".",
            "a//b",
            "a/b/c",
            "C:\\x",
            "a\\b",
            "a:b",
            ".hidden",
            "tracks/.x",
            "a\0b",
            "ä.ogg",
            "a b",
            "tracks/nul",
            "CON.wav",
            "lpt1.ogg",
            "tracks/x.",
        ] {
            assert!(fault(name).is_some(), "{name:?} was let through");
        }
        for name in ["timeline.jsonl", "tracks/123.ogg", "tracks/bot.wav", "a-b_c.d", "console.log", "com.x"]
        {
            assert_eq!(fault(name), None, "{name:?} was refused");
        }
    }
}
