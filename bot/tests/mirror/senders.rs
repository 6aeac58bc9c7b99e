//! Senders that do what they should, with sessions and networks that don't.
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use antiphon::mirror::{Options, SendError, Sender};
use antiphon::settings::Secret;

use crate::room::{Served, declaration, limits, until};

/// 20 ms at 16 kHz, mono.
const FRAME: [u8; 640] = [1; 640];

async fn connect(served: &Served, token: Option<&str>, user: u64, name: &str) -> Result<Sender, SendError> {
    let (to, token, declaration) = (served.address.clone(), token.map(Secret::new), declaration(user, name));
    tokio::task::spawn_blocking(move || Sender::connect(to, token, declaration)).await.unwrap()
}

async fn finish(sender: Sender) -> capture::mirror::wire::Counters {
    tokio::task::spawn_blocking(|| sender.finish()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_session_is_reported_to_the_sender() {
    let mut served = Served::new(Options { limits: limits(), ..Options::default() }).await;
    let mut alice = connect(&served, None, 7, "Alice").await.unwrap();
    let mut slowest = Duration::ZERO;
    served.session.full.store(true, Ordering::SeqCst);
    for _ in 0..100 {
        let began = Instant::now();
        alice.push(&FRAME);
        slowest = slowest.max(began.elapsed());
        // Paced so that the sender's own queue is not what is full.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    until("reporting to the sender", || alice.counters().dropped > 0).await;
    served.session.full.store(false, Ordering::SeqCst);
    alice.push(&FRAME);
    until("hearing again", || served.session.heard(7) > 0).await;
    let dropped_here = alice.dropped();
    let counters = finish(alice).await;
    assert_eq!(counters.received + dropped_here, 101);
    assert_eq!(
        counters.dropped + served.session.heard(7) as u64,
        counters.taken + 1,
        "one more: the silence at the end"
    );
    assert!(slowest < Duration::from_millis(100), "a push took {slowest:?}");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_server_costs_sound_and_no_time() {
    let mut served = Served::new(Options { limits: limits(), ..Options::default() }).await;
    let mut alice = connect(&served, None, 7, "Alice").await.unwrap();
    alice.push(&FRAME);
    until("hearing", || served.session.heard(7) == 1).await;
    served.down().await;
    let mut slowest = Duration::ZERO;
    // Pushed until the queue is full and more.
    while alice.dropped() < 60 {
        let began = Instant::now();
        alice.push(&FRAME);
        slowest = slowest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    served.up().await;
    until("connecting again", || alice.reconnects() > 0).await;
    let before = served.session.heard(7);
    alice.push(&FRAME);
    until("hearing again", || served.session.heard(7) > before).await;
    assert!(slowest < Duration::from_millis(100), "a push took {slowest:?}");
    assert_eq!(served.session.log()[..2], ["Alice joined Granted", "Alice came again Granted"]);
    let lost = finish(alice).await;
    assert_eq!(lost.lost, 0, "counted from where the stream was declared again");
    until("leaving", || served.session.log().last().is_some_and(|last| last == "7 left")).await;
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_and_mute_survive_a_reconnection() {
    let mut served = Served::new(Options { limits: limits(), ..Options::default() }).await;
    let mut alice = connect(&served, None, 7, "Alice").await.unwrap();
    alice.push(&FRAME);
    until("hearing", || served.session.heard(7) == 1).await;
    assert!(alice.consent(false));
    alice.push(&FRAME);
    until("withholding", || alice.counters().withheld == 1).await;
    served.down().await;
    while alice.dropped() == 0 {
        alice.push(&FRAME);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    served.up().await;
    until("connecting again", || alice.reconnects() > 0).await;
    alice.push(&FRAME);
    until("withholding still", || alice.counters().withheld > 0).await;
    assert_eq!(served.session.heard(7), 1, "nothing of hers is heard any more");
    let log = served.session.log();
    assert_eq!(log[..3], ["Alice joined Granted", "7 Withheld", "Alice came again Withheld"]);
    assert!(alice.consent(true) && alice.mute(true));
    alice.push(&FRAME);
    until("muting", || alice.counters().muted == 1).await;
    finish(alice).await;
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_sender_keeps_its_seat_for_a_while() {
    let mut served = Served::new(Options { limits: limits(), ..Options::default() }).await;
    let mut first = connect(&served, None, 7, "Alice").await.unwrap();
    first.push(&FRAME);
    until("hearing", || served.session.heard(7) == 1).await;
    let mut second = connect(&served, None, 7, "Alice").await.unwrap();
    second.push(&FRAME);
    until("hearing the second", || served.session.heard(7) == 2).await;
    until("reporting to the first", || first.refused().is_some()).await;
    assert!(first.refused().unwrap().to_string().contains("another connection"));
    drop(first);
    // A process that dies says nothing.
    let path = served.path();
    let crashed = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let mut socket = std::os::unix::net::UnixStream::connect(path).unwrap();
        let mut bytes = capture::mirror::wire::preamble().to_vec();
        capture::mirror::wire::FromSender::Hello { token: b"", agent: "crash" }.write(0, &mut bytes);
        capture::mirror::wire::FromSender::Declare(declaration(8, "Bob")).write(1, &mut bytes);
        socket.write_all(&bytes).unwrap();
        socket
    });
    let socket = crashed.await.unwrap();
    until("Bob joining", || served.session.log().iter().any(|line| line == "Bob joined Granted")).await;
    drop(socket);
    until("Bob leaving", || served.session.log().iter().any(|line| line == "8 left")).await;
    finish(second).await;
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp_only_the_right_token_gets_in() {
    let token = Some(Secret::new("open sesame"));
    let mut served = Served::tcp(Options { limits: limits(), token, ..Options::default() }).await;
    for wrong in [None, Some("open"), Some("open sesame!")] {
        let refused = connect(&served, wrong, 7, "Mallory").await.unwrap_err().to_string();
        assert!(refused.contains("token") && !refused.contains("sesame"), "{refused}");
    }
    let mut alice = connect(&served, Some("open sesame"), 7, "Alice").await.unwrap();
    alice.push(&FRAME);
    until("hearing", || served.session.heard(7) == 1).await;
    assert_eq!(served.session.log(), ["Alice joined Granted"]);
    finish(alice).await;
    served.close().await;
}
