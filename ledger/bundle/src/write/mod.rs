//! Recording a bundle while a session goes on, so that a kill at any moment loses at most a second.
pub(crate) mod bot_voice;
pub(crate) mod checkpoint;
pub(crate) mod compress;
pub(crate) mod durability;
pub(crate) mod open_files;
pub(crate) mod roster;
pub(crate) mod seal;
pub(crate) mod speaker;
pub(crate) mod writer;
