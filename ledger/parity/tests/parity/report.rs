//! The page that people read, in a real browser.
use std::path::{Path, PathBuf};
use std::process::Command;

use antiphon_core::chain::{Digest, Proof};
use antiphon_core::ids::Lane;
use bundle::Reader;
use parity::diff::{Identity, Tolerances, compare, load};
use parity::report::ParityReport;
use store::Verified;

use crate::session::{self, NASTY, SESSION, script};

/// Writes the made-up session's report and gives its path and text.
fn report(dir: &Path) -> (PathBuf, String) {
    let bundle = dir.join("bundle");
    session::write(&bundle, &script());
    let reader = Reader::open(&bundle).unwrap();
    let production = load::bundle(&reader, Lane::Production).unwrap();
    let sandbox = load::bundle(&reader, Lane::Sandbox).unwrap();
    let mut parity = compare(&production, &sandbox, &Tolerances::default());
    parity.identity = Some(Identity { of: "production replayed".into(), lines: 34, first_difference: None });
    let chain = Verified { session: SESSION, rows: 83, erased: 0, dropped: 0, broken: None, anchored: true };
    let report = ParityReport {
        runs: (&production, &sandbox),
        parity: &parity,
        bundle: Some(&reader),
        chain: Some(&chain),
        notes: vec!["The transcripts were given by the scripted speakers, not heard by a model.".into()],
    };
    let path = dir.join("parity.html");
    report.write(&path).unwrap();
    let html = std::fs::read_to_string(&path).unwrap();
    (path, html)
}

#[test]
fn the_page_fetches_nothing_and_what_was_said_stays_text() {
    let dir = tempfile::tempdir().unwrap();
    let (_, html) = report(dir.path());
    for fetch in ["http://", "https://", "src=", "@import", "url(h", "<link", "<img"] {
        assert!(!html.contains(fetch), "the page has {fetch}");
    }
    assert_eq!(html.matches("<script>").count(), 1, "only our own");
    assert!(!html.contains(NASTY));
    assert!(html.contains("&lt;script&gt;window.broken"), "it is shown, as text");
    assert!(html.contains("Ben &amp; Söhne"));
    for word in [
        "2 of 4",
        "identical",
        "holds",
        "it was not said to the bot",
        "every utterance is answered",
        "not heard by a model",
    ] {
        assert!(html.contains(word), "{word:?} is not on the page");
    }
}

#[test]
fn withheld_slots_are_hatched_and_show_no_sound() {
    let dir = tempfile::tempdir().unwrap();
    let (_, html) = report(dir.path());
    // Ben withheld consent for the first 5 s of 20 s: a quarter of the 1080 pixels.
    let lane = html.split("<g class=\"lane s1\"").nth(1).unwrap().split("</g>").next().unwrap();
    assert!(lane.contains("class=\"withheld\" x=\"0\"") && lane.contains("width=\"270\""), "{lane}");
    let path = lane.split("class=\"wave\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let first: f64 = path[1..].split_whitespace().next().unwrap().parse().unwrap();
    assert!(first >= 320.0, "the waveform begins at {first}: he spoke from 6 s on");
}

#[test]
fn a_report_without_bundle_or_turns_is_a_page() {
    let mut script = script();
    script.inputs.truncate(3);
    script.production.clear();
    let source = parity::diff::RunSource::Ledger { store: "sqlite".into() };
    let run = load::lines(
        SESSION,
        Lane::Production,
        antiphon_core::event::PolicyName::Established,
        source,
        &script.inputs,
        [],
    );
    let parity = compare(&run, &run, &Tolerances::default());
    let broken = antiphon_core::chain::Break::Head {
        session: SESSION,
        found_rows: 3,
        found: Digest::ZERO,
        anchored_rows: 4,
        anchored: Proof::default().head,
    };
    let chain =
        Verified { session: SESSION, rows: 3, erased: 0, dropped: 0, broken: Some(broken), anchored: true };
    let report = ParityReport {
        runs: (&run, &run),
        parity: &parity,
        bundle: None,
        chain: Some(&chain),
        notes: vec![],
    };
    let html = report.html().unwrap();
    assert!(html.contains("There was no turn.") && html.contains("broken"));
}

/// What Chromium makes of a page: the document after its scripts ran, and what it logged.
fn chromium(page: &Path, profile: &Path, more: &[&str]) -> (String, String) {
    let out = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium must be installed (apt-get install chromium)");
    let logged = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{logged}");
    (String::from_utf8_lossy(&out.stdout).into_owned(), logged)
}

#[test]
fn a_browser_shows_the_page_without_complaint() {
    let dir = tempfile::tempdir().unwrap();
    let (page, _) = report(dir.path());
    let (dom, logged) = chromium(&page, &dir.path().join("profile"), &["--dump-dom"]);
    let complaints: Vec<&str> = logged.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert_eq!(complaints, Vec::<&str>::new());
    for turn in 1..=4 {
        assert!(dom.contains(&format!("id=\"turn-{turn}\"")), "turn {turn} is not in the document");
    }
    // Our script ran under the page's policy (it unhides the filter), and nobody else's did.
    assert!(dom.contains("<label class=\"filter\">"), "the page's own script did not run");
    assert_eq!(dom.matches("<script").count(), 1);
    if let Some(to) = std::env::var_os("PARITY_PAGE") {
        std::fs::copy(&page, to).unwrap();
    }
}
