//! Transport encryption of voice packets: the two AEAD modes that Discord still offers.
//!
//! <https://discord.com/developers/docs/topics/voice-connections#transport-encryption-modes>: the RTP header (with
//! the extension's four-byte preamble, when there is one) is authenticated in the clear, the rest is encrypted, the
//! 16-byte tag follows, then a four-byte big-endian counter that is the nonce's first bytes.
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

/// Bytes of the AEAD tag in both modes.
pub const TAG_LEN: usize = 16;
/// Bytes of the counter at the end of a packet.
pub const NONCE_LEN: usize = 4;

/// How packets are encrypted between a client and the voice server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TransportMode {
    /// AES-256-GCM: what Discord prefers, and what songbird and discord.js choose.
    #[default]
    #[serde(rename = "aead_aes256_gcm_rtpsize")]
    Aes256Gcm,
    /// XChaCha20-Poly1305: the mode every server must offer, and what discord.py chooses.
    #[serde(rename = "aead_xchacha20_poly1305_rtpsize")]
    XChaCha20Poly1305,
}

impl TransportMode {
    /// Both modes, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Aes256Gcm, Self::XChaCha20Poly1305];

    /// The name in op 1, 2 and 4.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aead_aes256_gcm_rtpsize",
            Self::XChaCha20Poly1305 => "aead_xchacha20_poly1305_rtpsize",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// A packet that cannot be opened with this key: forged, damaged, or too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a voice packet does not decrypt with this session's transport key")]
pub struct Unauthentic;

/// One session's transport key.
pub struct TransportCipher(Inner);

enum Inner {
    Aes(Box<Aes256Gcm>),
    ChaCha(Box<XChaCha20Poly1305>),
}

impl std::fmt::Debug for TransportCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TransportCipher").field(&self.mode()).finish()
    }
}

impl TransportCipher {
    /// The cipher of `mode` with op 4's `secret_key`.
    pub fn new(mode: TransportMode, key: &[u8; 32]) -> Self {
        Self(match mode {
            TransportMode::Aes256Gcm => Inner::Aes(Box::new(Aes256Gcm::new(key.into()))),
            TransportMode::XChaCha20Poly1305 => Inner::ChaCha(Box::new(XChaCha20Poly1305::new(key.into()))),
        })
    }

    /// Which mode this is.
    pub const fn mode(&self) -> TransportMode {
        match self.0 {
            Inner::Aes(_) => TransportMode::Aes256Gcm,
            Inner::ChaCha(_) => TransportMode::XChaCha20Poly1305,
        }
    }

    /// Encrypts everything in `packet` after the first `clear` bytes, and appends tag and counter.
    pub fn seal(&self, packet: &mut Vec<u8>, clear: usize, counter: u32) -> Result<(), Unauthentic> {
        let suffix = counter.to_be_bytes();
        let (header, body) = packet.split_at_mut_checked(clear).ok_or(Unauthentic)?;
        let tag: [u8; TAG_LEN] = match &self.0 {
            Inner::Aes(aes) => aes
                .encrypt_in_place_detached(Nonce::from_slice(&padded::<12>(suffix)), header, body)
                .map_err(|_| Unauthentic)?
                .into(),
            Inner::ChaCha(chacha) => chacha
                .encrypt_in_place_detached(XNonce::from_slice(&padded::<24>(suffix)), header, body)
                .map_err(|_| Unauthentic)?
                .into(),
        };
        packet.extend_from_slice(&tag);
        packet.extend_from_slice(&suffix);
        Ok(())
    }

    /// Decrypts everything in `packet` after the first `clear` bytes in place, and cuts tag and counter off.
    pub fn open(&self, packet: &mut Vec<u8>, clear: usize) -> Result<(), Unauthentic> {
        let tag_at = packet.len().checked_sub(TAG_LEN + NONCE_LEN).ok_or(Unauthentic)?;
        if tag_at < clear {
            return Err(Unauthentic);
        }
        let (header, rest) = packet.split_at_mut(clear);
        let (body, trailer) = rest.split_at_mut(tag_at - clear);
        let (tag, suffix) = trailer.split_at(TAG_LEN);
        let suffix: [u8; NONCE_LEN] = suffix.try_into().map_err(|_| Unauthentic)?;
        match &self.0 {
            Inner::Aes(aes) => aes.decrypt_in_place_detached(
                Nonce::from_slice(&padded::<12>(suffix)),
                header,
                body,
                Tag::from_slice(tag),
            ),
            Inner::ChaCha(chacha) => chacha.decrypt_in_place_detached(
                XNonce::from_slice(&padded::<24>(suffix)),
                header,
                body,
                chacha20poly1305::Tag::from_slice(tag),
            ),
        }
        .map_err(|_| Unauthentic)?;
        packet.truncate(tag_at);
        Ok(())
    }
}

/// The counter, followed by zeros to the cipher's nonce length.
fn padded<const N: usize>(suffix: [u8; NONCE_LEN]) -> [u8; N] {
    let mut nonce = [0; N];
    for (place, byte) in nonce.iter_mut().zip(suffix) {
        *place = byte;
    }
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: usize = 12;

    fn packet() -> Vec<u8> {
        let mut packet = vec![0x80, 0x78, 0, 1, 0, 0, 3, 0xc0, 0, 0, 0, 42];
        packet.extend_from_slice(b"an opus frame");
        packet
    }

    #[test]
    fn what_one_mode_seals_the_same_mode_opens() {
        for mode in TransportMode::ALL {
            let cipher = TransportCipher::new(mode, &[7; 32]);
            let mut sealed = packet();
            cipher.seal(&mut sealed, HEADER, 9).unwrap();
            assert_eq!(sealed[..HEADER], packet()[..HEADER], "the header stays in the clear");
            assert_eq!(sealed.len(), packet().len() + TAG_LEN + NONCE_LEN);
            assert_eq!(sealed[sealed.len() - 4..], [0, 0, 0, 9], "the counter is the last four bytes");
            cipher.open(&mut sealed, HEADER).unwrap();
            assert_eq!(sealed, packet());
        }
    }

    #[test]
    fn one_changed_byte_anywhere_is_refused() {
        for mode in TransportMode::ALL {
            let cipher = TransportCipher::new(mode, &[7; 32]);
            let mut sealed = packet();
            cipher.seal(&mut sealed, HEADER, 1).unwrap();
            for at in 0..sealed.len() {
                let mut damaged = sealed.clone();
                damaged[at] ^= 1;
                assert_eq!(cipher.open(&mut damaged, HEADER), Err(Unauthentic), "byte {at}");
            }
        }
    }

    #[test]
    fn shorter_packets_are_refused_without_a_panic() {
        let cipher = TransportCipher::new(TransportMode::Aes256Gcm, &[1; 32]);
        for len in 0..HEADER + TAG_LEN + NONCE_LEN {
            assert_eq!(cipher.open(&mut vec![0; len], HEADER), Err(Unauthentic));
        }
        assert_eq!(cipher.seal(&mut vec![0; 4], HEADER, 0), Err(Unauthentic));
    }

    #[test]
    fn the_two_modes_do_not_open_each_other() {
        let key = [3; 32];
        let mut sealed = packet();
        TransportCipher::new(TransportMode::Aes256Gcm, &key).seal(&mut sealed, HEADER, 1).unwrap();
        let other = TransportCipher::new(TransportMode::XChaCha20Poly1305, &key);
        assert_eq!(other.open(&mut sealed, HEADER), Err(Unauthentic));
    }

    #[test]
    fn a_mode_is_known_by_its_name() {
        for mode in TransportMode::ALL {
            assert_eq!(TransportMode::from_name(mode.name()), Some(mode));
        }
        assert_eq!(TransportMode::from_name("xsalsa20_poly1305"), None);
    }
}
