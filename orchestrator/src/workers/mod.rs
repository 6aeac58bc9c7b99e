//! Workers: what production's actions lead to. They take jobs from the queues and put results on sessions' streams.
pub mod jobs;
