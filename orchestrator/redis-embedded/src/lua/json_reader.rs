//! JSON to tables, with the words of `lua-cjson` where it is wrong.

use mlua::{Lua, Value};

use super::native::{Failure, fail};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    /// As error messages name it.
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::String(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Error(why) => why,
        }
    }
}

pub(super) struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    /// Where the token at hand begins.
    token_at: usize,
    depth: usize,
    max_depth: usize,
    /// Hexadecimal numbers, infinities and NaN are read too.
    lenient: bool,
}

/// The value of a whole text.
pub(super) fn read(lua: &Lua, text: &[u8], max_depth: usize, lenient: bool) -> Result<Value, Failure> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return fail("JSON parser does not support UTF-16 or UTF-32");
    }
    let mut reader = Reader { lua, text, at: 0, token_at: 0, depth: 0, max_depth, lenient };
    let first = reader.next();
    let value = reader.value(first)?;
    match reader.next() {
        Token::End => Ok(value),
        other => reader.unexpected("the end", &other),
    }
}

impl Reader<'_> {
    fn unexpected<T>(&self, wanted: &str, found: &Token) -> Result<T, Failure> {
        fail(format!("Expected {wanted} but found {} at character {}", found.name(), self.token_at + 1))
    }

    fn descend(&mut self) -> Result<(), Failure> {
        self.depth += 1;
        if self.depth <= self.max_depth {
            return Ok(());
        }
        let (depth, at) = (self.depth, self.at);
        fail(format!("Found too many nested data structures ({depth}) at character {at}"))
    }

    fn value(&mut self, token: Token) -> Result<Value, Failure> {
        Ok(match token {
            Token::String(text) => Value::String(self.lua.create_string(text)?),
            Token::Number(number) => Value::Number(number),
            Token::Boolean(yes) => Value::Boolean(yes),
            Token::Null => Value::NULL,
            Token::ObjectBegin => self.object()?,
            Token::ArrayBegin => self.array()?,
            other => return self.unexpected("value", &other),
        })
    }

    fn object(&mut self) -> Result<Value, Failure> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        while token != Token::ObjectEnd {
            let Token::String(name) = token else { return self.unexpected("object key string", &token) };
            match self.next() {
                Token::Colon => {}
                other => return self.unexpected("colon", &other),
            }
            let first = self.next();
            let value = self.value(first)?;
            table.raw_set(self.lua.create_string(name)?, value)?;
            token = match self.next() {
                Token::ObjectEnd => break,
                Token::Comma => self.next(),
                other => return self.unexpected("comma or object end", &other),
            };
            if token == Token::ObjectEnd {
                return self.unexpected("object key string", &token);
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn array(&mut self) -> Result<Value, Failure> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        let mut len = 0;
        if token != Token::ArrayEnd {
            loop {
                len += 1;
                table.raw_set(len, self.value(token)?)?;
                token = match self.next() {
                    Token::ArrayEnd => break,
                    Token::Comma => self.next(),
                    other => return self.unexpected("comma or array end", &other),
                };
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// The next token; an error stays where it is.
    fn next(&mut self) -> Token {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.token_at = self.at;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let single = match self.peek() {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return Token::End,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' if !self.lenient && is_lenient(rest) => {
                return Token::Error("invalid number");
            }
            b'-' | b'0'..=b'9' => return self.number(),
            _ => {
                for (word, token) in [
                    (&b"true"[..], Token::Boolean(true)),
                    (b"false", Token::Boolean(false)),
                    (b"null", Token::Null),
                ] {
                    if rest.starts_with(word) {
                        self.at += word.len();
                        return token;
                    }
                }
                if self.lenient && is_lenient(rest) && b"+iInN".contains(&rest[0]) {
                    return self.number();
                }
                return Token::Error("invalid token");
            }
        };
        self.at += 1;
        single
    }

    fn number(&mut self) -> Token {
        match float_prefix(&self.text[self.at..]) {
            Some((number, len)) => {
                self.at += len;
                Token::Number(number)
            }
            None => Token::Error("invalid number"),
        }
    }

    fn wrong(&mut self, why: &'static str) -> Token {
        self.token_at = self.at;
        Token::Error(why)
    }

    fn string(&mut self) -> Token {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek() {
                b'"' => break,
                0 => return self.wrong("unexpected end of string"),
                b'\\' => {
                    let escaped = self.text.get(self.at + 1).copied().unwrap_or(0);
                    match escaped {
                        b'"' | b'\\' | b'/' => text.push(escaped),
                        b'b' => text.push(8),
                        b't' => text.push(b'\t'),
                        b'n' => text.push(b'\n'),
                        b'f' => text.push(12),
                        b'r' => text.push(b'\r'),
                        b'u' => match unicode(&self.text[self.at..]) {
                            Some((character, len)) => {
                                let mut utf8 = [0; 4];
                                text.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
                                self.at += len;
                                continue;
                            }
                            None => return self.wrong("invalid unicode escape code"),
                        },
                        _ => return self.wrong("invalid escape code"),
                    }
                    self.at += 2;
                }
                other => {
                    text.push(other);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token::String(text)
    }
}

/// `\uXXXX`, or two of them that are a surrogate pair; and how long that is.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |text: &[u8]| {
        let digits = text.strip_prefix(b"\\u")?.get(..4)?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let high = unit(text)?;
    match high {
        0xD800..0xDC00 => {
            let low = unit(text.get(6..)?).filter(|low| (0xDC00..0xE000).contains(low))?;
            let code = 0x1_0000 + ((high & 0x3FF) << 10 | (low & 0x3FF));
            Some((char::from_u32(code)?, 12))
        }
        _ => Some((char::from_u32(high)?, 6)),
    }
}

/// What is no number in JSON, though `strtod` reads it: a plus sign, leading zeros, hexadecimal, infinity, NaN.
fn is_lenient(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    match unsigned.first() {
        _ if text.starts_with(b"+") => true,
        Some(b'0') => matches!(unsigned.get(1), Some(b'x' | b'X' | b'0'..=b'9')),
        Some(b'1'..=b'9') => false,
        _ => unsigned
            .get(..3)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")),
    }
}

/// As much of a text as `strtod` reads, and how much that is.
fn float_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let negative = text.first() == Some(&b'-');
    let signed = |number: f64| if negative { -number } else { number };
    let rest = &text[sign..];
    let word = |word: &[u8]| rest.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word));
    for (name, value) in [(&b"infinity"[..], f64::INFINITY), (b"inf", f64::INFINITY), (b"nan", f64::NAN)] {
        if word(name) {
            return Some((signed(value), sign + name.len()));
        }
    }
    if word(b"0x") && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
        let digits = rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (mut value, mut len) = (0.0, 0);
        for digit in digits {
            value = value * 16.0 + f64::from(char::from(*digit).to_digit(16).unwrap_or(0));
            len += 1;
        }
        return Some((signed(value), sign + 2 + len));
    }
    let digits = |from: usize| rest[from.min(rest.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(0);
    let mut len = whole;
    let mut fraction = 0;
    if rest.get(len) == Some(&b'.') {
        fraction = digits(len + 1);
        len += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(rest.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    let number: f64 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((signed(number), sign + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        assert_eq!(float_prefix(b"12,"), Some((12.0, 2)));
        assert_eq!(float_prefix(b"-1.5e3]"), Some((-1500.0, 6)));
        assert_eq!(float_prefix(b"1e"), Some((1.0, 1)));
        assert_eq!(float_prefix(b"0x1F"), Some((31.0, 4)));
        assert_eq!(float_prefix(b"-Infinity"), Some((f64::NEG_INFINITY, 9)));
        assert_eq!(float_prefix(b"-"), None);
        assert_eq!(float_prefix(b"."), None);
    }

    #[test]
    fn surrogates_come_in_pairs() {
        assert_eq!(unicode(b"\\u00e9"), Some(('\u{e9}', 6)));
        assert_eq!(unicode(b"\\ud83d\\ude00"), Some(('\u{1f600}', 12)));
        assert_eq!(unicode(b"\\ud83d"), None);
        assert_eq!(unicode(b"\\ude00\\ud83d"), None);
        assert_eq!(unicode(b"\\u12"), None);
    }
}
