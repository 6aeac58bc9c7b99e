//! Reports that people read: `parity.html`, one file that opens by itself, fetches nothing and needs no server.
mod lanes;
mod page;
mod scale;
mod summary;
mod turns;
mod waveform;

pub use page::{ParityReport, ReportError};
