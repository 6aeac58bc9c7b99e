//! What tests and the command line hold. `builder` starts a simulation, `running` stops it, `handle` is for everything
//! between; `calls` is what one can do to calls and connections on purpose, `commands` uses the bot's slash commands.
mod builder;
mod calls;
mod commands;
mod handle;
mod running;

pub use builder::SimBuilder;
pub use handle::Handle;
pub use running::Sim;
