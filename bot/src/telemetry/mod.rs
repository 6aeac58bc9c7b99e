//! Logs and metrics of the process.
mod logs;
mod recorder;

pub use logs::{LogError, init as init_logs};
pub use recorder::{Metrics, describe};
