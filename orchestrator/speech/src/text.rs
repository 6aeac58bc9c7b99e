//! Text on its way to a voice: made speakable, and cut into clauses.

/// The most characters that are spoken at a time; the rest is left out.
pub const LONGEST_SPOKEN: usize = 2_000;

/// What a voice can say: without control characters and Markdown's marks, with blanks collapsed. Empty when there is
/// nothing to say.
pub fn speakable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.chars().take(LONGEST_SPOKEN) {
        match c {
            '*' | '`' | '#' | '~' | '|' | '>' | '<' => {}
            // Emoji, pictographs and their joiners: espeak-ng would spell out their names.
            '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}' | '\u{fe0f}' | '\u{200d}' => {}
            '_' => blank = true,
            c if c.is_whitespace() || c.is_control() => blank = true,
            c => {
                if blank && !out.is_empty() {
                    out.push(' ');
                }
                blank = false;
                out.push(c);
            }
        }
    }
    if out.chars().any(char::is_alphanumeric) { out } else { String::new() }
}

/// A stretch of text up to a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Its words.
    pub words: String,
    /// The mark that ends it: `.`, `?`, `!`, `,`, `;` or `:`.
    pub stop: char,
}

/// Cuts a text at its marks, keeping them: espeak-ng's phonemes come without, and a voice needs them for its melody.
/// A mark inside a word or number (`3.5`, `example.com`, `10:30`) cuts nothing.
pub fn clauses(text: &str) -> Vec<Clause> {
    let mut out = Vec::new();
    let mut words = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let stop = match c {
            '.' | '?' | '!' | ',' | ';' | ':' => Some(c),
            '…' => Some('.'),
            '\u{2014}' | '\u{2013}' => Some(','),
            _ => None,
        };
        match stop {
            Some(stop) if rest.peek().is_none_or(|next| !next.is_alphanumeric()) => {
                push(&mut out, &mut words, stop);
            }
            _ => words.push(c),
        }
    }
    push(&mut out, &mut words, '.');
    out
}

fn push(out: &mut Vec<Clause>, words: &mut String, stop: char) {
    let said = words.trim();
    if said.chars().any(char::is_alphanumeric) {
        out.push(Clause { words: said.to_owned(), stop });
    } else if let Some(last) = out.last_mut()
        && matches!(stop, '?' | '!')
    {
        last.stop = stop;
    }
    words.clear();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<(String, char)> {
        clauses(text).into_iter().map(|c| (c.words, c.stop)).collect()
    }

    #[test]
    fn clauses_keep_their_marks_and_numbers_stay_whole() {
        assert_eq!(
            cut("Well, it is 10:30. Pi is 3.14; ready?"),
            [
                ("Well".into(), ','),
                ("it is 10:30".into(), '.'),
                ("Pi is 3.14".into(), ';'),
                ("ready".into(), '?')
            ]
        );
    }

    #[test]
    fn a_doubled_mark_makes_no_empty_clause() {
        assert_eq!(cut("What?! Yes..."), [("What".into(), '!'), ("Yes".into(), '.')]);
        assert_eq!(cut("  ... "), []);
    }

    #[test]
    fn markdown_and_control_characters_are_not_read_out() {
        assert_eq!(speakable("**Hello**\n\tyou\u{0}  there 🙂"), "Hello you there");
        assert_eq!(speakable("*** --- 🙂"), "");
    }

    proptest! {
        #[test]
        fn no_text_makes_an_empty_clause_or_loses_a_letter(text in ".{0,200}") {
            let found = clauses(&text);
            prop_assert!(found.iter().all(|c| c.words.chars().any(char::is_alphanumeric)));
            let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).count();
            prop_assert_eq!(found.iter().map(|c| letters(&c.words)).sum::<usize>(), letters(&text));
        }
    }
}
