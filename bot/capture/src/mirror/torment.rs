//! Whatever bytes come, these must hold: run by the fuzz target `mirror`, and by an ordinary test.
use std::time::Duration;

use ledger::time::Timestamp;

use super::peer::{Event, Limits, Peer};
use super::wire::{FromServer, Inbound};

/// Pieces that one frame may become at the most: what a resampler held, and the frame itself.
const MOST_PIECES: u64 = 16;

/// Feeds bytes to both ends of a connection, in pieces of `cut`; says what did not hold.
pub fn torment(bytes: &[u8], cut: usize) -> Result<(), String> {
    server(bytes, cut.max(1))?;
    sender(bytes, cut.max(1));
    Ok(())
}

fn server(mut bytes: &[u8], cut: usize) -> Result<(), String> {
    let mut now = Timestamp(1_000_000);
    let mut peer = Peer::new(Limits::default(), now);
    let (mut pieces, mut fed) = (0u64, 0u64);
    loop {
        while let Some(event) = peer.next_event(now) {
            match event {
                Event::Hello { .. } => peer.welcome(),
                Event::Declared { stream, declaration } => {
                    declaration.validate().map_err(|error| format!("declared although {error}"))?;
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
        if pieces > MOST_PIECES * (1 + fed / 8) {
            return Err(format!("{pieces} pieces of {fed} bytes"));
        }
        if peer.outgoing().len() > 64 * 1024 {
            return Err(format!("{} bytes wait for a sender that reads nothing", peer.outgoing().len()));
        }
        if bytes.is_empty() || peer.is_closing() {
            break;
        }
        let space = peer.space();
        let piece = space.len().min(bytes.len()).min(cut);
        if piece == 0 {
            return Err("there is no room for the next bytes".into());
        }
        space[..piece].copy_from_slice(&bytes[..piece]);
        now = now.after(Duration::from_millis(20));
        peer.filled(piece, now);
        peer.tick(now);
        fed += piece as u64;
        bytes = &bytes[piece..];
    }
    peer.ended();
    if peer.is_closing() { Ok(()) } else { Err("the end was not noticed".into()) }
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
