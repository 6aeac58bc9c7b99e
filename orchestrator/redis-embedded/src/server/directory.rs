//! Where the socket lies.

use std::path::PathBuf;

use super::error::EmbeddedError;

/// A directory only this user can enter.
#[derive(Debug)]
pub(super) struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    pub(super) fn make() -> Result<Self, EmbeddedError> {
        use std::os::unix::fs::DirBuilderExt as _;
        // Short: the path of a socket may have about a hundred bytes.
        let name = format!("antiphon-redis-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|source| EmbeddedError::Socket { path: path.clone(), source })?;
        Ok(Self(path))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // What is left behind is an empty directory in the temporary one.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
