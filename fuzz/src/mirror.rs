//! Mirrored sound from strangers. Whatever the bytes are: no panic, no flood of memory or of output.
use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::ids::UserId;
use antiphon_core::time::Timestamp;
use capture::mirror::wire::{Codec, Declaration, FromSender, FromServer, Inbound, preamble};
use capture::mirror::{Event, Limits, Peer};

/// The most pieces that one frame may become: what a resampler held, and the frame itself.
const MOST_PIECES: u64 = 16;

/// Good input to begin from, by target.
pub fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let talk = |codec: Codec, payload: &[u8]| {
        let mut bytes = vec![64];
        bytes.extend(preamble());
        FromSender::Hello { token: b"token", agent: "seed" }.write(0, &mut bytes);
        let name = "Ada".to_owned();
        let declared = Declaration { user: UserId(7), name, codec, rate: 48_000, channels: 1, consent: true };
        FromSender::Declare(declared).write(1, &mut bytes);
        for sequence in [0u32, 1, 3, 2, 3, 9_000] {
            let timestamp = u64::from(sequence) * 960;
            FromSender::Audio { sequence, timestamp, payload }.write(1, &mut bytes);
        }
        FromSender::Mute(true).write(1, &mut bytes);
        FromSender::Mute(false).write(1, &mut bytes);
        FromSender::Consent(false).write(1, &mut bytes);
        FromSender::Ping(5).write(0, &mut bytes);
        FromSender::Leave.write(1, &mut bytes);
        FromSender::Goodbye.write(0, &mut bytes);
        bytes
    };
    let seeds = vec![
        talk(Codec::Pcm16, &[1; 1_920]),
        talk(Codec::PcmFloat, &[0; 3_840]),
        talk(Codec::Opus, &[0xf8, 0xff, 0xfe]),
    ];
    BTreeMap::from([("mirror", seeds)])
}

/// Feeds bytes to both ends of a connection; the first says in which pieces.
pub fn mirror(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let cut = usize::from(*cut) * 16 + 1;
    server(bytes, cut);
    sender(bytes, cut);
}

fn server(mut bytes: &[u8], cut: usize) {
    let mut now = Timestamp(1_000_000);
    let mut peer = Peer::new(Limits::default(), now);
    let (mut pieces, mut fed) = (0u64, 0u64);
    loop {
        while let Some(event) = peer.next_event(now) {
            match event {
                Event::Hello { .. } => peer.welcome(),
                Event::Declared { stream, declaration } => {
                    declaration.validate().expect("declared although it cannot be");
                    peer.accept(stream, 1 << 16, false);
                }
                Event::Piece { stream, .. } => {
                    pieces += 1;
                    if pieces.is_multiple_of(3) {
                        peer.dropped(stream);
                    }
                }
                Event::Consent { .. } | Event::Left { .. } => {}
            }
        }
        // A frame has a header of eight bytes.
        assert!(pieces <= MOST_PIECES * (1 + fed / 8), "{pieces} pieces of {fed} bytes");
        let waiting = peer.outgoing().len();
        assert!(waiting <= 64 * 1024, "{waiting} bytes wait for a sender that reads nothing");
        if bytes.is_empty() || peer.is_closing() {
            break;
        }
        let space = peer.space();
        let piece = space.len().min(bytes.len()).min(cut);
        assert!(piece > 0, "there is no room for the next bytes");
        space[..piece].copy_from_slice(&bytes[..piece]);
        now = now.after(Duration::from_millis(20));
        peer.filled(piece, now);
        peer.tick(now);
        fed += piece as u64;
        bytes = &bytes[piece..];
    }
    peer.ended();
    assert!(peer.is_closing(), "the end was not noticed");
}

/// What a server says is survived as well.
fn sender(mut bytes: &[u8], cut: usize) {
    let mut inbound = Inbound::frames_only();
    loop {
        loop {
            match inbound.next() {
                Ok(Some(raw)) => drop(FromServer::read(raw)),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if bytes.is_empty() {
            return;
        }
        let space = inbound.space();
        let piece = space.len().min(bytes.len()).min(cut);
        space[..piece].copy_from_slice(&bytes[..piece]);
        inbound.filled(piece);
        bytes = &bytes[piece..];
    }
}
