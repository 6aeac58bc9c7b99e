//! Publish and subscribe.

pub(crate) mod publish;
pub(crate) mod subscribe;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[publish::SPECS, subscribe::SPECS];
