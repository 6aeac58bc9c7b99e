//! What an utterance wants, as far as the machine itself must know.
use super::address::addressed;
use antiphon_core::text::words::words;

/// The sorts of utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Fall silent.
    Stop,
    /// A question.
    Question,
    /// Something to be done or said.
    Request,
    /// Thanks.
    Thanks,
    /// A greeting or a farewell.
    Greeting,
    /// Anything else.
    Statement,
}

impl Intent {
    /// The name used in decisions.
    pub fn as_str(self) -> &'static str {
        match self {
            Intent::Stop => "stop",
            Intent::Question => "question",
            Intent::Request => "request",
            Intent::Thanks => "thanks",
            Intent::Greeting => "greeting",
            Intent::Statement => "statement",
        }
    }
}

/// What silences the bot, once its name and polite words are taken away.
const STOPS: &[&str] = &[
    "stop",
    "stop it",
    "stop that",
    "stop talking",
    "stop speaking",
    "stop now",
    "cancel",
    "cancel that",
    "be quiet",
    "quiet",
    "silence",
    "be silent",
    "shut up",
    "hush",
    "shush",
    "enough",
    "that's enough",
    "that is enough",
    "never mind",
    "nevermind",
    "forget it",
    "stop stop",
    "stop stop stop",
];
const POLITE: &[&str] = &[
    "please", "hey", "ok", "okay", "now", "no", "oh", "alright", "thanks", "just", "bot", "you", "can",
    "could",
];
const QUESTIONS: &[&str] = &[
    "what", "what's", "who", "who's", "when", "where", "where's", "why", "how", "how's", "which", "whose",
    "is", "are", "am", "do", "does", "did", "can", "could", "will", "would", "should", "may", "was", "were",
    "have", "has",
];
const REQUESTS: &[&str] = &[
    "tell",
    "say",
    "give",
    "show",
    "explain",
    "describe",
    "repeat",
    "read",
    "sing",
    "play",
    "calculate",
    "compute",
    "count",
    "help",
    "list",
    "name",
    "translate",
    "spell",
    "remind",
    "let",
];
const THANKS: &[&str] = &["thanks", "thank", "cheers"];
const GREETINGS: &[&str] =
    &["hello", "hi", "hey", "goodbye", "bye", "morning", "evening", "goodnight", "welcome", "greetings"];

/// What `text` wants of the bot called `wake_name`.
pub fn intent(text: &str, wake_name: &str) -> Intent {
    let mut words = words(text);
    if is_stop(&words, wake_name) {
        return Intent::Stop;
    }
    if let Some(place) = addressed(text, wake_name) {
        // The name itself says nothing of what is wanted; it may have been heard as two words, one is near enough.
        match place {
            "start" => drop(words.remove(0)),
            _ => drop(words.pop()),
        }
    }
    let first = words.iter().find(|w| !POLITE.contains(&w.as_str())).map_or("", String::as_str);
    let any = |list: &[&str]| words.iter().any(|w| list.contains(&w.as_str()));
    if any(THANKS) && words.len() <= 6 {
        Intent::Thanks
    } else if REQUESTS.contains(&first) {
        Intent::Request
    } else if text.trim_end().ends_with('?') || QUESTIONS.contains(&first) {
        Intent::Question
    } else if any(REQUESTS) && any(&["me", "us"]) {
        Intent::Request
    } else if any(GREETINGS) && words.len() <= 5 {
        Intent::Greeting
    } else if any(QUESTIONS) && words.iter().any(|w| w.starts_with("what") || w.starts_with("how")) {
        Intent::Question
    } else {
        Intent::Statement
    }
}

fn is_stop(words: &[String], wake_name: &str) -> bool {
    // Nobody asks for silence at length.
    if words.len() > 8 {
        return false;
    }
    let matches = |words: &[String]| {
        let core: Vec<&str> = words.iter().map(String::as_str).filter(|w| !POLITE.contains(w)).collect();
        STOPS.contains(&core.join(" ").as_str())
    };
    // With the name as heard, one to three words at either end, taken away.
    (0..=3.min(words.len())).any(|n| {
        let (start, rest) = words.split_at(n);
        let (before, end) = words.split_at(words.len() - n);
        let named = |part: &[String]| n == 0 || addressed(&part.join(" "), wake_name).is_some();
        (named(start) && matches(rest)) || (named(end) && matches(before))
    })
}

/// Whether something long is asked for: a story, an explanation.
pub(super) fn wants_length(words: &[String]) -> bool {
    const LONG: &[&str] = &[
        "story",
        "stories",
        "tale",
        "explain",
        "describe",
        "why",
        "detail",
        "details",
        "detailed",
        "poem",
        "elaborate",
        "longer",
        "everything",
        "summary",
        "summarize",
        "compare",
    ];
    words.iter().any(|w| LONG.contains(&w.as_str()))
        || words.windows(2).any(|pair| matches!(pair, [a, b] if (a == "how" && (b == "does" || b == "do" || b == "come")) || (a == "tell" && b == "about")))
        || words.windows(3).any(|three| matches!(three, [a, b, c] if a == "tell" && b == "me" && c == "about"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_silence_is_understood_with_and_without_the_name() {
        for text in [
            "Stop.",
            "stop!",
            "Antiphon, stop",
            "okay anti phone be quiet please",
            "Please stop talking, Antiphon.",
            "Never mind.",
            "can you please shut up",
        ] {
            assert_eq!(intent(text, "Antiphon"), Intent::Stop, "{text}");
        }
    }

    #[test]
    fn talk_about_stopping_is_no_request_for_silence() {
        for text in
            ["When does the bus stop here?", "I could not stop laughing", "stop me if you know this one", ""]
        {
            assert_ne!(intent(text, "Antiphon"), Intent::Stop, "{text}");
        }
    }

    #[test]
    fn questions_requests_thanks_and_greetings_are_distinguished() {
        for (text, want) in [
            ("what time is it", Intent::Question),
            ("Antiphon, what is two plus two?", Intent::Question),
            ("tell me a joke", Intent::Request),
            ("Antiphon tell me a story", Intent::Request),
            ("thank you very much", Intent::Thanks),
            ("good morning Antiphon", Intent::Greeting),
            ("the cat sat on the mat", Intent::Statement),
        ] {
            assert_eq!(intent(text, "Antiphon"), want, "{text}");
        }
    }
}
