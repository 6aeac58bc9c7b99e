//! AUTH and HELLO: who is there, and which protocol they speak.

use crate::commands::prelude::*;
use crate::resp::Protocol;
use crate::store::acl::users::DEFAULT;
use crate::version::REDIS_VERSION;

const FLAGS: u16 = FAST | NO_SCRIPT | Spec::NO_AUTH;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("auth", -2, FLAGS, NONE, auth), Command::new("hello", -1, FLAGS, NONE, hello)];

fn log_in(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Result<(), Abort> {
    let name = String::from_utf8_lossy(user).into_owned();
    if !call.store.users.get(&name).is_some_and(|user| user.accepts(password)) {
        return Err(Abort::error("WRONGPASS invalid username-password pair or user is disabled."));
    }
    let client = call.client()?;
    client.authenticated = true;
    client.user = name;
    Ok(())
}

fn auth(call: &mut Call<'_>) -> Answer {
    match call.args {
        [_, password] => {
            if call.store.users.is_open() {
                return Err(Abort::error(
                    "ERR AUTH <password> called without any password configured for the default \
                     user. Are you sure your configuration is correct?",
                ));
            }
            log_in(call, DEFAULT.as_bytes(), password)?;
        }
        [_, user, password] => log_in(call, user, password)?,
        _ => return Err(syntax()),
    }
    Ok(Reply::OK)
}

fn hello(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let wanted = match args.get(1) {
        None => None,
        Some(version) => match int(version) {
            Ok(2) => Some(Protocol::Resp2),
            Ok(3) => Some(Protocol::Resp3),
            Ok(_) => return Err(Abort::error("NOPROTO unsupported protocol version")),
            Err(_) => return Err(Abort::error("ERR Protocol version is not an integer or out of range")),
        },
    };
    let mut name = None;
    let mut rest = args.get(2..).unwrap_or_default();
    while let Some((word, after)) = rest.split_first() {
        match after {
            [user, password, after @ ..] if is(word, "auth") => {
                log_in(call, user, password)?;
                rest = after;
            }
            [given, after @ ..] if is(word, "setname") => {
                name = Some(super::client::valid_name(given)?);
                rest = after;
            }
            _ => {
                let word = String::from_utf8_lossy(word);
                return Err(Abort::error(format!("ERR Syntax error in HELLO option '{word}'")));
            }
        }
    }
    let client = call.client()?;
    if !client.authenticated {
        return Err(Abort::error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
             <proto> AUTH <user> <pass> option can be used to authenticate the client and select \
             the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        client.name = name;
    }
    if let Some(wanted) = wanted {
        client.protocol = wanted;
    }
    let (id, protocol) = (client.id, if client.protocol == Protocol::Resp3 { 3 } else { 2 });
    let text = |text: &'static str| Reply::copy(text.as_bytes());
    Ok(Reply::Map(vec![
        (text("server"), text("redis")),
        (text("version"), text(REDIS_VERSION)),
        (text("proto"), Reply::Int(protocol)),
        (text("id"), Reply::Int(i64::try_from(id).unwrap_or(i64::MAX))),
        (text("mode"), text("standalone")),
        (text("role"), text("master")),
        (text("modules"), Reply::Array(Vec::new())),
    ]))
}
