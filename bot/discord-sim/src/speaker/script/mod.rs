//! Scripts: what several speakers do side by side, as a JSON file. [`model`] is its form, [`parse`](Script::parse)
//! checks it and names line and field of what is wrong, [`run`] plays it in a simulation.

mod locate;
pub mod model;
mod parse;
pub mod run;

pub use model::{Role, Script, Step};
pub use parse::{Fault, ScriptError};
pub use run::{Outcome, RoleRun, ScriptReport, StepRun, run_script};
