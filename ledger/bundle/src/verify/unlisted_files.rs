//! Files in a bundle's folder that the manifest does not name.
use std::fs;

use super::problems::MAX_PROBLEMS;
use crate::format::error::{Doing, Result};
use crate::format::manifest::MANIFEST;
use crate::read::reader::Reader;

pub(super) fn check(bundle: &Reader, remarks: &mut Vec<String>) -> Result<()> {
    let named = |name: &str| name == MANIFEST || bundle.manifest().blobs.iter().any(|blob| blob.name == name);
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let path = bundle.dir().join(&folder);
        for entry in fs::read_dir(&path).doing("read", &path)?.flatten() {
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir && folder.is_empty() {
                folders.push(format!("{name}/"));
            } else if !named(&name) && remarks.len() < MAX_PROBLEMS {
                remarks.push(format!("{name}: not named in manifest.json"));
            }
        }
    }
    Ok(())
}
