//! A client that hides nothing: bytes out, replies in as they are.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A reply as it stood on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Status(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Double(f64),
    Bool(bool),
    Verbatim(String),
}

pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        // A server that has hung up is seen when reading.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        let mut out = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            let arg = arg.as_ref();
            out.extend(format!("${}\r\n", arg.len()).bytes());
            out.extend(arg);
            out.extend(b"\r\n");
        }
        self.send_raw(&out);
    }

    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.send(args);
        self.read()
    }

    pub fn line(&mut self, line: &str) -> Value {
        self.call(&words(line))
    }

    /// Whether the server has hung up.
    pub fn ended(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Ok(0) | Err(_))
    }

    pub fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let line = line.trim_end_matches("\r\n");
        assert!(!line.is_empty(), "the server hung up");
        let (mark, rest) = line.split_at(1);
        match mark {
            "+" => Value::Status(rest.to_owned()),
            "-" => Value::Error(rest.to_owned()),
            ":" => Value::Int(rest.parse().unwrap()),
            "," => Value::Double(rest.parse().unwrap()),
            "#" => Value::Bool(rest == "t"),
            "_" => Value::Nil,
            "$" | "=" if rest == "-1" => Value::Nil,
            "$" => Value::Bulk(self.bytes(rest)),
            "=" => Value::Verbatim(String::from_utf8_lossy(&self.bytes(rest)).into_owned()),
            "*" if rest == "-1" => Value::Nil,
            "*" => Value::Array(self.many(rest)),
            "~" => Value::Set(self.many(rest)),
            ">" => Value::Push(self.many(rest)),
            "%" => {
                Value::Map((0..rest.parse::<usize>().unwrap()).map(|_| (self.read(), self.read())).collect())
            }
            other => panic!("unknown reply {other}{rest}"),
        }
    }

    fn bytes(&mut self, len: &str) -> Vec<u8> {
        let mut bytes = vec![0; len.parse::<usize>().unwrap() + 2];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes.truncate(bytes.len() - 2);
        bytes
    }

    fn many(&mut self, len: &str) -> Vec<Value> {
        (0..len.parse::<usize>().unwrap()).map(|_| self.read()).collect()
    }
}

/// Words of a line; double quotes hold spaces, `\n` is a line break.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted && chars.next_if_eq(&'n').is_some() => word.get_or_insert_default().push('\n'),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
