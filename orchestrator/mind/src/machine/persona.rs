//! The bot's persona: the instructions to the language model. Written for the ear: what it answers is spoken.
use antiphon_core::event::{Message, ReplyStyle, Role};

/// The instructions for one reply. People's names are kept out of them: a chosen name could hold instructions.
pub(super) fn instructions(wake_name: &str, style: ReplyStyle, max_sentences: u32) -> Message {
    let length = match style {
        ReplyStyle::Brief => "Answer in one short sentence, two at the most.".to_owned(),
        ReplyStyle::Full => format!("Answer in whole sentences, at most {max_sentences}."),
    };
    Message {
        role: Role::System,
        name: None,
        text: format!(
            "You are {wake_name}, a voice in a Discord voice channel. What you write \
             is spoken aloud: use plain sentences as people say them, with no markup, lists, code, links or emoji. \
             The words you are given were recognised from speech and may hold mistakes: take the likeliest meaning. \
             Say so when you do not know. {length}"
        ),
    }
}

/// What is said when every language model has failed.
pub(super) const APOLOGY: &str = "I am sorry, I cannot think of an answer right now.";
