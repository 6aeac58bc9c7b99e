//! Which file is looked at how, and the threads that do it.
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::timeline::Marks;
use super::tracks::Begins;
use super::{Problems, decisions, timeline, tracks};
use crate::format::error::{BundleError, Doing, Result};
use crate::format::manifest::{Blob, INPUTS, TIMELINE, TRANSCRIPTS, Track, actions_file};
use crate::read::digest_reader::Hashed;
use crate::read::reader::Reader;
use antiphon_core::ids::Lane;

/// Files read at the same time at the most: more make a disk seek, not read.
const MOST: usize = 8;
/// What is read at a time.
const BUFFER: usize = 256 * 1024;
/// How often whoever waits is told how far it is.
const TELL: Duration = Duration::from_millis(100);

/// A file that digests itself while it is read.
pub(super) type Feed<'a> = BufReader<Hashed<'a, File>>;

/// What looking at one file, or a few that belong together, gave.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// What is wrong with sizes and digests.
    pub(super) digests: Problems,
    /// What is wrong with what is inside.
    pub(super) problems: Problems,
    pub(super) packets: u64,
    pub(super) timeline: Option<Marks>,
    pub(super) begins: Option<Begins>,
}

enum Job<'a> {
    /// Inputs, both lanes' actions and transcripts: actions refer to inputs.
    Decisions,
    Timeline,
    Track(&'a Track, &'a Blob),
    /// Nothing is known of its content.
    Other(&'a Blob),
}

/// Looks at every file, on as many threads as there are cores. What was found comes in the order of the jobs.
pub(super) fn all(bundle: &Reader, total: u64, mut progress: impl FnMut(u64, u64)) -> Vec<Looked> {
    let jobs = jobs(bundle);
    let read = AtomicU64::new(0);
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST).min(jobs.len());
    let (tell, told) = sync_channel::<(usize, Looked)>(jobs.len());
    let mut looked: Vec<(usize, Looked)> = thread::scope(|scope| {
        for _ in 0..threads {
            let (tell, jobs, next, read) = (tell.clone(), &jobs, &next, &read);
            scope.spawn(move || {
                while let Some((n, job)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(n).map(|job| (n, job))
                } {
                    let found = job.look(bundle, read);
                    // The channel has room for every job's answer, and is there until all have answered.
                    if tell.send((n, found)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let mut looked = Vec::with_capacity(jobs.len());
        loop {
            match told.recv_timeout(TELL) {
                Ok(found) => looked.push(found),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return looked,
            }
            progress(read.load(Ordering::Relaxed).min(total), total);
        }
    });
    looked.sort_by_key(|(n, _)| *n);
    looked.into_iter().map(|(_, looked)| looked).collect()
}

/// The longest first, so that no thread is left with it at the end.
fn jobs(bundle: &Reader) -> Vec<Job<'_>> {
    let manifest = bundle.manifest();
    let decisions = [INPUTS, TRANSCRIPTS, actions_file(Lane::Production), actions_file(Lane::Sandbox)];
    let together = manifest.blobs.iter().filter(|blob| decisions.contains(&blob.name.as_str()));
    let mut jobs = vec![(together.map(|blob| blob.bytes).sum(), Job::Decisions)];
    for blob in manifest.blobs.iter().filter(|blob| !decisions.contains(&blob.name.as_str())) {
        let track = manifest.tracks.iter().find(|track| track.blob.as_ref() == Some(&blob.name));
        let job = match track {
            _ if blob.name == TIMELINE => Job::Timeline,
            Some(track) => Job::Track(track, blob),
            None => Job::Other(blob),
        };
        jobs.push((blob.bytes, job));
    }
    jobs.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    jobs.into_iter().map(|(_, job)| job).collect()
}

impl Job<'_> {
    fn look(&self, bundle: &Reader, read: &AtomicU64) -> Looked {
        let mut looked = Looked::default();
        match self {
            Job::Decisions => decisions::look(bundle, read, &mut looked),
            Job::Timeline => timeline::look(bundle, read, &mut looked),
            Job::Track(track, blob) => tracks::look(bundle, track, blob, read, &mut looked),
            Job::Other(blob) => {
                through(bundle, blob, read, &mut looked.digests, |_, _| ()).unwrap_or_default();
            }
        }
        looked
    }
}

/// Opens a blob, lets `look` read as much of it as it likes, reads the rest, and compares length and digest. None when it
/// cannot be read.
pub(super) fn through<T>(
    bundle: &Reader,
    blob: &Blob,
    read: &AtomicU64,
    digests: &mut Problems,
    look: impl FnOnce(&mut Feed<'_>, &Path) -> T,
) -> Option<T> {
    let open = || -> Result<_> {
        let path = bundle.path(blob)?;
        let file = File::open(&path).doing("open", &path)?;
        Ok((path, file))
    };
    let (path, file) = match open() {
        Ok(open) => open,
        Err(error) => {
            digests.add(error);
            return None;
        }
    };
    let mut feed = BufReader::with_capacity(BUFFER, Hashed::new(file, blob.bytes, read));
    let result = look(&mut feed, &path);
    match feed.into_inner().finish().doing("read", &path) {
        Err(error) => digests.add(error),
        Ok((_, sha256)) if sha256 != blob.sha256 => digests.add(BundleError::Digest {
            file: blob.name.clone(),
            expected: blob.sha256.to_string(),
            found: sha256.to_string(),
        }),
        Ok((bytes, _)) if bytes != blob.bytes => {
            digests.add(BundleError::Size { file: blob.name.clone(), expected: blob.bytes, found: bytes });
        }
        Ok(_) => {}
    }
    Some(result)
}
