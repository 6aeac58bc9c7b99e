//! Whether what Whisper wrote is to be doubted, and what to try next. Pure.
//!
//! Whisper's known failure is the loop: one phrase over and over, above all when the encoder was given little more than
//! the utterance. The cures are those of OpenAI's own decoder (`whisper/transcribe.py`, `decode_with_fallback`): decode
//! again when the text compresses too well or its tokens are too improbable, with a higher temperature each time. Before
//! the temperature is touched the encoder is given the whole window, which alone ends most loops.
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::hearing::{Piece, agreement, loops};

/// Text that zlib makes smaller than this repeats itself (OpenAI's `compression_ratio_threshold`).
const MAX_COMPRESSION: f32 = 2.4;
/// Tokens less probable than this on (logarithmic) average are guesses (OpenAI's `logprob_threshold`).
const MIN_MEAN_LOG_PROBABILITY: f32 = -1.0;
/// Nobody speaks more tokens a second: the fastest of auctioneers get to about eleven.
const MAX_TOKENS_PER_SECOND: f32 = 12.0;
/// Tokens that any piece may have, however short.
const TOKENS_FOR_A_START: i32 = 8;

/// Tokens as probable as this on average need no second opinion. People speaking clearly give 0.9 and more; noise has given
/// sentences at 0.64.
const SURE: f32 = 0.8;
/// Two decodings agree when they have this share of their words in common. What noise makes of itself changes with the window.
const MIN_AGREEMENT: f32 = 0.6;

/// How to decode a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// Whether the encoder is given the whole window, and not only what the piece needs.
    pub full_window: bool,
    /// 0 is greedy.
    pub temperature: f32,
}

/// The attempts, in order. Each costs a decoding, so there are few.
pub const LADDER: [Attempt; 4] = [
    Attempt { full_window: false, temperature: 0.0 },
    Attempt { full_window: true, temperature: 0.0 },
    Attempt { full_window: true, temperature: 0.4 },
    Attempt { full_window: true, temperature: 0.8 },
];

/// Why a piece is decoded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// A phrase comes over and over.
    Loop,
    /// Its tokens are guesses.
    Improbable,
    /// More tokens than anybody can say in that time.
    TooMany,
    /// Nothing is wrong with it, but a second opinion is wanted.
    Unsure,
    /// The second opinion is another one.
    Disagreement,
}

impl Doubt {
    /// As metrics and logs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Doubt::Loop => "loop",
            Doubt::Improbable => "improbable",
            Doubt::TooMany => "too_many_tokens",
            Doubt::Unsure => "unsure",
            Doubt::Disagreement => "disagreement",
        }
    }
}

/// The most tokens that a piece of this length may have.
pub fn max_tokens(length: Duration, model: i32) -> i32 {
    ((length.as_secs_f32() * MAX_TOKENS_PER_SECOND) as i32).saturating_add(TOKENS_FOR_A_START).min(model)
}

/// What is wrong with a piece, if anything.
pub fn doubt(piece: &Piece, max_tokens: i32) -> Option<Doubt> {
    let text = piece.text.trim();
    if text.is_empty() {
        return None;
    }
    if loops(text) || compression(text) > MAX_COMPRESSION {
        return Some(Doubt::Loop);
    }
    if i32::try_from(piece.tokens.len()).is_ok_and(|tokens| tokens >= max_tokens) {
        return Some(Doubt::TooMany);
    }
    (mean_log_probability(piece) < MIN_MEAN_LOG_PROBABILITY).then_some(Doubt::Improbable)
}

/// Whether a piece can be believed without a second opinion.
pub fn is_sure(piece: &Piece) -> bool {
    if piece.text.trim().is_empty() || piece.tokens.is_empty() {
        return true;
    }
    piece.tokens.iter().map(|token| token.probability).sum::<f32>() / piece.tokens.len() as f32 >= SURE
}

/// Whether two decodings of the same sound say the same.
pub fn agree(a: &Piece, b: &Piece) -> bool {
    agreement(&a.text, &b.text) >= MIN_AGREEMENT
}

/// How many times smaller zlib makes it; 1 for short texts, which it makes larger.
fn compression(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    packed.map_or(1.0, |packed| text.len() as f32 / packed.len().max(1) as f32)
}

fn mean_log_probability(piece: &Piece) -> f32 {
    if piece.tokens.is_empty() {
        return 0.0;
    }
    let sum: f32 = piece.tokens.iter().map(|token| token.probability.max(1e-10).ln()).sum();
    sum / piece.tokens.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whisper::hearing::Token;

    fn piece(text: &str, tokens: usize, probability: f32) -> Piece {
        Piece { text: text.into(), tokens: vec![Token { probability }; tokens] }
    }

    #[test]
    fn plain_sentences_are_not_doubted() {
        let sentence = "And so my fellow Americans, ask not what your country can do for you.";
        assert_eq!(doubt(&piece(sentence, 16, 0.9), 100), None);
        assert_eq!(doubt(&piece("", 0, 0.0), 100), None);
        assert_eq!(doubt(&piece("No, no, no!", 6, 0.9), 100), None);
    }

    #[test]
    fn loops_are_seen_by_words_or_by_compression() {
        let turning = "And so my fellow Americans. ".repeat(40);
        assert_eq!(doubt(&piece(&turning, 240, 0.95), 400), Some(Doubt::Loop));
        // A phrase longer than the word count looks for.
        let long = "I do not know what you would want of me at this hour. ".repeat(5);
        assert_eq!(doubt(&piece(&long, 70, 0.95), 400), Some(Doubt::Loop));
    }

    #[test]
    fn guesses_and_too_many_tokens_are_doubted() {
        assert_eq!(doubt(&piece("the low doctors miss", 5, 0.3), 100), Some(Doubt::Improbable));
        assert_eq!(doubt(&piece("one two three four", 20, 0.9), 20), Some(Doubt::TooMany));
    }

    #[test]
    fn the_bound_on_tokens_follows_the_length() {
        assert_eq!(max_tokens(Duration::from_secs(1), 220), 20);
        assert_eq!(max_tokens(Duration::from_secs(30), 220), 220);
    }
}
