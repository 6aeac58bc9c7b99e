//! The timeline's lines, with what they say checked.
use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::format::error::{BundleError, Result};
use crate::format::json::JsonLines;
use crate::format::lines::TimelineLine;
use crate::format::manifest::TIMELINE;
use crate::format::runs::span_fault;

/// Yields the timeline's lines in order. A run that makes no sense is an error that names line and field.
#[derive(Debug)]
pub struct Timeline<R = BufReader<File>>(pub(crate) JsonLines<TimelineLine, R>);

impl<R: BufRead> Timeline<R> {
    /// The number of the last line read, from 1.
    pub fn line(&self) -> u64 {
        self.0.line()
    }

    /// An error in the last line read.
    pub(crate) fn fault(&self, field: &str, message: String) -> BundleError {
        BundleError::Value {
            file: format!("{TIMELINE}, line {}", self.line()),
            field: field.to_owned(),
            message,
        }
    }
}

impl<R: BufRead> Iterator for Timeline<R> {
    type Item = Result<TimelineLine>;

    fn next(&mut self) -> Option<Result<TimelineLine>> {
        let line = self.0.next()?;
        let fault = match &line {
            Ok(TimelineLine::Slots(run)) => run.fault(),
            Ok(TimelineLine::Played { first_slot, slots }) => span_fault(*first_slot, *slots),
            _ => None,
        };
        match fault {
            Some((field, message)) => Some(Err(self.fault(field, message))),
            None => Some(line),
        }
    }
}
