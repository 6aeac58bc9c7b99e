//! A file as a response body, for as long as the download may take.
//!
//! A client that reads slowly, or not at all, holds an archive that has no name any more and takes room all the same, one of the few
//! places for packing, and the process when it is to end. A task of its own reads the file, so that all three are let go of in
//! time: what is sent waits for its reader, the file does not.
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

/// Long enough for the largest archives over a poor line; a link can be used again.
const MAX_DOWNLOAD: Duration = Duration::from_secs(60 * 60);
/// A reader that takes nothing for so long has gone.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Read at a time.
const CHUNK: usize = 64 * 1024;

/// Why a download ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Broken {
    #[error("nothing was read for a minute")]
    Stalled,
    #[error("it took more than an hour")]
    TooLong,
    #[error("the process is about to stop")]
    Stopping,
    #[error("the archive could not be read")]
    Unreadable,
}

/// The file as a body. `place` is free again when it is sent, given up or out of time.
pub(super) fn body(file: std::fs::File, place: OwnedSemaphorePermit, stop: CancellationToken) -> Body {
    let (send, chunks) = mpsc::channel(1);
    tokio::spawn(async move {
        let _place = place;
        let broken = tokio::select! {
            read = read(tokio::fs::File::from_std(file), &send) => read.err(),
            () = tokio::time::sleep(MAX_DOWNLOAD) => Some(Broken::TooLong),
            () = stop.cancelled() => Some(Broken::Stopping),
        };
        if let Some(why) = broken {
            tracing::info!(%why, "a download ended before its end");
            metrics::counter!("antiphon_bundle_downloads_broken_total").increment(1);
            // Cut short, so that it is not taken for the whole. When there is no room, the length that was promised says so.
            drop(send.try_send(Err(why)));
        }
    });
    Body::from_stream(stream::unfold(
        chunks,
        |mut chunks| async move { Some((chunks.recv().await?, chunks)) },
    ))
}

/// Sends chunks until the file ends or the reader has gone.
async fn read(mut file: tokio::fs::File, to: &mpsc::Sender<Result<Bytes, Broken>>) -> Result<(), Broken> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await;
        match read {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "an archive could not be read");
                return Err(Broken::Unreadable);
            }
        }
        match tokio::time::timeout(STALL_TIMEOUT, to.send(Ok(chunk.into()))).await {
            Ok(Ok(())) => {}
            Ok(Err(_gone)) => return Ok(()),
            Err(_elapsed) => return Err(Broken::Stalled),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn archive(bytes: usize) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; bytes]).unwrap();
        file.rewind().unwrap();
        file
    }

    async fn place(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        places.clone().acquire_owned().await.unwrap()
    }

    #[tokio::test]
    async fn all_is_sent_and_the_place_is_free() {
        let places = Arc::new(Semaphore::new(1));
        let body = body(archive(300_000), place(&places).await, CancellationToken::new());
        assert!(places.try_acquire().is_err(), "taken until it is sent, not only until it is packed");
        assert_eq!(axum::body::to_bytes(body, usize::MAX).await.unwrap().len(), 300_000);
        drop(place(&places).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_reader_loses_its_place_after_a_minute() {
        let places = Arc::new(Semaphore::new(1));
        let begun = tokio::time::Instant::now();
        let body = body(archive(1_000_000), place(&places).await, CancellationToken::new());
        let free = place(&places).await;
        assert!((STALL_TIMEOUT..STALL_TIMEOUT * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        drop(free);
        let got = axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len());
        assert!(got.as_ref().map_or(true, |bytes| *bytes < 1_000_000), "cut short: {got:?}");
    }

    #[tokio::test]
    async fn the_end_of_the_process_waits_for_no_download() {
        let (places, stop) = (Arc::new(Semaphore::new(1)), CancellationToken::new());
        let body = body(archive(1_000_000), place(&places).await, stop.clone());
        stop.cancel();
        drop(place(&places).await);
        drop(body);
    }
}
