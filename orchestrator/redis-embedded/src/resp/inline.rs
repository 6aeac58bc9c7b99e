//! Inline commands: what a person types into telnet, quoted as Redis' `sdssplitargs` reads it.

use bytes::Bytes;

/// Splits a line into arguments; `None` when quotes are not balanced.
pub(crate) fn split(line: &[u8]) -> Option<Vec<Bytes>> {
    let mut args = Vec::new();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        if at >= line.len() {
            return Some(args);
        }
        let mut word = Vec::new();
        let mut quote = None;
        loop {
            let Some(&byte) = line.get(at) else {
                if quote.is_some() {
                    return None;
                }
                break;
            };
            match quote {
                Some(b'"') if byte == b'\\' => {
                    let (decoded, used) = escape(line.get(at + 1..)?)?;
                    word.push(decoded);
                    at += used;
                }
                Some(b'\'') if byte == b'\\' && line.get(at + 1) == Some(&b'\'') => {
                    word.push(b'\'');
                    at += 1;
                }
                Some(q) if byte == q => {
                    // A closing quote must be followed by a space or by the end.
                    if line.get(at + 1).is_some_and(|b| !b.is_ascii_whitespace()) {
                        return None;
                    }
                    at += 1;
                    break;
                }
                Some(_) => word.push(byte),
                None if byte.is_ascii_whitespace() || byte == 0 => break,
                None if byte == b'"' || byte == b'\'' => quote = Some(byte),
                None => word.push(byte),
            }
            at += 1;
        }
        args.push(Bytes::from(word));
        // A NUL ends an inline command, as it ends a C string.
        if line.get(at) == Some(&0) {
            return Some(args);
        }
    }
}

/// Decodes what follows a backslash inside double quotes: the byte, and how many were read.
fn escape(rest: &[u8]) -> Option<(u8, usize)> {
    if let [b'x', high, low, ..] = rest
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return Some((high * 16 + low, 3));
    }
    let byte = match rest.first()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => *other,
    };
    Some((byte, 1))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        Some(split(line.as_bytes())?.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect())
    }

    #[test]
    fn words_are_split_at_spaces_and_quotes_hold_them_together() {
        assert_eq!(words("set  a \"b c\"").unwrap(), ["set", "a", "b c"]);
        assert_eq!(words("'it\\'s' \"\\x41\\n\"").unwrap(), ["it's", "A\n"]);
        assert_eq!(words("").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        assert_eq!(words("get \"a"), None);
        assert_eq!(words("get \"a\"b"), None);
        assert_eq!(words("get \"a\\"), None);
    }
}
