//! Makes what a language model writes fit to be spoken. Its instructions ask for plain sentences; not every model obeys.

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

    proptest! {
        #[test]
        fn plain_words_are_left_alone(words in proptest::collection::vec("[a-zA-Zé,.']{1,8}", 1..12)) {
            let text = words.join(" ");
            prop_assert_eq!(for_the_ear(&text), text);
        }
    }
}
