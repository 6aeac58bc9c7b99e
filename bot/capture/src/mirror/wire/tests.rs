//! Whatever is written is read again, and whatever comes is survived.
use antiphon_core::ids::UserId;
use proptest::prelude::*;

use super::*;

fn declaration() -> impl Strategy<Value = Declaration> {
    let codec = prop_oneof![Just(Codec::Pcm16), Just(Codec::PcmFloat), Just(Codec::Opus)];
    (any::<u64>(), "\\PC{0,30}", codec, any::<u32>(), any::<u8>(), any::<bool>()).prop_map(
        |(user, name, codec, rate, channels, consent)| Declaration {
            user: UserId(user),
            name,
            codec,
            rate,
            channels,
            consent,
        },
    )
}

/// A sender's frame with what it borrows.
#[derive(Debug, Clone)]
enum Owned {
    Hello(Vec<u8>, String),
    Declare(Declaration),
    Audio(u32, u64, Vec<u8>),
    Small(u8, u64),
}

impl Owned {
    fn frame(&self) -> FromSender<'_> {
        match self {
            Owned::Hello(token, agent) => FromSender::Hello { token, agent },
            Owned::Declare(declaration) => FromSender::Declare(declaration.clone()),
            Owned::Audio(sequence, timestamp, payload) => {
                FromSender::Audio { sequence: *sequence, timestamp: *timestamp, payload }
            }
            Owned::Small(kind, number) => match kind % 5 {
                0 => FromSender::Mute(number.is_multiple_of(2)),
                1 => FromSender::Consent(number.is_multiple_of(2)),
                2 => FromSender::Leave,
                3 => FromSender::Goodbye,
                _ => FromSender::Ping(*number),
            },
        }
    }
}

fn frame() -> impl Strategy<Value = Owned> {
    prop_oneof![
        (prop::collection::vec(any::<u8>(), 0..100), "\\PC{0,30}").prop_map(|(t, a)| Owned::Hello(t, a)),
        declaration().prop_map(Owned::Declare),
        (any::<u32>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..2_000))
            .prop_map(|(s, t, p)| Owned::Audio(s, t, p)),
        (any::<u8>(), any::<u64>()).prop_map(|(k, n)| Owned::Small(k, n)),
    ]
}

/// Feeds bytes in pieces; gives each frame to `take`, and the error that ended it.
fn feed(
    inbound: &mut Inbound,
    mut bytes: &[u8],
    cut: usize,
    mut take: impl FnMut(Raw<'_>),
) -> Result<(), WireError> {
    loop {
        while let Some(raw) = inbound.next()? {
            take(raw);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let space = inbound.space();
        assert!(!space.is_empty(), "there is always room for the next bytes");
        let piece = cut.min(space.len()).min(bytes.len());
        space[..piece].copy_from_slice(&bytes[..piece]);
        inbound.filled(piece);
        bytes = &bytes[piece..];
    }
}

proptest! {
    #[test]
    fn frames_cut_anywhere_come_out_as_they_were(
        frames in prop::collection::vec((frame(), any::<u16>()), 0..12),
        cut in 1usize..5_000,
    ) {
        let mut bytes = preamble().to_vec();
        for (frame, stream) in &frames {
            frame.frame().write(*stream, &mut bytes);
        }
        let mut inbound = Inbound::with_preamble();
        let mut read = 0;
        feed(&mut inbound, &bytes, cut, |raw| {
            let (expected, stream) = &frames[read];
            assert_eq!(FromSender::read(raw), Ok(Some(expected.frame())));
            assert_eq!(raw.header.stream, *stream);
            read += 1;
        }).unwrap();
        prop_assert_eq!(read, frames.len());
        prop_assert_eq!(inbound.ended(), Ok(()));
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..3_000), cut in 1usize..700) {
        for mut inbound in [Inbound::with_preamble(), Inbound::frames_only()] {
            let outcome = feed(&mut inbound, &bytes, cut, |raw| {
                // Whatever comes: a frame, an unknown kind, or an error in words.
                drop(FromSender::read(raw));
                drop(FromServer::read(raw));
            });
            if outcome.is_ok() && inbound.ended().is_err() {
                prop_assert!(!bytes.is_empty());
            }
        }
    }

    #[test]
    fn what_the_server_says_comes_out_as_it_was(
        numbers in prop::array::uniform9(any::<u64>()),
        code in prop::sample::select(ErrorCode::ALL),
        words in "\\PC{0,200}",
        resumed in any::<bool>(),
    ) {
        let [received, taken, lost, late, duplicate, muted, withheld, bad, dropped] = numbers;
        let frames = [
            FromServer::Welcome { version: VERSION, streams: 16, max_body: MAX_BODY as u32, idle_ms: lost as u32 },
            FromServer::Accepted { resumed },
            FromServer::Counters(Counters { received, taken, lost, late, duplicate, muted, withheld, bad, dropped }),
            FromServer::Error { code: Some(code), fatal: code.is_fatal(), words: &words },
            FromServer::Pong(received),
            FromServer::Goodbye,
        ];
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.write(7, &mut bytes);
        }
        let mut read = 0;
        feed(&mut Inbound::frames_only(), &bytes, 100, |raw| {
            assert_eq!(FromServer::read(raw), Ok(Some(frames[read].clone())));
            read += 1;
        }).unwrap();
        prop_assert_eq!(read, frames.len());
    }
}

#[test]
fn what_is_no_mirror_connection_is_told_what_one_is() {
    let ended = |bytes: &[u8]| feed(&mut Inbound::with_preamble(), bytes, 100, |_| {}).unwrap_err();
    let message = ended(b"GET / HTTP/1.1\r\n\r\n").to_string();
    assert!(message.contains("APMR"), "{message}");
    let mut later = preamble();
    later[4] = 9;
    assert_eq!(ended(&later), WireError::Version(9));
    let mut huge = preamble().to_vec();
    huge.extend(Header { length: 1 << 30, kind: 3, stream: 1 }.bytes());
    assert_eq!(ended(&huge), WireError::Oversized(1 << 30));
}

#[test]
fn a_connection_cut_within_a_frame_is_reported() {
    let mut bytes = preamble().to_vec();
    FromSender::Audio { sequence: 1, timestamp: 2, payload: &[0; 100] }.write(1, &mut bytes);
    bytes.truncate(bytes.len() - 1);
    let mut inbound = Inbound::with_preamble();
    feed(&mut inbound, &bytes, 50, |_| panic!("no frame is whole")).unwrap();
    assert_eq!(inbound.ended(), Err(WireError::Truncated { have: 119, of: 120 }));
}

#[test]
fn neither_token_nor_sound_is_printed() {
    let hello = FromSender::Hello { token: b"hunter2", agent: "test" };
    assert!(!format!("{hello:?}").contains("hunter2") && !format!("{hello:?}").contains("104"));
}
