//! Where espeak-ng's dictionaries and phoneme tables are.
use std::path::{Path, PathBuf};

/// The folder that every copy of the data has.
pub const FOLDER: &str = "espeak-ng-data";
/// Variables that may name the folder, or the one that holds it. The second is what piper-rs knows.
pub const VARIABLES: [&str; 3] =
    ["ANTIPHON_ESPEAK_DATA", "PIPER_ESPEAKNG_DATA_DIRECTORY", "ESPEAK_DATA_PATH"];

/// Folders to try, in this order: the setting, the environment, the program's folder, the program's `share`, the
/// system's, and last the path compiled in (`None`), about which espeak-ng complains aloud when nothing is there.
pub fn candidates(setting: Option<&Path>) -> Vec<Option<PathBuf>> {
    let mut out: Vec<PathBuf> = setting.map(Path::to_path_buf).into_iter().collect();
    out.extend(VARIABLES.iter().filter_map(std::env::var_os).map(PathBuf::from));
    if let Some(home) = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf)) {
        out.push(home.clone());
        out.push(home.join("../share/antiphon"));
    }
    let mut found: Vec<Option<PathBuf>> = out.iter().filter_map(|p| folder(p)).map(Some).collect();
    let system = [
        "/usr/share",
        "/usr/local/share",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/opt/homebrew/share",
    ];
    found.extend(system.iter().filter_map(|p| folder(Path::new(p))).map(Some));
    found.push(None);
    found
}

/// The data folder that `path` is or holds.
fn folder(path: &Path) -> Option<PathBuf> {
    [path.to_path_buf(), path.join(FOLDER)].into_iter().find(|p| p.join("phontab").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_comes_first_by_folder_or_parent() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join(FOLDER);
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("phontab"), "").unwrap();
        assert_eq!(candidates(Some(dir.path()))[0], Some(data.clone()));
        assert_eq!(candidates(Some(&data))[0], Some(data));
    }

    #[test]
    fn a_folder_without_data_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!candidates(Some(dir.path())).contains(&Some(dir.path().to_path_buf())));
    }
}
