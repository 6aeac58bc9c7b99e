//! Recovered bundles and the ledger: the proof is attached when the ledger has all that the bundle kept, and only then.
use std::path::Path;

use antiphon_core::audio::SlotMark;
use antiphon_core::chain::{Chain, ChainedRow, Proof, Salt};
use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::{Lane, TurnId};
use antiphon_core::record::{Body, Record};
use bundle::recover::{Decided, recover_with};
use bundle::{Reader, Recovery, Writer, recover};
use parity::cover::proof_of;
use store::{LedgerStore, SqliteStore, verify_session};

use crate::sample::{ADA, at, head, made_up_packet, packet};

/// What becomes of the rows.
type Edit = fn(&mut Vec<ChainedRow>);

/// Steps of the session.
const STEPS: u64 = 12;

fn input(n: u64) -> Input {
    Input::UserSpeechStarted { turn: TurnId(n as u32 + 1), user: ADA }
}

fn wanted(n: u64) -> Action {
    Action::CancelGeneration { turn: TurnId(n as u32 + 1) }
}

/// A recording that broke off after `STEPS` steps, and the rows that a ledger got of it, something else among them.
fn broken_off(dir: &Path) -> Vec<ChainedRow> {
    let mut writer = Writer::create(dir, head()).unwrap();
    let mut chain = Chain::default();
    let mut rows = Vec::new();
    for n in 0..STEPS {
        let bytes = made_up_packet(n as u16);
        writer.slot(ADA, n, SlotMark::Received, Some(packet(n as u16, n, &bytes))).unwrap();
        let mut row = |lane, body| {
            let record = Record::new(head().guild, head().session, at(n * 20), lane, body);
            rows.push(chain.push(&record, Salt([n as u8; 16])).unwrap());
        };
        row(None, Body::Transition { key: format!("key:{n}"), before: None, after: None });
        row(None, Body::Input { input: input(n) });
        row(
            Some(Lane::Production),
            Body::Action { action: wanted(n), policy: PolicyName::Established, step_us: n },
        );
        let step = writer.input(at(n * 20), &input(n)).unwrap();
        writer.actions(Lane::Production, PolicyName::Established, at(n * 20), step, &[wanted(n)]).unwrap();
    }
    drop(writer);
    rows
}

async fn recovered(dir: &Path, store: &dyn LedgerStore, spool: Option<&Path>) -> Recovery {
    let runtime = tokio::runtime::Handle::current();
    let prove = |decided: Decided<'_>| {
        let proof = async { proof_of(store, &decided, spool).await };
        let proof = tokio::task::block_in_place(|| runtime.block_on(proof));
        proof.map_err(|error| error.to_string())
    };
    let recovery = recover_with(dir, "the power went", prove).unwrap();
    let reader = Reader::open(dir).unwrap();
    assert_eq!(reader.verify(|_, _| {}).unwrap().problems, Vec::<String>::new());
    assert_eq!(reader.manifest().ledger, recovery.ledger);
    assert_eq!(recovery.ledger.is_none(), recovery.unproven.is_some());
    recovery
}

async fn store(dir: &Path, rows: &[ChainedRow]) -> SqliteStore {
    let store = SqliteStore::open(&dir.join("ledger.db")).await.unwrap();
    if !rows.is_empty() {
        store.append(rows).await.unwrap();
    }
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_has_all_that_was_kept_proves_it() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let rows = broken_off(&bundle);
    let store = store(dir.path(), &rows).await;
    let recovery = recovered(&bundle, &store, None).await;
    let proof = Proof { rows: rows.len() as u64, head: rows.last().unwrap().hash };
    assert_eq!(recovery.ledger, Some(proof));
    let verified = verify_session(&store, head().session, Some(proof)).await.unwrap();
    assert!(verified.holds() && verified.anchored);
    let report = std::fs::read_to_string(bundle.join("recovery.json")).unwrap();
    assert!(report.contains(&proof.head.to_string()), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_all_rows_the_report_says_why_proof_is_missing() {
    let cases: [(&str, Edit); 4] = [
        ("has no row of session", |rows| rows.clear()),
        ("ends before the bundle: input 9 is not in it", |rows| rows.truncate(8 * 3 + 1)),
        ("ends before the bundle: production's action 11 is not in it", |rows| rows.truncate(10 * 3 + 2)),
        ("is broken: row 4", |rows| rows[4].content = Some("{}".into())),
    ];
    for (why, edit) in cases {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("bundle");
        let mut rows = broken_off(&bundle);
        edit(&mut rows);
        let store = store(dir.path(), &rows).await;
        let recovery = recovered(&bundle, &store, None).await;
        let said = recovery.unproven.unwrap_or_default();
        assert!(said.contains(why), "{why}: {said}");
        let report = std::fs::read_to_string(bundle.join("recovery.json")).unwrap();
        assert!(report.contains("\"unproven\""), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recovering_again_attaches_a_proof_that_waited_for_rows() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let rows = broken_off(&bundle);
    let (there, waiting) = rows.split_at(20);
    let store = store(dir.path(), there).await;
    let spool = dir.path().join("ledger.spool");
    let lines: String = waiting.iter().map(|row| serde_json::to_string(row).unwrap() + "\n").collect();
    std::fs::write(&spool, lines).unwrap();
    let early = recovered(&bundle, &store, Some(&spool)).await;
    assert!(early.unproven.unwrap().contains("16 rows of the session wait in"));
    // They have come in.
    store.append(waiting).await.unwrap();
    let late = recovered(&bundle, &store, Some(&spool)).await;
    assert!(late.was_whole && late.session_over);
    assert_eq!(late.ledger, Some(Proof { rows: 36, head: rows[35].hash }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_its_recording_is_proven_after_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let mut rows = broken_off(&bundle);
    // As the session itself does when the disk is full.
    let rescued = recover(&bundle, "the disk is full").unwrap();
    assert!(rescued.unproven.unwrap().contains("antiphon bundle recover"));
    let store = store(dir.path(), &rows).await;
    let early = recovered(&bundle, &store, None).await;
    assert!(early.unproven.unwrap().contains("may go on"));
    let mut chain = Chain::from_proof(Proof { rows: 36, head: rows[35].hash });
    let ended = Body::Input { input: Input::SessionEnded { reason: "everybody left".into() } };
    let record = Record::new(head().guild, head().session, at(9_000), None, ended);
    rows.push(chain.push(&record, Salt([7; 16])).unwrap());
    store.append(&rows).await.unwrap();
    let late = recovered(&bundle, &store, None).await;
    assert_eq!(late.ledger, Some(chain.proof()));
}
