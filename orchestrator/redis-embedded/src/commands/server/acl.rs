//! ACL: users, and what they may do.

use rand::RngExt as _;

use super::help;
use crate::commands::prelude::*;
use crate::store::acl::categories;
use crate::store::acl::selector::{Denied, Selector};
use crate::store::acl::user::User;
use crate::store::acl::users::DEFAULT;
use crate::store::effect::Effect;

pub(crate) const COMMANDS: &[Command] = &[Command::new("acl", -2, Spec::ADMIN | NO_SCRIPT, NONE, acl)];

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
 SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users \
 in the Redis configuration.";
const BAD_LENGTH: &str = "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
 4096";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn strings<'a>(words: impl IntoIterator<Item = &'a str>) -> Reply {
    Reply::Array(words.into_iter().map(|word| Reply::copy(word.as_bytes())).collect())
}

fn acl(call: &mut Call<'_>) -> Answer {
    let (word, rest) = (&call.args[1], &call.args[2..]);
    match rest {
        [] if is(word, "whoami") => Ok(Reply::bulk(call.client()?.user.clone())),
        [] if is(word, "users") => Ok(strings(call.store.users.iter().map(|(name, _)| name))),
        [] if is(word, "list") => {
            let lines = call.store.users.iter().map(|(name, user)| Reply::bulk(user.describe(name)));
            Ok(Reply::Array(lines.collect()))
        }
        [name] if is(word, "getuser") => Ok(call.store.users.get(&text(name)).map_or(Reply::Nil, describe)),
        [name, words @ ..] if is(word, "setuser") => set(call, name, words),
        [_, ..] if is(word, "deluser") => delete(call, rest),
        [] if is(word, "cat") => Ok(strings(categories::ALL.iter().copied())),
        [wanted] if is(word, "cat") => {
            let wanted = text(wanted);
            if !categories::ALL.iter().any(|known| known.eq_ignore_ascii_case(&wanted)) {
                return Err(Abort::error(format!("ERR Unknown category '{wanted}'")));
            }
            Ok(strings(categories::members(&wanted.to_lowercase())))
        }
        [user, _, ..] if is(word, "dryrun") => dry_run(call, user, &rest[1..]),
        [] | [_] if is(word, "genpass") => {
            let bits = rest.first().map_or(Ok(256), |bits| int(bits))?;
            let digits = usize::try_from(bits).ok().filter(|bits| (1..=4096).contains(bits));
            let digits = digits.ok_or_else(|| Abort::error(BAD_LENGTH))?.div_ceil(4);
            let mut random = rand::rng();
            let password: String = (0..digits)
                .map(|_| char::from_digit(random.random_range(0..16), 16).unwrap_or('0'))
                .collect();
            Ok(Reply::bulk(password))
        }
        // What is denied is counted (INFO errorstats), not listed.
        [] if is(word, "log") => Ok(Reply::Array(Vec::new())),
        [how] if is(word, "log") && is(how, "reset") => Ok(Reply::OK),
        [count] if is(word, "log") => int(count).map(|_| Reply::Array(Vec::new())),
        [] if is(word, "load") || is(word, "save") => Err(Abort::error(NO_FILE)),
        _ if is(word, "help") => Ok(help::of(
            "ACL",
            &["CAT", "DELUSER", "DRYRUN", "GENPASS", "GETUSER", "LIST", "LOG", "SETUSER", "USERS", "WHOAMI"],
        )),
        _ if [
            "whoami", "users", "list", "getuser", "setuser", "deluser", "cat", "dryrun", "genpass", "log",
        ]
        .into_iter()
        .any(|known| is(word, known)) =>
        {
            Err(help::arity("ACL", word))
        }
        _ => Err(help::unknown("ACL", word)),
    }
}

fn describe(user: &User) -> Reply {
    let parts = |selector: &Selector| {
        vec![
            (Reply::copy(b"commands"), Reply::bulk(selector.describe_commands())),
            (Reply::copy(b"keys"), Reply::bulk(selector.describe_keys())),
            (Reply::copy(b"channels"), Reply::bulk(selector.describe_channels())),
        ]
    };
    let mut fields = vec![
        (Reply::copy(b"flags"), Reply::Set(user.flags().iter().map(|f| Reply::copy(f.as_bytes())).collect())),
        (Reply::copy(b"passwords"), strings(user.passwords().iter().map(String::as_str))),
    ];
    fields.extend(parts(user.root()));
    let selectors = user.selectors().iter().map(|selector| Reply::Map(parts(selector))).collect();
    fields.push((Reply::copy(b"selectors"), Reply::Array(selectors)));
    Reply::Map(fields)
}

/// A selector in parentheses may have come as several words.
fn joined(words: &[Bytes]) -> Result<Vec<Bytes>, Abort> {
    let mut joined: Vec<Bytes> = Vec::new();
    for word in words {
        match joined.last_mut() {
            Some(open) if open.starts_with(b"(") && !open.ends_with(b")") => {
                *open = Bytes::from([&open[..], b" ", word].concat());
            }
            _ => joined.push(word.clone()),
        }
    }
    match joined.last() {
        Some(open) if open.starts_with(b"(") && !open.ends_with(b")") => {
            let start = text(open.split(|&byte| byte == b' ').next().unwrap_or_default());
            Err(Abort::error(format!("ERR Unmatched parenthesis in acl selector starting at '{start}'.")))
        }
        _ => Ok(joined),
    }
}

fn set(call: &mut Call<'_>, name: &Bytes, words: &[Bytes]) -> Answer {
    if name.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(Abort::error("ERR Usernames can't contain spaces or null characters"));
    }
    let words = joined(words)?;
    let find = call.catalog.find;
    let result = call.store.users.set(&text(name), &words, |command| find(command).is_some());
    match result {
        Ok(()) => Ok(Reply::OK),
        Err((word, why)) => {
            Err(Abort::error(format!("ERR Error in ACL SETUSER modifier '{}': {why}", text(&word))))
        }
    }
}

/// Connections of a user that is deleted are closed.
fn delete(call: &mut Call<'_>, names: &[Bytes]) -> Answer {
    if names.iter().any(|name| &name[..] == DEFAULT.as_bytes()) {
        return Err(Abort::error("ERR The 'default' user cannot be removed"));
    }
    let mut deleted = 0;
    for name in names.iter().map(|name| text(name)) {
        if !call.store.users.delete(&name) {
            continue;
        }
        deleted += 1;
        let theirs: Vec<u64> = call
            .store
            .clients
            .values()
            .filter(|client| client.user == name)
            .map(|client| client.id)
            .collect();
        for id in theirs {
            if id == call.client {
                call.client()?.closing = true;
            } else {
                call.store.effects.push(Effect::Close(id));
            }
        }
    }
    Ok(Reply::count(deleted))
}

fn dry_run(call: &mut Call<'_>, user: &Bytes, words: &[Bytes]) -> Answer {
    let name = text(user);
    let Some(user) = call.store.users.get(&name) else {
        return Err(Abort::error(format!("ERR User '{name}' not found")));
    };
    let Some(spec) = call.find(&words[0]) else {
        return Err(Abort::error(format!("ERR Command '{}' not found", text(&words[0]))));
    };
    if !spec.accepts(words.len()) {
        let name = spec.name;
        return Err(Abort::error(format!("ERR wrong number of arguments for '{name}' command")));
    }
    Ok(match user.check(spec, words) {
        Ok(()) => Reply::OK,
        Err(Denied::Command(name)) => {
            Reply::bulk(format!("This user has no permissions to run the '{name}' command"))
        }
        Err(Denied::Key(key)) => {
            Reply::bulk(format!("This user has no permissions to access the '{}' key", text(&key)))
        }
        Err(Denied::Channel(channel)) => {
            Reply::bulk(format!("This user has no permissions to access the '{}' channel", text(&channel)))
        }
    })
}
