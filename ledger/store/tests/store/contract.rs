//! What every store keeps to. Each promise is a function; both stores run them all.
use antiphon_core::chain::{Break, Digest, Proof};
use antiphon_core::ids::GuildId;
use antiphon_core::time::Timestamp;
use store::{LedgerStore, SessionEntry, StoreError, verify_all, verify_session};

use crate::rows::{GUILD, START, chained, session};

pub(crate) async fn holds(store: &dyn LedgerStore) {
    an_empty_store_knows_nothing(store).await;
    rows_come_back_as_they_went_in(store).await;
    a_batch_sent_twice_is_stored_once(store).await;
    a_gap_is_refused_and_nothing_of_the_batch_stays(store).await;
    a_second_writer_of_a_session_is_refused(store).await;
    pages_follow_each_other(store).await;
    sessions_are_listed_by_guild_the_latest_first(store).await;
    sessions_come_in_pages_that_miss_none(store).await;
    rows_are_found_by_guild_and_time(store).await;
    verifying_compares_with_an_anchor(store).await;
    store.health().await.unwrap();
}

async fn an_empty_store_knows_nothing(store: &dyn LedgerStore) {
    assert_eq!(store.proof(session(1)).await.unwrap(), None);
    assert_eq!(store.read(session(1), 0, 10).await.unwrap(), []);
    assert_eq!(store.sessions(None, None, 10).await.unwrap(), []);
    store.append(&[]).await.unwrap();
}

async fn rows_come_back_as_they_went_in(store: &dyn LedgerStore) {
    let (rows, proof) = chained(session(2), 100);
    store.append(&rows).await.unwrap();
    assert_eq!(store.read(session(2), 0, 1_000).await.unwrap(), rows);
    assert_eq!(store.proof(session(2)).await.unwrap(), Some(proof));
}

async fn a_batch_sent_twice_is_stored_once(store: &dyn LedgerStore) {
    let (rows, proof) = chained(session(3), 30);
    store.append(&rows[..20]).await.unwrap();
    store.append(&rows[..20]).await.unwrap();
    store.append(&rows[10..]).await.unwrap();
    assert_eq!(store.read(session(3), 0, 1_000).await.unwrap().len(), 30);
    assert_eq!(store.proof(session(3)).await.unwrap(), Some(proof));
}

async fn a_gap_is_refused_and_nothing_of_the_batch_stays(store: &dyn LedgerStore) {
    let (rows, _) = chained(session(4), 10);
    let (others, _) = chained(session(5), 5);
    let batch: Vec<_> = others.iter().chain(&rows[..3]).chain(&rows[4..]).cloned().collect();
    let refused = store.append(&batch).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { seq: 4, .. }), "{refused}");
    assert_eq!(store.proof(session(4)).await.unwrap(), None);
    assert_eq!(store.proof(session(5)).await.unwrap(), None, "the other session's rows of the batch");
}

async fn a_second_writer_of_a_session_is_refused(store: &dyn LedgerStore) {
    let (rows, _) = chained(session(6), 10);
    store.append(&rows[..5]).await.unwrap();
    let mut other = rows[5].clone();
    other.prev = Digest::of(b"another history");
    let refused = store.append(&[other]).await.unwrap_err();
    assert!(refused.to_string().contains("another writer"), "{refused}");
    let mut other = rows[2].clone();
    other.hash = Digest::of(b"another row");
    assert!(matches!(store.append(&[other]).await, Err(StoreError::Conflict { seq: 2, .. })));
    assert!(!refused.is_transient());
}

async fn pages_follow_each_other(store: &dyn LedgerStore) {
    let (rows, _) = chained(session(7), 25);
    store.append(&rows).await.unwrap();
    let mut read = Vec::new();
    while read.len() < 25 {
        let page = store.read(session(7), read.len() as u64, 7).await.unwrap();
        assert!(!page.is_empty() && page.len() <= 7);
        read.extend(page);
    }
    assert_eq!(read, rows);
}

async fn sessions_are_listed_by_guild_the_latest_first(store: &dyn LedgerStore) {
    let (mut rows, _) = chained(session(8), 3);
    for row in &mut rows {
        row.guild = GuildId(u64::MAX);
        row.at = Timestamp(row.at.0 + 3_600_000_000);
    }
    // Another guild's rows, with a chain of their own.
    let mut end = Proof::default();
    for row in &mut rows {
        row.prev = end.head;
        row.hash = row.expected_hash();
        end = Proof { rows: end.rows + 1, head: row.hash };
    }
    store.append(&rows).await.unwrap();
    let all = store.sessions(None, None, 100).await.unwrap();
    assert_eq!(all[0].session, session(8), "it began last");
    assert_eq!(all[0].first_at, rows[0].at);
    assert_eq!(all[0].last_at, rows[2].at);
    let of_guild = store.sessions(Some(GuildId(u64::MAX)), None, 100).await.unwrap();
    assert_eq!(of_guild.iter().map(|entry| entry.session).collect::<Vec<_>>(), [session(8)]);
    assert_eq!(store.sessions(Some(GUILD), None, 2).await.unwrap().len(), 2);
}

async fn sessions_come_in_pages_that_miss_none(store: &dyn LedgerStore) {
    let all = store.sessions(None, None, 1_000).await.unwrap();
    assert!(all.len() > 3);
    assert_eq!(store.session_count().await.unwrap(), all.len() as u64);
    for (guild, expected) in [(None, all.clone()), (Some(GUILD), of(GUILD, &all))] {
        let mut paged: Vec<SessionEntry> = Vec::new();
        loop {
            let page = store.sessions(guild, paged.last(), 2).await.unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, expected);
    }
    let mut seen = Vec::new();
    verify_all(store, |verified, done, total| {
        assert!(verified.holds(), "{verified:?}");
        seen.push((verified.session, done, total));
    })
    .await
    .unwrap();
    let total = all.len() as u64;
    let expected: Vec<_> = all.iter().zip(1..).map(|(entry, done)| (entry.session, done, total)).collect();
    assert_eq!(seen, expected);
}

fn of(guild: GuildId, sessions: &[SessionEntry]) -> Vec<SessionEntry> {
    sessions.iter().filter(|entry| entry.guild == guild).cloned().collect()
}

async fn rows_are_found_by_guild_and_time(store: &dyn LedgerStore) {
    let from = Timestamp(START.0 + 3_000_000);
    let to = Timestamp(START.0 + 5_000_000);
    let rows = store.between(GUILD, from, to, 1_000).await.unwrap();
    assert!(rows.iter().all(|row| row.guild == GUILD && row.at >= from && row.at < to));
    assert_eq!(rows.iter().filter(|row| row.session == session(2)).count(), 2);
}

async fn verifying_compares_with_an_anchor(store: &dyn LedgerStore) {
    let proof = store.proof(session(2)).await.unwrap().unwrap();
    let verified = verify_session(store, session(2), Some(proof)).await.unwrap();
    assert!(verified.holds() && verified.anchored, "{verified:?}");
    assert_eq!(verified.rows, 100);
    let other = Proof { rows: 101, ..proof };
    let verified = verify_session(store, session(2), Some(other)).await.unwrap();
    assert!(matches!(verified.broken, Some(Break::Head { anchored_rows: 101, .. })));
    let gone = verify_session(store, session(99), Some(proof)).await.unwrap();
    assert!(!gone.holds(), "a session that was deleted as a whole");
}
