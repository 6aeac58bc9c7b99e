//! The current head of each session's chain.
use std::collections::HashMap;

use uuid::Uuid;

use super::delivery::Delivery;
use super::error::StoreError;
use antiphon_core::chain::{Chain, ChainedRow, Proof, Salt};
use antiphon_core::event::Input;
use antiphon_core::ids::SessionId;
use antiphon_core::record::{Body, Record};

/// Sessions whose chains are remembered after they ended, for rows that come late.
const MAX_ENDED: usize = 1_024;

pub(super) struct Chains {
    open: HashMap<SessionId, Chain>,
    /// Sessions that ended, and those of which an earlier process left rows in the spool.
    ended: HashMap<SessionId, Chain>,
    /// Sessions with a later id were begun by this process.
    started: Uuid,
}

impl Chains {
    /// `spooled` is how far the sessions go of which rows wait in the spool.
    pub(super) fn new(spooled: HashMap<SessionId, Proof>) -> Self {
        let ended = spooled.into_iter().map(|(session, proof)| (session, Chain::from_proof(proof))).collect();
        Self { open: HashMap::new(), ended, started: Uuid::now_v7() }
    }

    /// Whether rows of a session can be chained: its chain is known, or the store says where it stands. An error when the
    /// store does not answer: a chain that begins in the wrong place is refused for good.
    pub(super) async fn open(&mut self, record: &Record, delivery: &Delivery) -> Result<(), StoreError> {
        let session = record.session;
        if self.is_open(session) {
            return Ok(());
        }
        let chain = if let Some(chain) = self.ended.remove(&session) {
            chain
        } else if matches!(record.body, Body::Input { input: Input::SessionStarted { .. } })
            || self.is_new(session)
        {
            Chain::default()
        } else {
            if delivery.waiting() > 0 {
                return Err(StoreError::Transient("other rows wait to be written first".into()));
            }
            delivery.proof(session).await?.map(Chain::from_proof).unwrap_or_default()
        };
        self.open.insert(session, chain);
        Ok(())
    }

    /// Whether this process made the id: then no other has written rows under it.
    fn is_new(&self, session: SessionId) -> bool {
        session.0.get_version_num() == 7 && session.0 > self.started
    }

    pub(super) fn is_open(&self, session: SessionId) -> bool {
        self.open.contains_key(&session)
    }

    /// Gives a record its place in its session's chain, which must be open.
    pub(super) fn push(&mut self, record: &Record, rows: &mut Vec<ChainedRow>) {
        match self.open.entry(record.session).or_default().push(record, Salt(rand::random())) {
            Ok(row) => rows.push(row),
            Err(error) => {
                metrics::counter!("antiphon_ledger_rejected_total").increment(1);
                tracing::error!(session = %record.session, %error, "a record cannot be written as JSON");
            }
        }
    }

    /// Ends a session; gives how far it goes.
    pub(super) fn end(&mut self, session: SessionId) -> Proof {
        let Some(chain) = self.open.remove(&session) else {
            return self.ended.get(&session).map(Chain::proof).unwrap_or_default();
        };
        if self.ended.len() >= MAX_ENDED
            && let Some(oldest) = self.ended.keys().min().copied()
        {
            self.ended.remove(&oldest);
        }
        self.ended.insert(session, chain);
        chain.proof()
    }
}
