//! The handle that tests and the command line hold. `builder` starts a simulation; `handle` is it; `calls` is what one
//! can do to calls and connections on purpose; `commands` uses the bot's slash commands.
mod builder;
mod calls;
mod commands;
mod handle;

pub use builder::SimBuilder;
pub use handle::Sim;
