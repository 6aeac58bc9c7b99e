//! Canned answers: about the conversation itself, and small talk.
use super::question::Question;

/// Questions about the talk: repeating, hearing, who the bot is.
pub(super) fn about_the_talk(q: &Question<'_>) -> Option<String> {
    if q.has_any_phrase(&[
        "repeat that",
        "say that again",
        "say it again",
        "repeat it",
        "did you say",
        "come again",
    ]) || (q.has_any(&["pardon", "repeat"]) && q.words.len() <= 4)
    {
        return Some(match q.last_reply {
            Some(last) => q.either(last, &format!("I said: {last}")),
            None => "I have not said anything yet.".to_owned(),
        });
    }
    if q.has_any_phrase(&[
        "hear me",
        "hearing me",
        "you there",
        "you listening",
        "you awake",
        "mic check",
        "sound check",
    ]) || q.words.iter().all(|w| matches!(w.as_str(), "testing" | "test" | "one" | "two" | "three"))
        && q.has_any(&["test", "testing"])
    {
        return Some(q.either("Yes, I hear you.", "Yes, I can hear you clearly."));
    }
    if q.has_any_phrase(&[
        "who are you",
        "your name",
        "what are you",
        "who is this",
        "who am i talking",
        "introduce yourself",
        "about yourself",
    ]) {
        let name = q.name.unwrap_or("the offline responder");
        return Some(q.either(
            &format!("I am {name}, answering offline."),
            &format!(
                "I am {name}, a voice in this channel. Right now I answer by rule, without a language model, so I \
                 know only a few things."
            ),
        ));
    }
    if q.has("help") || q.has_any_phrase(&["can you do", "do you do", "can i ask", "can you help"]) {
        return Some(q.either(
            "Ask me the time, the date, a sum, a joke or a story.",
            "I am answering offline, by rule. Ask me for the time, the day or the date. I can do sums, like twelve \
             times thirteen. I can tell you a story or a joke, or repeat what I said. Say stop, and I fall silent.",
        ));
    }
    None
}

/// Greetings, thanks, farewells, and what cannot be looked up.
pub(super) fn reply(q: &Question<'_>) -> Option<String> {
    if q.has_any_phrase(&[
        "how are you",
        "how do you do",
        "how's it going",
        "how is it going",
        "are you okay",
        "are you ok",
    ]) {
        return Some(q.either("I am well, thank you.", "I am well, thank you. How can I help?"));
    }
    if q.has_any(&[
        "weather",
        "rain",
        "raining",
        "sunny",
        "temperature",
        "forecast",
        "snow",
        "news",
        "score",
        "stock",
        "price",
        "traffic",
    ]) {
        return Some(q.either(
            "I can't look that up offline.",
            "I can't look that up offline. I only know what fits into a few rules, and nothing of what happens outside.",
        ));
    }
    if q.has_any(&["thanks", "thank", "cheers"]) {
        return Some(q.either("You are welcome.", "You are welcome. Just call when you need me."));
    }
    if q.has_any(&["goodbye", "bye", "goodnight", "farewell"]) || q.has_any_phrase(&["see you", "good night"])
    {
        return Some(q.either("Goodbye.", "Goodbye, and take care."));
    }
    let greeting = q.has_any(&["hello", "hi", "hey", "greetings", "howdy"])
        || q.has_any_phrase(&["good morning", "good evening", "good afternoon"]);
    if greeting && q.words.len() <= 5 {
        return Some(q.either("Hello.", "Hello! What can I do for you?"));
    }
    if q.has_any_phrase(&["i love you", "good job", "well done", "good bot", "you're great", "you are great"])
    {
        return Some(q.either("That is kind.", "That is kind of you to say."));
    }
    None
}

/// Nothing matched: say so, and what would.
pub(super) fn at_a_loss(q: &Question<'_>) -> String {
    q.either(
        "I don't know that offline.",
        "I don't know that, as I am answering offline, by rule. Ask me for help to hear what I can do.",
    )
}
