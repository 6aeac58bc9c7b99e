//! An entry of the table: a command and what runs it.

use super::answer::Answer;
use super::call::Call;
use crate::spec::Spec;

pub(crate) type Handler = fn(&mut Call<'_>) -> Answer;

#[derive(Clone, Copy)]
pub(crate) struct Command {
    pub(crate) spec: Spec,
    pub(crate) run: Handler,
}

impl Command {
    pub(crate) const fn new(
        name: &'static str,
        arity: i32,
        flags: u16,
        keys: (i32, i32, i32),
        run: Handler,
    ) -> Self {
        Self { spec: Spec::new(name, arity, flags, keys), run }
    }
}
