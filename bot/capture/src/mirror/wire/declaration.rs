//! What a stream is: who speaks, in which codec, and whether it may be kept.
use antiphon_core::ids::UserId;

use super::fields::{FieldError, Fields, put_text};
use crate::mirror::format::{Encoding, Format};

/// Most bytes of a name: Discord's 32 characters of up to four bytes.
pub(super) const MAX_NAME: usize = 128;

/// Rates of PCM that are taken. Others share too little with 16 kHz to be resampled without a long delay.
pub const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// How a stream's sound is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Interleaved 16-bit integers, little-endian.
    Pcm16,
    /// Interleaved 32-bit floats, little-endian.
    PcmFloat,
    /// One Opus packet a frame. Rate and channels say nothing of what an Opus packet holds; timestamps count 48 kHz.
    Opus,
}

impl Codec {
    const fn number(self) -> u8 {
        match self {
            Codec::Pcm16 => 1,
            Codec::PcmFloat => 2,
            Codec::Opus => 3,
        }
    }

    /// Whether it is PCM.
    pub fn is_pcm(self) -> bool {
        self != Codec::Opus
    }
}

/// What a sender says of a stream before it sends sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    pub user: UserId,
    pub name: String,
    /// How the sound is written.
    pub codec: Codec,
    /// Samples a second, for PCM; 48 000 for Opus.
    pub rate: u32,
    /// Interleaved channels: 1 or 2.
    pub channels: u8,
    /// Whether the speaker agreed to be recorded. The sender answers for that.
    pub consent: bool,
}

/// A declaration that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// A rate that is not taken.
    #[error(
        "a rate of {0} Hz is not taken: send 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 or 48000 Hz (Opus: 48000)"
    )]
    Rate(u32),
    /// A number of channels that is not taken.
    #[error("{0} channels are not taken: send one or two")]
    Channels(u8),
    /// No speaker's id.
    #[error("the user id 0 names no one: give each speaker an id of their own")]
    NoUser,
    #[error("the name is empty: give the speaker's name")]
    Nameless,
}

impl Declaration {
    /// Checks what bytes alone don't show.
    pub fn validate(&self) -> Result<(), DeclarationError> {
        let rate = if self.codec.is_pcm() { RATES.contains(&self.rate) } else { self.rate == 48_000 };
        if !rate {
            return Err(DeclarationError::Rate(self.rate));
        }
        if !(1..=2).contains(&self.channels) {
            return Err(DeclarationError::Channels(self.channels));
        }
        if self.user == UserId(0) {
            return Err(DeclarationError::NoUser);
        }
        if self.name.trim().is_empty() {
            return Err(DeclarationError::Nameless);
        }
        Ok(())
    }

    /// Its PCM; none for Opus.
    pub fn format(&self) -> Option<Format> {
        let encoding = match self.codec {
            Codec::Pcm16 => Encoding::I16Le,
            Codec::PcmFloat => Encoding::F32Le,
            Codec::Opus => return None,
        };
        Some(Format { rate: self.rate, channels: self.channels.into(), encoding })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.user.0.to_le_bytes());
        out.extend_from_slice(&[self.codec.number(), self.channels, self.consent.into(), 0]);
        out.extend_from_slice(&self.rate.to_le_bytes());
        put_text(&self.name, MAX_NAME, out);
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        let user = UserId(fields.u64("user")?);
        let codec = match fields.u8("codec")? {
            1 => Codec::Pcm16,
            2 => Codec::PcmFloat,
            3 => Codec::Opus,
            found => {
                let expected = "it must be 1 (16-bit PCM), 2 (float PCM) or 3 (Opus)";
                return Err(FieldError::Value { field: "codec", found: found.into(), expected });
            }
        };
        let channels = fields.u8("channels")?;
        let consent = fields.flag("consent")?;
        fields.u8("reserved")?;
        let rate = fields.u32("rate")?;
        let name = fields.text("name", MAX_NAME)?.to_owned();
        Ok(Self { user, name, codec, rate, channels, consent })
    }
}
