//! What the fuzz targets call, one module for each part of the program. The same functions are run by ordinary tests on
//! mutated good input (`ledger/bundle/tests/bundle/fuzzed.rs`, `bot/capture/tests/properties.rs`,
//! `orchestrator/redis-embedded/tests/redis/fuzzed.rs`, `orchestrator/language/tests/fuzzed.rs`), which take the modules in by path.
pub mod bundle;
pub mod mirror;
pub mod redis;
pub mod reply;
