//! Mirrored sound over real sockets: what a sender may do to the server, and a whole recording with several speakers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad;
mod python;
mod recording;
mod room;
mod senders;

use std::path::Path;
use std::process::Command;

/// Speech of espeak-ng as a WAV file of this rate and number of channels.
fn speech(file: &Path, text: &str, voice: &str, rate: u32, channels: u16) {
    let raw = file.with_extension("espeak.wav");
    let made = Command::new("espeak-ng")
        .args(["-v", voice, "-s", "150", "-w"])
        .arg(&raw)
        .arg(text)
        .status()
        .expect("espeak-ng must be installed (apt-get install espeak-ng)");
    assert!(made.success());
    let converted = Command::new("sox")
        .arg(&raw)
        .args(["-r", &rate.to_string(), "-c", &channels.to_string(), "-b", "16"])
        .arg(file)
        .status()
        .expect("sox must be installed (apt-get install sox)");
    assert!(converted.success());
}
