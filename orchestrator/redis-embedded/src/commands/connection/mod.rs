//! Connections: who is there, and how they speak.

pub(crate) mod auth;
pub(crate) mod client;
pub(crate) mod ping;
mod tracking;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[auth::SPECS, client::SPECS, ping::SPECS];
