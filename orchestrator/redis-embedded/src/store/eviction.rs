//! Which key goes when memory is full (`maxmemory-policy`).

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::db::{Db, Entry};
use super::frequency::Pace;

/// Keys looked at for one that goes (`maxmemory-samples`), and tries to find such keys among all.
const SAMPLES: usize = 5;
const MAX_TRIES: usize = 100;

/// The key to delete next, with its database; none when the policy allows none.
pub(crate) fn victim(
    policy: &str,
    dbs: &[Db],
    random: &mut StdRng,
    now: u64,
    pace: Pace,
) -> Option<(usize, Bytes)> {
    let (which, by) = policy.split_once('-')?;
    let volatile = which == "volatile";
    let fits = |entry: &Entry| !volatile || entry.expires_at.is_some();
    let filled: Vec<usize> = (0..dbs.len())
        .filter(|at| if volatile { dbs[*at].expiring() > 0 } else { dbs[*at].len() > 0 })
        .collect();
    if filled.is_empty() {
        return None;
    }
    let soonest = || {
        let first = filled.iter().filter_map(|at| dbs[*at].first_due().map(|(due, key)| (due, *at, key)));
        first.min().map(|(_, at, key)| (at, key.clone()))
    };
    if by == "ttl" {
        return soonest();
    }
    let mut best: Option<(u64, usize, Bytes)> = None;
    let mut sampled = 0;
    for _ in 0..MAX_TRIES {
        let at = filled[random.random_range(0..filled.len())];
        let Some(key) = dbs[at].near(random.random()) else { continue };
        let Some(entry) = dbs[at].get(key).filter(|entry| fits(entry)) else { continue };
        let rank = match by {
            "lru" => entry.used_at,
            "lfu" => u64::from(entry.frequency.at(now, pace)),
            _ => return Some((at, key.clone())),
        };
        if best.as_ref().is_none_or(|(lowest, ..)| rank < *lowest) {
            best = Some((rank, at, key.clone()));
        }
        sampled += 1;
        if sampled == SAMPLES {
            break;
        }
    }
    // Few keys expire, so that none was met: the one that expires first.
    best.map(|(_, at, key)| (at, key)).or_else(|| if volatile { soonest() } else { None })
}
