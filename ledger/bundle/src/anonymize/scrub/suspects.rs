//! What a scrubbed text still has that may be personal.

/// Why somebody should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Suspect {
    /// A number of six digits or more.
    Digits(String),
    /// An at sign.
    At,
    /// A word with a capital letter where no sentence begins: it may be somebody's name.
    Capital(String),
}

/// Words that have capital letters and are nobody's.
const NOBODY: &[&str] = &[
    "Discord",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "English",
    "German",
    "French",
    "Spanish",
];

/// Looks through a scrubbed text. `known` words (pseudonyms, the bot's name) are none.
pub(crate) fn suspects(text: &str, known: &dyn Fn(&str) -> bool) -> Vec<Suspect> {
    let mut out = Vec::new();
    if text.contains(['@', '＠']) {
        out.push(Suspect::At);
    }
    let mut begins = true;
    for piece in text.split_whitespace() {
        let word = piece.trim_matches(|c: char| !c.is_alphanumeric() && c != '[');
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if digits >= 6 && !word.starts_with('[') {
            out.push(Suspect::Digits(word.to_owned()));
        }
        let mut letters = word.chars();
        let first = letters.next().is_some_and(char::is_uppercase);
        let named = first && letters.next().is_some_and(char::is_lowercase);
        if named && !begins && !known(word) && !NOBODY.contains(&word) {
            out.push(Suspect::Capital(word.to_owned()));
        }
        begins = piece.ends_with(['.', '!', '?', ':', '…', '。']);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_missed_is_reported() {
        let known = |word: &str| word == "Dorimuka";
        assert_eq!(
            suspects("Dorimuka met Zora. It was 123456 at a@b, Dorimuka said. [email] [phone]", &known),
            [Suspect::At, Suspect::Capital("Zora".into()), Suspect::Digits("123456".into())]
        );
    }
}
