//! Scripts: EVAL with real Lua 5.1, as Redis runs it.
//!
//! - [`scripts`] remembers scripts by their SHA-1;
//! - [`interpreter`] holds the virtual machine and what a script finds in it;
//! - `prelude.lua` shuts it in: no files, no processes, no globals that outlive a script;
//! - [`run`] runs one script on behalf of one command;
//! - [`libraries`] are libraries of functions, which stay; [`functions`] loads and calls them (FUNCTION, FCALL);
//! - [`shebang`] reads what the first line of a script asks for;
//! - [`convert`] carries values between the two worlds, by Redis' rules;
//! - [`cjson`], [`cmsgpack`], [`structs`] and [`bit`] are the libraries scripts expect; [`native`] is how they fail, and [`location`] says where.

mod api;
mod bit;
mod cjson;
mod cmsgpack;
mod convert;
mod digest;
pub(crate) mod functions;
mod interpreter;
mod json_reader;
pub(crate) mod libraries;
mod location;
mod native;
mod refusal;
mod run;
mod scripts;
mod shebang;
mod structs;

pub(crate) use digest::sha1_hex;
pub(crate) use run::{check, run};
pub(crate) use scripts::Scripts;
