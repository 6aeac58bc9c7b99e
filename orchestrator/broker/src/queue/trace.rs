//! Trace context as it travels with jobs (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).
//!
//! All of a turn's work belongs to one trace, whose id follows from the session and the turn: given the turn, one finds
//! the trace, in whichever process its parts ran.
use std::fmt;
use std::str::FromStr;

use antiphon_core::ids::{SessionId, TurnId};
use sha2::{Digest as _, Sha256};

/// Where in which trace something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: u128,
    /// The span within it.
    pub span: u64,
    /// Whether the span is recorded (the flag `sampled`).
    pub sampled: bool,
}

/// A `traceparent` that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a traceparent is written 00-<32 hex digits>-<16 hex digits>-<2 hex digits>")]
pub struct BadTraceparent;

impl TraceContext {
    /// A span of a turn's trace; `span` is drawn by the caller, and is not 0.
    #[must_use]
    pub fn of_turn(session: SessionId, turn: TurnId, span: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(session.0.as_bytes());
        hash.update(turn.0.to_be_bytes());
        let digest = hash.finalize();
        let mut trace = [0; 16];
        trace.copy_from_slice(&digest[..16]);
        // A trace id of zeros is not valid (section 3.2.2.3).
        Self { trace: u128::from_be_bytes(trace).max(1), span: span.max(1), sampled: true }
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn child(self, span: u64) -> Self {
        Self { span: span.max(1), ..self }
    }

    /// The trace's id, as it is written.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The span's id, as it is written.
    #[must_use]
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = BadTraceparent;

    /// Reads any version but ff, which is not valid; of later ones only what version 00 has (section 4.3).
    fn from_str(text: &str) -> Result<Self, BadTraceparent> {
        let lower_hex = |part: &str, length: usize| {
            let ok = part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            ok.then(|| u128::from_str_radix(part, 16).ok()).flatten().ok_or(BadTraceparent)
        };
        let mut parts = text.split('-');
        let mut next = |length| lower_hex(parts.next().unwrap_or_default(), length);
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let span = u64::try_from(span).map_err(|_| BadTraceparent)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) || trace == 0 || span == 0 {
            return Err(BadTraceparent);
        }
        Ok(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_standard_s_own_example_reads() {
        let read: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        assert_eq!(read.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((read.span_id().as_str(), read.sampled), ("00f067aa0ba902b7", true));
        // A later version may have more.
        assert!(
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more".parse::<TraceContext>().is_ok()
        );
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(bad.parse::<TraceContext>(), Err(BadTraceparent), "{bad}");
        }
    }

    #[test]
    fn each_turn_is_one_trace_of_its_own() {
        let session = SessionId(uuid::Uuid::from_u128(7));
        let one = TraceContext::of_turn(session, TurnId(1), 5);
        assert_eq!(one.trace, TraceContext::of_turn(session, TurnId(1), 6).trace);
        assert_ne!(one.trace, TraceContext::of_turn(session, TurnId(2), 5).trace);
        assert_eq!((one.child(9).trace, one.child(0).span), (one.trace, 1));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(trace in 1u128.., span in 1u64.., sampled: bool) {
            let context = TraceContext { trace, span, sampled };
            prop_assert_eq!(context.to_string().parse(), Ok(context));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = text.parse::<TraceContext>();
        }
    }
}
