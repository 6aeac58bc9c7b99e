//! `antiphon bundle import`.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bundle::import::{Limits, import};

use crate::cli::paths::existing;
use crate::output::{bar, json, line};

/// Take a bundle into the data folder, from an archive or a folder, after checking every byte
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon bundle import talk.tar.zst
  antiphon bundle import /mnt/backup/bundles/41771983423143937/0195… --json

Nothing appears in the data folder before all of it is unpacked, synced and verified. Refused: names that lead out of
the bundle, links, devices, anything named twice, bombs, sizes and digests that don't fit, unknown versions.")]
pub(in crate::cli) struct Args {
    /// The archive (tar.zst, as `export --format archive` writes it), or a bundle's folder
    from: PathBuf,
    /// Gigabytes (GiB) that it may have in all, unpacked
    #[arg(long, value_name = "GIB", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=16_384))]
    max_size: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, data: &Path) -> anyhow::Result<ExitCode> {
    existing(&args.from, "the archive or folder", "`antiphon bundle export` makes archives")?;
    let limits = Limits { total: args.max_size << 30, ..Limits::default() };
    let imported = import(&args.from, &data.join("bundles"), &limits, bar("taken in"))?;
    if args.json {
        json(&imported)?;
    } else {
        line(format!(
            "session {} of guild {}, {:.1} MB, is whole in {}",
            imported.session,
            imported.guild,
            imported.bytes as f64 / 1e6,
            imported.path.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
