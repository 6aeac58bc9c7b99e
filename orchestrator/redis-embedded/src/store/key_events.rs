//! Keyspace notifications (`notify-keyspace-events`).

use bytes::Bytes;

/// The messages, with their channels, that say that something of this class happened to a key, if that is wanted.
pub(crate) fn messages(
    wanted: &str,
    db: usize,
    class: char,
    event: &str,
    key: &Bytes,
) -> Vec<(Bytes, Bytes)> {
    let mut messages = Vec::new();
    // `A` stands for all classes but `m` and `n`.
    if wanted.is_empty() || !(wanted.contains(class) || (wanted.contains('A') && !"mn".contains(class))) {
        return messages;
    }
    if wanted.contains('K') {
        let mut channel = format!("__keyspace@{db}__:").into_bytes();
        channel.extend_from_slice(key);
        messages.push((Bytes::from(channel), Bytes::copy_from_slice(event.as_bytes())));
    }
    if wanted.contains('E') {
        messages.push((Bytes::from(format!("__keyevent@{db}__:{event}")), key.clone()));
    }
    messages
}
