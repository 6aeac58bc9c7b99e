//! Comparing runs and reporting on them, from outside.
mod diffing;
mod report;
mod session;
