//! Counts of one client, readable while it runs.
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts of one client.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct ClientStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn snapshot(&self) -> ClientStats {
                ClientStats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Voice packets sent, silence frames included.
    sent,
    /// Voice packets sent without end-to-end encryption in a call that has it.
    sent_before_key,
    /// Frames that had their time but were not sent: muted, or no key.
    unsent,
    /// Voice packets that the socket refused.
    send_failed,
    /// Voice frames received and handed on.
    received,
    /// Of these, frames that came unencrypted in a call with end-to-end encryption, silence aside.
    received_plain,
    /// Frames of streams whose owner never became known.
    dropped_ownerless,
    /// Frames that could not be decrypted in time.
    dropped_undecryptable,
    /// Frames given up because too many waited for an owner or a key.
    dropped_overflow,
    /// Packets that failed the transport's authentication, or lied about their length.
    dropped_malformed,
    /// Packets that came twice.
    duplicates,
    /// Datagrams that are no voice packets.
    ignored_datagrams,
    /// Gateway messages that could not be understood.
    ignored_messages,
    /// Times the end-to-end keys changed.
    epochs,
    /// DAVE messages that could not be used.
    dave_failures,
    /// Times the websocket was lost and opened again.
    reconnects,
}

pub(super) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
