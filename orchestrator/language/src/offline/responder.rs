//! Chooses the rule that answers.
use antiphon_core::event::{GenerationRequest, Message, ReplyStyle, Role};
use antiphon_core::time::Timestamp;
use jiff::tz::TimeZone;

use super::question::Question;
use super::{arithmetic, calendar, canned, stories};
use antiphon_core::text::sentences::sentences;
use antiphon_core::text::words::words;

/// What the built-in responder answers to the request's last message at the time `at`, with times in `zone`.
///
/// By rule: the same request and time give the same text, and nothing else is looked at. When the last message is the
/// assistant's, it is the beginning of the reply, and what follows it is given.
pub fn answer(request: &GenerationRequest, at: Timestamp, zone: &TimeZone) -> String {
    let (messages, begun) = match request.messages.split_last() {
        Some((last, before)) if last.role == Role::Assistant => (before, sentences(&last.text).len()),
        _ => (&*request.messages, 0),
    };
    let of = |role: Role| messages.iter().rev().find(move |m| m.role == role);
    let text = of(Role::User).map_or("", |m| m.text.as_str());
    let question = Question {
        text,
        words: words(text),
        brief: request.style == ReplyStyle::Brief,
        last_reply: of(Role::Assistant).map(|m| m.text.as_str()),
        name: of(Role::System).and_then(own_name),
        at,
    };
    let reply = canned::about_the_talk(&question)
        .or_else(|| arithmetic::reply(&question))
        .or_else(|| calendar::reply(&question, zone))
        .or_else(|| stories::reply(&question))
        .or_else(|| canned::reply(&question))
        .unwrap_or_else(|| canned::at_a_loss(&question));
    let max = usize::try_from(request.max_sentences.max(1)).unwrap_or(usize::MAX);
    sentences(&reply).into_iter().take(max).skip(begun).collect::<Vec<_>>().join(" ")
}

/// The name in instructions that begin "You are NAME,".
fn own_name(instructions: &Message) -> Option<&str> {
    let (name, _) = instructions.text.strip_prefix("You are ")?.split_once(',')?;
    (!name.is_empty() && name.chars().count() <= 40).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T16:05:00Z, a Saturday.
    const AT: Timestamp = Timestamp::from_millis(1_795_277_100_000);

    fn ask(text: &str, style: ReplyStyle) -> String {
        let system = "You are Antiphon, a voice in a Discord voice channel.".to_owned();
        let mut messages = vec![Message { role: Role::System, name: None, text: system }];
        messages.push(Message { role: Role::User, name: Some("Alice".into()), text: "hello".into() });
        messages.push(Message { role: Role::Assistant, name: None, text: "Hello there.".into() });
        messages.push(Message { role: Role::User, name: Some("Alice".into()), text: text.into() });
        answer(&GenerationRequest { messages, style, max_sentences: 8 }, AT, &TimeZone::UTC)
    }

    fn brief(text: &str) -> String {
        ask(text, ReplyStyle::Brief)
    }

    fn full(text: &str) -> String {
        ask(text, ReplyStyle::Full)
    }

    #[test]
    fn a_reply_that_was_begun_is_continued() {
        let system = Message { role: Role::System, name: None, text: "You are Antiphon, a voice.".into() };
        let user = Message { role: Role::User, name: None, text: "tell me a story".into() };
        let mut messages = vec![system, user];
        let request = |messages: &[Message]| GenerationRequest {
            messages: messages.to_vec(),
            style: ReplyStyle::Full,
            max_sentences: 8,
        };
        let whole = answer(&request(&messages), AT, &TimeZone::UTC);
        let said = sentences(&whole)[..2].join(" ");
        messages.push(Message { role: Role::Assistant, name: None, text: said.clone() });
        let rest = answer(&request(&messages), AT, &TimeZone::UTC);
        assert_eq!(format!("{said} {rest}"), whole);
        messages[2].text = whole;
        assert_eq!(answer(&request(&messages), AT, &TimeZone::UTC), "");
    }

    #[test]
    fn it_says_time_day_and_date() {
        assert_eq!(brief("Antiphon, what time is it?"), "4:05 PM.");
        assert_eq!(full("What's the time?"), "It is 4:05 PM, by UTC.");
        assert_eq!(brief("what day is it today"), "Saturday.");
        assert_eq!(full("what day is it tomorrow"), "Tomorrow is Sunday, the 22nd of November 2026.");
        assert_eq!(full("What is the date?"), "Today is Saturday, the 21st of November 2026.");
        assert_eq!(brief("what was yesterday's date"), "The 20th of November 2026.");
        assert_eq!(brief("which year is it"), "2026.");
    }

    #[test]
    fn time_is_given_in_the_zone_asked_for() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let message = Message { role: Role::User, name: None, text: "what time is it".into() };
        let request =
            GenerationRequest { messages: vec![message], style: ReplyStyle::Brief, max_sentences: 2 };
        assert_eq!(answer(&request, AT, &zone), "6:05 PM.");
    }

    #[test]
    fn it_computes() {
        for (question, result) in [
            ("what is two plus two", "4."),
            ("What's 12 times 13?", "156."),
            ("seven multiplied by eight", "56."),
            ("how much is twenty one minus five", "16."),
            ("what is one hundred and forty four divided by twelve", "12."),
            ("ten divided by four", "2.5."),
            ("what is 10 / 3", "About 3.3333."),
            ("two plus three times four", "14."),
            ("three thousand two hundred plus 45", "3245."),
            ("subtract five from twelve", "7."),
            ("add 20 and 22", "42."),
            ("1,000 - 1", "999."),
            ("five minus eight", "Minus 3."),
            ("twenty percent of fifty", "10."),
            ("nine squared", "81."),
            ("one point five plus 2.25", "3.75."),
            ("what is 6*7?", "42."),
            ("6 x 7", "42."),
        ] {
            assert_eq!(brief(question), result, "{question}");
        }
        assert_eq!(full("what is six times seven"), "6 times 7 is 42.");
        assert_eq!(brief("what is five divided by zero"), "Nothing can be divided by zero.");
        assert!(
            brief("what is 999999999999999999 times 999999999999999999 times 999999999999999999")
                .contains("too large")
        );
    }

    #[test]
    fn it_says_what_it_is_and_what_it_cannot_do() {
        assert_eq!(brief("who are you"), "I am Antiphon, answering offline.");
        assert!(full("who are you?").contains("by rule, without a language model"));
        assert!(full("what can you do").contains("time"));
        assert_eq!(brief("what is the weather like"), "I can't look that up offline.");
        assert!(full("will it rain tomorrow").contains("can't look that up offline"));
        assert!(full("what is the capital of Peru").contains("offline"));
    }

    #[test]
    fn it_makes_small_talk_and_repeats_itself_when_asked() {
        assert_eq!(brief("can you hear me"), "Yes, I hear you.");
        assert_eq!(brief("repeat that please"), "Hello there.");
        assert_eq!(full("what did you say?"), "I said: Hello there.");
        assert_eq!(brief("how are you"), "I am well, thank you.");
        assert_eq!(brief("thank you"), "You are welcome.");
        assert_eq!(brief("goodbye"), "Goodbye.");
        assert_eq!(brief("hello antiphon"), "Hello.");
        assert!(!full("tell me a joke").is_empty());
    }

    #[test]
    fn a_story_is_long_enough_to_be_interrupted() {
        let message = Message { role: Role::User, name: None, text: "Antiphon, tell me a story".into() };
        let request =
            GenerationRequest { messages: vec![message], style: ReplyStyle::Full, max_sentences: 8 };
        let mut stories = std::collections::BTreeSet::new();
        for second in 0..6 {
            let at = AT.after(std::time::Duration::from_secs(second));
            let story = answer(&request, at, &TimeZone::UTC);
            let count = sentences(&story).len();
            assert!((5..=8).contains(&count), "{count}: {story}");
            // At some 15 characters a second, spoken.
            assert!(story.len() > 15 * 20, "{}", story.len());
            assert!(story.ends_with('.'), "whole: {story}");
            stories.insert(story);
        }
        assert_eq!(stories.len(), 3);
    }

    #[test]
    fn it_never_says_more_sentences_than_asked_for() {
        for text in ["tell me a story", "help", "who are you", "what time is it"] {
            for max_sentences in [0, 1, 2] {
                let message = Message { role: Role::User, name: None, text: text.into() };
                let request =
                    GenerationRequest { messages: vec![message], style: ReplyStyle::Full, max_sentences };
                let reply = answer(&request, AT, &TimeZone::UTC);
                assert!(sentences(&reply).len() <= usize::try_from(max_sentences.max(1)).unwrap(), "{reply}");
            }
        }
    }

    #[test]
    fn it_has_an_answer_to_nothing_at_all() {
        let request = GenerationRequest { messages: vec![], style: ReplyStyle::Full, max_sentences: 3 };
        assert!(!answer(&request, Timestamp(u64::MAX), &TimeZone::UTC).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn it_always_answers_the_same_and_never_with_nothing(
            text in "([a-z]{1,9} |[0-9.,]{1,8} |[-+*/x] |plus |times |divided by |time |story ){0,20}",
            at: u64,
            full: bool,
        ) {
            let message = Message { role: Role::User, name: None, text };
            let style = if full { ReplyStyle::Full } else { ReplyStyle::Brief };
            let request = GenerationRequest { messages: vec![message], style, max_sentences: 8 };
            let reply = answer(&request, Timestamp(at), &TimeZone::UTC);
            proptest::prop_assert!(!reply.is_empty());
            proptest::prop_assert_eq!(answer(&request, Timestamp(at), &TimeZone::UTC), reply);
        }
    }
}
