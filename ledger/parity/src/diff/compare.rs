//! Lines two runs up, turn by turn and field by field.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::classify::{Cause, explains};
use super::interval::wilson;
use super::parity::{Class, Difference, FieldParity, NotComparable, Parity};
use super::provenance::Provenance;
use super::run::Run;
use super::turn::TurnView;
use antiphon_core::ids::TurnId;

/// What counts as the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tolerances {
    /// Latencies may differ by this share of the longer one.
    pub latency: f64,
    /// Latencies may differ by this much whatever their length: clocks have a grain.
    pub latency_floor_ms: u64,
    /// Confidences may differ by so many thousandths.
    pub confidence_permille: u16,
    /// Fields to leave out, such as `said` or `latency.play`; `latency` leaves out all latencies.
    pub ignore: BTreeSet<String>,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self { latency: 0.05, latency_floor_ms: 5, confidence_permille: 0, ignore: BTreeSet::new() }
    }
}

impl Tolerances {
    fn ignores(&self, field: &str) -> bool {
        self.ignore.contains(field) || (field.starts_with("latency.") && self.ignore.contains("latency"))
    }

    fn same_latency(&self, a: u64, b: u64) -> bool {
        let apart = a.abs_diff(b);
        apart <= self.latency_floor_ms || apart as f64 <= self.latency * a.max(b) as f64
    }
}

/// Compares two runs. Turns are lined up by number.
pub fn compare(a: &Run, b: &Run, tolerances: &Tolerances) -> Parity {
    let by_number = |run: &'_ Run| run.turns.iter().map(|turn| turn.turn).collect::<BTreeSet<_>>();
    let numbers: BTreeSet<TurnId> = by_number(a).union(&by_number(b)).copied().collect();
    let (mut differences, mut fields) = (Vec::new(), Fields::default());
    let mut agreed = 0;
    for number in &numbers {
        let find = |run: &'_ Run| run.turns.iter().position(|turn| turn.turn == *number);
        let found = match (find(a), find(b)) {
            (Some(x), Some(y)) => pair(a, b, (&a.turns[x], &b.turns[y]), tolerances, &mut fields),
            (x, y) => vec![Difference {
                turn: *number,
                field: "turn".into(),
                a: x.map(|x| summary(&a.turns[x])),
                b: y.map(|y| summary(&b.turns[y])),
                class: Class::Input,
                because_a: None,
                because_b: None,
            }],
        };
        agreed += u64::from(found.is_empty());
        differences.extend(found);
    }
    let turns = numbers.len() as u64;
    let mut classes = BTreeMap::new();
    for difference in &differences {
        *classes.entry(difference.class).or_default() += 1;
    }
    Parity {
        a: a.label(),
        b: b.label(),
        session_a: a.session,
        session_b: b.session,
        turns,
        agreed,
        agreement: if turns == 0 { 1.0 } else { agreed as f64 / turns as f64 },
        interval: wilson(agreed, turns),
        same_inputs: a.inputs_digest == b.inputs_digest,
        same_actions: a.actions_digest == b.actions_digest,
        fields: fields.compared,
        not_comparable: fields.not_comparable,
        classes,
        differences,
        ignored: tolerances.ignore.iter().cloned().collect(),
        identity: None,
    }
}

/// How the fields of all turns fared.
#[derive(Debug, Default)]
struct Fields {
    compared: BTreeMap<String, FieldParity>,
    not_comparable: BTreeMap<String, NotComparable>,
}

/// Why two values say nothing about the runs, if they don't: a latency that one side took over from the other agrees whatever
/// the side would have taken, and a stand-in's reply is not the reply of the provider that was asked.
fn not_comparable(field: &str, a: Provenance, b: Provenance) -> Option<String> {
    let measured = field.starts_with("latency.");
    let written = matches!(field, "reply" | "said");
    let weakest = a.max(b);
    if (measured && weakest != Provenance::Performed) || (written && weakest == Provenance::StandIn) {
        let what = if measured {
            "the two sides did not measure it separately"
        } else {
            "another provider wrote it"
        };
        return Some(format!("{what} (a: {}, b: {})", a.as_str(), b.as_str()));
    }
    None
}

/// The differences of two turns of the same number.
fn pair(
    a: &Run,
    b: &Run,
    turns: (&TurnView, &TurnView),
    tolerances: &Tolerances,
    fields: &mut Fields,
) -> Vec<Difference> {
    let (x, y) = turns;
    let cause = Cause::of(a, b, turns);
    let mut differences = Vec::new();
    let mut check = |field: &str, values: (Option<String>, Option<String>), same: bool| {
        if tolerances.ignores(field) || values == (None, None) {
            return;
        }
        if let Some(reason) = not_comparable(field, x.provenance(field), y.provenance(field)) {
            let left_out = fields.not_comparable.entry(field.to_owned());
            left_out.or_insert_with(|| NotComparable { turns: 0, reason }).turns += 1;
            return;
        }
        let parity = fields.compared.entry(field.to_owned()).or_default();
        parity.compared += 1;
        parity.agreed += u64::from(same);
        if !same {
            let because =
                |turn: &TurnView| explains(field).and_then(|kind| turn.because(kind)).map(str::to_owned);
            differences.push(Difference {
                turn: x.turn,
                field: field.to_owned(),
                a: values.0,
                b: values.1,
                class: cause.class(field),
                because_a: because(x),
                because_b: because(y),
            });
        }
    };
    for ((field, of_x), (_, of_y)) in texts(x).into_iter().zip(texts(y)) {
        let same = of_x == of_y;
        check(field, (of_x, of_y), same);
    }
    let confidence = |turn: &TurnView| turn.confidence.map(|permille| permille.to_string());
    let same = match (x.confidence, y.confidence) {
        (Some(of_x), Some(of_y)) => of_x.abs_diff(of_y) <= tolerances.confidence_permille,
        (of_x, of_y) => of_x == of_y,
    };
    check("confidence", (confidence(x), confidence(y)), same);
    let stages: BTreeSet<&String> = x.latencies.keys().chain(y.latencies.keys()).collect();
    for stage in stages {
        // A stage that one run does not have is reported by the field that made it leave it out.
        if let (Some(of_x), Some(of_y)) = (x.latencies.get(stage), y.latencies.get(stage)) {
            let show = |ms: &u64| Some(format!("{ms} ms"));
            check(
                &format!("latency.{stage}"),
                (show(of_x), show(of_y)),
                tolerances.same_latency(*of_x, *of_y),
            );
        }
    }
    differences
}

/// The fields that are compared as texts, in the order in which they are reported.
fn texts(turn: &TurnView) -> [(&'static str, Option<String>); 12] {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let outcome = turn.outcome.and_then(|outcome| serde_json::to_value(outcome).ok());
    [
        ("user", Some(turn.user.to_string())),
        ("transcript", turn.transcript.clone()),
        ("intent", turn.intent.clone()),
        ("responded", Some(if turn.responded { "yes" } else { "no" }.to_owned())),
        ("stt", turn.stt.clone()),
        ("llm", turn.llm.clone()),
        ("style", turn.style.clone()),
        ("tts", turn.tts.clone()),
        ("reply", text(&turn.reply)),
        ("said", text(&turn.said)),
        ("outcome", outcome.and_then(|outcome| outcome.as_str().map(str::to_owned))),
        ("interrupt", turn.chose(antiphon_core::event::DecisionKind::Interrupt).map(str::to_owned)),
    ]
}

fn summary(turn: &TurnView) -> String {
    format!("{}: {}", turn.name, turn.transcript.as_deref().unwrap_or("(nothing heard)"))
}
