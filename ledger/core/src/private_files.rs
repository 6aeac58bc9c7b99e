//! Files and folders that only the owner of the process may read, whatever the umask: what people said is in them.
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Options that make new files readable by their owner only (mode 0600).
pub fn options() -> OpenOptions {
    #[allow(unused_mut, reason = "where files have no modes there is nothing to set")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a folder and those above it, as far as they are not there yet, for their owner only (mode 0700).
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    #[allow(unused_mut, reason = "where folders have no modes there is nothing to set")]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Creates a file, or empties the one that is there.
pub fn create(path: impl AsRef<Path>) -> io::Result<File> {
    let file = options().write(true).create(true).truncate(true).open(path.as_ref())?;
    restrict(&file)?;
    Ok(file)
}

/// Writes a whole file.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    create(path)?.write_all(bytes.as_ref())
}

/// Takes away what others may do with a file that was made with another mode.
pub fn restrict(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = file.metadata()?;
        let mut permissions = metadata.permissions();
        // A device is not ours to restrict: somebody may write to /dev/stdout.
        if metadata.is_file() && permissions.mode() & 0o077 != 0 {
            permissions.set_mode(permissions.mode() & 0o700);
            file.set_permissions(permissions)?;
        }
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    /// A folder of this test's own, removed with it.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn files_and_folders_are_readable_by_their_owner_only() {
        let folder = Folder(std::env::temp_dir().join(format!("antiphon-private-{}", uuid::Uuid::new_v4())));
        let deep = folder.0.join("a/b");
        create_dir_all(&deep).unwrap();
        assert_eq!((mode(&folder.0), mode(&deep)), (0o700, 0o700));

        let new = deep.join("new");
        write(&new, "words").unwrap();
        assert_eq!(mode(&new), 0o600);

        let old = deep.join("old");
        std::fs::write(&old, "words").unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o664)).unwrap();
        write(&old, "other").unwrap();
        assert_eq!((mode(&old), std::fs::read(&old).unwrap()), (0o600, b"other".to_vec()));
    }
}
