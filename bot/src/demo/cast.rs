//! Who takes part, with which voice, and what they say.
use discord_sim::speaker::Voice;

/// Alice agrees to be heard.
pub(super) fn alice() -> Voice {
    Voice { name: "en-us+f4".into(), speed: 155, pitch: 55 }
}

/// Bob does not.
pub(super) fn bob() -> Voice {
    Voice { name: "en-gb+m7".into(), speed: 150, pitch: 40 }
}

/// What Alice asks first.
pub(super) const TIME: &str = "Hey Antiphon, what time is it?";
/// What Alice asks while Bob talks over her.
pub(super) const SUM: &str = "What is seven plus five?";
/// What Bob says at the same time. Nothing of it may be kept or understood.
pub(super) const ASIDE: &str = "I want to go home.";
/// What Alice asks for and then interrupts.
pub(super) const STORY: &str = "Antiphon, tell me a story.";
/// How she interrupts.
pub(super) const STOP: &str = "Antiphon, stop.";
/// What she says at the end.
pub(super) const THANKS: &str = "Thank you, Antiphon.";

/// Everything that Alice says, in order.
pub(super) const LINES: [&str; 5] = [TIME, SUM, STORY, STOP, THANKS];
