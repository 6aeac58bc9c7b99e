//! Transactions.

pub(crate) mod multi;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[multi::SPECS];
