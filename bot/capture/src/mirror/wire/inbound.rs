//! From bytes, in whatever pieces they come, to frames.
use super::codes::ErrorCode;
use super::header::{HEADER_BYTES, Header, MAX_BODY, PREAMBLE_BYTES, VERSION, version_of};

/// Most bytes held: one frame.
const CAPACITY: usize = HEADER_BYTES + MAX_BODY;

/// One frame, its body unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    pub header: Header,
    pub body: &'a [u8],
}

/// Bytes after which nothing can be made of a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Something else than a mirror's sender.
    #[error("this is no mirror connection: it must begin with the bytes APMR and the version {VERSION}")]
    NotMirror,
    #[error(
        "version {0} of the framing was asked for, and {VERSION} is what is spoken here: use a sender for that"
    )]
    Version(u16),
    /// A frame that is too long.
    #[error(
        "a frame of {0} bytes was announced, and {MAX_BODY} are the most: cut the sound into frames of 20 ms"
    )]
    Oversized(u32),
    /// The end of the connection within a frame.
    #[error("the connection ended within a frame: {have} of {of} bytes had come")]
    Truncated {
        /// Bytes that came.
        have: usize,
        /// Bytes that were due.
        of: usize,
    },
}

impl WireError {
    /// The words for the sender.
    pub fn code(&self) -> ErrorCode {
        match self {
            WireError::NotMirror => ErrorCode::NotMirror,
            WireError::Version(_) => ErrorCode::Version,
            WireError::Oversized(_) => ErrorCode::Oversized,
            WireError::Truncated { .. } => ErrorCode::Truncated,
        }
    }
}

/// Cuts bytes into frames. Its memory is taken once.
#[derive(Debug)]
pub struct Inbound {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    preamble_due: bool,
}

impl Inbound {
    /// For the server's side: a preamble comes first.
    pub fn with_preamble() -> Self {
        Self { buffer: vec![0; CAPACITY].into_boxed_slice(), start: 0, end: 0, preamble_due: true }
    }

    /// For the sender's side: frames from the beginning.
    pub fn frames_only() -> Self {
        Self { preamble_due: false, ..Self::with_preamble() }
    }

    /// Without memory, to stand in for one that is lent out.
    pub(in crate::mirror) fn empty() -> Self {
        Self { buffer: Box::default(), start: 0, end: 0, preamble_due: false }
    }

    /// Where the next bytes go. Never empty after [`Inbound::next`] said that there is no frame.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes were put there.
    pub fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.buffer.len());
    }

    /// The next whole frame, if there is one.
    #[expect(clippy::should_implement_trait, reason = "it lends the buffer, and more may come after none")]
    pub fn next(&mut self) -> Result<Option<Raw<'_>>, WireError> {
        if self.preamble_due {
            let Some(bytes) = self.buffer[self.start..self.end].first_chunk::<PREAMBLE_BYTES>() else {
                return Ok(None);
            };
            match version_of(bytes) {
                None => return Err(WireError::NotMirror),
                Some(VERSION) => {}
                Some(version) => return Err(WireError::Version(version)),
            }
            self.start += PREAMBLE_BYTES;
            self.preamble_due = false;
        }
        let Some((bytes, rest)) = self.buffer[self.start..self.end].split_first_chunk::<HEADER_BYTES>()
        else {
            return Ok(None);
        };
        let header = Header::read(bytes);
        let length = header.length as usize;
        if length > MAX_BODY {
            return Err(WireError::Oversized(header.length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        self.start += HEADER_BYTES + length;
        Ok(Some(Raw { header, body }))
    }

    /// The connection ended: whether that was between two frames.
    pub fn ended(&self) -> Result<(), WireError> {
        let left = &self.buffer[self.start..self.end];
        if left.is_empty() {
            return Ok(());
        }
        let of = match left.first_chunk::<HEADER_BYTES>() {
            _ if self.preamble_due => PREAMBLE_BYTES,
            Some(header) => HEADER_BYTES + Header::read(header).length as usize,
            None => HEADER_BYTES,
        };
        Err(WireError::Truncated { have: left.len(), of })
    }
}
