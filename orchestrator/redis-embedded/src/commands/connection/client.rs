//! CLIENT: connections seen and steered.

use crate::commands::prelude::*;
use crate::resp::Protocol;
use crate::store::client::{Client, ReplyMode};
use crate::store::effect::Effect;

pub(crate) const COMMANDS: &[Command] = &[Command::new("client", -2, NO_SCRIPT, NONE, client)];

/// A name of a connection: printable, without spaces.
pub(crate) fn valid_name(name: &Bytes) -> Result<Bytes, Abort> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(name.clone());
    }
    Err(Abort::error("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn client(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (word, rest) = (&args[1], &args[2..]);
    let wrong = || {
        let name = String::from_utf8_lossy(word).to_lowercase();
        Abort::error(format!("ERR wrong number of arguments for 'client|{name}' command"))
    };
    match () {
        () if is(word, "id") => {
            if !rest.is_empty() {
                return Err(wrong());
            }
            Ok(Reply::Int(i64::try_from(call.client).unwrap_or(i64::MAX)))
        }
        () if is(word, "getname") => {
            let name = call.client()?.name.clone();
            Ok(if name.is_empty() { Reply::Nil } else { Reply::Bulk(name) })
        }
        () if is(word, "setname") => {
            let [name] = rest else { return Err(wrong()) };
            call.client()?.name = valid_name(name)?;
            Ok(Reply::OK)
        }
        () if is(word, "setinfo") => {
            let [what, value] = rest else { return Err(wrong()) };
            let client = call.client()?;
            match () {
                () if is(what, "lib-name") => client.library = value.clone(),
                () if is(what, "lib-ver") => client.library_version = value.clone(),
                () => {
                    let what = String::from_utf8_lossy(what);
                    return Err(Abort::error(format!("ERR Unrecognized option '{what}'")));
                }
            }
            Ok(Reply::OK)
        }
        () if is(word, "list") => list(call, rest),
        () if is(word, "info") => {
            let now = call.now();
            let port = call.store.config.port;
            let line = describe(call.client()?, port, now) + "\n";
            Ok(Reply::Verbatim(Bytes::from(line)))
        }
        () if is(word, "kill") => kill(call, rest),
        () if is(word, "reply") => reply(call, rest.first().ok_or_else(wrong)?),
        () if is(word, "unblock") => unblock(call, rest),
        () if is(word, "pause") => match rest {
            [millis] => pause(call, millis, true),
            [millis, how] if is(how, "all") => pause(call, millis, true),
            [millis, how] if is(how, "write") => pause(call, millis, false),
            [_, _] => Err(Abort::error("ERR CLIENT PAUSE mode must be WRITE or ALL")),
            [] => Err(wrong()),
            _ => {
                let word = String::from_utf8_lossy(word);
                Err(Abort::error(format!(
                    "ERR unknown subcommand or wrong number of arguments for '{word}'. Try CLIENT HELP."
                )))
            }
        },
        () if is(word, "unpause") => {
            if !rest.is_empty() {
                return Err(wrong());
            }
            call.store.pause.end();
            Ok(Reply::OK)
        }
        () if is(word, "no-evict") || is(word, "no-touch") => {
            // No connection is ever evicted here.
            match rest {
                [how] if is(how, "on") || is(how, "off") => Ok(Reply::OK),
                _ => Err(syntax()),
            }
        }
        () if is(word, "getredir") => super::tracking::getredir(call),
        () if is(word, "tracking") => super::tracking::tracking(call, rest),
        () if is(word, "caching") => super::tracking::caching(call, rest),
        () if is(word, "trackinginfo") => super::tracking::info(call),
        () if is(word, "help") => Ok(Reply::Array(vec![Reply::Simple(
            "CLIENT CACHING|GETNAME|GETREDIR|ID|INFO|KILL|LIST|NO-EVICT|NO-TOUCH|PAUSE|REPLY|SETINFO|SETNAME|\
             TRACKING|TRACKINGINFO|UNBLOCK|UNPAUSE",
        )])),
        () => Err(Abort::error(format!(
            "ERR unknown subcommand '{}'. Try CLIENT HELP.",
            String::from_utf8_lossy(word)
        ))),
    }
}

fn describe(client: &Client, port: u16, now: u64) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let queued =
        client.queued.as_ref().map_or(-1, |queued| i64::try_from(queued.commands.len()).unwrap_or(i64::MAX));
    format!(
        "id={} addr={} laddr={} fd=0 name={} age={} idle={} flags={} db={} sub={} psub={} ssub=0 \
         multi={queued} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 \
         tot-mem=0 events=r cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}",
        client.id,
        client.address,
        here(client, port),
        text(&client.name),
        now.saturating_sub(client.connected_at) / 1000,
        now.saturating_sub(client.used_at) / 1000,
        if client.subscriptions() > 0 {
            "P"
        } else if client.queued.is_some() {
            "x"
        } else {
            "N"
        },
        client.db,
        client.channels.len(),
        client.patterns.len(),
        client.last_command,
        client.user,
        if client.protocol == Protocol::Resp3 { 3 } else { 2 },
        text(&client.library),
        text(&client.library_version),
    )
}

fn list(call: &Call<'_>, rest: &[Bytes]) -> Answer {
    let mut kind = None;
    let wanted: Option<Vec<u64>> = match rest {
        [] => None,
        [word, given] if is(word, "type") => {
            kind = Some(class(given)?);
            None
        }
        [word, ids @ ..] if is(word, "id") && !ids.is_empty() => {
            let ids: Result<Vec<i64>, Abort> = ids.iter().map(|id| int(id)).collect();
            let ids = ids.map_err(|_| Abort::error("ERR Invalid client ID"))?;
            Some(ids.into_iter().filter_map(|id| u64::try_from(id).ok()).collect())
        }
        _ => return Err(syntax()),
    };
    let now = call.now();
    let port = call.store.config.port;
    let clients = call
        .store
        .clients
        .values()
        .filter(|client| wanted.as_ref().is_none_or(|ids| ids.contains(&client.id)))
        .filter(|client| kind.is_none_or(|subscribers| subscribers == Some(client.subscriptions() > 0)));
    let lines: String = clients.map(|client| describe(client, port, now) + "\n").collect();
    Ok(Reply::Verbatim(Bytes::from(lines)))
}

fn kill(call: &mut Call<'_>, rest: &[Bytes]) -> Answer {
    let me = call.client;
    if let [address] = rest {
        let found = call.store.clients.values().find(|client| client.address.as_bytes() == &address[..]);
        let id = found.map(|client| client.id).ok_or_else(|| Abort::error("ERR No such client"))?;
        close(call, id);
        return Ok(Reply::OK);
    }
    let (mut id, mut address, mut local, mut user, mut kind, mut skip_me) =
        (None, None, None, None, None, true);
    for pair in rest.chunks(2) {
        let [word, value] = pair else { return Err(syntax()) };
        match () {
            () if is(word, "id") => {
                id = Some(int(value).map_err(|_| Abort::error("ERR client-id should be greater than 0"))?);
            }
            () if is(word, "addr") => address = Some(value.clone()),
            () if is(word, "laddr") => local = Some(value.clone()),
            () if is(word, "user") => {
                let name = String::from_utf8_lossy(value).into_owned();
                if call.store.users.get(&name).is_none() {
                    return Err(Abort::error(format!("ERR No such user '{name}'")));
                }
                user = Some(name);
            }
            () if is(word, "type") => kind = Some(class(value)?),
            () if is(word, "skipme") => skip_me = is(value, "yes"),
            () => return Err(syntax()),
        }
    }
    if id.is_none() && address.is_none() && local.is_none() && user.is_none() && kind.is_none() {
        return Err(syntax());
    }
    let port = call.store.config.port;
    let found: Vec<u64> = call
        .store
        .clients
        .values()
        .filter(|client| id.is_none_or(|id| i64::try_from(client.id) == Ok(id)))
        .filter(|client| address.as_ref().is_none_or(|address| client.address.as_bytes() == &address[..]))
        .filter(|client| user.as_ref().is_none_or(|user| client.user == *user))
        .filter(|client| local.as_ref().is_none_or(|local| here(client, port).as_bytes() == &local[..]))
        .filter(|client| kind.is_none_or(|subscribers| subscribers == Some(client.subscriptions() > 0)))
        .map(|client| client.id)
        .filter(|id| !(skip_me && *id == me))
        .collect();
    for id in &found {
        close(call, *id);
    }
    Ok(Reply::count(found.len()))
}

/// A kind of client: whether those of it subscribe; none for replicas, which there are none of.
fn class(kind: &[u8]) -> Result<Option<bool>, Abort> {
    match () {
        () if is(kind, "normal") => Ok(Some(false)),
        () if is(kind, "pubsub") => Ok(Some(true)),
        () if is(kind, "master") || is(kind, "replica") || is(kind, "slave") => Ok(None),
        () => Err(Abort::error(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(kind)))),
    }
}

/// The address of the server as this client sees it.
fn here(client: &Client, port: u16) -> String {
    if client.address == "unix" { "unix".to_owned() } else { format!("127.0.0.1:{port}") }
}

fn close(call: &mut Call<'_>, id: u64) {
    if id == call.client {
        // The answer goes out first.
        if let Ok(client) = call.client() {
            client.closing = true;
        }
    } else {
        call.store.effects.push(Effect::Close(id));
    }
}

fn reply(call: &mut Call<'_>, how: &Bytes) -> Answer {
    let client = call.client()?;
    client.reply_mode = match () {
        () if is(how, "on") => ReplyMode::On,
        () if is(how, "off") => ReplyMode::Off,
        () if is(how, "skip") => ReplyMode::SkipNext,
        () => return Err(syntax()),
    };
    Ok(Reply::OK)
}

fn pause(call: &mut Call<'_>, millis: &[u8], all: bool) -> Answer {
    let millis = int(millis).map_err(|_| Abort::error("ERR timeout is not an integer or out of range"))?;
    let millis = u64::try_from(millis).map_err(|_| Abort::error("ERR timeout is negative"))?;
    let until = call.now().saturating_add(millis);
    call.store.pause.begin(until, all);
    Ok(Reply::OK)
}

fn unblock(call: &mut Call<'_>, rest: &[Bytes]) -> Answer {
    let (id, with_error) = match rest {
        [id] => (id, false),
        [id, how] if is(how, "timeout") => (id, false),
        [id, how] if is(how, "error") => (id, true),
        _ => {
            return Err(Abort::error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = u64::try_from(int(id)?).unwrap_or(0);
    let Some(waiting) = call.store.blocked.remove(id) else { return Ok(Reply::Int(0)) };
    let reply = if with_error {
        Reply::error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
    } else {
        waiting.timed_out()
    };
    call.store.effects.push(Effect::Send(id, reply));
    Ok(Reply::Int(1))
}
