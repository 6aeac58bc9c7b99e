//! The preamble and the header of every frame.

/// The version of the framing that is spoken here.
pub const VERSION: u16 = 1;
/// What a connection begins with.
const MAGIC: [u8; 4] = *b"APMR";
/// Bytes of the preamble: magic, version, two bytes that are zero.
pub const PREAMBLE_BYTES: usize = 8;
/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 8;
/// Most bytes of a frame's body. 20 ms of stereo floats at 48 kHz are 7 680; the longest Opus packet is 7 657.
pub const MAX_BODY: usize = 16_384;

/// The eight bytes that a sender's connection begins with.
pub fn preamble() -> [u8; PREAMBLE_BYTES] {
    let [v0, v1] = VERSION.to_le_bytes();
    let [a, b, c, d] = MAGIC;
    [a, b, c, d, v0, v1, 0, 0]
}

/// The version that a preamble asks for; none when it is no preamble.
pub(super) fn version_of(bytes: &[u8; PREAMBLE_BYTES]) -> Option<u16> {
    bytes.starts_with(&MAGIC).then(|| u16::from_le_bytes([bytes[4], bytes[5]]))
}

/// What stands before every frame's body, little-endian: length of the body (4 bytes), kind (1), flags (1, zero in this
/// version and ignored), stream (2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the body.
    pub length: u32,
    /// What it is.
    pub kind: u8,
    /// The sender's stream that it belongs to; 0 when it belongs to none.
    pub stream: u16,
}

impl Header {
    /// Reads a header.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [l0, l1, l2, l3, kind, _flags, s0, s1] = *bytes;
        Self { length: u32::from_le_bytes([l0, l1, l2, l3]), kind, stream: u16::from_le_bytes([s0, s1]) }
    }

    /// Writes a header.
    pub fn bytes(self) -> [u8; HEADER_BYTES] {
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        let [s0, s1] = self.stream.to_le_bytes();
        [l0, l1, l2, l3, self.kind, 0, s0, s1]
    }
}

/// Appends a frame: header, then what `body` writes.
pub(super) fn append(kind: u8, stream: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    body(out);
    let length = u32::try_from(out.len() - start - HEADER_BYTES).unwrap_or(u32::MAX);
    out[start..start + HEADER_BYTES].copy_from_slice(&Header { length, kind, stream }.bytes());
}
