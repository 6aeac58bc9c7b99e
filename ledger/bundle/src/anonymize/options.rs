//! What to scrub besides what is always scrubbed.
use super::pseudonym::Key;

#[derive(Debug)]
pub struct Options {
    /// What pseudonyms are made from: the same key gives the same pseudonyms, in every bundle.
    pub key: Key,
    /// Words and phrases that must go: projects, places, companies.
    pub terms: Vec<String>,
    /// People who are spoken of and were not there.
    pub names: Vec<String>,
}
