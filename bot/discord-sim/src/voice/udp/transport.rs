//! Transport encryption between one client and the server, in the two modes that Discord still offers. The header is
//! authenticated, the body is encrypted, and the nonce is four bytes at the packet's end, filled up with zeros.
//! <https://docs.discord.com/developers/topics/voice-connections#transport-encryption-modes>
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Bytes of the authentication tag.
const TAG: usize = 16;
/// Bytes of the nonce that are sent.
const SHORT_NONCE: usize = 4;

/// A transport encryption mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Aes256Gcm,
    XChaCha20Poly1305,
}

/// The modes that op 2 offers.
pub(crate) const MODES: [Mode; 2] = [Mode::Aes256Gcm, Mode::XChaCha20Poly1305];

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aead_aes256_gcm_rtpsize",
            Self::XChaCha20Poly1305 => "aead_xchacha20_poly1305_rtpsize",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        MODES.into_iter().find(|mode| mode.name() == name)
    }
}

enum Cipher {
    Aes(Box<Aes256Gcm>),
    XChaCha(Box<XChaCha20Poly1305>),
}

/// One client's key, and the count of packets sent to it.
pub(crate) struct Transport {
    cipher: Cipher,
    sent: u32,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(mode: Mode, key: &[u8; 32]) -> Self {
        let cipher = match mode {
            Mode::Aes256Gcm => Cipher::Aes(Box::new(Aes256Gcm::new(key.into()))),
            Mode::XChaCha20Poly1305 => Cipher::XChaCha(Box::new(XChaCha20Poly1305::new(key.into()))),
        };
        Self { cipher, sent: 0 }
    }

    /// Decrypts a packet whose body begins at `body`. None when it is too short or was not made with this key.
    pub(crate) fn open(&self, packet: &[u8], body: usize) -> Option<Vec<u8>> {
        let tag_at = packet.len().checked_sub(TAG + SHORT_NONCE).filter(|at| *at >= body)?;
        let (header, rest) = packet.split_at(body);
        let (plain, tail) = rest.split_at(tag_at - body);
        let (tag, nonce) = tail.split_at(TAG);
        let mut plain = plain.to_vec();
        let opened = match &self.cipher {
            Cipher::Aes(cipher) => {
                let nonce: [u8; 12] = padded(nonce);
                cipher.decrypt_in_place_detached(Nonce::from_slice(&nonce), header, &mut plain, tag.into())
            }
            Cipher::XChaCha(cipher) => {
                let nonce: [u8; 24] = padded(nonce);
                cipher.decrypt_in_place_detached(XNonce::from_slice(&nonce), header, &mut plain, tag.into())
            }
        };
        opened.ok().map(|()| plain)
    }

    /// Encrypts a packet for this client.
    pub(crate) fn seal(&mut self, header: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        self.sent = self.sent.wrapping_add(1);
        let short = self.sent.to_be_bytes();
        let mut packet = Vec::with_capacity(header.len() + body.len() + TAG + SHORT_NONCE);
        packet.extend_from_slice(header);
        packet.extend_from_slice(body);
        let (head, plain) = packet.split_at_mut(header.len());
        let tag: [u8; TAG] = match &self.cipher {
            Cipher::Aes(cipher) => {
                let nonce: [u8; 12] = padded(&short);
                cipher.encrypt_in_place_detached(Nonce::from_slice(&nonce), head, plain).ok()?.into()
            }
            Cipher::XChaCha(cipher) => {
                let nonce: [u8; 24] = padded(&short);
                cipher.encrypt_in_place_detached(XNonce::from_slice(&nonce), head, plain).ok()?.into()
            }
        };
        packet.extend_from_slice(&tag);
        packet.extend_from_slice(&short);
        Some(packet)
    }
}

fn padded<const N: usize>(short: &[u8]) -> [u8; N] {
    let mut nonce = [0; N];
    for (to, from) in nonce.iter_mut().zip(short) {
        *to = *from;
    }
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unchanged_packet_opens_with_the_same_key() {
        for mode in MODES {
            let mut here = Transport::new(mode, &[7; 32]);
            let packet = here.seal(b"twelve bytes", b"opus").unwrap();
            assert_eq!(Transport::new(mode, &[7; 32]).open(&packet, 12).as_deref(), Some(&b"opus"[..]));
            assert_eq!(Transport::new(mode, &[8; 32]).open(&packet, 12), None);
            for at in 0..packet.len() {
                let mut changed = packet.clone();
                changed[at] ^= 1;
                assert_eq!(here.open(&changed, 12), None, "{mode:?}, byte {at}");
            }
            for end in 0..packet.len() {
                assert_eq!(here.open(&packet[..end], 12), None);
            }
        }
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let mut here = Transport::new(Mode::Aes256Gcm, &[1; 32]);
        let nonces: std::collections::HashSet<Vec<u8>> =
            (0..100).map(|_| here.seal(b"h", b"b").unwrap().split_off(18)).collect();
        assert_eq!(nonces.len(), 100);
    }
}
