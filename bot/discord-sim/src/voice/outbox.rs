//! Numbers one voice session's messages, and keeps the last ones for a client that resumes.
use std::collections::VecDeque;

use super::message::{Message, NUMBERED, WireFrame};

/// How many messages are kept.
const MAX_KEPT: usize = 512;

/// The messages of one voice session.
#[derive(Debug)]
pub(crate) struct Outbox {
    version: u8,
    next: u64,
    kept: VecDeque<(u64, Message)>,
    /// The first message that was made while no connection was there.
    unsent: Option<u64>,
}

impl Outbox {
    pub(crate) fn new(version: u8) -> Self {
        Self { version, next: 1, kept: VecDeque::new(), unsent: None }
    }

    /// Numbers and keeps a message. `connected` says whether the frame is about to be sent.
    pub(crate) fn push(&mut self, message: Message, connected: bool) -> WireFrame {
        let seq = self.next;
        self.next += 1;
        if !connected {
            self.unsent.get_or_insert(seq);
        }
        let frame = message.frame(self.version, wire(seq));
        if self.kept.len() == MAX_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((seq, message));
        frame
    }

    /// A heartbeat says what has arrived; nothing before that is needed again.
    pub(crate) fn acknowledge(&mut self, seq_ack: u16) {
        if let Some(seq) = self.full(seq_ack) {
            self.kept.retain(|(kept, _)| *kept > seq);
        }
    }

    /// What a resuming client missed: with `seq_ack`, everything after it; without, as in version 4, what was made
    /// while no connection was there. None when it is no longer all kept.
    pub(crate) fn resume(&mut self, seq_ack: Option<i64>) -> Option<Vec<WireFrame>> {
        let from = match seq_ack.filter(|_| self.version >= NUMBERED) {
            Some(ack) if ack < 0 => 1,
            Some(ack) => self.full(u16::try_from(ack).ok()?)? + 1,
            None => self.unsent.unwrap_or(self.next),
        };
        let oldest = self.kept.front().map_or(self.next, |(seq, _)| *seq);
        if from < oldest && from < self.next {
            return None;
        }
        self.unsent = None;
        let missed = self.kept.iter().filter(|(seq, _)| *seq >= from);
        Some(missed.map(|(seq, message)| message.frame(self.version, wire(*seq))).collect())
    }

    /// The whole number that a 16-bit number on the wire stands for: the newest one not in the future.
    fn full(&self, wire_seq: u16) -> Option<u64> {
        let newest = self.next - 1;
        let back = u64::from(wire(newest).wrapping_sub(wire_seq));
        newest.checked_sub(back)
    }
}

fn wire(seq: u64) -> u16 {
    // The wire carries the lower 16 bits.
    (seq & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(n: u64) -> Message {
        Message::json(5, json!({ "n": n }))
    }

    #[test]
    fn version_4_replays_what_was_made_without_a_connection() {
        let mut outbox = Outbox::new(4);
        outbox.push(message(1), true);
        assert_eq!(outbox.resume(None), Some(Vec::new()));
        let missed = vec![outbox.push(message(2), false), outbox.push(message(3), false)];
        assert_eq!(outbox.resume(None), Some(missed));
        assert_eq!(outbox.resume(None), Some(Vec::new()), "once");
    }

    #[test]
    fn version_8_replays_everything_after_the_acknowledged_number() {
        let mut outbox = Outbox::new(8);
        let frames: Vec<WireFrame> = (0..5).map(|n| outbox.push(message(n), true)).collect();
        assert_eq!(outbox.resume(Some(3)).unwrap(), frames[3..]);
        assert_eq!(outbox.resume(Some(-1)).unwrap(), frames, "-1: nothing has arrived yet");
        outbox.acknowledge(2);
        assert_eq!(outbox.resume(Some(2)).unwrap(), frames[2..]);
        assert_eq!(outbox.resume(Some(1)), None, "no longer kept");
    }

    #[test]
    fn numbers_go_on_past_16_bits() {
        let mut outbox = Outbox::new(8);
        for n in 0..70_000 {
            outbox.push(message(n), true);
        }
        let last = (70_000_u64 & 0xffff) as i64;
        assert_eq!(outbox.resume(Some(last)), Some(Vec::new()));
        assert_eq!(outbox.resume(Some(last - 3)).unwrap().len(), 3);
    }
}
