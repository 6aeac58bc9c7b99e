//! The bounded list of problems found.

/// A report with more problems than these helps nobody.
pub(super) const MAX_PROBLEMS: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<String>);

impl Problems {
    pub(super) fn add(&mut self, problem: impl ToString) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(problem.to_string());
        }
    }
}
