//! Data looked at and changed without a connection: for tests that prepare what a program finds, and check what it left.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::error::EmbeddedError;
use super::handle::EmbeddedServer;
use crate::resp::Reply;

impl EmbeddedServer {
    /// Runs a command in database 0, as the default user, on a connection of its own: what one command sets up for the
    /// next (`SELECT`, `MULTI`) does not last. A command that would wait answers at once, with no value.
    ///
    /// # Errors
    /// The server has stopped. What Redis refuses is a [`Reply::Error`].
    pub async fn command<A: AsRef<[u8]>>(&self, words: &[A]) -> Result<Reply, EmbeddedError> {
        let words = words.iter().map(|word| Bytes::copy_from_slice(word.as_ref())).collect();
        let (reply, answer) = oneshot::channel();
        self.commands.send((words, reply)).await.map_err(|_| EmbeddedError::Stopped)?;
        answer.await.map_err(|_| EmbeddedError::Stopped)
    }

    /// Sets a string, whatever the key held before.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), EmbeddedError> {
        self.command(&[b"SET", key.as_ref(), value.as_ref()]).await.map(drop)
    }

    /// The string at a key; none if it is missing or of another type.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, EmbeddedError> {
        Ok(self.command(&[b"GET", key.as_ref()]).await?.into_bytes())
    }

    /// Deletes a key; says whether it was there.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn del(&self, key: impl AsRef<[u8]>) -> Result<bool, EmbeddedError> {
        Ok(self.command(&[b"DEL", key.as_ref()]).await? == Reply::Int(1))
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool, EmbeddedError> {
        Ok(self.command(&[b"EXISTS", key.as_ref()]).await? == Reply::Int(1))
    }

    /// All keys, in order of their names.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn keys(&self) -> Result<Vec<Bytes>, EmbeddedError> {
        let mut keys = self.command(&["KEYS", "*"]).await?.into_strings();
        keys.sort_unstable();
        Ok(keys)
    }

    /// All elements of a list.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn list(&self, key: impl AsRef<[u8]>) -> Result<Vec<Bytes>, EmbeddedError> {
        Ok(self.command(&[b"LRANGE", key.as_ref(), b"0", b"-1"]).await?.into_strings())
    }

    /// Names and values of a hash, in order of the names.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn hash(&self, key: impl AsRef<[u8]>) -> Result<Vec<(Bytes, Bytes)>, EmbeddedError> {
        let Reply::Map(pairs) = self.command(&[b"HGETALL", key.as_ref()]).await? else {
            return Ok(Vec::new());
        };
        let pair = |(name, value): (Reply, Reply)| Some((name.into_bytes()?, value.into_bytes()?));
        let mut pairs: Vec<_> = pairs.into_iter().filter_map(pair).collect();
        pairs.sort_unstable();
        Ok(pairs)
    }

    /// Milliseconds until a key expires; none if it is missing or stays.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn ttl_ms(&self, key: impl AsRef<[u8]>) -> Result<Option<u64>, EmbeddedError> {
        Ok(match self.command(&[b"PTTL", key.as_ref()]).await? {
            Reply::Int(left) => u64::try_from(left).ok(),
            _ => None,
        })
    }

    /// Deletes everything.
    ///
    /// # Errors
    /// The server has stopped.
    pub async fn flush_all(&self) -> Result<(), EmbeddedError> {
        self.command(&["FLUSHALL"]).await.map(drop)
    }
}
