//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::commands::answer::Caller;
use crate::commands::prelude::*;
use crate::store::client::Queued;

const FLAGS: u16 = FAST | NO_SCRIPT | Spec::IN_MULTI_NOW;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("multi", 1, FLAGS, NONE, multi),
    Command::new("exec", 1, NO_SCRIPT | Spec::IN_MULTI_NOW, NONE, exec),
    Command::new("discard", 1, FLAGS, NONE, discard),
    Command::new("watch", -2, FLAGS, ALL, watch),
    Command::new("unwatch", 1, FAST | NO_SCRIPT, NONE, unwatch),
];

fn multi(call: &mut Call<'_>) -> Answer {
    let client = call.client()?;
    if client.queued.is_some() {
        return Err(Abort::error("ERR MULTI calls can not be nested"));
    }
    client.queued = Some(Queued::default());
    Ok(Reply::OK)
}

fn exec(call: &mut Call<'_>) -> Answer {
    let client = call.client()?;
    let queued = client.queued.take().ok_or_else(|| Abort::error("ERR EXEC without MULTI"))?;
    let outdated = client.outdated;
    let id = call.client;
    call.store.unwatch(id);
    if queued.spoiled {
        return Err(Abort::error("EXECABORT Transaction discarded because of previous errors."));
    }
    if outdated {
        return Ok(Reply::NilArray);
    }
    let mut replies = Vec::with_capacity(queued.commands.len());
    for command in &queued.commands {
        // SELECT in a transaction counts for what follows it.
        let db = call.client()?.db;
        let reply = match command.first().and_then(|name| call.find(name)) {
            Some(spec) => call.run(spec, db, command, Caller::Batch),
            None => Err(Abort::error("ERR unknown command")),
        };
        replies.push(match reply {
            Ok(reply) => reply,
            Err(Abort::Error(text)) => Reply::Error(text),
            // Nothing waits in a transaction.
            Err(Abort::Wait(_)) => Reply::NilArray,
        });
    }
    Ok(Reply::Array(replies))
}

fn discard(call: &mut Call<'_>) -> Answer {
    let client = call.client()?;
    client.queued.take().ok_or_else(|| Abort::error("ERR DISCARD without MULTI"))?;
    let id = call.client;
    call.store.unwatch(id);
    Ok(Reply::OK)
}

fn watch(call: &mut Call<'_>) -> Answer {
    let (id, db) = (call.client, call.db);
    let max = call.store.config.limits.watched_keys;
    let client = call.client()?;
    if client.queued.is_some() {
        return Err(Abort::error("ERR WATCH inside MULTI is not allowed"));
    }
    for key in &call.args[1..] {
        let place = (db, key.clone());
        let client = call.client()?;
        if client.watched.len() >= max {
            return Err(Abort::error("ERR too many watched keys for one connection"));
        }
        let watchers = call.store.watchers.entry(place.clone()).or_default();
        if watchers.insert(id) {
            call.client()?.watched.push(place);
        }
    }
    Ok(Reply::OK)
}

fn unwatch(call: &mut Call<'_>) -> Answer {
    let id = call.client;
    call.store.unwatch(id);
    Ok(Reply::OK)
}
