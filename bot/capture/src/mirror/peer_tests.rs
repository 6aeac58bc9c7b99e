//! One connection, byte by byte.
use super::super::wire::{Codec, preamble};
use super::*;

const NOW: Timestamp = Timestamp(5_000_000);

fn declaration(user: u64) -> Declaration {
    let name = "Alice".to_owned();
    Declaration { user: UserId(user), name, codec: Codec::Pcm16, rate: 16_000, channels: 1, consent: true }
}

fn hello() -> Vec<u8> {
    let mut bytes = preamble().to_vec();
    FromSender::Hello { token: b"let me in", agent: "test 1" }.write(0, &mut bytes);
    bytes
}

/// Feeds bytes as a server would, lets everybody in; gives the events.
fn feed(peer: &mut Peer, mut bytes: &[u8]) -> Vec<Event> {
    let mut events = vec![];
    loop {
        while let Some(event) = peer.next_event(NOW) {
            match &event {
                Event::Hello { .. } => peer.welcome(),
                Event::Declared { stream, .. } => peer.accept(*stream, 1 << 16, false),
                _ => {}
            }
            events.push(event);
        }
        if bytes.is_empty() || peer.is_closing() {
            return events;
        }
        let space = peer.space();
        let piece = space.len().min(bytes.len()).min(333);
        assert!(piece > 0);
        space[..piece].copy_from_slice(&bytes[..piece]);
        peer.filled(piece, NOW);
        bytes = &bytes[piece..];
    }
}

/// What it says, taken off as if sent.
fn said(peer: &mut Peer) -> Vec<String> {
    let mut inbound = Inbound::frames_only();
    let mut words = vec![];
    while !peer.outgoing().is_empty() {
        let space = inbound.space();
        let piece = space.len().min(peer.outgoing().len());
        space[..piece].copy_from_slice(&peer.outgoing()[..piece]);
        inbound.filled(piece);
        peer.sent(piece);
        while let Some(raw) = inbound.next().unwrap() {
            words.push(format!("{} {:?}", raw.header.stream, FromServer::read(raw).unwrap().unwrap()));
        }
    }
    words
}

fn open(peer: &mut Peer) {
    let mut bytes = hello();
    FromSender::Declare(declaration(7)).write(3, &mut bytes);
    assert_eq!(feed(peer, &bytes).len(), 2);
    let said = said(peer);
    assert!(said[0].contains("Welcome") && said[1].contains("3 Accepted"), "{said:?}");
}

fn frames(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![];
    write(&mut bytes);
    bytes
}

fn audio(sequence: u32, bytes: usize) -> Vec<u8> {
    let payload = vec![1; bytes];
    let timestamp = u64::from(sequence) * 320;
    frames(|out| FromSender::Audio { sequence, timestamp, payload: &payload }.write(3, out))
}

#[test]
fn sound_is_counted_and_a_goodbye_ends_it() {
    let mut peer = Peer::new(Limits::default(), NOW);
    open(&mut peer);
    let pieces = feed(&mut peer, &[audio(0, 640), audio(1, 640), audio(3, 640)].concat());
    assert_eq!(pieces.len(), 3);
    peer.dropped(3);
    peer.tick(NOW.after(Duration::from_secs(1)));
    let counted = said(&mut peer).join("\n");
    assert!(
        counted.contains("received: 3, taken: 3, lost: 1") && counted.contains("dropped: 1"),
        "{counted}"
    );
    peer.tick(NOW.after(Duration::from_secs(2)));
    assert_eq!(said(&mut peer), [""; 0], "nothing changed: nothing to report");
    let events = feed(&mut peer, &frames(|out| FromSender::Goodbye.write(0, out)));
    assert!(matches!(events[..], [Event::Piece { .. }, Event::Left { user: UserId(7) }]), "{events:?}");
    assert!(peer.is_closing());
    assert!(said(&mut peer).last().unwrap().contains("Goodbye"));
}

#[test]
fn muted_and_withheld_sound_is_dropped_unread() {
    let mut peer = Peer::new(Limits::default(), NOW);
    open(&mut peer);
    feed(&mut peer, &audio(0, 640));
    let muted = [frames(|out| FromSender::Mute(true).write(3, out)), audio(1, 640), audio(2, 639)].concat();
    // The silence that ends what was said, and nothing of what is said while muted.
    assert!(
        matches!(&feed(&mut peer, &muted)[..], [Event::Piece { piece: Piece::Sound(sound), .. }] if sound.sound.last)
    );
    let spoken = [frames(|out| FromSender::Mute(false).write(3, out)), audio(3, 640)].concat();
    assert_eq!(feed(&mut peer, &spoken).len(), 1);
    let withdrawn = [frames(|out| FromSender::Consent(false).write(3, out)), audio(4, 640)].concat();
    assert_eq!(feed(&mut peer, &withdrawn), [Event::Consent { user: UserId(7), given: false }]);
    peer.tick(NOW.after(Duration::from_secs(1)));
    let counted = said(&mut peer).join("\n");
    assert!(
        counted.contains("received: 5, taken: 2") && counted.contains("muted: 2, withheld: 1"),
        "{counted}"
    );
}

#[test]
fn errors_are_reported_and_the_rest_goes_on() {
    let mut peer = Peer::new(Limits::default(), NOW);
    open(&mut peer);
    let wrong = [
        frames(|out| FromSender::Leave.write(9, out)),
        audio(0, 641),
        vec![1, 0, 0, 0, 77, 0, 3, 0, 0],
        vec![1, 0, 0, 0, 4, 0, 3, 0, 9],
        frames(|out| FromSender::Declare(declaration(8)).write(3, out)),
        frames(|out| FromSender::Declare(declaration(7)).write(4, out)),
        frames(|out| FromSender::Declare(Declaration { rate: 7, ..declaration(8) }).write(4, out)),
    ];
    assert_eq!(feed(&mut peer, &wrong.concat()), []);
    let words = said(&mut peer);
    for (words, code) in
        words.iter().zip(["Stream", "Audio", "UnknownKind", "Malformed", "Stream", "Stream", "Declaration"])
    {
        assert!(words.contains(code) && words.contains("fatal: false"), "{words}");
    }
    assert_eq!((words.len(), peer.refused()), (7, 7));
    assert_eq!(feed(&mut peer, &audio(1, 640)).len(), 1, "the stream goes on");
}

#[test]
fn a_sender_that_is_always_wrong_is_refused() {
    let idle = Duration::from_secs(1_000);
    let mut peer = Peer::new(Limits { faults: 5, idle, ..Limits::default() }, NOW);
    open(&mut peer);
    for second in 0..100 {
        feed(&mut peer, &audio(second, 1));
        peer.tick(NOW.after(Duration::from_secs(second.into())));
        assert!(!peer.is_closing());
    }
    let wrong: Vec<u8> = (0..10).flat_map(|sequence| audio(sequence, 1)).collect();
    feed(&mut peer, &wrong);
    assert!(peer.is_closing());
    assert!(said(&mut peer).last().unwrap().contains("TooManyErrors"));
}

#[test]
fn whoever_says_nothing_is_sent_away() {
    let after = |limit: Duration| NOW.after(limit);
    let mut peer = Peer::new(Limits::default(), NOW);
    peer.tick(after(Duration::from_secs(4)));
    assert!(!peer.is_closing());
    peer.tick(after(Duration::from_secs(5)));
    assert!(peer.is_closing() && said(&mut peer)[0].contains("Idle"));
    let mut peer = Peer::new(Limits::default(), NOW);
    open(&mut peer);
    peer.tick(after(Duration::from_secs(29)));
    assert!(!peer.is_closing());
    peer.tick(after(Duration::from_secs(30)));
    assert!(peer.is_closing() && said(&mut peer).join(" ").contains("ping"));
}

#[test]
fn a_sender_that_reads_nothing_is_bounded() {
    let mut peer = Peer::new(Limits { faults: u32::MAX, ..Limits::default() }, NOW);
    open(&mut peer);
    for sequence in 0..5_000 {
        feed(&mut peer, &frames(|out| FromSender::Ping(1).write(0, out)));
        feed(&mut peer, &audio(sequence, 1));
        peer.tick(NOW.after(Duration::from_secs(sequence.into())).before(Duration::from_secs(0)));
        peer.filled(0, NOW.after(Duration::from_secs(sequence.into())));
    }
    assert!(peer.outgoing().len() < 10_000, "{} bytes wait", peer.outgoing().len());
}
