//! What a command gets to work with, and the accessors that check types on the way.

use std::collections::VecDeque;

use bytes::Bytes;
use rand::RngExt as _;

use super::answer::{Abort, Answer, Caller, wrong_type};
use super::key_events::event;
use crate::resp::{Protocol, Reply};
use crate::spec::Spec;
use crate::store::blocked::Waiting;
use crate::store::client::Client;
use crate::store::db::Db;
use crate::store::hash::Hash;
use crate::store::ids::ClientId;
use crate::store::set::Set;
use crate::store::settings::Sizes;
use crate::store::state::State;
use crate::store::stream::Stream;
use crate::store::text::Text;
use crate::store::value::Value;
use crate::store::zset::ZSet;

/// All commands, for those that describe or run others (COMMAND, ACL, EXEC, scripts).
pub(crate) struct Catalog {
    /// Every command with its family.
    pub(crate) all: fn() -> Vec<(&'static str, &'static Spec)>,
    /// The command by this name, in any case.
    pub(crate) find: fn(&[u8]) -> Option<&'static Spec>,
    /// Runs a command whose name and length are already checked.
    pub(crate) run: fn(&mut State, &'static Spec, ClientId, usize, &[Bytes], Caller) -> Answer,
}

/// One command being run.
pub(crate) struct Call<'a> {
    pub(crate) store: &'a mut State,
    pub(crate) catalog: &'static Catalog,
    pub(crate) spec: &'static Spec,
    pub(crate) client: ClientId,
    pub(crate) db: usize,
    /// The command's name and its arguments.
    pub(crate) args: &'a [Bytes],
    pub(crate) caller: Caller,
}

macro_rules! typed {
    ($get:ident, $get_mut:ident, $variant:ident, $type:ty) => {
        /// The value of this type at the key, if there is one.
        pub(crate) fn $get(&self, key: &Bytes) -> Result<Option<&$type>, Abort> {
            match self.db().get(key).map(|entry| &entry.value) {
                None => Ok(None),
                Some(Value::$variant(value)) => Ok(Some(value)),
                Some(_) => Err(wrong_type()),
            }
        }

        /// The same to change; made empty when there is none. Followed by `wrote`.
        pub(crate) fn $get_mut(&mut self, key: &Bytes) -> Result<&mut $type, Abort> {
            let now = self.now();
            if !self.db().contains(key) {
                self.db_mut().insert(key.clone(), Value::$variant(Default::default()), now);
                self.created(key);
            }
            match self.db_mut().get_mut(key).map(|entry| &mut entry.value) {
                Some(Value::$variant(value)) => Ok(value),
                _ => Err(wrong_type()),
            }
        }
    };
}

impl Call<'_> {
    typed!(text, text_mut, Str, Text);
    typed!(list, list_mut, List, VecDeque<Bytes>);
    typed!(hash, hash_mut, Hash, Hash);
    typed!(set, set_mut, Set, Set);
    typed!(zset, zset_mut, ZSet, ZSet);
    typed!(stream, stream_mut, Stream, Box<Stream>);

    /// The string at the key, if there is one.
    pub(crate) fn string(&self, key: &Bytes) -> Result<Option<&Bytes>, Abort> {
        Ok(self.text(key)?.map(|text| &text.bytes))
    }

    /// The same to change in place; made empty when there is none. Followed by `wrote`.
    pub(crate) fn string_mut(&mut self, key: &Bytes) -> Result<&mut Bytes, Abort> {
        let text = self.text_mut(key)?;
        text.changed_in_place = true;
        Ok(&mut text.bytes)
    }

    /// Replaces the string at a key, which keeps its expiry. Followed by `wrote`.
    pub(crate) fn replace_string(&mut self, key: &Bytes, bytes: impl Into<Bytes>) -> Result<(), Abort> {
        *self.text_mut(key)? = Text::new(bytes);
        Ok(())
    }

    /// Up to where collections count as small.
    pub(crate) fn sizes(&self) -> Sizes {
        self.store.settings.sizes
    }

    /// Runs another command for this one, in a database of its choice.
    pub(crate) fn run(&mut self, spec: &'static Spec, db: usize, args: &[Bytes], caller: Caller) -> Answer {
        (self.catalog.run)(self.store, spec, self.client, db, args, caller)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&'static Spec> {
        (self.catalog.find)(name)
    }

    pub(crate) fn now(&self) -> u64 {
        self.store.now()
    }

    pub(crate) fn db(&self) -> &Db {
        &self.store.dbs[self.db]
    }

    pub(crate) fn db_mut(&mut self) -> &mut Db {
        &mut self.store.dbs[self.db]
    }

    /// A key was changed: an empty collection is deleted, and all that depends on the key is notified.
    pub(crate) fn wrote(&mut self, key: &Bytes) {
        let now = self.now();
        let db = self.db_mut();
        let spent = db.get_mut(key).is_some_and(|entry| {
            entry.used_at = now;
            entry.value.is_spent()
        });
        if spent {
            db.remove(key);
        }
        let db = self.db;
        self.store.touched(db, key);
        self.notify(key);
        if spent {
            self.store.notify_key_event(db, 'g', "del", key);
        }
    }

    /// Publishes what this command does to a key.
    fn notify(&mut self, key: &Bytes) {
        if self.store.settings.events.is_empty() {
            return;
        }
        let first = self.args.get(1) == Some(key);
        let Some((class, event)) = event(self.spec.name, self.args, first) else { return };
        let db = self.db;
        self.store.notify_key_event(db, class, event, key);
    }

    /// Puts a value in place of what was there, without expiry.
    pub(crate) fn put(&mut self, key: &Bytes, value: Value) {
        let now = self.now();
        self.store.memory.grown += value.weight();
        let created = !self.db().contains(key);
        self.db_mut().insert(key.clone(), value, now);
        if created {
            self.created(key);
        }
        self.wrote(key);
    }

    /// Publishes that a key was created.
    fn created(&mut self, key: &Bytes) {
        let db = self.db;
        self.store.notify_key_event(db, 'n', "new", key);
    }

    /// Stores the result of a `…STORE` command: nothing is kept when it is empty.
    pub(crate) fn put_result(&mut self, key: &Bytes, value: Value) {
        if value.is_spent() {
            self.delete(key);
        } else {
            self.put(key, value);
        }
    }

    pub(crate) fn delete(&mut self, key: &Bytes) -> bool {
        let removed = self.db_mut().remove(key).is_some();
        if removed {
            let db = self.db;
            self.store.touched(db, key);
            self.store.notify_key_event(db, 'g', "del", key);
        }
        removed
    }

    /// Counts a lookup for INFO and OBJECT IDLETIME.
    pub(crate) fn looked_up(&mut self, key: &Bytes) {
        if self.store.used(self.db, key) {
            self.store.stats.hits += 1;
        } else {
            self.store.stats.misses += 1;
        }
    }

    pub(crate) fn client(&mut self) -> Result<&mut Client, Abort> {
        // A script or a command that was woken runs for a client that is there.
        self.store.clients.get_mut(&self.client).ok_or_else(|| Abort::error("ERR no such client"))
    }

    pub(crate) fn resp3(&self) -> bool {
        match self.caller {
            Caller::Script { resp3, .. } => resp3,
            _ => self.store.protocol(self.client) == Protocol::Resp3,
        }
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.store.random.random()
    }

    /// Waits for keys until a time, unless this caller cannot wait: then `otherwise` at once.
    pub(crate) fn wait(
        &self,
        keys: Vec<Bytes>,
        command: Vec<Bytes>,
        until: Option<u64>,
        otherwise: Reply,
    ) -> Answer {
        if matches!(self.caller, Caller::Batch | Caller::Script { .. }) {
            return Ok(otherwise);
        }
        Err(Abort::Wait(Waiting { db: self.db, keys, command, until }))
    }

    pub(crate) fn arity_error<T>(&self) -> Result<T, Abort> {
        let name =
            self.args.first().map(|name| String::from_utf8_lossy(name).to_lowercase()).unwrap_or_default();
        Err(Abort::error(format!("ERR wrong number of arguments for '{name}' command")))
    }
}
