//! Speech models and libraries: which there are, fetching them, and which are in use.
//!
//! [`catalogue`] is the list that ships with the program; [`fetch`] downloads ([`disk`] and [`archive`] help);
//! [`folder`] knows what is there, checks it, and keeps what was chosen.
pub mod archive;
pub mod catalogue;
pub mod disk;
pub mod error;
pub mod fetch;
pub mod folder;

pub use catalogue::{Catalogue, Kind, Model, ModelFile};
pub use error::ModelError;
pub use fetch::{Fetcher, Progress};
pub use folder::{Chosen, Folder, State};
