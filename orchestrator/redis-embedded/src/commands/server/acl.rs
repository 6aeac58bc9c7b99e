//! ACL: one user, who may do everything.

use super::help;
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("acl", -2, Spec::ADMIN | NO_SCRIPT, NONE, acl)];

/// The categories that commands here belong to, by the names ACL has for them.
const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "connection",
    "transaction",
    "scripting",
];

fn belongs(category: &[u8], group: &str, spec: &Spec) -> bool {
    match () {
        () if is(category, "read") => spec.has(Spec::READ),
        () if is(category, "write") => spec.has(Spec::WRITE),
        () if is(category, "fast") => spec.has(Spec::FAST),
        () if is(category, "slow") => !spec.has(Spec::FAST),
        () if is(category, "admin") => spec.has(Spec::ADMIN),
        () if is(category, "blocking") => spec.has(Spec::BLOCKING),
        () => {
            let names =
                [("generic", "keyspace"), ("sorted-set", "sortedset"), ("transactions", "transaction")];
            let name = names.into_iter().find(|(own, _)| *own == group).map_or(group, |(_, name)| name);
            is(category, name)
        }
    }
}

fn acl(call: &mut Call<'_>) -> Answer {
    let (word, rest) = (&call.args[1], &call.args[2..]);
    let protected = call.store.config.password.is_some();
    match rest {
        [] if is(word, "whoami") => Ok(Reply::copy(b"default")),
        [] if is(word, "users") => Ok(Reply::Array(vec![Reply::copy(b"default")])),
        [] if is(word, "list") => {
            // The hash of the password stays hidden.
            let pass = if protected { "#<hidden>" } else { "nopass" };
            Ok(Reply::Array(vec![Reply::bulk(format!("user default on {pass} ~* &* +@all"))]))
        }
        [user] if is(word, "getuser") => {
            if &user[..] != b"default" {
                return Ok(Reply::Nil);
            }
            let strings = |words: &[&'static str]| {
                Reply::Array(words.iter().map(|word| Reply::copy(word.as_bytes())).collect())
            };
            let flags: &[&str] = if protected { &["on"] } else { &["on", "nopass"] };
            Ok(Reply::Map(vec![
                (Reply::copy(b"flags"), strings(flags)),
                (Reply::copy(b"passwords"), strings(&[])),
                (Reply::copy(b"commands"), Reply::copy(b"+@all")),
                (Reply::copy(b"keys"), Reply::copy(b"~*")),
                (Reply::copy(b"channels"), Reply::copy(b"&*")),
                (Reply::copy(b"selectors"), strings(&[])),
            ]))
        }
        [] if is(word, "cat") => {
            Ok(Reply::strings(CATEGORIES.iter().map(|name| Bytes::copy_from_slice(name.as_bytes()))))
        }
        [wanted] if is(word, "cat") => {
            let names: Vec<Bytes> = (call.catalog.all)()
                .into_iter()
                .filter(|(group, spec)| belongs(wanted, group, spec))
                .map(|(_, spec)| Bytes::copy_from_slice(spec.name.as_bytes()))
                .collect();
            if names.is_empty() {
                let wanted = String::from_utf8_lossy(wanted).into_owned();
                return Err(Abort::error(format!("ERR Unknown category '{wanted}'")));
            }
            Ok(Reply::strings(names))
        }
        [user, name, args @ ..] if is(word, "dryrun") => {
            if &user[..] != b"default" {
                let user = String::from_utf8_lossy(user).into_owned();
                return Err(Abort::error(format!("ERR User '{user}' not found")));
            }
            let Some(spec) = (call.catalog.find)(name) else {
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(Abort::error(format!("ERR Command '{name}' not found")));
            };
            if !spec.accepts(args.len() + 1) {
                let name = spec.name;
                return Err(Abort::error(format!("ERR wrong number of arguments for '{name}' command")));
            }
            Ok(Reply::OK)
        }
        _ if ["setuser", "deluser", "load", "save", "log", "genpass"]
            .into_iter()
            .any(|known| is(word, known)) =>
        {
            Err(Abort::error(
                "ERR this server has one user, default, who may do everything: access lists are not kept",
            ))
        }
        _ if is(word, "help") => {
            Ok(help::of("ACL", &["CAT", "DRYRUN", "GETUSER", "LIST", "USERS", "WHOAMI"]))
        }
        _ => Err(help::unknown("ACL", word)),
    }
}
