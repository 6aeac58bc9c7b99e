//! The whole bundle as one `tar.zst`, for keeping and sending.
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use crate::MANIFEST;
use crate::format::error::{Doing, Result};
use crate::format::names;
use crate::read::reader::Reader;

/// zstd's default: tracks are compressed already, JSON shrinks well at any level.
const LEVEL: i32 = 3;

/// Counts what is read.
struct Watched<'a, R> {
    from: R,
    done: &'a mut u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        *self.done += n as u64;
        (self.progress)(*self.done, self.total);
        Ok(n)
    }
}

/// Packs the manifest and every file it names into `to`, under a folder named after the session. `progress` gets bytes
/// done and bytes in all. The archive stands under its name only when it is whole.
pub fn archive(bundle: &Reader, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<()> {
    let manifest = bundle.manifest();
    let folder = manifest.session.to_string();
    let names = std::iter::once(MANIFEST).chain(manifest.blobs.iter().map(|blob| blob.name.as_str()));
    let files =
        names.map(|name| names::regular_file(bundle.dir(), name).map(|(path, bytes)| (name, path, bytes)));
    let files = files.collect::<Result<Vec<_>>>()?;
    let total = files.iter().map(|(_, _, bytes)| bytes).sum();
    let mut done = 0;
    super::files::write_new(to, |out| {
        let mut zstd = zstd::Encoder::new(out, LEVEL).doing("compress", to)?;
        zstd.include_checksum(true).doing("compress", to)?;
        let mut tar = tar::Builder::new(zstd);
        for (name, path, bytes) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_size(*bytes);
            header.set_mode(0o644);
            header.set_mtime(manifest.ended.as_millis() / 1000);
            let from = File::open(path).doing("open", path)?.take(*bytes);
            let watched = Watched { from, done: &mut done, total, progress: &mut progress };
            tar.append_data(&mut header, format!("{folder}/{name}"), watched).doing("write", to)?;
        }
        let zstd = tar.into_inner().doing("write", to)?;
        let out: &mut BufWriter<File> = zstd.finish().doing("write", to)?;
        out.flush().doing("write", to)
    })
}
