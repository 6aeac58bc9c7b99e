//! Cuts a reply into sentences while it is still being written, so that the first can be spoken before the last exists.
//!
//! Pure and incremental: [`SentenceSplitter::push`] takes whatever piece of text came and gives the sentences that are
//! certain by now; [`SentenceSplitter::finish`] gives the rest. However the text is cut into pieces, the sentences are
//! the same.

/// No sentence grows longer than this many characters: a longer one is cut at a clause or a space, because the first
/// sound of the answer waits for the whole of it.
pub const MAX_SENTENCE_CHARS: usize = 280;

/// Words that end in a full stop without ending the sentence (lower case, without the stop).
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "vs", "etc", "e.g", "i.e", "eg", "ie", "cf", "approx",
    "no", "vol", "fig", "inc", "ltd", "co", "dept", "gen", "col", "sgt", "capt", "lt", "rev", "hon", "u.s",
    "u.k", "a.m", "p.m", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
];

/// Abbreviations that can end a sentence too: they do when the next word starts with a capital.
const MAY_END: &[&str] = &["etc", "inc", "ltd", "co", "u.s", "u.k", "a.m", "p.m", "no"];

/// The incremental splitter.
#[derive(Debug, Clone, Default)]
pub struct SentenceSplitter {
    pending: String,
}

impl SentenceSplitter {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece of text; gives the sentences that it completes, trimmed and never empty.
    pub fn push(&mut self, piece: &str) -> Vec<String> {
        self.pending.push_str(piece);
        let mut done = Vec::new();
        while let Some(end) = boundary(&self.pending) {
            let rest = self.pending.split_off(end);
            let sentence = std::mem::replace(&mut self.pending, rest);
            keep(&sentence, &mut done);
        }
        done
    }

    /// The text has ended: gives what is left, if anything.
    pub fn finish(&mut self) -> Vec<String> {
        // The white space that a boundary waits for will not come: supply it.
        let mut done = self.push("\n");
        let rest = std::mem::take(&mut self.pending);
        keep(&rest, &mut done);
        done
    }
}

/// All sentences of a whole text.
pub fn sentences(text: &str) -> Vec<String> {
    let mut splitter = SentenceSplitter::new();
    let mut all = splitter.push(text);
    all.extend(splitter.finish());
    all
}

fn keep(sentence: &str, into: &mut Vec<String>) {
    let sentence = sentence.trim();
    if sentence.chars().any(char::is_alphanumeric) {
        into.push(sentence.to_owned());
    }
}

/// Where the first sentence of `text` ends (a byte offset), if that is certain whatever text follows.
fn boundary(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    let mut count = 0usize;
    while let Some((at, c)) = chars.next() {
        count += 1;
        if c == '\n' {
            return Some(at + 1);
        }
        if count > MAX_SENTENCE_CHARS {
            return Some(forced_cut(&text[..at]));
        }
        if matches!(c, '。' | '！' | '？') {
            return Some(at + c.len_utf8());
        }
        if !matches!(c, '.' | '!' | '?' | '…') {
            continue;
        }
        // Take in the whole run of stops and closing quotes.
        let mut end = at + c.len_utf8();
        while let Some(&(next_at, next)) = chars.peek() {
            let closes = matches!(next, '.' | '!' | '?' | '…' | '"' | '\'' | ')' | ']' | '”' | '’' | '»');
            if !closes || count >= MAX_SENTENCE_CHARS {
                break;
            }
            end = next_at + next.len_utf8();
            count += 1;
            chars.next();
        }
        match chars.peek() {
            // Nothing after it yet: "3." may become "3.5".
            None => return None,
            Some(&(_, next)) if !next.is_whitespace() => {}
            Some(_) => {
                let after = text[end..].trim_start_matches([' ', '\t']);
                match ends_sentence(&text[..at], &text[at..end], after) {
                    Some(true) => return Some(end),
                    Some(false) => {}
                    None => return None,
                }
            }
        }
    }
    None
}

/// Whether the stops between `before` and `after` end the sentence; none when the next word must be seen first.
fn ends_sentence(before: &str, stops: &str, after: &str) -> Option<bool> {
    if stops != "." {
        return Some(true);
    }
    let word = before.rsplit(char::is_whitespace).next().unwrap_or("");
    let word = word.trim_start_matches(['(', '"', '\'', '“', '[']);
    let lower = word.to_lowercase();
    let next_is_capital = || {
        after.chars().next().map(|next| next.is_uppercase() || next == '\n' || (next == '"' || next == '“'))
    };
    if MAY_END.contains(&lower.as_str()) {
        return next_is_capital();
    }
    if ABBREVIATIONS.contains(&lower.as_str()) {
        return Some(after.starts_with('\n'));
    }
    // An initial ("J. Smith") or a numbered item ("1. Take an egg").
    let mut letters = word.chars();
    if let (Some(only), None) = (letters.next(), letters.next())
        && only.is_uppercase()
        && only != 'I'
    {
        return Some(after.starts_with('\n'));
    }
    let whole = before.trim();
    if !whole.is_empty() && whole.len() <= 3 && whole.chars().all(|c| c.is_ascii_digit()) {
        return Some(false);
    }
    Some(true)
}

/// Where to cut a sentence that grew too long: after the last clause of its second half, else at its last space.
fn forced_cut(text: &str) -> usize {
    let half = text.char_indices().nth(MAX_SENTENCE_CHARS / 2).map_or(0, |(at, _)| at);
    let clause = text[half..].rfind([',', ';', ':', '—', '–']).map(|at| half + at);
    if let Some(at) = clause
        && let Some(mark) = text[at..].chars().next()
    {
        return at + mark.len_utf8();
    }
    match text.rfind(char::is_whitespace) {
        Some(at) if at > 0 => at,
        _ => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sentences_end_at_stops_followed_by_space() {
        assert_eq!(
            sentences("Hello there. How are you? Fine! \"Good.\" Well… yes."),
            ["Hello there.", "How are you?", "Fine!", "\"Good.\"", "Well…", "yes."]
        );
    }

    #[test]
    fn abbreviations_initials_and_numbers_do_not_end_a_sentence() {
        assert_eq!(
            sentences("Dr. Smith met J. Doe at 3.5 km, i.e. far away."),
            ["Dr. Smith met J. Doe at 3.5 km, i.e. far away."]
        );
        assert_eq!(sentences("1. Take an egg. 2. Boil it."), ["1. Take an egg.", "2. Boil it."]);
        assert_eq!(
            sentences("It is 5 p.m. now. It was 4 p.m. Then it rained."),
            ["It is 5 p.m. now.", "It was 4 p.m.", "Then it rained."]
        );
        assert_eq!(sentences("The answer is 42. Next one."), ["The answer is 42.", "Next one."]);
        assert_eq!(sentences("So am I. Are you?"), ["So am I.", "Are you?"]);
    }

    #[test]
    fn a_stop_ending_a_piece_waits_for_what_follows() {
        let mut splitter = SentenceSplitter::new();
        assert!(splitter.push("Pi is 3.").is_empty());
        assert!(splitter.push("14.").is_empty());
        assert_eq!(splitter.push(" Yes"), ["Pi is 3.14."]);
        assert_eq!(splitter.finish(), ["Yes"]);
        assert!(splitter.finish().is_empty());
    }

    #[test]
    fn an_endless_sentence_is_cut_at_clause_or_space() {
        let long = "one two three, ".repeat(60);
        let cut = sentences(&long);
        assert!(cut.len() > 2);
        assert!(cut.iter().all(|s| s.chars().count() <= MAX_SENTENCE_CHARS && s.ends_with(',')), "{cut:?}");
        let solid = "x".repeat(1000);
        assert!(sentences(&solid).iter().all(|s| s.len() <= MAX_SENTENCE_CHARS));
    }

    #[test]
    fn what_holds_no_word_is_no_sentence() {
        assert!(sentences(" … !! \n\n ?").is_empty());
    }

    proptest! {
        #[test]
        fn the_sentences_do_not_depend_on_the_pieces(
            text in "([a-zA-Z0-9.!?,'\" \\nßé…]|Dr\\. |p\\.m\\. ){0,400}",
            cuts in proptest::collection::vec(1usize..9, 1..40),
        ) {
            let mut splitter = SentenceSplitter::new();
            let mut got = Vec::new();
            let chars: Vec<char> = text.chars().collect();
            let (mut at, mut turn) = (0, 0);
            while at < chars.len() {
                let to = (at + cuts[turn % cuts.len()]).min(chars.len());
                got.extend(splitter.push(&chars[at..to].iter().collect::<String>()));
                at = to;
                turn += 1;
            }
            got.extend(splitter.finish());
            prop_assert_eq!(&got, &sentences(&text));
            let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(letters(&got.concat()), letters(&text));
            prop_assert!(got.iter().all(|s| s.chars().count() <= MAX_SENTENCE_CHARS));
        }
    }
}
