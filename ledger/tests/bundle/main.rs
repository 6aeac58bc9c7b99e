//! Bundles, from outside: written, read, broken, exported.
mod broken;
mod export;
mod format;
mod sample;
mod sound;
mod writing;
