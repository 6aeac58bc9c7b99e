//! The `antiphon` command: settings → build → run → drain.
use std::process::ExitCode;

use antiphon::cli::{self, Cli};
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(ca) = cli.voice_ca() {
        trust(&ca);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return antiphon::output::fail(&anyhow::anyhow!("the async runtime could not start: {error}"));
        }
    };
    let code = runtime.block_on(cli::run(cli));
    // Whatever is still blocking (a model that decodes) must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    code
}

/// Makes songbird's TLS trust a CA: it reads the file that `SSL_CERT_FILE` names, and offers no other way in.
#[allow(unsafe_code)]
fn trust(ca: &std::path::Path) {
    // SAFETY: the process has one thread as yet; nothing else reads or writes the environment.
    unsafe { std::env::set_var("SSL_CERT_FILE", ca) };
}
