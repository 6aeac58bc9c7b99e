//! PING, ECHO, QUIT, RESET.

use crate::commands::prelude::*;
use crate::resp::Protocol;
use crate::store::acl::users::DEFAULT;
use crate::store::client::ReplyMode;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("ping", -1, FAST | Spec::WHILE_SUBSCRIBED, NONE, ping),
    Command::new("echo", 2, FAST, NONE, echo),
    Command::new(
        "quit",
        -1,
        FAST | Spec::NO_AUTH | Spec::IN_MULTI_NOW | Spec::WHILE_SUBSCRIBED | NO_SCRIPT,
        NONE,
        quit,
    ),
    Command::new(
        "reset",
        1,
        FAST | Spec::NO_AUTH | Spec::IN_MULTI_NOW | Spec::WHILE_SUBSCRIBED | NO_SCRIPT,
        NONE,
        reset,
    ),
];

fn ping(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    if args.len() > 2 {
        return call.arity_error();
    }
    let client = call.client()?;
    if client.subscriptions() > 0 && client.protocol == Protocol::Resp2 {
        let echo = args.get(1).cloned().unwrap_or_default();
        return Ok(Reply::Array(vec![Reply::copy(b"pong"), Reply::Bulk(echo)]));
    }
    Ok(args.get(1).map_or(Reply::Simple("PONG"), |echo| Reply::Bulk(echo.clone())))
}

fn echo(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Bulk(call.args[1].clone()))
}

fn quit(call: &mut Call<'_>) -> Answer {
    call.client()?.closing = true;
    Ok(Reply::OK)
}

fn reset(call: &mut Call<'_>) -> Answer {
    let id = call.client;
    call.store.unwatch(id);
    call.store.unsubscribe_all(id);
    call.store.untrack(id);
    call.store.monitors.remove(&id);
    let open = call.store.users.is_open();
    let client = call.client()?;
    client.queued = None;
    client.db = 0;
    client.name = Bytes::new();
    client.protocol = Protocol::Resp2;
    client.reply_mode = ReplyMode::On;
    client.authenticated = open;
    client.user = DEFAULT.to_owned();
    Ok(Reply::Simple("RESET"))
}
