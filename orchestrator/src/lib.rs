//! What works around Antiphon's mind: the [`workers`] that recognise, write and speak; a [`session`], which is one stay of
//! the bot in one voice channel; and [`replay`], which feeds what was recorded to fresh machines.
pub mod workers;

pub mod session;

pub mod replay;
