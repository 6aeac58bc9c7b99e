//! Comparing runs and reporting on them, from outside.
mod diffing;
mod session;
