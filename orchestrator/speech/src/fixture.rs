//! The fixture recogniser, for the demo and tests: scripted speakers publish what they say and when, and it looks the
//! turn up and gives the line back. It recognises nothing, and says so wherever it is named.
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use antiphon_core::audio::SLOT_MS;
use antiphon_core::event::ProviderKind;
use antiphon_core::ids::UserId;
use async_trait::async_trait;

use super::limits::Limits;
use super::provider::{About, SpeechError};
use super::transcribe::{Heard, SpeechToText, Transcript, Utterance};

pub const NAME: &str = "script";

/// How far a line may lie outside the turn and still belong to it: voice activity detection starts early and ends
/// late, and a jitter buffer delays.
const SLACK_MS: u64 = 400;

/// One line that a scripted speaker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it starts, in milliseconds from the session's start.
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: String,
}

/// What the scripted speakers say. Shared: speakers add lines while the session runs.
#[derive(Debug, Clone, Default)]
pub struct FixtureLines(Arc<RwLock<HashMap<UserId, Part>>>);

/// One speaker's lines.
#[derive(Debug, Default)]
struct Part {
    lines: Vec<Line>,
    /// How many were read in order, for turns whose place is not known.
    read: usize,
}

impl FixtureLines {
    /// Adds a line.
    pub fn publish(&self, user: UserId, line: Line) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(user).or_default().lines.push(line);
    }

    /// What `user` says within a stretch of time.
    fn said(&self, user: UserId, start_ms: u64, end_ms: u64) -> String {
        let lines = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<&Line> = lines
            .get(&user)
            .into_iter()
            .flat_map(|part| &part.lines)
            .filter(|line| {
                let from = line.start_ms.max(start_ms.saturating_sub(SLACK_MS));
                let to = line.end_ms.min(end_ms + SLACK_MS);
                to.saturating_sub(from) * 2 > line.end_ms.saturating_sub(line.start_ms)
            })
            .collect();
        found.sort_by_key(|line| line.start_ms);
        found.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The next line of `user` that was not read yet, in the order in which lines were published.
    fn next(&self, user: UserId) -> String {
        let mut parts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = parts.get_mut(&user) else { return String::new() };
        let line = part.lines.get(part.read).map(|line| line.text.clone());
        part.read += usize::from(line.is_some());
        line.unwrap_or_default()
    }
}

/// Gives transcripts from [`FixtureLines`].
#[derive(Debug)]
pub struct FixtureStt {
    about: About,
    lines: FixtureLines,
}

impl FixtureStt {
    /// A recogniser for these lines.
    pub fn new(lines: FixtureLines) -> Self {
        let about = About {
            name: NAME.into(),
            kind: ProviderKind::Stt,
            engine: "script".into(),
            model: None,
            note: Some(
                "demo and tests only: it reads what the scripted speakers published and recognises nothing"
                    .into(),
            ),
            expected_ms: 1,
        };
        Self { about, lines }
    }
}

#[async_trait]
impl SpeechToText for FixtureStt {
    fn about(&self) -> &About {
        &self.about
    }

    async fn transcribe(&self, utterance: Utterance, limits: &Limits) -> Result<Transcript, SpeechError> {
        limits
            .run(NAME, async {
                if utterance.samples.is_empty() {
                    return Ok(Transcript::nothing());
                }
                let text = match utterance.span {
                    Some(span) => {
                        let start_ms = span.first_slot * u64::from(SLOT_MS);
                        self.lines.said(utterance.user, start_ms, start_ms + span.millis())
                    }
                    None => self.lines.next(utterance.user),
                };
                if text.is_empty() {
                    return Ok(Transcript::nothing());
                }
                Ok(Transcript {
                    text,
                    heard: Heard::Words,
                    confidence: 1.0,
                    least: 1.0,
                    mean: 1.0,
                    pieces: 1,
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::audio::{AudioSpan, SlotCounts};

    use super::*;

    fn turn(user: u64, first_slot: u64, slots: u64) -> Utterance {
        let span = AudioSpan { first_slot, slots, marks: SlotCounts::default() };
        Utterance { user: UserId(user), span: Some(span), samples: vec![0.1; 320] }
    }

    fn lines() -> FixtureLines {
        let lines = FixtureLines::default();
        let line = |start_ms, end_ms, text: &str| Line { start_ms, end_ms, text: text.into() };
        lines.publish(UserId(1), line(1_000, 2_000, "hello there"));
        lines.publish(UserId(1), line(5_000, 6_000, "what time is it"));
        lines.publish(UserId(2), line(1_200, 2_200, "me too"));
        lines
    }

    #[tokio::test]
    async fn a_turn_is_matched_by_speaker_and_time() {
        let stt = FixtureStt::new(lines());
        for (utterance, expected) in [
            (turn(1, 60, 55), "hello there"),
            (turn(2, 70, 50), "me too"),
            (turn(1, 240, 70), "what time is it"),
            (turn(1, 40, 270), "hello there what time is it"),
            (turn(1, 130, 60), ""),
            (turn(3, 60, 55), ""),
        ] {
            let got = stt.transcribe(utterance, &Limits::default()).await.unwrap();
            assert_eq!(got.text, expected);
        }
    }

    #[tokio::test]
    async fn a_turn_of_unknown_place_is_the_next_line() {
        let stt = FixtureStt::new(lines());
        for expected in ["hello there", "what time is it", ""] {
            let utterance = Utterance::new(UserId(1), vec![0.1; 320]);
            assert_eq!(stt.transcribe(utterance, &Limits::default()).await.unwrap().text, expected);
        }
    }

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let known = turn(1, 60, 55);
        crate::contract::speech_to_text(&FixtureStt::new(lines()), Some((known, "hello there"))).await;
    }
}
