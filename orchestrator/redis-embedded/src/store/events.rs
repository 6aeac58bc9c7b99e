//! Keyspace notifications (`notify-keyspace-events`), and what MONITOR shows.

use bytes::Bytes;

use super::client::ClientId;
use super::state::{Effect, Store};
use crate::commands::Caller;
use crate::resp::Reply;

impl Store {
    /// Publishes that something of this class happened to a key, if that is wanted.
    pub(crate) fn tell(&mut self, db: usize, class: char, event: &str, key: &Bytes) {
        let wanted = &self.settings.events;
        // `A` stands for all classes but `m` and `n`.
        if wanted.is_empty() || !(wanted.contains(class) || (wanted.contains('A') && !"mn".contains(class))) {
            return;
        }
        let (of_keys, of_events) = (wanted.contains('K'), wanted.contains('E'));
        if of_keys {
            let mut channel = format!("__keyspace@{db}__:").into_bytes();
            channel.extend_from_slice(key);
            self.publish(&Bytes::from(channel), &Bytes::copy_from_slice(event.as_bytes()));
        }
        if of_events {
            self.publish(&Bytes::from(format!("__keyevent@{db}__:{event}")), key);
        }
    }

    /// Sends a message to who listens; gives to how many.
    pub(crate) fn publish(&mut self, channel: &Bytes, message: &Bytes) -> usize {
        let before = self.effects.len();
        for id in self.channels.get(channel).into_iter().flatten() {
            let parts =
                vec![Reply::copy(b"message"), Reply::Bulk(channel.clone()), Reply::Bulk(message.clone())];
            self.effects.push(Effect::Send(*id, Reply::Push(parts)));
        }
        for (pattern, listeners) in &self.patterns {
            if !super::glob::matches(pattern, channel) {
                continue;
            }
            for id in listeners {
                let parts = vec![
                    Reply::copy(b"pmessage"),
                    Reply::Bulk(pattern.clone()),
                    Reply::Bulk(channel.clone()),
                    Reply::Bulk(message.clone()),
                ];
                self.effects.push(Effect::Send(*id, Reply::Push(parts)));
            }
        }
        self.effects.len() - before
    }

    /// Shows a command to those who watch.
    pub(crate) fn show(&mut self, client: ClientId, db: usize, command: &[Bytes], caller: Caller) {
        if self.monitors.is_empty() {
            return;
        }
        let address = match caller {
            Caller::Script { .. } => "lua".to_owned(),
            _ => self.clients.get(&client).map(|client| client.address.clone()).unwrap_or_default(),
        };
        let mut line = format!("{}.{:06} [{db} {address}]", self.micros / 1_000_000, self.micros % 1_000_000)
            .into_bytes();
        for word in command {
            line.push(b' ');
            quote(word, &mut line);
        }
        let line = Bytes::from(line);
        for id in &self.monitors {
            self.effects.push(Effect::Send(*id, Reply::Status(line.clone())));
        }
    }
}

/// As `sdscatrepr` writes it.
fn quote(word: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}
