//! State of one turn.
use antiphon_core::event::{Action, TimerKind};
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;

use super::limits::MAX_TIMER_MS;
use super::out::Out;

/// How a turn came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// By speech in the channel.
    Spoken,
    /// By `/ask`: answered in the text channel and aloud.
    Asked,
    /// By `/say`: the text itself is spoken.
    Said,
}

/// Where a turn stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The person is speaking.
    Listening,
    /// The transcript is awaited.
    Transcribing,
    /// To be answered when the floor is free.
    Waiting,
    /// Has the floor: its reply is being written, spoken or played.
    Replying,
    /// Interrupted: only the report of what was really played is awaited.
    Stopping,
}

/// How a sentence of the reply stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voicing {
    /// Its speech is being made.
    Synthesizing,
    /// Its speech is there.
    Ready,
    /// It was handed to playback.
    Queued,
    /// Its first frame went out.
    Playing,
    /// It was played, wholly or in part.
    Played { played_ms: u32, completed: bool },
    /// It will not be spoken.
    Unspoken,
}

/// One sentence of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) text: String,
    pub(super) voicing: Voicing,
    pub(super) provider: String,
    pub(super) tried: Vec<String>,
    pub(super) audio_ms: u32,
    /// It was written to the text channel.
    pub(super) posted: bool,
}

/// The reply of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reply {
    pub(super) sentences: Vec<Sentence>,
    /// More sentences may come.
    pub(super) writing: bool,
    /// It is only an apology.
    pub(super) apology: bool,
    /// The voice that speaks it, once chosen.
    pub(super) voice: Option<String>,
    /// Nobody can speak: the rest is posted.
    pub(super) text_only: bool,
    /// Some of it was posted (written questions: all of it; others: what could not be spoken).
    pub(super) posted: bool,
    /// The sentence that is to be played next.
    pub(super) next_play: usize,
    /// The sentence whose speech the timer is set for.
    pub(super) awaited: Option<usize>,
    /// Something of it was handed to playback.
    pub(super) audible: bool,
    /// It was held back for somebody who speaks, and for how long it may be is being timed.
    pub(super) held: bool,
    /// It has been held back long enough.
    pub(super) held_enough: bool,
}

impl Reply {
    pub(super) fn is_out(&self) -> bool {
        self.sentences.iter().any(|s| matches!(s.voicing, Voicing::Queued | Voicing::Playing))
    }

    pub(super) fn is_synthesizing(&self) -> bool {
        self.sentences.iter().any(|s| s.voicing == Voicing::Synthesizing)
    }

    /// What was really said aloud.
    pub(super) fn said(&self) -> String {
        let mut said = String::new();
        for sentence in &self.sentences {
            let heard = match sentence.voicing {
                Voicing::Played { completed: true, .. } => sentence.text.as_str(),
                Voicing::Played { played_ms, completed: false } => {
                    cut(&sentence.text, played_ms, sentence.audio_ms)
                }
                _ => "",
            };
            if !heard.is_empty() {
                if !said.is_empty() {
                    said.push(' ');
                }
                said.push_str(heard);
            }
        }
        said
    }

    /// All of it as written.
    pub(super) fn text(&self) -> String {
        self.sentences.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// The words of `text` that fit into the first `played` of `whole` milliseconds, taking speech as even.
fn cut(text: &str, played: u32, whole: u32) -> &str {
    if played >= whole {
        return if played == 0 { "" } else { text };
    }
    let chars = text.chars().count() as u64;
    let spoken = usize::try_from(chars * u64::from(played) / u64::from(whole)).unwrap_or(0);
    let Some((end, next)) = text.char_indices().nth(spoken) else { return text };
    let cut = &text[..end];
    if next.is_whitespace() {
        return cut.trim_end();
    }
    // The word in which it broke off was not said.
    cut.rfind(char::is_whitespace).map_or("", |at| cut[..at].trim_end())
}

/// Timers that are set, with when they are due and when they were set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Timers([Option<(Timestamp, Timestamp)>; 4]);

const KINDS: [TimerKind; 4] =
    [TimerKind::Transcribe, TimerKind::Generate, TimerKind::Synthesize, TimerKind::Playback];

impl Timers {
    fn slot(&mut self, timer: TimerKind) -> &mut Option<(Timestamp, Timestamp)> {
        let [transcribe, generate, synthesize, playback] = &mut self.0;
        match timer {
            TimerKind::Transcribe => transcribe,
            TimerKind::Generate => generate,
            TimerKind::Synthesize => synthesize,
            TimerKind::Playback => playback,
        }
    }

    pub(super) fn set(
        &mut self,
        at: Timestamp,
        turn: TurnId,
        timer: TimerKind,
        after_ms: u32,
        out: &mut Out,
    ) {
        let after_ms = after_ms.clamp(1, MAX_TIMER_MS);
        let due = at.after(std::time::Duration::from_millis(u64::from(after_ms)));
        *self.slot(timer) = Some((at, due));
        out.push(Action::SetTimer { turn, timer, after_ms });
    }

    pub(super) fn cancel(&mut self, turn: TurnId, timer: TimerKind, out: &mut Out) {
        if self.slot(timer).take().is_some() {
            out.cancel_timer(turn, timer);
        }
    }

    pub(super) fn cancel_all(&mut self, turn: TurnId, out: &mut Out) {
        for timer in KINDS {
            self.cancel(turn, timer, out);
        }
    }

    /// Takes a timer that has fired. One that fires before half its time has run belongs to its predecessor of the
    /// same kind, which was replaced while it was on its way.
    pub(super) fn fired(&mut self, at: Timestamp, timer: TimerKind) -> bool {
        match *self.slot(timer) {
            Some((set, due)) if at.0 >= set.0 + due.0.saturating_sub(set.0) / 2 => {
                *self.slot(timer) = None;
                true
            }
            _ => false,
        }
    }

    pub(super) fn first_due(&self) -> Option<Timestamp> {
        self.0.iter().flatten().map(|(_, due)| *due).min()
    }
}

/// A turn that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) id: TurnId,
    pub(super) user: UserId,
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) stage: Stage,
    pub(super) opened: Timestamp,
    /// When the person had finished: what the latency budget counts from.
    pub(super) heard: Timestamp,
    /// What is to be answered, or said.
    pub(super) text: String,
    pub(super) addressed: bool,
    /// The provider that is asked now, and those given up in this stage.
    pub(super) provider: String,
    pub(super) tried: Vec<String>,
    pub(super) timers: Timers,
    pub(super) reply: Reply,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_sentence_is_cut_at_the_last_whole_word() {
        let text = "Once upon a time there was a fox";
        assert_eq!(cut(text, 0, 3000), "");
        assert_eq!(cut(text, 1000, 3000), "Once upon");
        assert_eq!(cut(text, 1500, 3000), "Once upon a time");
        assert_eq!(cut(text, 2999, 3000), "Once upon a time there was a");
        assert_eq!(cut(text, 3000, 3000), text);
        assert_eq!(cut(text, 5, 0), text);
        assert_eq!(cut("", 5, 10), "");
    }

    #[test]
    fn a_timer_that_fires_for_its_predecessor_is_not_taken() {
        let (mut timers, mut out) = (Timers::default(), Out::default());
        timers.set(Timestamp::from_millis(1000), TurnId(1), TimerKind::Generate, 1000, &mut out);
        assert!(!timers.fired(Timestamp::from_millis(1001), TimerKind::Generate));
        assert!(!timers.fired(Timestamp::from_millis(2000), TimerKind::Transcribe));
        assert!(timers.fired(Timestamp::from_millis(2000), TimerKind::Generate));
        assert!(!timers.fired(Timestamp::from_millis(2000), TimerKind::Generate));
    }
}
