//! What a command causes for other connections.

use super::ids::ClientId;
use crate::resp::Reply;

/// Something to do outside of the reply to the command at hand.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this to that connection: a message, or the answer to a command that waited.
    Send(ClientId, Reply),
    /// Close that connection.
    Close(ClientId),
}
