//! Bounds what one event of the stream may hold, before a parser collects it in memory.

/// The most bytes of one server-sent event.
pub(super) const MAX_EVENT: usize = 64 * 1024;

/// Counts the bytes since the last empty line, which ends an event.
#[derive(Debug, Default)]
pub(super) struct EventBound {
    since_event: usize,
    line_is_empty: bool,
}

impl EventBound {
    /// Takes the next bytes; false when an event grows too long.
    pub(super) fn admit(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            self.since_event += 1;
            match byte {
                b'\n' if self.line_is_empty => self.since_event = 0,
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
            if self.since_event > MAX_EVENT {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_events_are_admitted_and_an_endless_event_is_not() {
        let mut bound = EventBound::default();
        for _ in 0..100_000 {
            assert!(bound.admit(b"data: {}\r\n\r\n"));
        }
        let mut lines = EventBound::default();
        assert!((0..100_000).any(|_| !lines.admit(b"data: x\n")), "lines that never end an event");
        let mut line = EventBound::default();
        assert!((0..100_000).any(|_| !line.admit(b"xxxxxxxx")), "a line that never ends");
    }
}
