//! Users, and what they may do (ACL).
//!
//! - [`users`] holds them; [`user`] is one, with passwords and selectors;
//! - [`selector`] says which commands, keys and channels;
//! - [`categories`] knows groups of commands.

pub(crate) mod categories;
pub(crate) mod selector;
pub(crate) mod user;
pub(crate) mod users;
