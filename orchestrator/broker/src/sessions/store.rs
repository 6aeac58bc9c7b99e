//! Sessions opened, changed, renewed and closed.
use std::collections::BTreeMap;
use std::sync::LazyLock;

use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::time::{Clock as _, WallClock};
use redis::AsyncCommands as _;

use super::event::SessionEventKind;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::{GuildKeys, SESSION_TTL, field};

/// Renews a session and publishes that. KEYS: session, sessions, items. ARGV: session, life in ms, life of the items in
/// ms, channel, event. The time is the server's own.
const RENEW: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function renew(version, event)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
  redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
  if event then
    local message = { session = ARGV[1], event = event, version = tonumber(version) }
    redis.call('PUBLISH', ARGV[4], cjson.encode(message))
  end
end
";

/// ARGV from 6: fields and values. Gives 0 when there is such a session.
const OPEN: &str = r"
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'version', 1, unpack(ARGV, 6))
renew(1, ARGV[5])
return 1
";

/// ARGV 6: the version insisted on, or empty; then fields and values. Gives the new version, 0 when there is no such
/// session, or the version there is, negative, when it is another.
const CHANGE: &str = r"
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return 0 end
if ARGV[6] ~= '' and ARGV[6] ~= version then return -tonumber(version) end
if #ARGV > 6 then redis.call('HSET', KEYS[1], unpack(ARGV, 7)) end
version = redis.call('HINCRBY', KEYS[1], 'version', 1)
renew(version, ARGV[5])
return version
";

/// Gives 0 when there is no such session.
const BEAT: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
renew(0, nil)
return 1
";

/// KEYS: session, sessions, items. ARGV: session, channel, event. Gives the last version; 0 when there is no such
/// session.
const CLOSE: &str = r"
local version = redis.call('HGET', KEYS[1], 'version')
local items = redis.call('SMEMBERS', KEYS[3])
for _, item in ipairs(items) do redis.call('DEL', item) end
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('ZREM', KEYS[2], ARGV[1])
if not version then return 0 end
redis.call('PUBLISH', ARGV[2], cjson.encode({ session = ARGV[1], event = ARGV[3], version = tonumber(version) }))
return tonumber(version)
";

static OPEN_SCRIPT: LazyLock<redis::Script> = LazyLock::new(|| redis::Script::new(&format!("{RENEW}{OPEN}")));
static CHANGE_SCRIPT: LazyLock<redis::Script> =
    LazyLock::new(|| redis::Script::new(&format!("{RENEW}{CHANGE}")));
static BEAT_SCRIPT: LazyLock<redis::Script> = LazyLock::new(|| redis::Script::new(&format!("{RENEW}{BEAT}")));
static CLOSE_SCRIPT: LazyLock<redis::Script> = LazyLock::new(|| redis::Script::new(CLOSE));

/// Bound on fields of a session, in one change.
const MAX_FIELDS: usize = 256;

/// Why a session could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is one of this id.
    #[error("the session {0} is open already; another process may own it")]
    Exists(SessionId),
    /// There is none of this id.
    #[error("there is no session {0}: it was closed, or its owner gave no sign of life for 30 seconds")]
    NotFound(SessionId),
    /// Another caller was faster.
    #[error("the session {session} is at version {found}, not {expected}: read it again before changing it")]
    Conflict {
        /// Which.
        session: SessionId,
        /// The version insisted on.
        expected: u64,
        /// The version there is.
        found: u64,
    },
    /// A change that cannot be stored.
    #[error("a session's change may have up to {MAX_FIELDS} fields, and none named `version`")]
    Fields,
    /// Redis did not do it.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl From<redis::RedisError> for SessionError {
    fn from(error: redis::RedisError) -> Self {
        Self::Redis(error.into())
    }
}

/// A session as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// How often it was changed, counting from 1.
    pub version: u64,
    /// Its fields.
    pub fields: BTreeMap<String, String>,
}

/// The sessions in Redis.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub(super) redis: RedisHandle,
    clock: WallClock,
}

impl Sessions {
    /// The sessions of this Redis.
    #[must_use]
    pub fn new(redis: &RedisHandle) -> Self {
        Self { redis: redis.clone(), clock: WallClock::default() }
    }

    fn prepared<'s>(
        script: &'s redis::Script,
        guild: GuildId,
        session: SessionId,
        event: SessionEventKind,
    ) -> redis::ScriptInvocation<'s> {
        let names = GuildKeys::new(guild);
        let mut asking = script.prepare_invoke();
        asking.key(names.session(session)).key(names.sessions()).key(names.session_items(session));
        asking
            .arg(session.to_string())
            .arg(SESSION_TTL.as_secs() * 1000)
            .arg(keys::ITEMS_TTL.as_secs() * 1000);
        asking.arg(names.session_events()).arg(event.as_str());
        asking
    }

    pub(super) fn record(
        &self,
        guild: GuildId,
        session: SessionId,
        before: Option<String>,
        after: Option<String>,
    ) {
        let key = GuildKeys::new(guild).session(session);
        let (sink, at) = (self.redis.transitions(), self.clock.now());
        sink.record((guild, session), &key, before.as_deref(), after.as_deref(), at);
    }

    /// Opens a session with these fields.
    pub async fn open(
        &self,
        guild: GuildId,
        session: SessionId,
        fields: &[(&str, &str)],
    ) -> Result<(), SessionError> {
        check(fields)?;
        let mut connection = self.redis.connection();
        // Before it is opened, so that a sweep finds it even if this process dies at once; and afterwards, since a sweep that
        // found the guild empty may have removed it in between. The two lie in different slots of a cluster.
        let () = connection.sadd(keys::session_guilds(), guild.to_string()).await?;
        let mut asking = Self::prepared(&OPEN_SCRIPT, guild, session, SessionEventKind::Opened);
        for (name, value) in fields {
            asking.arg(*name).arg(*value);
        }
        let opened: u64 = asking.invoke_async(&mut connection).await?;
        if opened == 0 {
            return Err(SessionError::Exists(session));
        }
        let () = connection.sadd(keys::session_guilds(), guild.to_string()).await?;
        self.record(guild, session, None, Some("version 1".into()));
        Ok(())
    }

    /// Changes fields. With `expected`, only if the session is still at that version. Gives the new version.
    pub async fn change(
        &self,
        guild: GuildId,
        session: SessionId,
        expected: Option<u64>,
        fields: &[(&str, &str)],
    ) -> Result<u64, SessionError> {
        check(fields)?;
        let mut asking = Self::prepared(&CHANGE_SCRIPT, guild, session, SessionEventKind::Changed);
        asking.arg(expected.map(|version| version.to_string()).unwrap_or_default());
        for (name, value) in fields {
            asking.arg(*name).arg(*value);
        }
        let version: i64 = asking.invoke_async(&mut self.redis.connection()).await?;
        match u64::try_from(version) {
            Ok(0) => Err(SessionError::NotFound(session)),
            Ok(version) => {
                let (before, after) = (format!("version {}", version - 1), format!("version {version}"));
                self.record(guild, session, Some(before), Some(after));
                Ok(version)
            }
            Err(_) => Err(SessionError::Conflict {
                session,
                expected: expected.unwrap_or_default(),
                found: version.unsigned_abs(),
            }),
        }
    }

    /// Gives a sign of life: the session lives another 30 seconds.
    pub async fn heartbeat(&self, guild: GuildId, session: SessionId) -> Result<(), SessionError> {
        let asking = Self::prepared(&BEAT_SCRIPT, guild, session, SessionEventKind::Changed);
        let lives: u64 = asking.invoke_async(&mut self.redis.connection()).await?;
        if lives == 1 { Ok(()) } else { Err(SessionError::NotFound(session)) }
    }

    /// A session as it stands, if there is one.
    pub async fn get(
        &self,
        guild: GuildId,
        session: SessionId,
    ) -> Result<Option<SessionState>, SessionError> {
        let key = GuildKeys::new(guild).session(session);
        self.redis.hot_keys().touch(&key);
        let mut fields: BTreeMap<String, String> = self.redis.connection().hgetall(&key).await?;
        let Some(version) = fields.remove(field::VERSION) else { return Ok(None) };
        let version = version.parse().map_err(|_| RedisError::Content {
            key,
            why: format!("the version is {version:?}, not a number"),
        })?;
        Ok(Some(SessionState { version, fields }))
    }

    /// Registers one of the session's own keys: it is deleted when the session is closed or cleared up. `false` when
    /// the key is not one of this guild's.
    pub async fn register(
        &self,
        guild: GuildId,
        session: SessionId,
        key: &str,
    ) -> Result<bool, SessionError> {
        let names = GuildKeys::new(guild);
        // What is registered is deleted by a script: only this guild's own names may be.
        let own = names.sessions();
        let prefix = own.strip_suffix("sessions").unwrap_or(&own);
        if !key.starts_with(prefix) {
            return Ok(false);
        }
        let items = names.session_items(session);
        let mut pipe = redis::pipe();
        pipe.atomic().sadd(&items, key).ignore().pexpire(&items, millis(keys::ITEMS_TTL)).ignore();
        let () = pipe.query_async(&mut self.redis.connection()).await?;
        Ok(true)
    }

    /// Closes a session, and deletes what it had registered.
    pub async fn close(&self, guild: GuildId, session: SessionId) -> Result<(), SessionError> {
        let names = GuildKeys::new(guild);
        let version: u64 = CLOSE_SCRIPT
            .key(names.session(session))
            .key(names.sessions())
            .key(names.session_items(session))
            .arg(session.to_string())
            .arg(names.session_events())
            .arg(SessionEventKind::Closed.as_str())
            .invoke_async(&mut self.redis.connection())
            .await?;
        if version > 0 {
            self.record(guild, session, Some(format!("version {version}")), None);
        }
        Ok(())
    }
}

fn millis(ttl: std::time::Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)
}

fn check(fields: &[(&str, &str)]) -> Result<(), SessionError> {
    let reserved = fields.iter().any(|(name, _)| *name == field::VERSION);
    if reserved || fields.len() > MAX_FIELDS { Err(SessionError::Fields) } else { Ok(()) }
}
