//! Makes what a language model writes fit to be spoken. Its instructions ask for plain sentences; not every model obeys.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Takes out what reasoning models write between `<think>` and `</think>`, whichever way the text is cut into pieces.
/// Such thoughts come first or not at all, so only the beginning of the text is searched for them.
#[derive(Debug, Clone, Default)]
pub struct ThoughtFilter {
    state: State,
    held: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// It may begin with a thought.
    #[default]
    Beginning,
    Thinking,
    Speaking,
}

impl ThoughtFilter {
    /// Before the first piece.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece; gives what of the text is to be spoken.
    pub fn push(&mut self, piece: &str) -> String {
        if self.state == State::Speaking {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        if self.state == State::Beginning {
            let text = self.held.trim_start();
            if text.len() < OPEN.len() && OPEN.starts_with(text) {
                return String::new();
            }
            if !text.starts_with(OPEN) {
                self.state = State::Speaking;
                return std::mem::take(&mut self.held);
            }
            self.state = State::Thinking;
        }
        if let Some(end) = self.held.find(CLOSE) {
            self.state = State::Speaking;
            let spoken = self.held.split_off(end + CLOSE.len());
            self.held.clear();
            return spoken;
        }
        // Only the last few characters can still belong to the closing tag.
        let keep = self.held.char_indices().rev().nth(CLOSE.len()).map_or(0, |(at, _)| at);
        self.held.drain(..keep);
        String::new()
    }
}

/// A sentence without the marks of writing: emphasis, code, headings, bullets, links, emoji. Words stay as they are.
pub fn for_the_ear(sentence: &str) -> String {
    let sentence = sentence.trim().trim_start_matches(['#', '>', '•', '-', '*', ' ']);
    let mut spoken = String::with_capacity(sentence.len());
    for (i, word) in without_link_targets(sentence).split_whitespace().enumerate() {
        let word: String = match word {
            "*" | "×" => "times".into(),
            url if is_url(url) => "a link".into(),
            word => without_marks(word),
        };
        if word.is_empty() {
            continue;
        }
        if i > 0 && !spoken.is_empty() {
            spoken.push(' ');
        }
        spoken.push_str(&word);
    }
    spoken
}

/// A word without emphasis, code marks and emoji. An underscore within a word is part of it.
fn without_marks(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    let is_letter = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    let keep = |at: usize, c: char| match c {
        '*' | '`' | '~' => false,
        '_' => is_letter(at.checked_sub(1)) && is_letter(at.checked_add(1)),
        c => !is_picture(c),
    };
    chars.iter().enumerate().filter(|(at, c)| keep(*at, **c)).map(|(_, c)| *c).collect()
}

fn is_url(word: &str) -> bool {
    let word = word.trim_start_matches(['(', '<', '"']);
    word.starts_with("https://") || word.starts_with("http://") || word.starts_with("www.")
}

/// `[text](target)` becomes `text`.
fn without_link_targets(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let (before, from) = rest.split_at(open);
        kept.push_str(before);
        let link = from.find("](").and_then(|close| {
            let target = from.get(close + 2..)?;
            let end = target.find(')')?;
            Some((from.get(1..close)?, target.get(end + 1..)?))
        });
        match link {
            Some((label, after)) => {
                kept.push_str(label);
                rest = after;
            }
            None => {
                kept.push('[');
                rest = from.get(1..).unwrap_or("");
            }
        }
    }
    kept.push_str(rest);
    kept
}

/// Emoji and their joiners (Unicode blocks of pictographs, dingbats, flags, variation selectors).
fn is_picture(c: char) -> bool {
    matches!(u32::from(c), 0x1F000..=0x1FAFF | 0x2600..=0x27BF | 0xFE00..=0xFE0F | 0x200D | 0x20E3 | 0x2B00..=0x2BFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_of_writing_are_not_spoken() {
        for (written, spoken) in [
            ("**Two** plus `two` is *four*.", "Two plus two is four."),
            ("## A heading", "A heading"),
            ("- Take an egg 🥚.", "Take an egg ."),
            ("See [the manual](https://example.org/a_(b)).", "See the manual)."),
            ("Go to https://example.org/x now.", "Go to a link now."),
            ("An array[3] of _things_.", "An array[3] of things."),
            ("Five minus three, it's 2.", "Five minus three, it's 2."),
            ("6 * 7 is 42, says my_sum.", "6 times 7 is 42, says my_sum."),
            ("✨", ""),
        ] {
            assert_eq!(for_the_ear(written), spoken);
        }
    }

    #[test]
    fn thoughts_are_kept_to_itself() {
        let filtered = |pieces: &[&str]| {
            let mut filter = ThoughtFilter::new();
            pieces.iter().map(|piece| filter.push(piece)).collect::<String>()
        };
        assert_eq!(filtered(&["<think>He wants", " the time.</think>\n\nNoon."]), "\n\nNoon.");
        assert_eq!(filtered(&["\n<th", "ink>a</th", "ink>b"]), "b");
        assert_eq!(filtered(&["<b>No", " thought</b>"]), "<b>No thought</b>");
        assert_eq!(filtered(&["Less < more <think>"]), "Less < more <think>");
        assert_eq!(filtered(&["<think>for ever"]), "");
    }

    proptest! {
        #[test]
        fn however_the_text_is_cut_the_same_is_spoken(
            text in "(<think>)?[a-zé <>/]{0,30}(</think>)?[a-z é<]{0,20}",
            size in 1usize..6,
        ) {
            let whole = { let mut f = ThoughtFilter::new(); f.push(&text) };
            let mut filter = ThoughtFilter::new();
            let chars: Vec<char> = text.chars().collect();
            let pieces: String = chars.chunks(size).map(|c| filter.push(&c.iter().collect::<String>())).collect();
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn plain_words_are_left_alone(words in proptest::collection::vec("[a-zA-Zé,.']{1,8}", 1..12)) {
            let text = words.join(" ");
            prop_assert_eq!(for_the_ear(&text), text);
        }
    }
}
