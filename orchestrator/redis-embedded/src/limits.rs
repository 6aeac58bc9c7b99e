//! The bounds that keep a misbehaving client from taking the process down.

/// Bounds of the embedded server. Redis has the same ones, mostly far larger.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once (Redis: `maxclients`).
    pub clients: usize,
    /// Bytes of one argument (Redis: `proto-max-bulk-len`, 512 MiB).
    pub bulk_bytes: usize,
    /// Arguments of one command (Redis: 1024 * 1024).
    pub array_items: usize,
    /// Bytes of one whole command (Redis: `client-query-buffer-limit`).
    pub request_bytes: usize,
    /// Bytes of an inline command or of one header line (Redis: 64 KiB).
    pub inline_bytes: usize,
    /// Bytes that may wait to be sent to one connection before it is closed.
    pub output_bytes: usize,
    /// The same for a connection that subscribes (Redis: 32 MiB for `pubsub`).
    pub subscriber_output_bytes: usize,
    /// Commands queued in one MULTI.
    pub queued_commands: usize,
    /// Channels and patterns one connection may subscribe to.
    pub subscriptions: usize,
    /// Keys one connection may watch.
    pub watched_keys: usize,
    /// Bytes the data may take, about (Redis: `maxmemory`); 0 for as many as there are.
    pub data_bytes: u64,
    /// Virtual machine instructions one script may run before it is stopped.
    pub script_steps: u64,
    /// Bytes the script interpreter may hold.
    pub script_bytes: usize,
    /// Different scripts kept for EVALSHA; beyond it the least recently loaded ones are forgotten.
    pub scripts: usize,
    /// Seconds after which a connection that never completed a first command is closed.
    pub first_command_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 1024,
            bulk_bytes: 64 << 20,
            array_items: 1024 * 1024,
            request_bytes: 128 << 20,
            inline_bytes: 64 << 10,
            output_bytes: 256 << 20,
            subscriber_output_bytes: 32 << 20,
            queued_commands: 100_000,
            subscriptions: 100_000,
            watched_keys: 100_000,
            data_bytes: 2 << 30,
            script_steps: 200_000_000,
            script_bytes: 256 << 20,
            scripts: 5_000,
            first_command_seconds: 30,
        }
    }
}
