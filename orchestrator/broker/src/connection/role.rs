//! The role that a server reports.
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};

/// A server's part in replication, from `ROLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// It takes writes; so many replicas follow it now.
    Primary { replicas: u32 },
    /// It follows a primary, and has caught up with it at some time, or not.
    Replica { connected: bool },
    /// A Sentinel, mistaken for a server.
    Sentinel,
    /// It may not be asked (an access list), or answers strangely.
    Unknown,
}

impl Role {
    /// Reads the answer to `ROLE`.
    pub(crate) fn read(answer: &Value) -> Self {
        let Value::Array(parts) = answer else { return Self::Unknown };
        let text = |at: usize| match parts.get(at) {
            Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Some(Value::SimpleString(text)) => text.clone(),
            _ => String::new(),
        };
        match text(0).as_str() {
            "master" => {
                let replicas = match parts.get(2) {
                    Some(Value::Array(replicas)) => replicas.len(),
                    _ => 0,
                };
                Self::Primary { replicas: u32::try_from(replicas).unwrap_or(u32::MAX) }
            }
            "slave" => Self::Replica { connected: text(3) == "connected" },
            "sentinel" => Self::Sentinel,
            _ => Self::Unknown,
        }
    }

    /// Asks a server, which must be ready to answer: one that still loads its data is an error.
    pub(crate) async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        let mut pipe = redis::pipe();
        pipe.cmd("PING").cmd("ROLE");
        let answers = connection.send_packed_commands(&pipe, 0, 2).await?;
        match answers.as_slice() {
            [Value::ServerError(error), _] => Err(error.clone().into()),
            [_, answer] => Ok(Self::read(answer)),
            _ => Ok(Self::Unknown),
        }
    }

    /// The word for messages.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Primary { .. } => "primary",
            Self::Replica { .. } => "replica",
            Self::Sentinel => "Sentinel",
            Self::Unknown => "server of unknown role",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> Role {
        Role::read(&redis::parse_redis_value(reply.as_bytes()).unwrap())
    }

    #[test]
    fn primaries_replicas_and_sentinels_are_distinguished() {
        let one = "*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$1\r\n5\r\n";
        let primary = format!("*3\r\n$6\r\nmaster\r\n:5\r\n*1\r\n{one}");
        assert_eq!(read(&primary), Role::Primary { replicas: 1 });
        let replica = |state: &str| {
            format!("*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n${}\r\n{state}\r\n:7\r\n", state.len())
        };
        assert_eq!(read(&replica("connected")), Role::Replica { connected: true });
        assert_eq!(read(&replica("sync")), Role::Replica { connected: false });
        assert_eq!(read("*2\r\n$8\r\nsentinel\r\n*0\r\n"), Role::Sentinel);
        assert_eq!(read("-NOPERM no\r\n"), Role::Unknown);
    }
}
