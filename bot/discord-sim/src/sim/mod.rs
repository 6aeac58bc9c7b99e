//! What tests and the command line hold. `builder` starts a simulation, `running` stops it, `handle` is for everything
//! between; `calls` disturbs calls and connections, `commands` uses the bot's commands.
mod builder;
mod calls;
mod commands;
mod handle;
mod running;

pub use builder::SimBuilder;
pub use handle::Handle;
pub use running::Sim;
