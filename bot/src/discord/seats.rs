//! Which guilds are taken: from the first step of joining a channel to the last of leaving it.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::ids::GuildId;
use tokio_util::sync::CancellationToken;

/// Why a guild is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The channel is being joined.
    Joining,
    /// A session runs, or its end is being tidied up.
    Here,
}

/// All seats: one for each guild.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<BTreeMap<GuildId, (Taken, CancellationToken)>>>);

/// A guild's seat. Dropping it lets the next one join.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    guild: GuildId,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<GuildId, (Taken, CancellationToken)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a guild's seat for joining.
    pub(super) fn take(&self, guild: GuildId) -> Result<Seat, Taken> {
        let mut seats = self.lock();
        if let Some((taken, _)) = seats.get(&guild) {
            return Err(*taken);
        }
        seats.insert(guild, (Taken::Joining, CancellationToken::new()));
        Ok(Seat { seats: self.clone(), guild })
    }

    /// Waits until a guild's seat is free.
    pub(super) async fn vacated(&self, guild: GuildId) {
        let gone = self.lock().get(&guild).map(|(_, gone)| gone.clone());
        if let Some(gone) = gone {
            gone.cancelled().await;
        }
    }
}

impl Seat {
    /// Joining is over: a session runs.
    pub(super) fn arrived(&self) {
        if let Some((taken, _)) = self.seats.lock().get_mut(&self.guild) {
            *taken = Taken::Here;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let left = self.seats.lock().remove(&self.guild);
        if let Some((_, gone)) = left {
            gone.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guild_has_one_seat_and_it_is_free_again_once_dropped() {
        let seats = Seats::default();
        let seat = seats.take(GuildId(1)).unwrap();
        assert_eq!(seats.take(GuildId(1)).unwrap_err(), Taken::Joining);
        assert!(seats.take(GuildId(2)).is_ok());
        seat.arrived();
        assert_eq!(seats.take(GuildId(1)).unwrap_err(), Taken::Here);

        let waiting = tokio::spawn({
            let seats = seats.clone();
            async move { seats.vacated(GuildId(1)).await }
        });
        drop(seat);
        waiting.await.unwrap();
        assert!(seats.take(GuildId(1)).is_ok());
        seats.vacated(GuildId(3)).await;
    }
}
