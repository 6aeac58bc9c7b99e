//! Anonymizing, held to a corpus of made-up personal data in many languages, and to whole bundles.
mod bundles;
mod corpus;
