//! Decodes server-sent events as their bytes come.
//!
//! The format is the HTML standard's (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), read
//! liberally: a byte order mark is skipped wherever the stream is cut, bytes that are not UTF-8 become replacement
//! characters, an event that the end of the stream cuts off still counts, and a line that is a JSON object by itself is
//! an event (as servers write that send one JSON object a line). No bytes make it panic or grow without bound.

/// The most bytes of one event.
pub(super) const MAX_EVENT: usize = 64 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name; most have none.
    pub(super) name: String,
    pub(super) data: String,
}

/// An event grew past [`MAX_EVENT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventTooLong;

/// The bytes of a stream become events.
#[derive(Debug, Default)]
pub(super) struct EventDecoder {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    after_cr: bool,
    past_first_line: bool,
    /// Lines that belong to no event.
    stray_lines: u64,
}

impl EventDecoder {
    /// Takes the next bytes and appends the events that they complete.
    pub(super) fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), EventTooLong> {
        for &byte in bytes {
            let after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                // The second half of a line end.
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    self.end_line(events);
                }
                _ => {
                    self.line.push(byte);
                    if self.line.len() + self.event.data.len() > MAX_EVENT {
                        return Err(EventTooLong);
                    }
                }
            }
        }
        Ok(())
    }

    /// The stream has ended: what is unfinished counts as if an empty line followed.
    pub(super) fn finish(&mut self, events: &mut Vec<Event>) {
        self.end_line(events);
        self.dispatch(events);
    }

    /// Lines so far that are not server-sent events' own.
    pub(super) fn stray_lines(&self) -> u64 {
        self.stray_lines
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let bytes = std::mem::take(&mut self.line);
        let first = !std::mem::replace(&mut self.past_first_line, true);
        let bytes = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) if first => rest,
            _ => &bytes,
        };
        let line = String::from_utf8_lossy(bytes);
        if line.is_empty() {
            return self.dispatch(events);
        }
        if line.trim_start().starts_with('{') {
            self.dispatch(events);
            events.push(Event { name: String::new(), data: line.into_owned() });
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            // A comment, such as servers send to keep the connection.
            "" => {}
            "data" => self.append(value),
            // llama.cpp writes a failure as a field of its own.
            "error" => {
                "error".clone_into(&mut self.event.name);
                self.append(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            "id" | "retry" => {}
            _ => self.stray_lines += 1,
        }
    }

    fn append(&mut self, value: &str) {
        if std::mem::replace(&mut self.has_data, true) {
            self.event.data.push('\n');
        }
        self.event.data.push_str(value);
    }

    fn dispatch(&mut self, events: &mut Vec<Event>) {
        let event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.has_data) {
            events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let (mut decoder, mut events) = (EventDecoder::default(), Vec::new());
        for piece in pieces {
            decoder.push(piece, &mut events).unwrap();
        }
        decoder.finish(&mut events);
        events.into_iter().map(|event| (event.name, event.data)).collect()
    }

    fn data(stream: &[u8]) -> Vec<String> {
        decode(&[stream]).into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn lines_may_end_in_any_of_three_ways() {
        for end in ["\n", "\r", "\r\n"] {
            let stream = format!("data: a{end}{end}data:b{end}data: c{end}{end}");
            assert_eq!(data(stream.as_bytes()), ["a", "b\nc"], "{end:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_wherever_it_is_cut() {
        let stream = b"\xEF\xBB\xBFdata: a\n\n";
        for cut in 0..stream.len() {
            let (one, two) = stream.split_at(cut);
            assert_eq!(decode(&[one, two]), [(String::new(), "a".to_owned())], "{cut}");
        }
        assert_eq!(data(b"\xEF\xBB"), Vec::<String>::new());
        assert_eq!(data(b"\xEF\xBB\xBF\n\n\xEF"), Vec::<String>::new());
    }

    #[test]
    fn comments_names_and_unfinished_events_are_understood() {
        let stream = b": ping\nid: 7\nretry: 3\nevent: error\ndata: x\n\nerror: {\"m\":1}\n\ndata: end";
        let pair = |name: &str, data: &str| (name.to_owned(), data.to_owned());
        assert_eq!(decode(&[stream]), [pair("error", "x"), pair("error", "{\"m\":1}"), pair("", "end")]);
    }

    #[test]
    fn a_json_object_a_line_is_an_event_a_line() {
        assert_eq!(data(b"{\"a\":1}\n{\"b\":2}"), ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn what_is_not_utf_8_is_replaced() {
        assert_eq!(data(b"data: a\xFFb\n\n"), ["a\u{FFFD}b"]);
    }

    #[test]
    fn endless_events_are_taken_and_an_endless_event_is_not() {
        let (mut decoder, mut events) = (EventDecoder::default(), Vec::new());
        for _ in 0..100_000 {
            decoder.push(b"data: {}\r\n\r\n: ping\n", &mut events).unwrap();
        }
        assert_eq!(events.len(), 100_000);
        for flood in [b"data: x\n".as_slice(), b"xxxxxxxx", b": xxxxxx"] {
            let mut decoder = EventDecoder::default();
            assert!((0..100_000).any(|_| decoder.push(flood, &mut events).is_err()), "{flood:?}");
        }
    }
}
