//! Classifies what whisper.cpp wrote: words, words that cannot be trusted, or nothing.
use crate::transcribe::{Heard, INAUDIBLE, Transcript};

/// One token of the decoder's output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// How probable the decoder thought it.
    pub probability: f32,
}

/// What was decoded from one piece of a turn.
#[derive(Clone, Default, PartialEq)]
pub struct Piece {
    /// The text as it came.
    pub text: String,
    /// Its tokens, the final one included.
    pub tokens: Vec<Token>,
}

impl Piece {
    /// Something was said, and nothing that was decoded can be believed.
    pub fn distrusted() -> Self {
        Self { text: INAUDIBLE.into(), tokens: Vec::new() }
    }
}

/// Which of a transcript's figures says whether to trust it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trust {
    /// The least probable token: for a closed domain, where every word should be certain.
    Least {
        /// Below this the words are not given.
        threshold: f32,
    },
    /// The tokens' mean probability: for open speech, where a rare name may well be improbable.
    Mean {
        /// Below this the words are not given.
        threshold: f32,
    },
}

/// How many times in a row a single word may come before the decoder is taken to loop.
const MAX_REPEATS: usize = 5;

impl Trust {
    fn classify(self, piece: &Piece) -> (Heard, f32) {
        let text = piece.text.trim();
        if text.is_empty() || is_blank(text) {
            return (Heard::Nothing, 0.0);
        }
        let (least, mean) = figures(&piece.tokens);
        let (figure, threshold) = match self {
            Trust::Least { threshold } => (least, threshold),
            Trust::Mean { threshold } => (mean, threshold),
        };
        if figure < threshold || text.contains(INAUDIBLE) || loops(text) {
            return (Heard::Inaudible, 0.0);
        }
        (Heard::Words, figure)
    }

    /// Puts a turn's pieces together.
    pub fn transcript(self, pieces: &[Piece]) -> Transcript {
        let mut said: Vec<&str> = Vec::new();
        let mut tokens: Vec<Token> = Vec::new();
        let (mut confidence, mut words, mut inaudible) = (1.0f32, false, false);
        for piece in pieces {
            tokens.extend(&piece.tokens);
            match self.classify(piece) {
                (Heard::Nothing, _) => {}
                (Heard::Inaudible, _) => {
                    inaudible = true;
                    if said.last() != Some(&INAUDIBLE) {
                        said.push(INAUDIBLE);
                    }
                }
                (Heard::Words, figure) => {
                    words = true;
                    confidence = confidence.min(figure);
                    said.push(piece.text.trim());
                }
            }
        }
        let heard = match (words, inaudible) {
            (true, _) => Heard::Words,
            (false, true) => Heard::Inaudible,
            (false, false) => Heard::Nothing,
        };
        let (least, mean) = figures(&tokens);
        let confidence = if words { confidence } else { 0.0 };
        Transcript { text: said.join(" "), heard, confidence, least, mean, pieces: pieces.len() }
    }
}

fn figures(tokens: &[Token]) -> (f32, f32) {
    if tokens.is_empty() {
        return (0.0, 0.0);
    }
    let least = tokens.iter().map(|t| t.probability).fold(1.0, f32::min);
    let mean = tokens.iter().map(|t| t.probability).sum::<f32>() / tokens.len() as f32;
    (least, mean)
}

/// Whether the text is nothing but stage directions: `[BLANK_AUDIO]`, `(silence)`, `♪`. [`INAUDIBLE`] is not one.
fn is_blank(text: &str) -> bool {
    let mut depth = 0usize;
    let mut outside = false;
    for c in text.chars() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            '♪' | '*' => {}
            c => outside |= depth == 0 && c.is_alphanumeric(),
        }
    }
    !outside && !text.contains(INAUDIBLE)
}

/// How many words a phrase may have for its repetition to be looked for.
const LONGEST_PHRASE: usize = 8;

/// How often in a row a phrase of `words` words may come: people say "no, no, no, no", but no whole clause three times.
const fn may_repeat(words: usize) -> usize {
    match words {
        1 => MAX_REPEATS,
        2 => 3,
        _ => 2,
    }
}

/// Whether a phrase comes over and over.
pub(super) fn loops(text: &str) -> bool {
    let words = plain_words(text);
    (1..=LONGEST_PHRASE).any(|n| {
        (0..words.len().saturating_sub(n)).any(|start| {
            let phrase = &words[start..start + n];
            let repeats = words[start..].chunks_exact(n).take_while(|next| *next == phrase).count();
            repeats > may_repeat(n)
        })
    })
}

/// The words of a text, in small letters, without marks.
fn plain_words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .collect()
}

/// Which share of their words two texts have in common: twice the common ones over all of them (Dice).
pub(super) fn agreement(a: &str, b: &str) -> f32 {
    let (a, mut b) = (plain_words(a), plain_words(b));
    let all = a.len() + b.len();
    if all == 0 {
        return 1.0;
    }
    let mut common = 0;
    for word in a {
        if let Some(at) = b.iter().position(|other| *other == word) {
            b.swap_remove(at);
            common += 2;
        }
    }
    common as f32 / all as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str, probabilities: &[f32]) -> Piece {
        Piece {
            text: text.into(),
            tokens: probabilities.iter().map(|&probability| Token { probability }).collect(),
        }
    }

    const NANO: Trust = Trust::Least { threshold: 0.45 };
    const OPEN: Trust = Trust::Mean { threshold: 0.4 };

    #[test]
    fn one_doubtful_word_spoils_only_a_closed_domain() {
        let one = [piece(" Hello Antiphon.", &[0.9, 0.3, 0.99])];
        assert_eq!(NANO.transcript(&one).text, "[INAUDIBLE]");
        assert_eq!(NANO.transcript(&one).heard, Heard::Inaudible);
        let open = OPEN.transcript(&one);
        assert_eq!((open.text.as_str(), open.heard), ("Hello Antiphon.", Heard::Words));
        assert!((open.confidence - 0.73).abs() < 0.01 && (open.least - 0.3).abs() < 1e-6);
    }

    #[test]
    fn blank_audio_is_nothing_and_no_confidence_at_all() {
        for text in [" [BLANK_AUDIO]", "", " (music)", " [ Silence ]", "♪ ♪"] {
            let out = NANO.transcript(&[piece(text, &[0.99, 0.99])]);
            assert_eq!((out.heard, out.text.as_str()), (Heard::Nothing, ""), "{text}");
            assert_eq!(out.confidence_permille(), 0);
        }
    }

    #[test]
    fn the_models_own_inaudible_is_not_words() {
        let out = NANO.transcript(&[piece(" [INAUDIBLE]", &[0.99, 0.99])]);
        assert_eq!((out.heard, out.confidence_permille()), (Heard::Inaudible, 0));
    }

    #[test]
    fn pieces_join_in_order_and_the_least_sure_one_counts() {
        let out = NANO.transcript(&[
            piece(" What time is it?", &[0.9]),
            piece(" [BLANK_AUDIO]", &[0.9]),
            piece(" mumble", &[0.1]),
            piece(" mumble", &[0.1]),
            piece(" Thank you.", &[0.8]),
        ]);
        assert_eq!(out.text, "What time is it? [INAUDIBLE] Thank you.");
        assert_eq!(out.heard, Heard::Words);
        assert!((out.confidence - 0.8).abs() < 1e-6);
        assert_eq!(out.pieces, 5);
    }

    #[test]
    fn two_texts_agree_by_their_words() {
        assert!((agreement("Ten of clubs.", "ten of clubs") - 1.0).abs() < 1e-6);
        assert!(agreement("I'm not sure if I can speak", "the first time in the first time") < 0.3);
        assert!((agreement("", "") - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_clause_three_times_is_a_loop_single_words_not() {
        assert!(loops("I'm going to the first time in the first time in the first time in the first time."));
        assert!(!loops("No, no, no, no, I said ten, ten of clubs, ten of clubs."));
    }

    #[test]
    fn a_looping_decoder_is_not_believed() {
        let looping = "thank you ".repeat(8);
        assert_eq!(OPEN.transcript(&[piece(&looping, &[0.99])]).heard, Heard::Inaudible);
        let counting = "No, no, no, I said one two one two.";
        assert_eq!(OPEN.transcript(&[piece(counting, &[0.99])]).heard, Heard::Words);
    }
}
