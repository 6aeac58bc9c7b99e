//! Compression of what the gateway sends.
//! <https://docs.discord.com/developers/events/gateway#encoding-and-compression>
use std::io::{self, Write};

use axum::extract::ws::Message;
use flate2::Compression;
use flate2::write::ZlibEncoder;

/// With payload compression, frames from this size on are compressed: READY and GUILD_CREATE are, heartbeats are not.
const MIN_COMPRESSED_BYTES: usize = 1024;
/// Discord's level for zstd is not documented; this is zstd's default.
const ZSTD_LEVEL: i32 = 3;

/// How the frames of one connection are encoded.
pub(crate) enum Compressor {
    /// JSON in text frames; with `payload` set, large ones as a zlib stream of their own in a binary frame.
    Plain { payload: bool },
    /// One zlib stream through the whole connection, flushed after each frame.
    Zlib(ZlibEncoder<Vec<u8>>),
    /// One zstd stream through the whole connection, flushed after each frame.
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Compressor {
    /// The transport compression that a client names in the gateway's address; none when there is no such.
    pub(crate) fn of_transport(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("") => Some(Self::Plain { payload: false }),
            Some("zlib-stream") => Some(Self::Zlib(ZlibEncoder::new(Vec::new(), Compression::default()))),
            Some("zstd-stream") => {
                zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).ok().map(Self::Zstd)
            }
            Some(_) => None,
        }
    }

    /// IDENTIFY's `compress`. It has no effect together with transport compression.
    pub(crate) fn compress_payloads(&mut self, on: bool) {
        if let Self::Plain { payload } = self {
            *payload = on;
        }
    }

    /// The websocket message that carries a frame.
    pub(crate) fn message(&mut self, text: String) -> io::Result<Message> {
        let bytes = match self {
            Self::Plain { payload: true } if text.len() >= MIN_COMPRESSED_BYTES => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text.as_bytes())?;
                encoder.finish()?
            }
            Self::Plain { .. } => return Ok(Message::Text(text.into())),
            Self::Zlib(encoder) => {
                encoder.write_all(text.as_bytes())?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
            Self::Zstd(encoder) => {
                encoder.write_all(text.as_bytes())?;
                encoder.flush()?;
                std::mem::take(encoder.get_mut())
            }
        };
        Ok(Message::Binary(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn frames() -> Vec<String> {
        (0..20).map(|n| format!("{{\"op\":0,\"s\":{n},\"d\":\"{}\"}}", "x".repeat(n * 300))).collect()
    }

    fn binary(message: Message) -> Vec<u8> {
        let Message::Binary(bytes) = message else { panic!("{message:?} is no binary frame") };
        bytes.to_vec()
    }

    #[test]
    fn each_zlib_stream_frame_ends_with_the_flush_mark() {
        let mut compressor = Compressor::of_transport(Some("zlib-stream")).unwrap();
        let mut decoder = flate2::write::ZlibDecoder::new(Vec::new());
        for frame in frames() {
            let bytes = binary(compressor.message(frame.clone()).unwrap());
            assert_eq!(bytes[bytes.len() - 4..], [0, 0, 0xff, 0xff]);
            decoder.write_all(&bytes).unwrap();
            decoder.flush().unwrap();
            assert_eq!(std::mem::take(decoder.get_mut()), frame.into_bytes());
        }
    }

    #[test]
    fn each_zstd_stream_frame_can_be_read_at_once() {
        let mut compressor = Compressor::of_transport(Some("zstd-stream")).unwrap();
        let mut decoder = zstd::stream::write::Decoder::new(Vec::new()).unwrap();
        for frame in frames() {
            let bytes = binary(compressor.message(frame.clone()).unwrap());
            decoder.write_all(&bytes).unwrap();
            decoder.flush().unwrap();
            assert_eq!(std::mem::take(decoder.get_mut()), frame.into_bytes());
        }
    }

    #[test]
    fn payload_compression_packs_large_frames_alone() {
        let mut compressor = Compressor::of_transport(None).unwrap();
        let large = "y".repeat(MIN_COMPRESSED_BYTES);
        assert_eq!(compressor.message(large.clone()).unwrap(), Message::Text(large.clone().into()));
        compressor.compress_payloads(true);
        assert_eq!(compressor.message("{}".to_owned()).unwrap(), Message::Text("{}".into()));
        let bytes = binary(compressor.message(large.clone()).unwrap());
        let mut text = String::new();
        flate2::read::ZlibDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, large);
    }

    #[test]
    fn an_unknown_compression_is_not_guessed() {
        assert!(Compressor::of_transport(Some("brotli-stream")).is_none());
    }
}
