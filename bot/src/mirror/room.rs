//! The way from senders into a session: who is seated, and where their sound goes.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::event::{Consent, Member};
use antiphon_core::ids::UserId;
use antiphon_core::time::{Clock, Timestamp};
use async_trait::async_trait;
use capture::mirror::wire::Declaration;
use capture::mirror::{Claim, Piece, Refusal, Roster, Seated};
use orchestrator::session::SessionHandle;
use tokio::sync::Notify;

/// What a room needs of a session: a [`SessionHandle`], or what stands in for one in tests.
#[async_trait]
pub trait SessionInput: Send + Sync {
    /// A person came in, or came again, with this consent.
    async fn joined(&self, member: Member, consent: Consent, resumed: bool);
    /// A person left.
    async fn left(&self, user: UserId);
    /// A person granted or revoked consent.
    async fn consent(&self, user: UserId, consent: Consent);
    /// Sound. Never waits; says whether there was room for it.
    fn hear(&self, piece: Piece) -> bool;
}

#[async_trait]
impl SessionInput for SessionHandle {
    async fn joined(&self, member: Member, consent: Consent, resumed: bool) {
        if resumed {
            self.ears().came_again(member.user);
            let before = self.roster().into_iter().find(|(here, _)| here.user == member.user);
            if before.is_some_and(|(_, held)| held != consent) {
                SessionHandle::consent(self, member.user, consent).await;
            }
        } else {
            SessionHandle::joined(self, member, consent).await;
        }
    }

    async fn left(&self, user: UserId) {
        SessionHandle::left(self, user).await;
    }

    async fn consent(&self, user: UserId, consent: Consent) {
        SessionHandle::consent(self, user, consent).await;
    }

    fn hear(&self, piece: Piece) -> bool {
        self.ears().mirrored(piece)
    }
}

/// The seats of one session, and its input.
pub struct Room {
    input: Arc<dyn SessionInput>,
    clock: Arc<dyn Clock>,
    roster: Mutex<Roster>,
    claims: AtomicU64,
    changed: Notify,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("roster", &self.roster).finish_non_exhaustive()
    }
}

impl Room {
    /// A room with these seats.
    pub fn new(input: Arc<dyn SessionInput>, clock: Arc<dyn Clock>, roster: Roster) -> Self {
        Self { input, clock, roster: Mutex::new(roster), claims: AtomicU64::new(0), changed: Notify::new() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number for a new connection.
    pub(super) fn claim(&self) -> Claim {
        self.claims.fetch_add(1, Ordering::Relaxed)
    }

    /// A poisoned lock still holds good data: each change is one call.
    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn sit(&self, claim: Claim, declaration: &Declaration) -> Result<Seated, Refusal> {
        let seated = self.roster().sit(claim, declaration)?;
        let member = Member { user: declaration.user, name: declaration.name.clone(), bot: false };
        self.input.joined(member, consent(declaration.consent), seated.resumed).await;
        Ok(seated)
    }

    pub(super) fn holds(&self, claim: Claim, user: UserId) -> bool {
        self.roster().holds(claim, user)
    }

    pub(super) fn hear(&self, piece: Piece) -> bool {
        self.input.hear(piece)
    }

    pub(super) async fn consent(&self, claim: Claim, user: UserId, given: bool) {
        if self.holds(claim, user) {
            self.input.consent(user, consent(given)).await;
        }
    }

    pub(super) async fn leave(&self, claim: Claim, user: UserId) {
        let left = self.roster().leave(claim, user);
        if left {
            self.input.left(user).await;
            self.changed.notify_waiters();
        }
    }

    pub(super) fn vacate(&self, claim: Claim) {
        self.roster().vacate(claim, self.clock.now());
    }

    /// Those who did not come again in time leave.
    pub(super) async fn sweep(&self) {
        let left = self.roster().sweep(self.clock.now());
        for user in left {
            self.input.left(user).await;
            self.changed.notify_waiters();
        }
    }

    /// Waits until at least one person was here and all left.
    pub async fn deserted(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on, not from when it is waited for.
            changed.as_mut().enable();
            {
                let roster = self.roster();
                if roster.was_used() && roster.seated() == 0 {
                    return;
                }
            }
            changed.await;
        }
    }
}

fn consent(given: bool) -> Consent {
    if given { Consent::Granted } else { Consent::Withheld }
}
