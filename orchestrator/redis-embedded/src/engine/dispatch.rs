//! The checks that every command of a connection goes through, and commands that wait.

use bytes::Bytes;

use super::run::run;
use crate::commands::answer::{Abort, Caller, OUT_OF_MEMORY};
use crate::commands::table::find;
use crate::resp::{Protocol, Reply};
use crate::spec::Spec;
use crate::store::acl::selector::Denied;
use crate::store::blocked::Waiting;
use crate::store::client::Queued;
use crate::store::effect::Effect;
use crate::store::ids::ClientId;
use crate::store::state::State;

const KEY_DELETED: &str = "UNBLOCKED the stream key no longer exists";
const GROUP_DELETED: &str = "NOGROUP the consumer group this client was blocked on no longer exists";

/// Runs a command of a connection if it may run now; `None` means that it waits.
pub(super) fn dispatch(state: &mut State, id: ClientId, command: &[Bytes]) -> Option<Reply> {
    let now = state.now();
    let name = command.first()?;
    let Some(entry) = find(name) else {
        spoil(state, id);
        return Some(unknown(command));
    };
    let spec = &entry.spec;
    if !spec.accepts(command.len()) {
        state.stats.command(spec.name).rejected += 1;
        spoil(state, id);
        return Some(wrong_arity(spec));
    }
    let client = state.clients.get_mut(&id)?;
    client.used_at = now;
    client.last_command = spec.name;
    if !client.authenticated && !spec.has(Spec::NO_AUTH) {
        return Some(Reply::error("NOAUTH Authentication required."));
    }
    if let Err(denied) = state.check_user(id, spec, command) {
        spoil(state, id);
        return Some(Reply::error(no_permission(&denied)));
    }
    let client = state.clients.get_mut(&id)?;
    if client.subscriptions() > 0 && client.protocol == Protocol::Resp2 && !spec.has(Spec::WHILE_SUBSCRIBED) {
        return Some(Reply::error(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            spec.name
        )));
    }
    if state.pause.holds(may_write(spec, client.queued.as_ref())) {
        state.pause.postpone(id, command);
        return None;
    }
    if let Some(queued) = &mut client.queued
        && !spec.has(Spec::IN_MULTI_NOW)
    {
        if spec.has(Spec::NO_MULTI) {
            queued.spoiled = true;
            return Some(Reply::error("ERR Command not allowed inside a transaction"));
        }
        if queued.commands.len() >= state.config.limits.queued_commands {
            queued.spoiled = true;
            return Some(Reply::error("ERR too many commands in one transaction"));
        }
        let full = spec.takes_memory() && state.is_full();
        let queued = state.clients.get_mut(&id).and_then(|client| client.queued.as_mut())?;
        if full {
            queued.spoiled = true;
            return Some(Reply::error(OUT_OF_MEMORY));
        }
        queued.commands.push(command.to_vec());
        return Some(Reply::Simple("QUEUED"));
    }
    let db = client.db;
    match run(state, entry, id, db, command, Caller::Client) {
        Ok(reply) => Some(reply),
        Err(Abort::Error(text)) => Some(Reply::Error(text)),
        Err(Abort::Wait(waiting)) => {
            state.blocked.add(id, waiting);
            None
        }
    }
}

/// What a pause of writing commands holds up.
fn may_write(spec: &Spec, queued: Option<&Queued>) -> bool {
    const MAY_REPLICATE: &[&str] = &["eval", "evalsha", "fcall", "pfcount", "publish", "spublish"];
    let writes = |spec: &Spec| spec.has(Spec::WRITE) || MAY_REPLICATE.contains(&spec.name);
    if spec.name == "exec" {
        let commands = queued.map(|queued| &queued.commands[..]).unwrap_or_default();
        let mut specs = commands.iter().filter_map(|command| command.first()).filter_map(|name| find(name));
        return specs.any(|command| writes(&command.spec));
    }
    writes(spec)
}

/// Runs the commands that waited for a pause to end.
pub(super) fn resume(state: &mut State) {
    let now = state.now();
    for (id, command) in state.pause.take_due(now) {
        state.current = Some(id);
        if let Some(reply) = dispatch(state, id, &command) {
            state.effects.push(Effect::Send(id, reply));
        }
    }
    serve_ready(state);
}

/// Whether a key that is waited for holds what is waited for: then the command fails for another reason.
fn has_any(state: &State, waiting: &Waiting, spec: &Spec) -> bool {
    let kind = match spec.name {
        name if name.starts_with("bz") => "zset",
        name if name.starts_with('x') => "stream",
        _ => "list",
    };
    let there =
        |key: &Bytes| state.dbs[waiting.db].get(key).is_some_and(|entry| entry.value.type_name() == kind);
    waiting.keys.iter().any(there)
}

fn spoil(state: &mut State, id: ClientId) {
    if let Some(Queued { spoiled, .. }) = state.clients.get_mut(&id).and_then(|client| client.queued.as_mut())
    {
        *spoiled = true;
    }
}

/// Runs the commands again whose keys were written, first come first served.
pub(super) fn serve_ready(state: &mut State) {
    while let Some((client, waiting)) = state.blocked.pop_ready() {
        let Some(entry) = waiting.command.first().and_then(|name| find(name)) else { continue };
        let spec = &entry.spec;
        let grouped = spec.name == "xreadgroup";
        let reply = match run(state, entry, client, waiting.db, &waiting.command, Caller::Woken) {
            Ok(reply) => reply,
            Err(Abort::Wait(_)) => continue,
            // What it waits for is of another type now: it waits on, as in Redis.
            Err(Abort::Error(text))
                if text.starts_with(b"WRONGTYPE") && !grouped && !has_any(state, &waiting, spec) =>
            {
                continue;
            }
            Err(Abort::Error(text)) if text.starts_with(b"WRONGTYPE") && !grouped => Reply::Error(text),
            Err(Abort::Error(text)) if text.starts_with(b"WRONGTYPE") => Reply::error(KEY_DELETED),
            Err(Abort::Error(text)) if text.starts_with(b"NOGROUP") && grouped => {
                let there = waiting.keys.iter().all(|key| state.dbs[waiting.db].contains(key));
                Reply::error(if there { GROUP_DELETED } else { KEY_DELETED })
            }
            Err(Abort::Error(text)) => Reply::Error(text),
        };
        state.blocked.remove(client);
        if let Reply::Error(text) = &reply {
            state.stats.count_error(text);
            state.stats.command(spec.name).failed += 1;
        }
        state.effects.push(Effect::Send(client, reply));
    }
}

fn unknown(command: &[Bytes]) -> Reply {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(128)]).into_owned();
    let mut args = String::new();
    for arg in command.iter().skip(1) {
        if args.len() >= 128 {
            break;
        }
        args.push_str(&format!("'{}' ", shown(arg)));
    }
    let name = command.first().map(|name| shown(name)).unwrap_or_default();
    Reply::error(format!("ERR unknown command '{name}', with args beginning with: {args}"))
}

fn wrong_arity(spec: &Spec) -> Reply {
    Reply::error(format!("ERR wrong number of arguments for '{}' command", spec.name))
}

fn no_permission(denied: &Denied) -> String {
    match denied {
        Denied::Command(name) => {
            format!("NOPERM this user has no permissions to run the '{name}' command")
        }
        Denied::Key(_) => {
            "NOPERM this user has no permissions to access one of the keys used as arguments".to_owned()
        }
        Denied::Channel(_) => {
            "NOPERM this user has no permissions to access one of the channels used as arguments".to_owned()
        }
    }
}
