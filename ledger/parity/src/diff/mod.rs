//! Two runs side by side: where lanes, replays or sessions agree, where they differ, and why.
//!
//! A [`Run`] is a session's turns as one lane decided them, assembled from inputs and actions wherever those are kept
//! ([`load`]). [`compare`] is pure: it lines turns up and gives a [`Parity`]. `docs/parity.md` explains the method.
mod assemble;
mod provenance;
mod run;
mod turn;

mod classify;
mod compare;
mod interval;
mod parity;

mod identity;

mod junit;
pub mod load;
mod replay_dir;

pub use assemble::Assembler;
pub use compare::{Tolerances, compare};
pub use identity::{FirstDifference, Identity, identity};
pub use interval::{Interval, wilson};
pub use junit::junit;
pub use load::DiffError;
pub use parity::{Class, Difference, FieldParity, NotComparable, Parity};
pub use provenance::Provenance;
pub use replay_dir::{REPLAY, ReplayHead, ReplayLine, ReplayReader, ReplayWriter};
pub use run::{Run, RunSource};
pub use turn::{DecisionView, Origin, TurnView};
