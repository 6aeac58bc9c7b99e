//! Makes a bundle that can be shown to others: people become pseudonyms, words lose what identifies a person, voices go.
//!
//! [`scrub`] cleans text and knows nothing of bundles; [`pseudonym`] makes stable stand-ins from a key; [`people`] learns who is
//! in a bundle; [`rewrite`] takes each line through both; [`resynthesize`] speaks the cleaned words again; [`report`] says what
//! was done and what could not be. The result is a sealed bundle of its own, which says that it was anonymized.
mod copy;
mod options;
mod people;
mod pseudonym;
mod report;
mod resynthesize;
mod rewrite;
pub mod scrub;
mod suspect_list;

pub use copy::{Audio, anonymize};
pub use options::Options;
pub use pseudonym::Key;
pub use report::Report;
pub use resynthesize::{Line, Voice};
pub use suspect_list::Left;
