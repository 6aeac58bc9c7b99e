//! Counts of events, which outlive the log's oldest entries.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Event;

/// How often what has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events by kind, as the log names them: `dave_epoch`, `voice_ready`, and so on.
    pub events: BTreeMap<String, u64>,
    /// Close codes that the voice gateway sent; 0 is an end without one.
    pub voice_closes: BTreeMap<u16, u64>,
    /// Close codes that the gateway sent; 0 is an end without one.
    pub gateway_closes: BTreeMap<u16, u64>,
}

impl Tally {
    pub(super) fn count(&mut self, event: &Event) {
        *self.events.entry(event.kind()).or_default() += 1;
        let closed = match event {
            Event::VoiceClosed { code, .. } => Some((&mut self.voice_closes, code)),
            Event::GatewayClosed { code, .. } => Some((&mut self.gateway_closes, code)),
            _ => None,
        };
        if let Some((closes, code)) = closed {
            *closes.entry(code.unwrap_or_default()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_kind_and_closes_by_code() {
        let mut tally = Tally::default();
        for code in [Some(4014), None, Some(4014)] {
            tally.count(&Event::VoiceClosed { user: None, code });
        }
        assert_eq!(tally.events, BTreeMap::from([("voice_closed".to_owned(), 3)]));
        assert_eq!(tally.voice_closes, BTreeMap::from([(0, 1), (4014, 2)]));
    }
}
