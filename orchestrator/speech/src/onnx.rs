//! Finding libonnxruntime, which runs Piper's voices.
//!
//! The crate ort waits for ever on a lock when it cannot load the library, so it is opened here first, its version
//! read, and ort given only a library that works.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::provider::SpeechError;

/// The library's name on this system.
pub const LIBRARY: &str = if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else if cfg!(windows) {
    "onnxruntime.dll"
} else {
    "libonnxruntime.so"
};

/// The first two entries of ONNX Runtime's stable C interface (`OrtApiBase` in onnxruntime_c_api.h).
#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "C" fn(u32) -> *const std::ffi::c_void,
    get_version: unsafe extern "C" fn() -> *const c_char,
}

/// A library that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// Its version.
    pub version: String,
}

static READY: Mutex<Option<Found>> = Mutex::new(None);

/// Files to try: the setting, `ORT_DYLIB_PATH`, the models folder, the program's folder, the system's.
pub fn candidates(setting: Option<&Path>, data: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = setting.map(Path::to_path_buf).into_iter().collect();
    out.extend(std::env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()).map(PathBuf::from));
    let mut folders = vec![data.to_path_buf()];
    folders.extend(std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf)));
    folders.extend(
        ["/usr/lib", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
            .map(PathBuf::from),
    );
    out.extend(folders.iter().filter_map(|folder| in_folder(folder)));
    out
}

/// `libonnxruntime.so`, or the same with a version behind it, in a folder.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(LIBRARY);
    if plain.is_file() {
        return Some(plain);
    }
    let mut versioned: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("libonnxruntime.so.")))
        .collect();
    versioned.sort();
    versioned.pop()
}

/// Finds a library and makes ort use it, once for the process.
pub fn start(setting: Option<&Path>, data: &Path) -> Result<Found, SpeechError> {
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = &*ready {
        return Ok(found.clone());
    }
    let tried = candidates(setting, data);
    let mut whys = Vec::new();
    for path in &tried {
        match probe(path) {
            Ok(version) => {
                ort::init_from(path).map_err(|e| missing(vec![format!("{}: {e}", path.display())]))?.commit();
                let found = Found { path: path.clone(), version };
                *ready = Some(found.clone());
                return Ok(found);
            }
            Err(why) => whys.push(format!("{}: {why}", path.display())),
        }
    }
    Err(missing(whys))
}

fn missing(whys: Vec<String>) -> SpeechError {
    let why = if whys.is_empty() { "it was not found".to_owned() } else { whys.join("; ") };
    SpeechError::unavailable(
        LIBRARY,
        why,
        "Fetch it with `antiphon models fetch onnxruntime`, or name the file in ORT_DYLIB_PATH",
    )
}

/// Opens a library and asks its version.
fn probe(path: &Path) -> Result<String, String> {
    if !path.is_file() {
        return Err("there is no such file".into());
    }
    // SAFETY: opening a library runs its initialisers: it is the operator who names it. The symbol's type is that of
    // ONNX Runtime's C interface, the same in all its versions; the results are static.
    unsafe {
        let library = libloading::Library::new(path).map_err(|e| format!("it cannot be loaded ({e})"))?;
        let base: libloading::Symbol<'_, unsafe extern "C" fn() -> *const ApiBase> = library
            .get(b"OrtGetApiBase\0")
            .map_err(|_| "it is not ONNX Runtime (no OrtGetApiBase)".to_owned())?;
        let base = base();
        if base.is_null() {
            return Err("it gives no interface".into());
        }
        let version = CStr::from_ptr(((*base).get_version)()).to_string_lossy().into_owned();
        if ((*base).get_api)(ort::MINOR_VERSION).is_null() {
            return Err(format!("it is version {version}, 1.{} or later is needed", ort::MINOR_VERSION));
        }
        // Kept open: closing and opening ONNX Runtime again is not something it is made for.
        std::mem::forget(library);
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_foreign_library_is_named_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = dir.path().join(LIBRARY);
        std::fs::write(&foreign, "not a library").unwrap();
        assert!(probe(&foreign).unwrap_err().contains("cannot be loaded"));
        assert!(probe(&dir.path().join("none.so")).unwrap_err().contains("no such file"));
    }

    #[test]
    fn a_versioned_library_is_found_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["libonnxruntime.so.1.20.0", "libonnxruntime.so.1.22.1", "other.so"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(in_folder(dir.path()), Some(dir.path().join("libonnxruntime.so.1.22.1")));
    }
}
