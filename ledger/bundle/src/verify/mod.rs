//! Whether a bundle is whole and agrees with itself.
//!
//! Each file is opened and read once: what looks at its content reads through what digests it. Files are read side by
//! side; what they say of each other is compared at the end.
//!
//! - `verification`: what is compared at the end, and the result;
//! - `dispatch`: which file is checked by what, on which thread;
//! - `decisions`, `timeline`, `tracks`: the content of each kind of file; `unlisted_files`: what the manifest does not name;
//! - `scan`: one file read through its digest; `marks`, `packet_slots`, `findings`, `problems`: what was found.
mod marks;
mod packet_slots;
mod problems;
mod scan;

mod decisions;
mod timeline;
mod tracks;

mod dispatch;
mod findings;
mod unlisted_files;

mod verification;

pub use verification::Verification;
