//! Which commands an access list forbids.
//!
//! Each is put into a transaction that is then discarded: Redis checks the list as it takes a command in, and does none
//! of them. So it needs no right to look at the list itself, and covers key patterns too.
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};

use super::Diagnosis;
use crate::connection::{Dialer, Place};
use crate::keys;

/// What is needed; `K` stands for a key.
const NEEDED: &[&str] = &[
    "GET K",
    "SET K 1",
    "DEL K",
    "UNLINK K",
    "EXISTS K",
    "EXPIRE K 1",
    "PEXPIRE K 1",
    "TTL K",
    "HGET K a",
    "HGETALL K",
    "HSET K a b",
    "HDEL K a",
    "HINCRBY K a 1",
    "SADD K a",
    "SREM K a",
    "SMEMBERS K",
    "ZADD K 1 a",
    "ZCARD K",
    "ZREM K a",
    "ZRANGE K 0 -1",
    "ZRANGEBYSCORE K 0 1",
    "ZREMRANGEBYSCORE K 0 1",
    "XADD K * a b",
    "XLEN K",
    "XDEL K 1-1",
    "XTRIM K MAXLEN 5",
    "XRANGE K - +",
    "XGROUP CREATE K g 0 MKSTREAM",
    "XREADGROUP GROUP g c STREAMS K >",
    "XACK K g 1-1",
    "XPENDING K g",
    "XCLAIM K g c 0 1-1",
    "XAUTOCLAIM K g c 0 0-0",
    "EVAL - 1 K",
    "EVALSHA - 1 K",
    "SCRIPT LOAD -",
    "PUBLISH K a",
    "TIME",
];

/// What is useful: things work without, and less is known.
const USEFUL: &[&str] = &["INFO", "ROLE", "WAIT 0 1", "CLIENT ID", "CLIENT UNBLOCK 0"];

pub(super) async fn inspect(
    found: &mut Diagnosis,
    connection: &mut MultiplexedConnection,
    of: &str,
) -> Result<(), redis::RedisError> {
    let who = connection.send_packed_command(redis::cmd("ACL").arg("WHOAMI")).await?;
    if let Ok(who) = redis::from_redis_value::<String>(who) {
        found.fact(format!("user{of}"), who);
    }
    let needed = denied(connection, NEEDED).await?;
    let useful = denied(connection, USEFUL).await?;
    let shown = if needed.is_empty() { "none that is needed".to_owned() } else { needed.join(", ") };
    found.fact(format!("forbidden{of}"), shown);
    let allow = |names: &[String]| {
        let each: Vec<String> = names.iter().map(|name| format!("+{}", name.to_lowercase())).collect();
        format!("ACL SETUSER … ~{0}:* &{0}:* {1}", keys::PREFIX, each.join(" "))
    };
    if !needed.is_empty() {
        let what = format!("its access list forbids what is needed{of}: {}", needed.join(", "));
        found.broken(what, allow(&needed));
    }
    if !useful.is_empty() {
        let what = format!("its access list forbids what would be of use{of}: {}", useful.join(", "));
        found.advise(what, allow(&useful));
    }
    Ok(())
}

/// Which of these are forbidden.
async fn denied(
    connection: &mut MultiplexedConnection,
    commands: &[&str],
) -> Result<Vec<String>, redis::RedisError> {
    let key = keys::doctor();
    let mut pipe = Pipeline::new();
    pipe.cmd("MULTI");
    for command in commands {
        let mut words = command.split(' ');
        pipe.cmd(words.next().unwrap_or_default());
        for word in words {
            pipe.arg(if word == "K" { key.as_str() } else { word });
        }
    }
    pipe.cmd("DISCARD");
    let answers = connection.send_packed_commands(&pipe, 0, commands.len() + 2).await?;
    Ok(forbidden(commands, &answers))
}

/// Pure: the names of those that were refused for want of a right. `MULTI` comes first.
fn forbidden(commands: &[&str], answers: &[Value]) -> Vec<String> {
    let refused = |answer: &Value| matches!(answer, Value::ServerError(error) if error.code() == "NOPERM");
    let mut names = Vec::new();
    if answers.first().is_some_and(refused) {
        names.push("MULTI".to_owned());
    }
    for (command, answer) in commands.iter().zip(answers.iter().skip(1)) {
        let mut words = command.split(' ');
        let name = words.next().unwrap_or_default();
        // Of these, rights are given by their first word, too.
        let whole = match (name, words.next()) {
            ("CLIENT" | "SCRIPT" | "XGROUP", Some(second)) => format!("{name}|{second}"),
            _ => name.to_owned(),
        };
        if refused(answer) {
            names.push(whole);
        }
    }
    names
}

/// Whether channels may be listened to.
pub(super) async fn listen(found: &mut Diagnosis, dialer: &Dialer, place: &Place) {
    let Ok(mut pubsub) = dialer.pubsub(place).await else { return };
    if let Err(error) = pubsub.subscribe(keys::doctor()).await
        && error.code() == Some("NOPERM")
    {
        let what = "its access list forbids listening to channels: SUBSCRIBE";
        found.broken(what, format!("ACL SETUSER … +subscribe &{}:*", keys::PREFIX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_refused_by_the_access_list_are_named() {
        let error = |line: &str| redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let answers = [Value::Okay, error("NOPERM no"), error("ERR syntax"), error("NOPERM no"), Value::Okay];
        let names = forbidden(&["GET K", "SET K 1", "CLIENT ID"], &answers);
        assert_eq!(names, ["GET", "CLIENT|ID"]);
        let none = [error("NOPERM no"), error("ERR no"), error("ERR no")];
        assert_eq!(forbidden(&["GET K"], &none), ["MULTI"]);
    }
}
