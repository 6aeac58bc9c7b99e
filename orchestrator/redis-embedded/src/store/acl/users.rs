//! All users.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::user::User;

/// The user that all connections begin as.
pub(crate) const DEFAULT: &str = "default";
/// Users at most.
const MAX_USERS: usize = 1000;

#[derive(Debug)]
pub(crate) struct Users {
    by_name: BTreeMap<String, User>,
}

impl Users {
    pub(crate) fn new(password: Option<&str>) -> Self {
        Self { by_name: BTreeMap::from([(DEFAULT.to_owned(), User::default_user(password))]) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &User)> {
        self.by_name.iter().map(|(name, user)| (name.as_str(), user))
    }

    /// Whether connections begin as a user that needs no password.
    pub(crate) fn is_open(&self) -> bool {
        self.get(DEFAULT).is_some_and(|user| user.enabled && user.nopass)
    }

    /// Changes a user, or makes one: by all words or by none; a refusal names the word.
    pub(crate) fn set(
        &mut self,
        name: &str,
        words: &[Bytes],
        known: impl Fn(&[u8]) -> bool,
    ) -> Result<(), (Bytes, &'static str)> {
        if self.by_name.len() >= MAX_USERS && !self.by_name.contains_key(name) {
            return Err((Bytes::copy_from_slice(name.as_bytes()), "Too many users"));
        }
        let mut user = self.get(name).cloned().unwrap_or_default();
        for word in words {
            user.apply(word, &known).map_err(|why| (word.clone(), why))?;
        }
        self.by_name.insert(name.to_owned(), user);
        Ok(())
    }

    pub(crate) fn delete(&mut self, name: &str) -> bool {
        self.by_name.remove(name).is_some()
    }
}
