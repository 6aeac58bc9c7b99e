//! Names that guilds share.
use super::PREFIX;

/// Set of the guilds that have sessions.
#[must_use]
pub fn session_guilds() -> String {
    format!("{PREFIX}:{{sessions}}:guilds")
}

/// Hash of flags that hold for all guilds.
#[must_use]
pub fn global_flags() -> String {
    format!("{PREFIX}:{{flags}}:all")
}

/// Hash of each process's hottest keys.
#[must_use]
pub fn hot_keys() -> String {
    format!("{PREFIX}:{{hot}}:keys")
}

/// Sorted set of guilds by when they were last busy.
#[must_use]
pub fn recent_guilds() -> String {
    format!("{PREFIX}:{{recent}}:guilds")
}

/// The key that is written last, and that replicas are then asked for.
#[must_use]
pub fn barrier() -> String {
    format!("{PREFIX}:{{barrier}}:written")
}

/// The key and channel that the doctor asks about; nothing is ever written there.
#[must_use]
pub fn doctor() -> String {
    format!("{PREFIX}:{{doctor}}:asked")
}
