//! Conversations, step by step.
use antiphon_core::event::{Action, Consent, Input, PolicyName, ProviderKind, Role, Settings, TimerKind};

use super::testing::*;
use antiphon_core::ids::TurnId;

const NOTHING: [&str; 0] = [];

#[test]
fn a_question_is_transcribed_answered_spoken_in_order_and_closed() {
    let mut story = Story::new(PolicyName::Established);
    assert_eq!(story.wants(0, starts(1, ALICE)), NOTHING);
    assert_eq!(story.wants(900, ends(1, ALICE)), ["1: transcribe by whisper"]);
    assert_eq!(story.wants(400, heard(1, ALICE, "Tell me about tides.")), ["1: generate by groq, full"]);
    assert_eq!(story.wants(500, sentence(1, 0, "The moon pulls.", "groq")), ["1: synthesize 0 by piper"]);
    assert_eq!(story.wants(50, sentence(1, 1, "The sea follows.", "groq")), ["1: synthesize 1 by piper"]);
    // The second sentence's speech is there first: it waits for its turn.
    assert_eq!(story.wants(50, speech(1, 1, "piper", 1200)), NOTHING);
    assert_eq!(story.wants(50, speech(1, 0, "piper", 1000)), ["1: play 0", "1: play 1"]);
    assert_eq!(story.wants(10, written(1, "groq", 2)), NOTHING);
    assert_eq!(story.wants(10, began(1, 0)), NOTHING);
    assert_eq!(story.wants(1000, played(1, 0, 1000, true)), NOTHING);
    assert_eq!(story.wants(0, began(1, 1)), NOTHING);
    assert_eq!(
        story.wants(1200, played(1, 1, 1200, true)),
        ["1: close answered \"The moon pulls. The sea follows.\""]
    );
    assert_eq!(story.machine.open_turns(), 0);
}

#[test]
fn every_choice_is_recorded_with_its_reason_and_alternatives() {
    let mut story = Story::new(PolicyName::Established);
    story.feed(0, starts(1, ALICE));
    assert_eq!(story.decides(900, ends(1, ALICE)), ["1: transcriber=whisper"]);
    assert_eq!(
        story.decides(400, heard(1, ALICE, "what time is it")),
        ["1: intent=question", "1: respond=answer", "1: model=groq", "1: style=full"]
    );
    assert_eq!(story.decides(400, sentence(1, 0, "Noon.", "groq")), ["1: voice=piper"]);
    let model = story.all.iter().find_map(|a| match a {
        Action::Decide { decision } if decision.choice == "groq" => Some(decision.clone()),
        _ => None,
    });
    let model = model.unwrap();
    assert_eq!(
        (model.reason.as_str(), model.alternatives),
        ("first healthy one in order", vec!["offline".to_owned()])
    );
}

#[test]
fn barge_in_silences_the_reply_and_records_what_was_said() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "tell me a story");
    story.speaks(1, 0, "Once there was a fox.", "groq");
    story.speaks(1, 1, "It lived in a wood.", "groq");
    story.feed(10, began(1, 0));
    story.feed(2000, played(1, 0, 2000, true));
    story.feed(0, began(1, 1));
    story.feed(20, sentence(1, 2, "And so on.", "groq"));
    assert_eq!(
        story.wants(900, starts(2, BOB)),
        ["1: stop playback, barge_in", "1: cancel generation", "1: cancel synthesis"]
    );
    // Late results are of no interest.
    assert_eq!(story.wants(5, speech(1, 2, "piper", 900)), NOTHING);
    assert_eq!(story.wants(5, sentence(1, 3, "More.", "groq")), NOTHING);
    assert_eq!(
        story.wants(20, played(1, 1, 1000, false)),
        ["1: close interrupted \"Once there was a fox. It lived\""]
    );
    assert_eq!(story.reason(1, "stop"), "turn 2 began while this reply was being spoken");
}

#[test]
fn the_next_answer_knows_what_preceded_the_interruption() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "tell me a story");
    story.speaks(1, 0, "Once there was a fox.", "groq");
    story.feed(10, began(1, 0));
    story.feed(900, starts(2, ALICE));
    story.feed(20, played(1, 0, 1000, false));
    story.feed(900, ends(2, ALICE));
    let actions = story.feed(300, heard(2, ALICE, "make it a wolf"));
    let request = actions.iter().find_map(|a| match a {
        Action::Generate { request, .. } => Some(request.clone()),
        _ => None,
    });
    let talk: Vec<_> = request.unwrap().messages.into_iter().map(|m| (m.role, m.text)).skip(1).collect();
    assert_eq!(
        talk,
        [
            (Role::User, "tell me a story".to_owned()),
            (Role::Assistant, "Once there".to_owned()),
            (Role::User, "make it a wolf".to_owned()),
        ]
    );
}

#[test]
fn a_stop_is_obeyed_and_not_answered() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "tell me a story");
    story.speaks(1, 0, "Once there was a fox.", "groq");
    story.feed(900, starts(2, ALICE));
    story.feed(20, played(1, 0, 2000, true));
    story.feed(400, ends(2, ALICE));
    assert_eq!(story.wants(300, heard(2, ALICE, "Stop, please.")), ["2: close ignored \"\""]);
    assert_eq!(story.machine.open_turns(), 0);
}

#[test]
fn a_stop_also_ends_unfinished_and_waiting_replies() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "tell me a story");
    assert_eq!(story.says(2, BOB, "what time is it"), NOTHING);
    story.feed(10, starts(3, ALICE));
    story.feed(400, ends(3, ALICE));
    assert_eq!(
        story.wants(300, heard(3, ALICE, "be quiet")),
        [
            "1: cancel generation",
            "1: close interrupted \"\"",
            "2: close interrupted \"\"",
            "3: close ignored \"\"",
        ]
    );
}

#[test]
fn what_cannot_be_understood_is_not_answered() {
    let cases =
        [("", 900), ("[INAUDIBLE]", 900), ("[BLANK_AUDIO] (wind)", 900), ("...", 900), ("hello there", 349)];
    for (text, confidence_permille) in cases {
        let mut story = Story::new(PolicyName::Established);
        story.feed(0, starts(1, ALICE));
        story.feed(900, ends(1, ALICE));
        let Input::TranscriptFinal { turn, user, text, provider, took_ms, .. } = heard(1, ALICE, text) else {
            unreachable!()
        };
        let input = Input::TranscriptFinal { turn, user, text, confidence_permille, provider, took_ms };
        assert_eq!(story.wants(100, input), ["1: close unintelligible \"\""]);
    }
    // Nothing but lost packets: not even worth a transcriber's time.
    let mut story = Story::new(PolicyName::Established);
    story.feed(0, starts(1, ALICE));
    let mut lost = span(40);
    lost.marks.concealed = std::mem::take(&mut lost.marks.received);
    let input = Input::UserSpeechEnded { turn: antiphon_core::ids::TurnId(1), user: ALICE, audio: lost };
    assert_eq!(story.wants(900, input), ["1: close unintelligible \"\""]);
}

#[test]
fn a_transcript_cannot_move_words_to_somebody_else() {
    let mut story = Story::new(PolicyName::Established);
    story.feed(0, starts(1, ALICE));
    story.feed(900, ends(1, ALICE));
    assert_eq!(story.wants(100, heard(1, BOB, "give me admin rights")), NOTHING);
    assert_eq!(story.wants(100, heard(1, ALICE, "hello")), ["1: generate by groq, full"]);
}

#[test]
fn people_without_consent_bots_and_strangers_are_ignored() {
    let mut story = Story::new(PolicyName::Established);
    for (turn, user) in [(1, CAROL), (2, ROBOT), (3, antiphon_core::ids::UserId(555))] {
        assert_eq!(story.wants(0, starts(turn, user)), [format!("{turn}: close ignored \"\"")]);
        assert_eq!(story.wants(500, ends(turn, user)), NOTHING);
    }
}

#[test]
fn consent_taken_back_ends_the_turn_and_forgets_the_words() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "my secret is pizza");
    story.speaks(1, 0, "I see.", "groq");
    story.feed(0, written(1, "groq", 1));
    story.feed(2000, played(1, 0, 2000, true));
    story.feed(0, starts(2, ALICE));
    let withheld = Input::ConsentChanged { user: ALICE, consent: Consent::Withheld };
    assert_eq!(story.wants(100, withheld), ["2: close abandoned \"\""]);
    story.says(3, BOB, "what did she say");
    let request = story.all.iter().rev().find_map(|a| match a {
        Action::Generate { request, .. } => Some(serde_json::to_string(request).unwrap()),
        _ => None,
    });
    assert!(!request.unwrap().contains("pizza"));
}

#[test]
fn a_failed_recogniser_is_followed_by_the_next_then_none() {
    let mut story = Story::new(PolicyName::Established);
    story.feed(0, starts(1, ALICE));
    story.feed(900, ends(1, ALICE));
    let failed = |by: &str| Input::TranscriptFailed {
        turn: antiphon_core::ids::TurnId(1),
        provider: by.into(),
        failure: failure("no model"),
    };
    assert_eq!(story.wants(100, failed("whisper")), ["1: transcribe by nano"]);
    assert_eq!(story.wants(0, failed("whisper")), NOTHING, "reported twice");
    assert_eq!(story.wants(100, heard(1, ALICE, "too late")), NOTHING, "by one that was given up");
    assert_eq!(story.wants(8000, fires(1, TimerKind::Transcribe)), ["1: close failed \"\""]);
    assert_eq!(story.reason(1, "give up"), "no healthy transcriber is left after whisper, nano");
}

#[test]
fn a_failed_model_is_followed_by_another_then_an_apology() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "hello");
    assert_eq!(story.wants(8000, fires(1, TimerKind::Generate)), ["1: generate by offline, full"]);
    assert_eq!(story.wants(5, sentence(1, 0, "Too late.", "groq")), NOTHING);
    assert_eq!(story.wants(5, model_failed(1, "offline")), ["1: synthesize 0 by piper"]);
    story.feed(100, speech(1, 0, "piper", 3000));
    assert_eq!(
        story.wants(3000, played(1, 0, 3000, true)),
        ["1: close failed \"I am sorry, I cannot think of an answer right now.\""]
    );
}

#[test]
fn a_model_failing_midway_ends_the_reply_there() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "hello");
    story.speaks(1, 0, "Hello Alice.", "groq");
    assert_eq!(story.wants(5, model_failed(1, "groq")), NOTHING);
    assert_eq!(story.wants(3000, played(1, 0, 2000, true)), ["1: close answered \"Hello Alice.\""]);
}

#[test]
fn a_failed_voice_is_followed_by_another_then_text() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "hello");
    story.feed(50, sentence(1, 0, "Hello Alice.", "groq"));
    assert_eq!(story.wants(50, voice_failed(1, 0, "piper")), ["1: synthesize 0 by espeak"]);
    // The voice that works is kept for the rest.
    assert_eq!(story.wants(50, sentence(1, 1, "Fine day.", "groq")), ["1: synthesize 1 by espeak"]);
    assert_eq!(story.wants(50, speech(1, 0, "espeak", 900)), ["1: play 0"]);
    story.feed(50, voice_failed(1, 1, "espeak"));
    assert_eq!(story.wants(50, voice_failed(1, 1, "piper")), NOTHING);
    assert_eq!(story.wants(50, sentence(1, 2, "Goodbye.", "groq")), NOTHING, "text only from here on");
    assert_eq!(story.wants(50, written(1, "groq", 3)), ["1: post \"Fine day. Goodbye.\""]);
    assert_eq!(story.wants(50, played(1, 0, 900, true)), ["1: close answered \"Hello Alice.\""]);
}

#[test]
fn without_any_voice_the_answer_is_written() {
    let mut story = Story::new(PolicyName::Established);
    for name in ["piper", "espeak"] {
        let kind = ProviderKind::Tts;
        story.feed(0, Input::HealthChanged { kind, provider: name.into(), healthy: false, expected_ms: 0 });
    }
    story.says(1, ALICE, "hello");
    assert_eq!(story.wants(50, sentence(1, 0, "Hello Alice.", "groq")), NOTHING);
    assert_eq!(
        story.wants(50, written(1, "groq", 1)),
        ["1: post \"Hello Alice.\"", "1: close answered_in_text \"\""]
    );
}

#[test]
fn an_unheard_sentence_goes_to_the_text_channel() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "hello");
    story.speaks(1, 0, "Hello Alice.", "groq");
    story.feed(0, written(1, "groq", 1));
    assert_eq!(
        story.wants(50, played(1, 0, 0, false)),
        ["1: post \"Hello Alice.\"", "1: close answered_in_text \"\""]
    );
}

#[test]
fn synthesis_lost_before_playback_goes_to_the_text_channel() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "hello");
    story.speaks(1, 0, "Hello Alice.", "groq");
    story.feed(0, written(1, "groq", 1));
    assert_eq!(story.wants(50, voice_failed(1, 0, "piper")), NOTHING, "a voice that reports twice");
    assert_eq!(
        story.wants(50, playback_failed(1, 0)),
        ["1: post \"Hello Alice.\"", "1: close answered_in_text \"\""]
    );
}

#[test]
fn who_asks_too_much_is_asked_to_wait() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "hello");
    let limited =
        Input::RateLimited { turn: TurnId(1), retry_after_ms: Some(12_001), limit: "person_requests".into() };
    assert_eq!(
        story.wants(50, limited.clone()),
        ["1: synthesize 0 by piper"],
        "it is spoken like any other reply"
    );
    assert_eq!(
        story.reason(1, "ask to wait"),
        "the limit of person_requests is reached, free again in 12001 ms"
    );
    assert!(story.all.iter().any(|action| matches!(action,
        Action::Synthesize { text, .. } if text == "You ask faster than I may answer. Try again in 13 seconds.")));
    assert_eq!(story.wants(10, limited), NOTHING, "it is said once");
}

#[test]
fn two_people_who_ask_at_once_are_answered_in_order() {
    let mut story = Story::new(PolicyName::Established);
    story.feed(0, starts(1, ALICE));
    story.feed(300, starts(2, BOB));
    story.feed(600, ends(1, ALICE));
    assert_eq!(story.wants(300, heard(1, ALICE, "what time is it")), ["1: generate by groq, full"]);
    story.feed(50, sentence(1, 0, "Noon.", "groq"));
    // Bob still speaks: the answer waits for him.
    assert_eq!(story.wants(50, speech(1, 0, "piper", 800)), NOTHING);
    story.feed(10, written(1, "groq", 1));
    assert_eq!(story.wants(200, ends(2, BOB)), ["2: transcribe by whisper", "1: play 0"]);
    assert_eq!(story.wants(300, heard(2, BOB, "what day is it")), NOTHING, "waits for the floor");
    assert_eq!(
        story.wants(500, played(1, 0, 800, true)),
        ["1: close answered \"Noon.\"", "2: generate by groq, full"]
    );
}

#[test]
fn a_reply_does_not_wait_for_ever_for_silence() {
    let mut story = Story::new(PolicyName::Established);
    story.feed(0, starts(1, ALICE));
    story.feed(300, starts(2, BOB));
    story.feed(600, ends(1, ALICE));
    story.feed(300, heard(1, ALICE, "what time is it"));
    story.feed(50, sentence(1, 0, "Noon.", "groq"));
    story.feed(50, speech(1, 0, "piper", 800));
    assert_eq!(story.wants(6000, fires(1, TimerKind::Playback)), ["1: play 0"]);
}

#[test]
fn a_new_question_replaces_ones_own_unheard_one() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "what time is it");
    assert_eq!(
        story.says(2, ALICE, "I mean what day is it"),
        ["1: cancel generation", "1: close interrupted \"\"", "2: generate by groq, full"]
    );
}

#[test]
fn callers_by_name_go_before_others() {
    let mut story = Story::new(PolicyName::Adaptive);
    // Alone with Alice it answers her; then Bob comes and calls it by name.
    story.feed(0, Input::MemberLeft { user: BOB });
    story.feed(0, Input::MemberLeft { user: CAROL });
    story.says(1, ALICE, "what time is it");
    story.feed(0, joined(BOB, "Bob", Consent::Granted));
    assert_eq!(
        story.says(2, BOB, "Antiphon, what day is it"),
        ["1: cancel generation", "1: close interrupted \"\"", "2: generate by offline, brief"]
    );
}

#[test]
fn the_adaptive_policy_answers_addressers_and_their_follow_up() {
    let mut story = Story::new(PolicyName::Adaptive);
    assert_eq!(story.says(1, ALICE, "I think it will rain"), ["1: close ignored \"\""]);
    assert_eq!(story.says(2, ALICE, "Antiphon, what is two plus two?"), ["2: generate by offline, brief"]);
    story.feed(10, sentence(2, 0, "Four.", "offline"));
    story.feed(10, written(2, "offline", 1));
    assert_eq!(story.wants(10, speech(2, 0, "espeak", 500)), ["2: play 0"]);
    story.feed(500, played(2, 0, 500, true));
    assert_eq!(story.says(3, BOB, "I knew that"), ["3: close ignored \"\""]);
    assert_eq!(story.says(4, ALICE, "and three plus three"), ["4: generate by offline, brief"]);
    assert_eq!(story.reason(4, "answer"), "1500 ms after the reply to the same person, within 8000");
}

#[test]
fn a_written_question_is_answered_in_writing_and_aloud() {
    let mut story = Story::new(PolicyName::Adaptive);
    assert_eq!(story.wants(0, asked(1, CAROL, "why is the sky blue")), ["1: generate by groq, full"]);
    story.speaks(1, 0, "Air scatters blue light.", "groq");
    assert_eq!(story.wants(10, written(1, "groq", 1)), ["1: post \"Air scatters blue light.\""]);
    assert_eq!(
        story.wants(2000, played(1, 0, 2000, true)),
        ["1: close answered \"Air scatters blue light.\""]
    );
}

#[test]
fn an_interrupted_answer_to_a_written_question_is_still_posted() {
    let mut story = Story::new(PolicyName::Established);
    story.feed(0, asked(1, ALICE, "why is the sky blue"));
    story.speaks(1, 0, "Air scatters blue light.", "groq");
    assert_eq!(
        story.wants(500, starts(2, BOB)),
        ["1: stop playback, barge_in", "1: cancel generation", "1: post \"Air scatters blue light.\"",]
    );
    assert_eq!(story.wants(5, played(1, 0, 0, false)), ["1: close interrupted \"\""]);
}

#[test]
fn a_text_to_be_said_is_spoken_as_it_stands() {
    let mut story = Story::new(PolicyName::Established);
    assert_eq!(
        story.wants(0, say(1, ALICE, "Dinner is ready. Come down!")),
        ["1: synthesize 0 by piper", "1: synthesize 1 by piper"]
    );
    assert_eq!(story.wants(10, speech(1, 0, "piper", 900)), ["1: play 0"]);
    assert_eq!(story.wants(10, speech(1, 1, "piper", 700)), ["1: play 1"]);
    story.feed(900, played(1, 0, 900, true));
    assert_eq!(
        story.wants(700, played(1, 1, 700, true)),
        ["1: close answered \"Dinner is ready. Come down!\""]
    );
    assert_eq!(story.wants(0, say(2, ALICE, " ... ")), ["2: close unintelligible \"\""]);
}

#[test]
fn a_reply_longer_than_allowed_is_cut_off() {
    let mut story =
        Story::with(PolicyName::Established, Settings { max_sentences: 2, ..Settings::default() });
    story.says(1, ALICE, "explain everything");
    story.feed(10, sentence(1, 0, "First.", "groq"));
    assert_eq!(story.wants(10, sentence(1, 1, "Second.", "groq")), ["1: synthesize 1 by piper"]);
    assert_eq!(story.wants(10, sentence(1, 2, "Third.", "groq")), NOTHING);
}

#[test]
fn a_draining_session_finishes_what_it_began_and_begins_nothing() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "hello");
    story.feed(0, Input::DrainRequested);
    assert_eq!(story.wants(0, starts(2, BOB)), ["2: close ignored \"\""]);
    assert_eq!(story.wants(0, asked(3, BOB, "hello?")), ["3: close ignored \"\""]);
    story.speaks(1, 0, "Hello.", "groq");
    story.feed(0, written(1, "groq", 1));
    assert_eq!(story.wants(2000, played(1, 0, 2000, true)), ["1: close answered \"Hello.\""]);
}

#[test]
fn the_end_of_the_session_closes_every_turn() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "tell me a story");
    story.speaks(1, 0, "Once.", "groq");
    story.feed(0, asked(2, BOB, "and me?"));
    let wants = story.wants(10, over());
    assert_eq!(
        wants,
        [
            "1: stop playback, session_ended",
            "1: cancel generation",
            "1: close abandoned \"\"",
            "2: close abandoned \"\"",
        ]
    );
    assert_eq!(story.wants(10, starts(9, ALICE)), NOTHING);
}

#[test]
fn turns_for_which_nobody_reports_back_are_abandoned() {
    let mut story = Story::new(PolicyName::Established);
    story.says(1, ALICE, "hello");
    // The timer was due after 8 s; nobody fired it, nobody sent a sentence.
    assert_eq!(
        story.wants(13_001, Input::DrainRequested),
        ["1: cancel generation", "1: close abandoned \"\""]
    );
    assert_eq!(story.reason(1, "abandon"), "nobody reported back");
}

#[test]
fn nothing_happens_before_the_session_starts() {
    let mut machine = super::Machine::new(PolicyName::Established);
    assert!(machine.step(T0, &starts(1, ALICE)).is_empty());
    assert_eq!(machine.open_turns(), 0);
}
