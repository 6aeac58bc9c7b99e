//! Judges by a reply whether its connection is still good. Pure.
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};

/// What to do with the connection, and with the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server did what it could; an error is the caller's.
    Keep,
    /// The server is not one to write to, and has done nothing: another is needed, and the command may be sent to it.
    Elsewhere(&'static str),
    /// The connection is broken; whether the command was done is not known.
    Broken(&'static str),
}

/// The verdict on one answer.
pub(crate) fn of_one(answer: &RedisResult<Value>) -> Verdict {
    match answer {
        Ok(Value::ServerError(error)) => of_code(error.code()),
        Ok(_) => Verdict::Keep,
        Err(error) => of_error(error),
    }
}

/// The verdict on the answers to several commands. Some may have been done: none of them is sent again.
pub(crate) fn of_many(answers: &RedisResult<Vec<Value>>) -> Verdict {
    match answers {
        Ok(values) => {
            let verdicts = values.iter().filter_map(|value| match value {
                Value::ServerError(error) => Some(of_code(error.code())),
                _ => None,
            });
            verdicts.into_iter().find(|verdict| *verdict != Verdict::Keep).unwrap_or(Verdict::Keep)
        }
        Err(error) => of_error(error),
    }
}

fn of_error(error: &RedisError) -> Verdict {
    match error.kind() {
        ErrorKind::Parse => Verdict::Broken("protocol"),
        _ if error.is_io_error() => Verdict::Broken("io"),
        ErrorKind::Server(ServerErrorKind::ExecAbort) => {
            // A transaction is refused as a whole for the error of one command.
            let text = error.to_string();
            let codes = ["READONLY", "LOADING", "MASTERDOWN"];
            let found = codes.into_iter().find(|code| text.contains(code));
            found.map_or(Verdict::Keep, of_code)
        }
        _ => error.code().map_or(Verdict::Keep, of_code),
    }
}

fn of_code(code: &str) -> Verdict {
    match code {
        "READONLY" => Verdict::Elsewhere("read_only"),
        "LOADING" => Verdict::Elsewhere("loading"),
        "MASTERDOWN" => Verdict::Elsewhere("master_down"),
        // A blocked read is ended this way when its server becomes a replica.
        "UNBLOCKED" => Verdict::Broken("unblocked"),
        _ => Verdict::Keep,
    }
}

/// A short name for an error, for metrics.
pub(crate) fn kind(error: &RedisError) -> &'static str {
    if error.is_timeout() {
        return "timeout";
    }
    if error.is_io_error() {
        return "io";
    }
    match error.code() {
        Some("READONLY") => "read_only",
        Some("LOADING") => "loading",
        Some("MASTERDOWN") => "master_down",
        Some("NOSCRIPT") => "no_script",
        Some("NOPERM" | "NOAUTH" | "WRONGPASS") => "denied",
        Some("OOM") => "out_of_memory",
        Some("NOREPLICAS") => "no_replicas",
        Some("MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "CROSSSLOT") => "cluster",
        Some("BUSY") => "busy",
        Some("UNBLOCKED") => "unblocked",
        Some("NOGROUP" | "BUSYGROUP") => "group",
        Some(_) => "server",
        None => "client",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(line: &str) -> RedisResult<Value> {
        redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
    }

    #[test]
    fn a_server_that_refuses_writes_is_left() {
        for (line, why) in [
            ("READONLY You can't write against a read only replica.", "read_only"),
            ("LOADING Redis is loading the dataset in memory", "loading"),
            ("MASTERDOWN RedisLink with MASTER is down", "master_down"),
        ] {
            assert_eq!(of_one(&server(line)), Verdict::Elsewhere(why), "{line}");
            let many = server(line).map(|error| vec![Value::Okay, error]);
            assert_eq!(of_many(&many), Verdict::Elsewhere(why), "{line}");
        }
    }

    #[test]
    fn an_error_that_concerns_the_caller_keeps_the_connection() {
        for line in
            ["ERR syntax error", "WRONGTYPE no", "NOSCRIPT no", "OOM no", "NOREPLICAS no", "BUSYGROUP no"]
        {
            assert_eq!(of_one(&server(line)), Verdict::Keep, "{line}");
        }
        assert_eq!(of_one(&Ok(Value::Nil)), Verdict::Keep);
    }

    #[test]
    fn a_broken_connection_is_replaced_without_resending() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(of_one(&Err(broken.into())), Verdict::Broken("io"));
        assert_eq!(of_one(&server("UNBLOCKED no")), Verdict::Broken("unblocked"));
    }

    #[test]
    fn timeouts_are_distinguished_from_other_errors() {
        let late: RedisError = std::io::Error::from(std::io::ErrorKind::TimedOut).into();
        assert_eq!(kind(&late), "timeout");
        let broken: RedisError = std::io::Error::from(std::io::ErrorKind::BrokenPipe).into();
        assert_eq!(kind(&broken), "io");
    }
}
