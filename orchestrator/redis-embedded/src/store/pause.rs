//! Commands that wait because connections are paused (CLIENT PAUSE).

use bytes::Bytes;

use super::ids::ClientId;

/// How long, and whether it holds for all commands or for those that write.
#[derive(Clone, Copy, Debug)]
struct Until {
    millis: u64,
    all: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Option<Until>,
    /// In order of arrival; at most one of each connection.
    postponed: Vec<(ClientId, Vec<Bytes>)>,
}

impl Pause {
    pub(crate) fn begin(&mut self, until_millis: u64, all: bool) {
        self.until = Some(Until { millis: until_millis, all });
    }

    pub(crate) fn end(&mut self) {
        self.until = None;
    }

    /// Whether a command has to wait.
    pub(crate) fn holds(&self, writes: bool) -> bool {
        self.until.is_some_and(|until| until.all || writes)
    }

    pub(crate) fn postpone(&mut self, client: ClientId, command: &[Bytes]) {
        self.postponed.push((client, command.to_vec()));
    }

    pub(crate) fn contains(&self, client: ClientId) -> bool {
        self.postponed.iter().any(|(id, _)| *id == client)
    }

    pub(crate) fn remove(&mut self, client: ClientId) {
        self.postponed.retain(|(id, _)| *id != client);
    }

    /// When it ends by itself.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.until.map(|until| until.millis)
    }

    /// The commands that need not wait any longer.
    pub(crate) fn take_due(&mut self, now: u64) -> Vec<(ClientId, Vec<Bytes>)> {
        if self.until.is_some_and(|until| until.millis <= now) {
            self.until = None;
        }
        if self.until.is_some() { Vec::new() } else { std::mem::take(&mut self.postponed) }
    }
}
