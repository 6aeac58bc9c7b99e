//! Puts transcripts together from what happened: what people said from their transcripts and where their words are on
//! their tracks, what the bot said from what was really played of each reply.
use std::collections::BTreeMap;

use super::lines::TranscriptLine;
use antiphon_core::audio::SLOT_MS;
use antiphon_core::event::{Action, Input, Member};
use antiphon_core::ids::{TurnId, UserId};
use antiphon_core::time::Timestamp;

/// The most turns that are kept open; the oldest gives way. No session has so many at a time.
const MAX_OPEN: usize = 256;

/// Follows inputs and production's actions.
#[derive(Debug)]
pub struct Transcriber {
    started: Timestamp,
    bot: Member,
    names: BTreeMap<UserId, String>,
    /// Where a turn's words are: from and to, in milliseconds.
    spoken: BTreeMap<TurnId, (u64, u64)>,
    /// When a turn's reply was heard: from and to.
    played: BTreeMap<TurnId, (u64, u64)>,
}

impl Transcriber {
    /// For a session that started then, with this bot.
    pub fn new(started: Timestamp, bot: Member) -> Self {
        Self { started, bot, names: BTreeMap::new(), spoken: BTreeMap::new(), played: BTreeMap::new() }
    }

    /// Takes an input; gives a line when somebody's words are known.
    pub fn input(&mut self, at: Timestamp, input: &Input) -> Option<TranscriptLine> {
        let now = at.millis_since(self.started);
        match input {
            Input::MemberJoined { member, .. } => {
                self.names.insert(member.user, member.name.clone());
            }
            Input::UserSpeechEnded { turn, audio, .. } => {
                let from = audio.first_slot.saturating_mul(u64::from(SLOT_MS));
                keep(&mut self.spoken, *turn, (from, from.saturating_add(audio.millis())));
            }
            Input::TranscriptFinal { turn, user, text, confidence_permille, provider, .. } => {
                let (start_ms, end_ms) = self.spoken.remove(turn).unwrap_or((now, now));
                if text.trim().is_empty() {
                    return None;
                }
                return Some(TranscriptLine {
                    at,
                    turn: *turn,
                    user: *user,
                    name: self.names.get(user).cloned().unwrap_or_else(|| user.to_string()),
                    bot: false,
                    start_ms,
                    end_ms,
                    text: text.clone(),
                    confidence_permille: Some(*confidence_permille),
                    provider: Some(provider.clone()),
                });
            }
            Input::TranscriptFailed { turn, .. } => {
                self.spoken.remove(turn);
            }
            Input::PlaybackStarted { turn, .. } if !self.played.contains_key(turn) => {
                keep(&mut self.played, *turn, (now, now));
            }
            Input::PlaybackFinished { turn, .. } => {
                if let Some((_, to)) = self.played.get_mut(turn) {
                    *to = now;
                }
            }
            _ => {}
        }
        None
    }

    /// Takes one of production's actions; gives a line when a reply has ended.
    pub fn action(&mut self, at: Timestamp, action: &Action) -> Option<TranscriptLine> {
        let Action::CloseTurn { turn, said, .. } = action else {
            return None;
        };
        self.spoken.remove(turn);
        let (start_ms, end_ms) = self.played.remove(turn)?;
        let said = said.trim();
        (!said.is_empty()).then(|| TranscriptLine {
            at,
            turn: *turn,
            user: self.bot.user,
            name: self.bot.name.clone(),
            bot: true,
            start_ms,
            end_ms,
            text: said.to_owned(),
            confidence_permille: None,
            provider: None,
        })
    }
}

fn keep(open: &mut BTreeMap<TurnId, (u64, u64)>, turn: TurnId, span: (u64, u64)) {
    open.insert(turn, span);
    if open.len() > MAX_OPEN {
        open.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::audio::AudioSpan;
    use antiphon_core::event::{Consent, Outcome};

    fn transcriber() -> Transcriber {
        let bot = Member { user: UserId(9), name: "Antiphon".into(), bot: true };
        let mut transcriber = Transcriber::new(Timestamp(0), bot);
        let member = Member { user: UserId(1), name: "Ada".into(), bot: false };
        transcriber.input(Timestamp(0), &Input::MemberJoined { member, consent: Consent::Granted });
        transcriber
    }

    #[test]
    fn words_are_placed_where_they_were_spoken() {
        let mut transcriber = transcriber();
        let audio = AudioSpan { first_slot: 50, slots: 100, ..AudioSpan::default() };
        transcriber.input(
            Timestamp::from_millis(3_000),
            &Input::UserSpeechEnded { turn: TurnId(1), user: UserId(1), audio },
        );
        let line = transcriber
            .input(
                Timestamp::from_millis(3_700),
                &Input::TranscriptFinal {
                    turn: TurnId(1),
                    user: UserId(1),
                    text: "Hello".into(),
                    confidence_permille: 900,
                    provider: "whisper".into(),
                    took_ms: 700,
                },
            )
            .unwrap();
        assert_eq!((line.start_ms, line.end_ms, line.name.as_str()), (1_000, 3_000, "Ada"));
    }

    #[test]
    fn an_interrupted_reply_is_written_as_far_as_said() {
        let mut transcriber = transcriber();
        let at = Timestamp::from_millis;
        transcriber.input(at(5_000), &Input::PlaybackStarted { turn: TurnId(1), index: 0 });
        let finished =
            Input::PlaybackFinished { turn: TurnId(1), index: 0, played_ms: 800, completed: false };
        transcriber.input(at(5_800), &finished);
        let close =
            Action::CloseTurn { turn: TurnId(1), outcome: Outcome::Interrupted, said: "It is half".into() };
        let line = transcriber.action(at(5_810), &close).unwrap();
        assert_eq!((line.start_ms, line.end_ms, line.text.as_str()), (5_000, 5_800, "It is half"));
        assert!(line.bot);
        assert_eq!(transcriber.action(at(5_900), &close), None, "a turn closes once");
    }
}
