//! The facts at the top of the page.
use std::collections::BTreeSet;

use serde::Serialize;

use super::scale::clock;
use crate::diff::Parity;
use bundle::Reader;
use store::Verified;

/// A fact: what it is about, what it is, and what else there is to know.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    label: &'static str,
    value: String,
    detail: String,
    /// `good`, `bad` or `plain`.
    state: &'static str,
}

/// How often a field agrees.
#[derive(Debug, Serialize)]
pub(super) struct FieldRow {
    field: String,
    compared: u64,
    agreed: u64,
    percent: u64,
    /// Why it was not compared in the other turns.
    left_out: Option<String>,
}

pub(super) fn facts(parity: &Parity, bundle: Option<&Reader>, chain: Option<&Verified>) -> Vec<Fact> {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut facts = vec![Fact {
        label: "Turns that agree",
        value: format!("{} of {}", parity.agreed, parity.turns),
        detail: format!(
            "{}; with 95 % confidence between {} and {}",
            percent(parity.agreement),
            percent(parity.interval.low),
            percent(parity.interval.high)
        ),
        state: "plain",
    }];
    if let Some(identity) = &parity.identity {
        facts.push(Fact {
            label: "Replay",
            value: if identity.identical() { "identical".into() } else { "differs".into() },
            detail: match &identity.first_difference {
                None => format!("{}: {} actions, bit for bit", identity.of, identity.lines),
                Some(first) => format!("{}: parts at action {}", identity.of, first.line),
            },
            state: if identity.identical() { "good" } else { "bad" },
        });
    }
    if let Some(chain) = chain {
        let anchored =
            if chain.anchored { "head as in the bundle" } else { "head not anchored outside the ledger" };
        facts.push(Fact {
            label: "Ledger chain",
            value: if chain.holds() { "holds".into() } else { "broken".into() },
            detail: match &chain.broken {
                None if chain.dropped > 0 => {
                    format!(
                        "{} rows, {anchored}; {} records were lost, and the chain says so",
                        chain.rows, chain.dropped
                    )
                }
                None => format!("{} rows, {anchored}", chain.rows),
                Some(broken) => broken.to_string(),
            },
            state: if chain.holds() { "good" } else { "bad" },
        });
    }
    if let Some(bundle) = bundle {
        let manifest = bundle.manifest();
        let mut marks = antiphon_core::audio::SlotCounts::default();
        for track in manifest.tracks.iter().filter(|track| track.kind == bundle::TrackKind::Speaker) {
            marks.merge(&track.marks);
        }
        let due = marks.received + marks.concealed + marks.undecryptable;
        facts.push(Fact {
            label: "Packets",
            value: format!("{} of {due}", marks.received),
            detail: format!(
                "{} concealed, {} undecryptable, {} slots withheld",
                marks.concealed, marks.undecryptable, marks.withheld
            ),
            state: "plain",
        });
        facts.push(Fact {
            label: "Session",
            value: clock(manifest.ended.millis_since(manifest.started), false),
            detail: format!("{} people, ended: {}", manifest.members.len(), manifest.end_reason),
            state: "plain",
        });
    }
    facts
}

pub(super) fn fields(parity: &Parity) -> Vec<FieldRow> {
    let names: BTreeSet<&String> = parity.fields.keys().chain(parity.not_comparable.keys()).collect();
    names
        .into_iter()
        .map(|field| {
            let of = parity.fields.get(field).copied().unwrap_or_default();
            FieldRow {
                field: field.replace("latency.", "latency: ").replace('_', " "),
                compared: of.compared,
                agreed: of.agreed,
                percent: (of.agreed * 100).checked_div(of.compared).unwrap_or(100),
                left_out: parity.not_comparable.get(field).map(|left_out| {
                    format!("not comparable in {} turns: {}", left_out.turns, left_out.reason)
                }),
            }
        })
        .collect()
}
