//! Scripts by their SHA-1, and the interpreter that runs them.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;

use super::interpreter::{FIRST_RANDOM, Interpreter};
use super::libraries::Functions;
use crate::limits::Limits;

pub(crate) struct Scripts {
    sources: HashMap<String, Bytes>,
    /// In order of loading: the oldest go when there are too many.
    order: VecDeque<String>,
    max: usize,
    pub(super) steps: u64,
    pub(super) bytes: usize,
    /// The state of `math.random`, which one script leaves to the next.
    pub(super) random: Rc<Cell<u64>>,
    /// Made when the first script comes; away while one runs.
    pub(super) interpreter: Option<Interpreter>,
    /// Libraries of functions, which have an interpreter of their own: SCRIPT FLUSH is not for them.
    pub(crate) functions: Functions,
}

impl Scripts {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            sources: HashMap::new(),
            order: VecDeque::new(),
            max: limits.scripts.max(1),
            steps: limits.script_steps,
            bytes: limits.script_bytes,
            random: Rc::new(Cell::new(FIRST_RANDOM)),
            interpreter: None,
            functions: Functions::default(),
        }
    }

    pub(crate) fn knows(&self, sha: &str) -> bool {
        self.sources.contains_key(sha)
    }

    pub(crate) fn source(&self, sha: &str) -> Option<&Bytes> {
        self.sources.get(sha)
    }

    pub(crate) fn remember(&mut self, sha: &str, source: &Bytes) {
        if self.sources.contains_key(sha) {
            return;
        }
        while self.order.len() >= self.max {
            if let Some(oldest) = self.order.pop_front() {
                self.sources.remove(&oldest);
                if let Some(interpreter) = &mut self.interpreter {
                    interpreter.forget(&oldest);
                }
            }
        }
        self.order.push_back(sha.to_owned());
        self.sources.insert(sha.to_owned(), source.clone());
    }

    pub(crate) fn forget(&mut self, sha: &str) {
        self.sources.remove(sha);
        self.order.retain(|known| known != sha);
    }

    pub(crate) fn forget_all(&mut self) {
        self.sources.clear();
        self.order.clear();
        self.interpreter = None;
    }
}
