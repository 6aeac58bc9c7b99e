//! Connections that bring anything but sound, while a person speaks.
use std::time::Duration;

use antiphon::mirror::{Address, ListenError, Listener, Options, Sender};
use capture::mirror::Limits;
use capture::mirror::wire::{FromSender, FromServer, Inbound, preamble};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::room::{LONG, Served, declaration, limits, until};

/// Writes bytes, and gives all that the server says until it hangs up; `hang_up` ends our side first.
async fn say(served: &Served, bytes: &[u8], hang_up: bool) -> String {
    let mut socket = UnixStream::connect(served.path()).await.unwrap();
    // It may have hung up before it was all written.
    let _written = socket.write_all(bytes).await;
    if hang_up {
        socket.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, socket.read_to_end(&mut answer)).await;
    read.expect("the server did not hang up").unwrap_or_default();
    let (mut inbound, mut words) = (Inbound::frames_only(), String::new());
    for piece in answer.chunks(1_000) {
        inbound.space()[..piece.len()].copy_from_slice(piece);
        inbound.filled(piece.len());
        while let Some(raw) = inbound.next().unwrap() {
            words.push_str(&format!("{:?}\n", FromServer::read(raw).unwrap().unwrap()));
        }
    }
    words
}

fn hello() -> Vec<u8> {
    let mut bytes = preamble().to_vec();
    FromSender::Hello { token: b"", agent: "bad" }.write(0, &mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_is_answered_plainly_and_disturbs_nobody() {
    let limits = Limits { hello: Duration::from_millis(300), idle: Duration::from_secs(6), ..limits() };
    let mut served = Served::new(Options { limits, ..Options::default() }).await;
    let (to, alice) = (served.address.clone(), declaration(7, "Alice"));
    let mut alice = tokio::task::spawn_blocking(|| Sender::connect(to, None, alice)).await.unwrap().unwrap();
    let speaking = tokio::task::spawn_blocking(move || {
        for _ in 0..150 {
            alice.push(&[1; 640]);
            std::thread::sleep(Duration::from_millis(10));
        }
        alice
    });

    let mut version = preamble();
    version[4] = 9;
    let oversized = [&hello()[..], &[0xff, 0xff, 0xff, 0x7f, 3, 0, 1, 0]].concat();
    let mut halfway = hello();
    FromSender::Declare(declaration(8, "Bob")).write(1, &mut halfway);
    halfway.truncate(halfway.len() - 2);
    let mut unknown = hello();
    unknown.extend([0, 0, 0, 0, 99, 0, 0, 0]);
    FromSender::Goodbye.write(0, &mut unknown);
    let mut unannounced = hello();
    FromSender::Audio { sequence: 0, timestamp: 0, payload: &[1; 640] }.write(5, &mut unannounced);
    FromSender::Goodbye.write(0, &mut unannounced);
    let mut garbage = hello();
    let mut opus = declaration(9, "Mallory");
    (opus.codec, opus.rate) = (capture::mirror::wire::Codec::Opus, 48_000);
    FromSender::Declare(opus).write(1, &mut garbage);
    for sequence in 0..3 {
        FromSender::Audio { sequence, timestamp: 960, payload: &[3] }.write(1, &mut garbage);
    }
    FromSender::Goodbye.write(0, &mut garbage);
    for (bytes, hang_up, words) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], false, "NotMirror"),
        (&version[..], false, "Version"),
        (&oversized[..], false, "Oversized"),
        (&halfway[..], true, "Truncated"),
        (&unknown[..], false, "UnknownKind"),
        (&unannounced[..], false, "not declared"),
        (&garbage[..], false, "no Opus packet"),
        // A connection that says nothing at all, and one that stops in the preamble.
        (&[][..], false, "Idle"),
        (&preamble()[..3], false, "Idle"),
    ] {
        let said = say(&served, bytes, hang_up).await;
        assert!(said.contains("Error") && said.contains(words), "{words}: {said}");
    }

    let alice = speaking.await.unwrap();
    let dropped = alice.dropped();
    let counters = tokio::task::spawn_blocking(|| alice.finish()).await.unwrap().unwrap();
    assert_eq!((counters.received + dropped, counters.bad, counters.lost), (150, 0, dropped));
    assert_eq!(served.session.heard(7) as u64, counters.taken + 1);
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_and_reusable() {
    let mut served = Served::new(Options { connections: 2, limits: limits(), ..Options::default() }).await;
    let first = UnixStream::connect(served.path()).await.unwrap();
    let second = UnixStream::connect(served.path()).await.unwrap();
    assert!(say(&served, &hello(), false).await.contains("Busy"));
    drop((first, second));
    let mut bytes = hello();
    FromSender::Goodbye.write(0, &mut bytes);
    let mut said = String::new();
    for _ in 0..500 {
        said = say(&served, &bytes, false).await;
        if said.contains("Welcome") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(said.contains("Welcome") && said.contains("Goodbye"), "{said}");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_never_reads_is_served_like_the_others() {
    let mut served = Served::new(Options { limits: limits(), ..Options::default() }).await;
    let mut socket = UnixStream::connect(served.path()).await.unwrap();
    let mut bytes = hello();
    FromSender::Declare(declaration(7, "Alice")).write(1, &mut bytes);
    socket.write_all(&bytes).await.unwrap();
    // More pongs than any socket's buffer takes.
    let mut pings = Vec::new();
    for nonce in 0..1_000 {
        FromSender::Ping(nonce).write(0, &mut pings);
    }
    for _ in 0..100 {
        tokio::time::timeout(LONG, socket.write_all(&pings))
            .await
            .expect("the server stopped reading")
            .unwrap();
    }
    let mut audio = Vec::new();
    FromSender::Audio { sequence: 0, timestamp: 0, payload: &[1; 640] }.write(1, &mut audio);
    socket.write_all(&audio).await.unwrap();
    until("hearing", || served.session.heard(7) == 1).await;
    served.close().await;
}

#[tokio::test]
async fn a_refused_listener_says_how_to_fix_it() {
    let home = tempfile::tempdir().unwrap();
    let tcp = Address::Tcp("127.0.0.1:0".into());
    let refused = Listener::bind(&tcp, Options::default()).await.unwrap_err();
    assert!(refused.hint().is_some_and(|hint| hint.contains("ANTIPHON_MIRROR_TOKEN")), "{refused}");
    let unix = Address::Unix(home.path().join("mirror.sock"));
    let listening = Listener::bind(&unix, Options::default()).await.unwrap();
    assert!(matches!(Listener::bind(&unix, Options::default()).await, Err(ListenError::InUse(_))));
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(home.path().join("mirror.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(listening);
    assert!(!home.path().join("mirror.sock").exists(), "it is removed when there is no listener any more");
    // What a crash left behind is replaced, and a file of another kind is not.
    drop(std::os::unix::net::UnixListener::bind(home.path().join("mirror.sock")).unwrap());
    drop(Listener::bind(&unix, Options::default()).await.unwrap());
    std::fs::write(home.path().join("mirror.sock"), "years of work").unwrap();
    assert!(matches!(Listener::bind(&unix, Options::default()).await, Err(ListenError::Refused { .. })));
    assert!(home.path().join("mirror.sock").exists());
}
