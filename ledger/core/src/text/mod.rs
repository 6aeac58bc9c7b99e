//! Words, numbers in words, and sentences: what policies, language models and voices agree on about text.
pub mod numerals;
pub mod sentences;
pub mod waiting;
pub mod words;
