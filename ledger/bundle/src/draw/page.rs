//! The page: a head, a lane for each person and the bot, two lanes of decisions, the time above and below.
use super::decision_name;
use super::events::{Decided, Events};
use super::outline::Outline;
use super::scale::{LEFT, Scale, clock};
use super::strokes::{Canvas, NAMES, Rows};
use super::text::{escape, fit, width};
use crate::format::manifest::{Manifest, Track, TrackKind};
use antiphon_core::audio::{SlotCounts, SlotMark};

/// Font size of words and labels.
const SIZE: f64 = 11.0;
const HEAD: f64 = 96.0;
/// Half the height of a waveform, and of the place where one would be.
const REACH: f64 = 30.0;
const NO_REACH: f64 = 8.0;
/// Rows of words under a waveform.
const WORD_ROWS: usize = 2;
const ROW: f64 = 14.0;
/// Rows of labels in a lane of decisions.
const DECISION_ROWS: usize = 7;
const DECISIONS: f64 = 24.0 + DECISION_ROWS as f64 * ROW + 14.0;
/// Names stand again so often on wide pages.
const AGAIN: f64 = 1_400.0;
/// Pixels of somebody's words at the most; pointing at them shows the rest.
const MOST_WORDS: f64 = 460.0;

const STYLE: &str = "\
text{font:11px system-ui,'Segoe UI',Roboto,'Noto Sans',sans-serif;fill:#1f2933}
.h{font-size:17px;font-weight:600}.dim{fill:#616e7c}.name{font-weight:600;font-size:13px}.again{fill:#9aa5b1;font-weight:600}
.grid{stroke:#e4e7eb;stroke-width:1}.rule{stroke:#cbd2d9;stroke-width:1}.tick{fill:#616e7c}
.lane{fill:#fafbfc}.turn{fill:#dbeafe;stroke:#3b82f6;stroke-width:1;rx:3}.turnt{fill:#1d4ed8;font-weight:600}
.heard{fill:#dcfce7;stroke:#16a34a;stroke-width:1;rx:3}.heardt{fill:#166534;font-weight:600}
.peak{fill:#93b4e8}.power{fill:#2f62b5}.botpeak{fill:#8fceaa}.botpower{fill:#1f8a4c}
.received{fill:#86b386}.concealed{fill:#f59e0b}.undecryptable{fill:#dc2626}.silent{fill:#dfe3e8}.withheld{fill:#7c3aed}
.barge{stroke:#e11d48;stroke-width:1.5;stroke-dasharray:5 3}.barget{fill:#be123c;font-weight:700}
.people{stroke:#52606d;stroke-width:1;stroke-dasharray:2 2}.peoplet{fill:#52606d;font-style:italic}
.same{fill:#7b8794}.other{fill:#d97706}.stem{stroke:#cbd2d9;stroke-width:1}.othert{fill:#b45309;font-weight:700}
.none{fill:#9aa5b1;font-style:italic}";

/// Half the height of a track's sound. Who has none, and whose words nobody knows, takes less room.
fn reach(track: &Track, events: &Events) -> f64 {
    if track.blob.is_some() || events.words.contains_key(&track.user) { REACH } else { NO_REACH }
}

/// One person: turns, waveform, marks, words, and air.
fn height(track: &Track, events: &Events) -> f64 {
    let reach = reach(track, events);
    let words = if reach > NO_REACH { WORD_ROWS as f64 * ROW } else { 0.0 };
    32.0 + 2.0 * reach + 12.0 + words + 22.0
}

pub(super) fn draw(
    manifest: &Manifest,
    scale: Scale,
    events: &Events,
    tracks: &[(&Track, Outline)],
) -> String {
    let mut tops = vec![HEAD];
    for (track, _) in tracks {
        tops.push(tops.last().copied().unwrap_or(HEAD) + height(track, events));
    }
    let lanes = tops.last().copied().unwrap_or(HEAD) - HEAD;
    let bottom = HEAD + lanes + 2.0 * DECISIONS + 8.0;
    let (w, h) = (scale.page(), bottom + 30.0);
    let mut on = Canvas::default();
    on.out.push_str(&format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" \
         height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" role=\"img\">\n<title>Session {}</title>\n\
         <style>{STYLE}</style>\n<rect width=\"{w:.0}\" height=\"{h:.0}\" fill=\"#fff\"/>\n",
        manifest.session
    ));
    head(&mut on, manifest, events);
    for edges in tops.windows(2) {
        on.rect("lane", LEFT, edges[0], scale.width, edges[1] - edges[0] - 10.0, "");
    }
    for lane in 0..2 {
        on.rect("lane", LEFT, HEAD + lanes + f64::from(lane) * DECISIONS, scale.width, DECISIONS - 10.0, "");
    }
    axis(&mut on, scale, bottom);
    for ((track, outline), top) in tracks.iter().zip(&tops) {
        person(&mut on, scale, events, track, outline, *top);
    }
    let policies = manifest.policies;
    let both = [
        ("production", policies.production.as_str(), &events.production),
        ("sandbox", policies.sandbox.as_str(), &events.sandbox),
    ];
    for (n, (lane, policy, decided)) in both.into_iter().enumerate() {
        decisions(&mut on, scale, lane, policy, decided, HEAD + lanes + n as f64 * DECISIONS);
    }
    let mut rows = Rows::new(1, SIZE);
    for at in &events.barge_in {
        let x = scale.x(*at);
        on.line("barge", x, HEAD - 6.0, HEAD + lanes - 8.0);
        if let Some((_, x, text)) = rows.place(x + 3.0, "barge-in", scale.page(), 80.0) {
            on.text("barget", x, HEAD - 10.0, &text);
        }
    }
    on.out.push_str("</svg>\n");
    on.out
}

fn head(on: &mut Canvas, manifest: &Manifest, events: &Events) {
    let seconds = manifest.ended.millis_since(manifest.started) as f64 / 1e3;
    on.text("h", 12.0, 24.0, &format!("Session {}", manifest.session));
    let people = manifest.members.iter().filter(|member| !member.bot).count();
    let mut line = format!(
        "{} to {} ({seconds:.1} s) · guild {} · channel {} · {people} {} · {} turns · ended: {}",
        manifest.started,
        manifest.ended,
        manifest.guild,
        manifest.channel,
        if people == 1 { "person" } else { "people" },
        manifest.counts.turns,
        manifest.end_reason
    );
    if events.left_out > 0 {
        line.push_str(&format!(" · {} more details are not drawn", events.left_out));
    }
    on.text("dim", 12.0, 42.0, &line);
    let mut x = 12.0;
    let mut legend = |on: &mut Canvas, class: &str, label: &str| {
        if class == "barge" {
            on.line(class, x + 6.0, 50.0, 64.0);
        } else if matches!(class, "same" | "other") {
            on.diamond(class, x + 6.0, 57.0, 5.0, label);
        } else {
            on.rect(class, x, 52.0, 12.0, 10.0, "");
        }
        on.text("dim", x + 17.0, 61.0, label);
        x += 17.0 + width(label, SIZE) + 16.0;
    };
    legend(on, "turn", "turn");
    legend(on, "heard", "playback");
    for mark in SlotMark::ALL {
        let label = match mark {
            SlotMark::Received => "received",
            SlotMark::Concealed => "lost, concealed",
            SlotMark::Undecryptable => "undecryptable",
            SlotMark::Silent => "silent",
            SlotMark::Withheld => "withheld (no consent)",
        };
        legend(on, mark.as_str(), label);
    }
    legend(on, "barge", "barge-in");
    legend(on, "same", "decision");
    legend(on, "other", "decision on which the lanes differ");
}

fn axis(on: &mut Canvas, scale: Scale, bottom: f64) {
    let ticks = scale.ticks();
    let fine = ticks.get(1).is_some_and(|step| step % 1_000 != 0);
    for at in ticks {
        let x = scale.x(at);
        on.line("grid", x, HEAD - 4.0, bottom);
        let label = clock(at, fine);
        on.text("tick", x + 3.0, bottom + 14.0, &label);
        // Barge-in is written above the lanes, right of its line; the time keeps to the row above it.
        on.text("tick", x + 3.0, HEAD - 22.0 + 2.0, &label);
    }
}

fn person(on: &mut Canvas, scale: Scale, events: &Events, track: &Track, outline: &Outline, top: f64) {
    let bot = track.kind == TrackKind::Bot;
    let reach = reach(track, events);
    let middle = top + 20.0 + reach;
    name(on, scale, &track.name, &track.user.to_string(), top + 18.0, top + 30.0);
    if !bot {
        for (n, line) in quality(&track.marks).iter().enumerate() {
            on.text("dim", 12.0, top + 48.0 + n as f64 * 15.0, line);
        }
    } else {
        on.text("dim", 12.0, top + 48.0, "the bot, as it was heard");
    }
    on.rect("rule", LEFT, middle, scale.width, 0.4, "");
    match outline.paths(middle, reach - 2.0) {
        Some((peaks, power)) => {
            on.path(if bot { "botpeak" } else { "peak" }, &peaks);
            on.path(if bot { "botpower" } else { "power" }, &power);
        }
        None if !bot => on.text("none", LEFT + 8.0, middle - 4.0, "no sound is kept"),
        None => {}
    }
    if bot {
        for played in &events.played {
            band(on, scale, "heard", "heardt", played.from_ms, played.to_ms, top, "played");
        }
    } else {
        for turn in events.turns.get(&track.user).into_iter().flatten() {
            band(on, scale, "turn", "turnt", turn.from_ms, turn.to_ms, top, &format!("turn {}", turn.what));
        }
    }
    let strip = middle + reach + 15.0;
    for run in events.marks.get(&track.user).into_iter().flatten() {
        let (from, to) = (scale.x(run.from_ms), scale.x(run.to_ms));
        let title = format!(
            "{}, {} to {} ({} ms)",
            run.what.as_str(),
            clock(run.from_ms, true),
            clock(run.to_ms, true),
            run.to_ms - run.from_ms
        );
        on.rect(run.what.as_str(), from, strip, to - from, 7.0, &title);
    }
    let mut rows = Rows::new(2, SIZE);
    for (at, what) in events.people.get(&track.user).into_iter().flatten() {
        let x = scale.x(*at);
        on.line("people", x, top + 2.0, strip + 7.0);
        if let Some((row, x, text)) = rows.place(x + 3.0, what, scale.page() - 6.0, 200.0) {
            let y = strip - 3.0 - row as f64 * 12.0;
            on.titled("peoplet", x, y, &text, &format!("{what} at {}", clock(*at, true)));
        }
    }
    let mut rows = Rows::new(WORD_ROWS, SIZE);
    for words in events.words.get(&track.user).into_iter().flatten() {
        let title = format!("{} {}", clock(words.from_ms, true), words.what);
        let placed = rows.place(scale.x(words.from_ms), &words.what, scale.page() - 10.0, MOST_WORDS);
        if let Some((row, x, text)) = placed {
            on.titled("", x, strip + 20.0 + row as f64 * ROW, &text, &title);
        }
    }
}

/// Tells of what a track is made, in the room that names have.
fn quality(marks: &SlotCounts) -> Vec<String> {
    let heard = marks.received + marks.concealed + marks.undecryptable;
    if marks.withheld > 0 && heard == 0 {
        return vec!["withheld".into()];
    }
    if heard == 0 {
        return vec!["never spoke".into()];
    }
    let lost = (marks.concealed + marks.undecryptable) as f64 / heard as f64 * 100.0;
    let mut out = vec![format!("{lost:.1} % lost")];
    out.extend((marks.withheld > 0).then(|| "some withheld".to_owned()));
    out
}

#[allow(clippy::too_many_arguments, reason = "a stretch is where it is, how it looks and what it says")]
fn band(on: &mut Canvas, scale: Scale, class: &str, text: &str, from: u64, to: u64, top: f64, label: &str) {
    let (x, end) = (scale.x(from), scale.x(to));
    let title =
        format!("{label}, {} to {} ({} ms)", clock(from, true), clock(to, true), to.saturating_sub(from));
    on.rect(class, x, top + 3.0, end - x, 13.0, &title);
    if let Some(label) = fit(label, SIZE, end - x - 4.0) {
        on.text(text, x + 4.0, top + 13.5, &label);
    }
}

fn decisions(on: &mut Canvas, scale: Scale, lane: &str, policy: &str, decided: &[Decided], top: f64) {
    name(on, scale, lane, &format!("policy {policy}"), top + 18.0, top + DECISIONS - 15.0);
    if decided.is_empty() {
        on.text("none", LEFT + 8.0, top + 20.0, "no decisions are recorded");
        return;
    }
    let differ = decided.iter().filter(|decided| decided.differs).count();
    on.text("dim", 12.0, top + 48.0, &format!("{} decisions", decided.len()));
    if differ > 0 {
        on.text("othert", 12.0, top + 63.0, &format!("{differ} differ"));
    }
    let mut rows = Rows::new(DECISION_ROWS, SIZE);
    for one in decided {
        let (x, decision) = (scale.x(one.at_ms), &one.decision);
        let turn = decision.turn.map(|turn| format!("turn {turn}, ")).unwrap_or_default();
        let label = format!("{}: {}", decision_name(decision.kind), decision.choice);
        let title = format!("{} {turn}{label}, because {}", clock(one.at_ms, true), decision.reason);
        if let Some((row, at, text)) = rows.place(x + 3.0, &label, scale.page() - 6.0, 190.0) {
            let y = top + 30.0 + row as f64 * ROW;
            on.line("stem", x, top + 12.0, y - 4.0);
            on.titled(if one.differs { "othert" } else { "dim" }, at, y, &text, &title);
        }
        if !one.differs {
            on.diamond("same", x, top + 11.0, 4.5, &title);
        }
    }
    // On top of the others of the same moment.
    for one in decided.iter().filter(|one| one.differs) {
        let label = format!("{}: {}", decision_name(one.decision.kind), one.decision.choice);
        on.diamond("other", scale.x(one.at_ms), top + 11.0, 4.5, &label);
    }
}

/// A lane's name at its left, and again now and then on a wide page, where it is in nobody's way.
fn name(on: &mut Canvas, scale: Scale, name: &str, under: &str, y: f64, again: f64) {
    let short = fit(name, 13.0, NAMES).unwrap_or_else(|| name.chars().take(3).collect());
    on.titled("name", 12.0, y, &short, name);
    let under = fit(under, SIZE, NAMES + 6.0).unwrap_or_default();
    on.text("dim", 12.0, y + 15.0, &under);
    let mut x = LEFT + AGAIN;
    while x < LEFT + scale.width - 200.0 {
        on.out
            .push_str(&format!(r#"<text class="again" x="{x:.0}" y="{again:.1}">{}</text>"#, escape(&short)));
        on.out.push('\n');
        x += AGAIN;
    }
}
