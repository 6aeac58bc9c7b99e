//! Turns: on the time axis, and side by side.
use std::collections::BTreeMap;

use serde::Serialize;

use super::scale::{Scale, clock, px};
use crate::diff::{Difference, Origin, Parity, Provenance, Run, TurnView};
use antiphon_core::event::{DecisionKind, Outcome};
use antiphon_core::ids::{TurnId, UserId};

/// Pixels of a line of turns on the axis.
pub(super) const LINE: f64 = 24.0;
/// Lines of turns, at most; the rest shares the last.
const MAX_LINES: usize = 6;
/// The narrowest bar that can be hit and holds a number.
const NARROWEST: f64 = 18.0;

/// A turn on the axis.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    turn: TurnId,
    colour: String,
    differs: bool,
    line: usize,
    y: String,
    text_y: String,
    middle: String,
    x: String,
    width: String,
    text_x: String,
    /// The reply: from, how wide, and whether it was cut off.
    reply: Option<Reply>,
    title: String,
}

#[derive(Debug, Serialize)]
struct Reply {
    x: String,
    width: String,
    end: String,
    cut: bool,
    from: String,
}

/// Lays the first run's turns out on the axis; turns that overlap get lines of their own. Gives the number of lines too.
pub(super) fn bars(
    run: &Run,
    parity: &Parity,
    scale: Scale,
    colours: &BTreeMap<UserId, String>,
    top: f64,
) -> (Vec<Bar>, usize) {
    let mut free: Vec<f64> = Vec::new();
    let mut bars = Vec::new();
    for turn in &run.turns {
        let (from, to) = spoken(turn);
        let x = scale.x(from);
        let width = (scale.x(to) - x).max(NARROWEST);
        let end = turn.heard.map_or(x + width, |(_, end)| scale.x(end).max(x + width));
        let line = match free.iter().position(|until| *until + 4.0 <= x) {
            Some(line) => line,
            None if free.len() < MAX_LINES => {
                free.push(0.0);
                free.len() - 1
            }
            None => MAX_LINES - 1,
        };
        free[line] = end;
        let y = top + line as f64 * LINE;
        let reply = turn.heard.map(|(from, to)| Reply {
            x: px(scale.x(from)),
            width: px((scale.x(to) - scale.x(from)).max(2.0)),
            end: px(scale.x(to)),
            cut: turn.outcome == Some(Outcome::Interrupted),
            from: px(x + width),
        });
        let heard = turn.transcript.as_deref().unwrap_or("nothing heard");
        bars.push(Bar {
            turn: turn.turn,
            colour: colours.get(&turn.user).cloned().unwrap_or_else(|| "s0".into()),
            differs: parity.of_turn(turn.turn).next().is_some(),
            line,
            y: px(y + 3.0),
            text_y: px(y + 15.5),
            middle: px(y + LINE / 2.0),
            x: px(x),
            width: px(width),
            text_x: px(x + width / 2.0),
            reply,
            title: format!("Turn {}, {} at {}: {heard}", turn.turn, turn.name, clock(from, true)),
        });
    }
    (bars, free.len())
}

/// A turn side by side.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    turn: TurnId,
    name: String,
    colour: String,
    origin: &'static str,
    when: String,
    transcript: Option<String>,
    confidence: Option<String>,
    missing: Option<&'static str>,
    differing: usize,
    rows: Vec<Row>,
    /// What agrees and is seldom looked for.
    minor: Vec<Row>,
    decisions_a: Vec<DecisionRow>,
    decisions_b: Vec<DecisionRow>,
}

#[derive(Debug, Serialize)]
struct Row {
    minor: bool,
    label: String,
    a: Option<String>,
    b: Option<String>,
    class: Option<&'static str>,
    because_a: Option<String>,
    because_b: Option<String>,
}

#[derive(Debug, Serialize)]
struct DecisionRow {
    at: String,
    kind: String,
    chose: String,
    because: String,
    over: String,
}

/// Every turn of either run, side by side.
pub(super) fn cards(a: &Run, b: &Run, parity: &Parity, colours: &BTreeMap<UserId, String>) -> Vec<Card> {
    let mut pairs: BTreeMap<TurnId, (Option<&TurnView>, Option<&TurnView>)> = BTreeMap::new();
    for turn in &a.turns {
        pairs.entry(turn.turn).or_default().0 = Some(turn);
    }
    for turn in &b.turns {
        pairs.entry(turn.turn).or_default().1 = Some(turn);
    }
    pairs.into_values().filter_map(|(x, y)| card(x, y, parity, colours)).collect()
}

fn card(
    a: Option<&TurnView>,
    b: Option<&TurnView>,
    parity: &Parity,
    colours: &BTreeMap<UserId, String>,
) -> Option<Card> {
    let turn = a.or(b)?;
    let differences: Vec<&Difference> = parity.of_turn(turn.turn).collect();
    let (from, to) = spoken(turn);
    let empty = TurnView::default();
    let decisions = |turn: Option<&TurnView>| turn.map(decision_rows).unwrap_or_default();
    let (minor, rows) =
        rows(a.unwrap_or(&empty), b.unwrap_or(&empty), &differences).into_iter().partition(|row| row.minor);
    Some(Card {
        turn: turn.turn,
        name: turn.name.clone(),
        colour: colours.get(&turn.user).cloned().unwrap_or_else(|| "s0".into()),
        origin: match turn.origin {
            Origin::Spoken => "spoken",
            Origin::Asked => "written question",
            Origin::Said => "asked to say",
        },
        when: if from == to {
            clock(from, true)
        } else {
            format!("{} to {}", clock(from, true), clock(to, true))
        },
        transcript: turn.transcript.clone().filter(|text| !text.is_empty()),
        confidence: turn.confidence.map(|permille| format!("{} %", f64::from(permille) / 10.0)),
        missing: match (a, b) {
            (Some(_), None) => Some("b"),
            (None, Some(_)) => Some("a"),
            _ => None,
        },
        differing: differences.len(),
        rows,
        minor,
        decisions_a: decisions(a),
        decisions_b: decisions(b),
    })
}

fn rows(a: &TurnView, b: &TurnView, differences: &[&Difference]) -> Vec<Row> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let yes = |turn: &TurnView| {
        (turn.turn != TurnId(0)).then(|| if turn.responded { "yes" } else { "no" }.to_owned())
    };
    let outcome = |turn: &TurnView| turn.outcome.map(spell);
    let shows_origin = [a, b].iter().any(|turn| turn.provenance("reply") != Provenance::Performed);
    let origin = |turn: &TurnView| {
        (shows_origin && !turn.reply.is_empty()).then(|| turn.provenance("reply").as_str().to_owned())
    };
    // Shown although they agree: what a reader looks for first.
    let mut rows: Vec<(&str, String, Option<String>, Option<String>)> = vec![
        ("transcript", "Heard".into(), None, None),
        ("intent", "Intent".into(), a.intent.clone(), b.intent.clone()),
        ("responded", "Answers".into(), yes(a), yes(b)),
        ("stt", "Transcriber".into(), a.stt.clone(), b.stt.clone()),
        ("llm", "Language model".into(), a.llm.clone(), b.llm.clone()),
        ("style", "Style".into(), a.style.clone(), b.style.clone()),
        ("tts", "Voice".into(), a.tts.clone(), b.tts.clone()),
        ("reply", "Reply".into(), text(&a.reply), text(&b.reply)),
        ("reply_origin", "Reply is".into(), origin(a), origin(b)),
        ("said", "Really said".into(), text(&a.said), text(&b.said)),
        ("outcome", "Outcome".into(), outcome(a), outcome(b)),
    ];
    for (stage, label) in [
        ("transcribe", "Transcribing took"),
        ("first_token", "First token after"),
        ("generate", "Writing took"),
        ("speech", "First speech took"),
        ("play", "Wish to play after"),
        ("voice_to_voice", "Voice to voice"),
    ] {
        let show = |turn: &TurnView| match turn.latencies.get(stage) {
            Some(ms) => match turn.provenance(&format!("latency.{stage}")) {
                Provenance::Performed => Some(format!("{ms} ms")),
                other => Some(format!("{ms} ms ({}, not compared)", other.as_str())),
            },
            // A lane whose wishes are not carried out is never heard.
            None if stage == "voice_to_voice" && turn.heard.is_none() && a.latencies.contains_key(stage) => {
                Some("not heard".to_owned())
            }
            None => None,
        };
        rows.push((stage, label.into(), show(a), show(b)));
    }
    let differing = |field: &str| {
        differences.iter().find(|difference| {
            difference.field == field || difference.field.strip_prefix("latency.") == Some(field)
        })
    };
    let mut out: Vec<Row> = rows
        .into_iter()
        .filter_map(|(field, label, a, b)| {
            let difference = differing(field);
            if difference.is_none() && a.is_none() && b.is_none() {
                return None;
            }
            let (a, b) = match difference {
                // The card's own heading shows what was heard, unless the runs heard otherwise.
                Some(difference) if field == "transcript" => (difference.a.clone(), difference.b.clone()),
                _ => (a, b),
            };
            let major = matches!(
                field,
                "responded" | "reply" | "reply_origin" | "said" | "outcome" | "voice_to_voice"
            );
            Some(Row {
                minor: difference.is_none() && !major,
                label,
                a,
                b,
                class: difference.map(|difference| difference.class.as_str()),
                because_a: difference.and_then(|difference| difference.because_a.clone()),
                because_b: difference.and_then(|difference| difference.because_b.clone()),
            })
        })
        .collect();
    // Differences in fields that have no row of their own.
    for difference in differences {
        if matches!(difference.field.as_str(), "user" | "confidence" | "interrupt") {
            out.push(Row {
                minor: false,
                label: difference.field.clone(),
                a: difference.a.clone(),
                b: difference.b.clone(),
                class: Some(difference.class.as_str()),
                because_a: difference.because_a.clone(),
                because_b: difference.because_b.clone(),
            });
        }
    }
    out
}

fn decision_rows(turn: &TurnView) -> Vec<DecisionRow> {
    turn.decisions
        .iter()
        .map(|decision| DecisionRow {
            at: clock(decision.at_ms, true),
            kind: kind(decision.kind).to_owned(),
            chose: decision.chose.clone(),
            because: decision.because.clone(),
            over: decision.over.join(", "),
        })
        .collect()
}

fn spoken(turn: &TurnView) -> (u64, u64) {
    let millis = u64::from(antiphon_core::audio::SLOT_MS);
    match turn.audio {
        Some((first, slots)) => {
            (first.saturating_mul(millis), first.saturating_add(slots).saturating_mul(millis))
        }
        None => (turn.began_ms, turn.ended_ms.unwrap_or(turn.began_ms)),
    }
}

fn kind(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Transcriber => "transcriber",
        DecisionKind::Respond => "respond",
        DecisionKind::Intent => "intent",
        DecisionKind::Model => "model",
        DecisionKind::Style => "style",
        DecisionKind::Voice => "voice",
        DecisionKind::Interrupt => "interrupt",
        DecisionKind::Fallback => "fallback",
        DecisionKind::Policy => "policy",
    }
}

fn spell(outcome: Outcome) -> String {
    match outcome {
        Outcome::Answered => "answered aloud",
        Outcome::AnsweredInText => "answered in writing",
        Outcome::Interrupted => "interrupted",
        Outcome::Ignored => "not answered",
        Outcome::Unintelligible => "unintelligible",
        Outcome::Failed => "failed",
        Outcome::Abandoned => "abandoned",
    }
    .to_owned()
}
