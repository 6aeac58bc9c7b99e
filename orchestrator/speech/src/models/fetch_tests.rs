//! Against a server on this machine that breaks off, lies, and sulks.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::models::archive::zip;
use crate::models::catalogue::{Archive, Kind};

/// What the server does with one request.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Serves what is asked for.
    Serve,
    /// Promises everything and closes after so many bytes.
    CutAfter(usize),
    /// Ignores the range and serves from the start.
    IgnoreRange,
    /// Claims another length.
    Claim(usize),
    /// Sends without saying how much, and too much.
    TooMuch,
    /// Answers a range with another one.
    WrongRange,
    /// Answers with a status.
    Status(u16),
    /// Accepts and says nothing.
    Stall,
}

struct Server {
    url: String,
    ranges: Arc<Mutex<Vec<Option<u64>>>>,
    paths: Arc<Mutex<Vec<String>>>,
}

/// Serves `content`, each request by the next act, the last act for ever.
async fn serve(content: Vec<u8>, acts: &[Act]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (ranges, paths) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let server = Server { url, ranges: ranges.clone(), paths: paths.clone() };
    let mut acts: VecDeque<Act> = acts.iter().copied().collect();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).await.unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let range: Option<u64> = head
                .lines()
                .find_map(|l| l.strip_prefix("range: bytes="))
                .and_then(|r| r.trim_end_matches('-').parse().ok());
            ranges.lock().unwrap().push(range);
            paths.lock().unwrap().push(head.split(' ').nth(1).unwrap_or_default().to_owned());
            let act = if acts.len() > 1 { acts.pop_front() } else { acts.front().copied() }.unwrap();
            let total = content.len();
            let start = range.unwrap_or(0) as usize;
            let partial = |start: usize, length: usize| {
                if range.is_some() {
                    format!(
                        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {start}-{}/{total}\r\ncontent-length: {length}\r\n\r\n",
                        total.saturating_sub(1)
                    )
                } else {
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")
                }
            };
            let (head, body) = match act {
                Act::Serve => (partial(start, total - start), content[start..].to_vec()),
                Act::CutAfter(n) => {
                    (partial(start, total - start), content[start..(start + n).min(total)].to_vec())
                }
                Act::IgnoreRange => {
                    (format!("HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n\r\n"), content.clone())
                }
                Act::Claim(n) => (format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n\r\n"), vec![0; n]),
                Act::TooMuch => {
                    ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".into(), [&content[..], b"more"].concat())
                }
                Act::WrongRange => (partial(start.saturating_sub(1), total), content.clone()),
                Act::Status(code) => {
                    (format!("HTTP/1.1 {code} No\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"), vec![])
                }
                Act::Stall => {
                    tokio::spawn(async move {
                        let _ = socket.read(&mut [0; 1]).await;
                    });
                    continue;
                }
            };
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&body).await;
            let _ = socket.shutdown().await;
        }
    });
    server
}

fn content() -> Vec<u8> {
    (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn model(server: &Server, content: &[u8]) -> Model {
    Model {
        name: "m".into(),
        kind: Kind::Whisper,
        about: String::new(),
        licence: String::new(),
        system: None,
        files: vec![ModelFile {
            file: "m.bin".into(),
            url: format!("{}/path/m.bin", server.url),
            bytes: content.len() as u64,
            sha256: hex::encode(Sha256::digest(content)),
            archive: None,
        }],
    }
}

fn short_timeouts() -> FetchTimeouts {
    FetchTimeouts {
        connect: Duration::from_secs(2),
        idle: Duration::from_millis(300),
        pause: Duration::from_millis(1),
        attempts: 3,
    }
}

async fn fetch(dir: &Path, model: &Model) -> Result<Vec<PathBuf>, ModelError> {
    let fetcher = Fetcher::new(dir, None, short_timeouts()).unwrap();
    fetcher.fetch(model, &CancellationToken::new(), &|_| {}).await
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let server =
        serve(content(), &[Act::CutAfter(50_000), Act::CutAfter(10), Act::Status(503), Act::Serve]).await;
    let dir = tempfile::tempdir().unwrap();
    let seen = Mutex::new(Vec::new());
    let fetcher = Fetcher::new(dir.path(), None, short_timeouts()).unwrap();
    let model = model(&server, &content());
    let report = |p: &Progress| seen.lock().unwrap().push(p.done);
    let files = fetcher.fetch(&model, &CancellationToken::new(), &report).await.unwrap();
    assert_eq!(std::fs::read(&files[0]).unwrap(), content());
    assert_eq!(*server.ranges.lock().unwrap(), [None, Some(50_000), Some(50_010), Some(50_010)]);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.windows(2).all(|w| w[0] <= w[1]) && seen.last() == Some(&200_000), "{seen:?}");
    // Whole and right: not asked for again.
    fetcher.fetch(&model, &CancellationToken::new(), &report).await.unwrap();
    assert_eq!(server.ranges.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn an_earlier_part_is_used_even_without_range_support() {
    for act in [Act::Serve, Act::IgnoreRange] {
        let server = serve(content(), &[act]).await;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("m.bin.part"), &content()[..70_000]).unwrap();
        let files = fetch(dir.path(), &model(&server, &content())).await.unwrap();
        assert_eq!(std::fs::read(&files[0]).unwrap(), content());
        assert_eq!(*server.ranges.lock().unwrap(), [Some(70_000)]);
    }
}

#[tokio::test]
async fn the_beginning_of_another_version_is_thrown_away_once() {
    let server = serve(content(), &[Act::Serve]).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("m.bin.part"), vec![7; 70_000]).unwrap();
    let files = fetch(dir.path(), &model(&server, &content())).await.unwrap();
    assert_eq!(std::fs::read(&files[0]).unwrap(), content());
    assert_eq!(*server.ranges.lock().unwrap(), [Some(70_000), None]);
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_not_believed() {
    let server = serve(content(), &[Act::WrongRange, Act::Serve]).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("m.bin.part"), &content()[..70_000]).unwrap();
    let files = fetch(dir.path(), &model(&server, &content())).await.unwrap();
    assert_eq!(std::fs::read(&files[0]).unwrap(), content());
}

#[tokio::test]
async fn wrong_sizes_are_errors_and_leave_no_file() {
    for act in [Act::Claim(10), Act::Claim(300_000), Act::TooMuch] {
        let server = serve(content(), &[act]).await;
        let dir = tempfile::tempdir().unwrap();
        let error = fetch(dir.path(), &model(&server, &content())).await.unwrap_err();
        assert!(matches!(error, ModelError::Size { expected: 200_000, .. }), "{act:?}: {error}");
        assert!(!dir.path().join("m.bin").exists());
    }
}

#[tokio::test]
async fn other_content_of_the_right_size_is_refused() {
    let server = serve(vec![1; 200_000], &[Act::Serve]).await;
    let dir = tempfile::tempdir().unwrap();
    let error = fetch(dir.path(), &model(&server, &content())).await.unwrap_err();
    assert!(matches!(error, ModelError::Digest { .. }), "{error}");
    assert!(!dir.path().join("m.bin").exists() && !dir.path().join("m.bin.part").exists());
}

#[tokio::test]
async fn a_connection_that_keeps_breaking_keeps_its_part() {
    let server = serve(content(), &[Act::CutAfter(1000), Act::CutAfter(0)]).await;
    let dir = tempfile::tempdir().unwrap();
    let error = fetch(dir.path(), &model(&server, &content())).await.unwrap_err();
    assert!(matches!(error, ModelError::Broken { done: 1000, total: 200_000, .. }), "{error}");
    assert_eq!(std::fs::metadata(dir.path().join("m.bin.part")).unwrap().len(), 1000);
}

#[tokio::test]
async fn a_server_that_stops_sending_is_given_up() {
    let server = serve(content(), &[Act::Stall]).await;
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let error = fetch(dir.path(), &model(&server, &content())).await.unwrap_err();
    assert!(matches!(error, ModelError::Broken { attempts: 3, .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn refusals_and_being_offline_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(content(), &[Act::Status(404)]).await;
    let error = fetch(dir.path(), &model(&server, &content())).await.unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("mirror"), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unreachable = Server { url: format!("http://{}", closed.local_addr().unwrap()), ..server };
    drop(closed);
    let error = fetch(dir.path(), &model(&unreachable, &content())).await.unwrap_err().to_string();
    for part in ["offline", "ANTIPHON_MODELS_MIRROR", "m.bin"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_mirror_takes_the_place_of_the_host() {
    let server = serve(content(), &[Act::Serve]).await;
    let dir = tempfile::tempdir().unwrap();
    let mut model = model(&server, &content());
    model.files[0].url = "https://home.invalid/a/b/m.bin".into();
    let mirror = format!("{}/pub/", server.url);
    let fetcher = Fetcher::new(dir.path(), Some(&mirror), short_timeouts()).unwrap();
    fetcher.fetch(&model, &CancellationToken::new(), &|_| {}).await.unwrap();
    assert_eq!(*server.paths.lock().unwrap(), ["/pub/a/b/m.bin"]);
    let error = Fetcher::new(dir.path(), Some("not an address"), short_timeouts()).unwrap_err().to_string();
    assert!(error.contains("ANTIPHON_MODELS_MIRROR"), "{error}");
}

#[tokio::test]
async fn a_file_in_an_archive_is_taken_out_and_checked() {
    let wheel = zip(&[("a/readme", b"hello"), ("a/lib.so", &content())]);
    let server = serve(wheel.clone(), &[Act::Serve]).await;
    let dir = tempfile::tempdir().unwrap();
    let mut model = model(&server, &content());
    model.files[0].archive = Some(Archive {
        bytes: wheel.len() as u64,
        sha256: hex::encode(Sha256::digest(&wheel)),
        member: "a/lib.so".into(),
    });
    let files = fetch(dir.path(), &model).await.unwrap();
    assert_eq!(std::fs::read(&files[0]).unwrap(), content());
    assert!(!dir.path().join("m.bin.part").exists());
    model.files[0].sha256 = "0".repeat(64);
    assert!(matches!(fetch(dir.path(), &model).await, Err(ModelError::Digest { .. })));
}

#[tokio::test]
async fn cancelling_keeps_the_part_and_a_second_fetch_is_busy() {
    let server = serve(content(), &[Act::CutAfter(5000), Act::Stall]).await;
    let dir = tempfile::tempdir().unwrap();
    let model = model(&server, &content());
    let timeouts = FetchTimeouts { idle: Duration::from_secs(60), ..short_timeouts() };
    let fetcher = Fetcher::new(dir.path(), None, timeouts).unwrap();
    let cancel = CancellationToken::new();
    let (waiting, is_waiting) = tokio::sync::oneshot::channel();
    let waiting = Mutex::new(Some(waiting));
    let report = |p: &Progress| {
        if p.done == 5000
            && let Some(waiting) = waiting.lock().unwrap().take()
        {
            let _ = waiting.send(());
        }
    };
    let second = async {
        is_waiting.await.unwrap();
        let busy = fetch(dir.path(), &model).await.unwrap_err();
        assert!(matches!(busy, ModelError::Busy { .. }), "{busy}");
        cancel.cancel();
    };
    let (out, ()) = tokio::join!(fetcher.fetch(&model, &cancel, &report), second);
    assert!(matches!(out, Err(ModelError::Cancelled { .. })), "{out:?}");
    assert_eq!(std::fs::metadata(dir.path().join("m.bin.part")).unwrap().len(), 5000);
}
