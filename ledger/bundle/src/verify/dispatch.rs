//! Which file is checked by what, and the threads that do it.
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::findings::Findings;
use super::scan::scan;
use super::{decisions, timeline, tracks};
use crate::format::manifest::{Blob, INPUTS, TIMELINE, TRANSCRIPTS, Track, actions_file};
use crate::read::reader::Reader;
use antiphon_core::ids::Lane;

/// Files read at the same time: more make a disk seek, not read.
const MAX_THREADS: usize = 8;
/// How often progress is reported.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

enum Job<'a> {
    /// Inputs, both lanes' actions and transcripts: actions refer to inputs.
    Decisions,
    Timeline,
    Track(&'a Track, &'a Blob),
    /// Only its digest is checked: nothing is known of its content.
    Other(&'a Blob),
}

/// Checks every file, on as many threads as there are cores. Findings come in the order of the jobs.
pub(super) fn all(bundle: &Reader, total: u64, mut progress: impl FnMut(u64, u64)) -> Vec<Findings> {
    let jobs = jobs(bundle);
    let read = AtomicU64::new(0);
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(jobs.len());
    let (results, received) = sync_channel::<(usize, Findings)>(jobs.len());
    let mut findings: Vec<(usize, Findings)> = thread::scope(|scope| {
        for _ in 0..threads {
            let (results, jobs, next, read) = (results.clone(), &jobs, &next, &read);
            scope.spawn(move || {
                while let Some((n, job)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(n).map(|job| (n, job))
                } {
                    let found = job.check(bundle, read);
                    // The channel has room for every job's answer, and is there until all have answered.
                    if results.send((n, found)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let mut findings = Vec::with_capacity(jobs.len());
        loop {
            match received.recv_timeout(PROGRESS_INTERVAL) {
                Ok(found) => findings.push(found),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return findings,
            }
            progress(read.load(Ordering::Relaxed).min(total), total);
        }
    });
    findings.sort_by_key(|(n, _)| *n);
    findings.into_iter().map(|(_, findings)| findings).collect()
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
    fn check(&self, bundle: &Reader, read: &AtomicU64) -> Findings {
        let mut findings = Findings::default();
        match self {
            Job::Decisions => decisions::check(bundle, read, &mut findings),
            Job::Timeline => timeline::check(bundle, read, &mut findings),
            Job::Track(track, blob) => tracks::check(bundle, track, blob, read, &mut findings),
            Job::Other(blob) => {
                scan(bundle, blob, read, &mut findings.digests, |_, _| ()).unwrap_or_default();
            }
        }
        findings
    }
}
