//! JSON from outside, read within limits, with the file, the line and the field named when it is wrong.
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::error::{BundleError, Doing, Result};

/// The most bytes of a manifest.
const MAX_MANIFEST: u64 = 16 << 20;
/// The most bytes of a line: a generation request with its whole context is far below.
const MAX_LINE: u64 = 4 << 20;

/// Reads a whole JSON file.
pub fn read_manifest(path: &Path, name: &str) -> Result<Vec<u8>> {
    let file = File::open(path).doing("open", path)?;
    let mut bytes = Vec::new();
    file.take(MAX_MANIFEST + 1).read_to_end(&mut bytes).doing("read", path)?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(BundleError::TooLarge {
            file: name.to_owned(),
            what: "its size",
            found: bytes.len() as u64,
            limit: MAX_MANIFEST,
        });
    }
    Ok(bytes)
}

/// Parses one JSON value; `line` is where it begins.
pub fn parse<T: DeserializeOwned>(file: &str, line: u64, bytes: &[u8]) -> Result<T> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let fault = |field: String, error: &serde_json::Error| BundleError::Json {
        file: file.to_owned(),
        line: line + (error.line() as u64).saturating_sub(1),
        field,
        message: error.to_string(),
    };
    let value = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        let field = error.path().to_string();
        fault(if field == "." { "(the whole)".into() } else { field }, error.inner())
    })?;
    from.end().map_err(|error| fault("(after the end)".into(), &error))?;
    Ok(value)
}

/// The lines of a JSON Lines file, parsed one by one.
#[derive(Debug)]
pub struct JsonLines<T, R = BufReader<File>> {
    name: String,
    path: PathBuf,
    from: R,
    line: u64,
    offset: u64,
    buffer: Vec<u8>,
    failed: bool,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonLines<T> {
    pub fn open(path: &Path, name: &str) -> Result<Self> {
        let file = File::open(path).doing("open", path)?;
        Ok(Self::over(BufReader::with_capacity(64 * 1024, file), path, name))
    }
}

impl<T: DeserializeOwned, R: BufRead> JsonLines<T, R> {
    /// Of a file that is open: `path` and `name` are for errors.
    pub fn over(from: R, path: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_path_buf(),
            from,
            line: 0,
            offset: 0,
            buffer: Vec::new(),
            failed: false,
            of: PhantomData,
        }
    }

    /// The number of the last line read, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Bytes of the lines that were read, their ends included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self) -> Result<Option<T>> {
        self.buffer.clear();
        let n = (&mut self.from)
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut self.buffer)
            .doing("read", &self.path)?;
        if n == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.buffer.pop() != Some(b'\n') {
            if n as u64 > MAX_LINE {
                return Err(BundleError::TooLarge {
                    file: format!("{}, line {}", self.name, self.line),
                    what: "the line",
                    found: n as u64,
                    limit: MAX_LINE,
                });
            }
            return Err(BundleError::Json {
                file: self.name.clone(),
                line: self.line,
                field: "(the whole)".into(),
                message: "the last line has no end: the file is truncated".into(),
            });
        }
        let value = parse(&self.name, self.line, &self.buffer)?;
        self.offset += n as u64;
        Ok(Some(value))
    }
}

impl<T: DeserializeOwned, R: BufRead> Iterator for JsonLines<T, R> {
    type Item = Result<T>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Result<T>> {
        if self.failed {
            return None;
        }
        let next = self.read();
        self.failed = next.is_err();
        next.transpose()
    }
}
