//! One voice channel per guild: a lock held from the first step of joining to the last of leaving.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::ids::GuildId;
use tokio_util::sync::CancellationToken;

/// Why a guild is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockState {
    /// The channel is being joined.
    Joining,
    /// A session runs, or is being cleaned up after.
    Running,
}

/// All locks: one for each guild.
#[derive(Debug, Clone, Default)]
pub(super) struct GuildLocks(Arc<Mutex<BTreeMap<GuildId, (LockState, CancellationToken)>>>);

/// A guild's lock. Dropping it lets the next one join.
#[derive(Debug)]
pub(super) struct GuildLock {
    locks: GuildLocks,
    guild: GuildId,
}

impl GuildLocks {
    fn table(&self) -> MutexGuard<'_, BTreeMap<GuildId, (LockState, CancellationToken)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks a guild for joining.
    pub(super) fn try_lock(&self, guild: GuildId) -> Result<GuildLock, LockState> {
        let mut table = self.table();
        if let Some((state, _)) = table.get(&guild) {
            return Err(*state);
        }
        table.insert(guild, (LockState::Joining, CancellationToken::new()));
        Ok(GuildLock { locks: self.clone(), guild })
    }

    /// Waits until a guild's lock is free.
    pub(super) async fn released(&self, guild: GuildId) {
        let released = self.table().get(&guild).map(|(_, released)| released.clone());
        if let Some(released) = released {
            released.cancelled().await;
        }
    }
}

impl GuildLock {
    /// The channel is joined: a session runs.
    pub(super) fn joined(&self) {
        if let Some((state, _)) = self.locks.table().get_mut(&self.guild) {
            *state = LockState::Running;
        }
    }
}

impl Drop for GuildLock {
    fn drop(&mut self) {
        let held = self.locks.table().remove(&self.guild);
        if let Some((_, released)) = held {
            released.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guild_lock_is_free_again_once_dropped() {
        let locks = GuildLocks::default();
        let lock = locks.try_lock(GuildId(1)).unwrap();
        assert_eq!(locks.try_lock(GuildId(1)).unwrap_err(), LockState::Joining);
        assert!(locks.try_lock(GuildId(2)).is_ok());
        lock.joined();
        assert_eq!(locks.try_lock(GuildId(1)).unwrap_err(), LockState::Running);

        let waiting = tokio::spawn({
            let locks = locks.clone();
            async move { locks.released(GuildId(1)).await }
        });
        drop(lock);
        waiting.await.unwrap();
        assert!(locks.try_lock(GuildId(1)).is_ok());
        locks.released(GuildId(3)).await;
    }
}
