//! Scripts.

pub(crate) mod eval;
pub(crate) mod function;
pub(crate) mod script;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[eval::SPECS, function::SPECS, script::SPECS];
