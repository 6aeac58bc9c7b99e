//! Where in a JSON text a field stands: for faults that are found after reading.

/// A step of a path into JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At<'a> {
    /// A member of an object.
    Key(&'a str),
    /// An element of an array.
    Index(usize),
}

/// The line (from 1) on which the value at `path` begins; of the deepest part of the path that there is. `text` must
/// be valid JSON.
pub(super) fn line_of(text: &str, path: &[At<'_>]) -> usize {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    reader.space();
    let mut found = reader.at;
    for step in path {
        let entered = match step {
            At::Key(key) => reader.enter_key(key),
            At::Index(index) => reader.enter_index(*index),
        };
        if !entered {
            break;
        }
        found = reader.at;
    }
    1 + text.as_bytes().iter().take(found).filter(|byte| **byte == b'\n').count()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace() || byte == b',' || byte == b':') {
            self.at += 1;
        }
    }

    /// From an object to the value of one of its members.
    fn enter_key(&mut self, key: &str) -> bool {
        if self.peek() != Some(b'{') {
            return false;
        }
        self.at += 1;
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return false;
            }
            let start = self.at;
            self.string();
            let name = self.bytes.get(start..self.at).unwrap_or_default();
            self.space();
            if serde_json::from_slice::<String>(name).is_ok_and(|name| name == key) {
                return true;
            }
            self.value();
        }
    }

    /// From an array to one of its elements.
    fn enter_index(&mut self, index: usize) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.at += 1;
        for _ in 0..index {
            self.space();
            if matches!(self.peek(), None | Some(b']')) {
                return false;
            }
            self.value();
        }
        self.space();
        !matches!(self.peek(), None | Some(b']'))
    }

    fn value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => return,
                Some(b'"') => self.string(),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                Some(b'}' | b']') => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                Some(byte) if byte.is_ascii_whitespace() || byte == b',' || byte == b':' => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {
                    while self
                        .peek()
                        .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                    {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "a": "x\"{[,",
  "list": [
    { "deep": [1, -2.5e3],
      "b": true },
    "word",
    { "c":
        null }
  ],
  "last": {}
}"#;

    #[test]
    fn values_are_found_on_their_lines() {
        use At::{Index, Key};
        for (path, line) in [
            (&[][..], 1),
            (&[Key("a")], 2),
            (&[Key("list")], 3),
            (&[Key("list"), Index(0)], 4),
            (&[Key("list"), Index(0), Key("deep"), Index(1)], 4),
            (&[Key("list"), Index(0), Key("b")], 5),
            (&[Key("list"), Index(1)], 6),
            (&[Key("list"), Index(2), Key("c")], 8),
            (&[Key("last")], 10),
        ] {
            assert_eq!(line_of(TEXT, path), line, "{path:?}");
        }
    }

    #[test]
    fn a_missing_part_gives_its_parent() {
        use At::{Index, Key};
        assert_eq!(line_of(TEXT, &[Key("list"), Index(9), Key("x")]), 3);
        assert_eq!(line_of(TEXT, &[Key("list"), Index(1), Key("x")]), 6);
        assert_eq!(line_of(TEXT, &[Key("nothing")]), 1);
        assert_eq!(line_of("", &[Key("x")]), 1);
    }
}
