//! Finds the bot's name at the start or the end of an utterance, as transcribers may have misheard it.
use antiphon_core::text::words::{distance, words};

/// A longer wake name is compared by its first letters only.
const MAX_NAME: usize = 32;
/// Words that may stand before the name.
const BEFORE: &[&str] = &[
    "hey", "hi", "hello", "ok", "okay", "yo", "so", "um", "uh", "well", "now", "oh", "and", "but", "please",
    "excuse", "me",
];
/// Words that may stand after it.
const AFTER: &[&str] = &["please", "thanks", "now", "then"];
/// A name may be heard as up to this many words ("anti phone").
const MAX_PARTS: usize = 3;

/// Where in the utterance the name is called: `start` or `end`.
pub fn addressed(text: &str, wake_name: &str) -> Option<&'static str> {
    let name = fold(&words(wake_name).concat());
    if name.is_empty() {
        return None;
    }
    let words = words(text);
    let start = words.iter().position(|w| !BEFORE.contains(&w.as_str())).unwrap_or(0);
    if (1..=MAX_PARTS).any(|n| words.get(start..start + n).is_some_and(|part| sounds_like(part, &name))) {
        return Some("start");
    }
    let end = words.iter().rposition(|w| !AFTER.contains(&w.as_str())).map_or(0, |at| at + 1);
    let at_end = (1..=MAX_PARTS.min(end))
        .any(|n| words.get(end - n..end).is_some_and(|part| sounds_like(part, &name)));
    at_end.then_some("end")
}

fn sounds_like(part: &[String], name: &str) -> bool {
    let heard = fold(&part.concat());
    let allowed = match name.chars().count() {
        0..=3 => 0,
        4..=5 => 1,
        _ => 2,
    };
    heard.chars().next() == name.chars().next() && distance(&heard, name) <= allowed
}

/// Spelling folded to something like sound: `ph` as `f`, no doubled letters, no silent last `e`.
fn fold(word: &str) -> String {
    let word: String = word.chars().filter(|c| c.is_alphanumeric()).take(MAX_NAME).collect();
    let mut folded = String::with_capacity(word.len());
    for c in word.replace("ph", "f").replace("ck", "k").chars() {
        if !folded.ends_with(c) {
            folded.push(c);
        }
    }
    match folded.strip_suffix('e') {
        Some(shorter) if shorter.chars().count() > 3 => shorter.to_owned(),
        _ => folded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_at_both_ends_however_heard() {
        for text in [
            "Antiphon, what time is it?",
            "hey antiphon",
            "Okay, anti phone. Tell me a story.",
            "Antifon what's up",
            "Um, so, Anti-fawn, are you there?",
            "ANTIPHONE!",
        ] {
            assert_eq!(addressed(text, "Antiphon"), Some("start"), "{text}");
        }
        for text in ["what time is it, Antiphon?", "tell me a joke anti phone please"] {
            assert_eq!(addressed(text, "Antiphon"), Some("end"), "{text}");
        }
    }

    #[test]
    fn other_words_are_not_the_name() {
        for text in [
            "",
            "what time is it",
            "an antique phone rang",
            "I told antiphon about the thing yesterday",
            "anyone there",
        ] {
            assert_eq!(addressed(text, "Antiphon"), None, "{text}");
        }
    }

    #[test]
    fn short_names_must_be_exact_and_empty_ones_never_match() {
        assert_eq!(addressed("Bob hello", "Bob"), Some("start"));
        assert_eq!(addressed("Rob hello", "Bob"), None);
        assert_eq!(addressed("hello", ""), None);
    }
}
