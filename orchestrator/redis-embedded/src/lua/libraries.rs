//! Libraries of functions that are loaded.

use std::collections::BTreeMap;

use bytes::Bytes;
use mlua::Function;

use super::interpreter::Interpreter;

/// All libraries, and the interpreter that runs them.
#[derive(Default)]
pub(crate) struct Functions {
    pub(crate) libraries: BTreeMap<String, Library>,
    pub(super) interpreter: Option<Interpreter>,
}

pub(crate) struct Library {
    pub(crate) code: Bytes,
    pub(crate) functions: Vec<Registered>,
}

/// A function as it was registered.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) flags: Vec<String>,
    pub(super) body: Function,
}

impl Registered {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }
}

impl Functions {
    /// The function by this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&Registered> {
        let all = self.libraries.values().flat_map(|library| &library.functions);
        all.into_iter().find(|function| function.name.as_bytes().eq_ignore_ascii_case(name))
    }

    pub(crate) fn flush(&mut self) {
        *self = Self::default();
    }
}
