//! `antiphon bundle play`.
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use antiphon_core::event::{Action, Consent, StopReason};
use antiphon_core::ids::Lane;
use anyhow::{Context, bail};
use bundle::export::Mix;
use bundle::{Reader, TimelineLine};

use crate::cli::paths::open_bundle;
use crate::output::{bar, line};

/// Play a session through this machine's speakers, or print it as it would be heard
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  antiphon bundle play target/demo/bundle
  antiphon bundle play target/demo/bundle --track Alice --from 12.5
  antiphon bundle play target/demo/bundle --text")]
pub(in crate::cli) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// Only this person's track, by name or id
    #[arg(long, value_name = "NAME")]
    track: Option<String>,
    /// Begin at this second
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    from: f64,
    /// Print who says what, in the order of time; needs no sound
    #[arg(long)]
    text: bool,
}

/// Players that read a WAV file from their input, in the order of preference, and how.
const PLAYERS: [(&str, &[&str]); 4] = [
    ("pw-play", &["-"]),
    ("aplay", &["-q", "-"]),
    ("ffplay", &["-nodisp", "-autoexit", "-loglevel", "error", "-i", "pipe:0"]),
    ("play", &["-q", "-t", "wav", "-"]),
];

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let reader = open_bundle(&args.bundle)?;
    if args.text {
        script(&reader, args.track.as_deref(), args.from)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mix = Mix::of(&reader, args.track.as_deref())?;
    let skip = (args.from.clamp(0.0, 1e9) * 50.0) as u64;
    if skip >= mix.slots() {
        bail!(
            "the session is {:.1} s long, and --from {} lies behind it",
            mix.slots() as f64 / 50.0,
            args.from
        );
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there =
        |name: &str| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let players: Vec<_> =
        PLAYERS.iter().filter_map(|(name, with)| Some((*name, there(name)?, *with))).collect();
    if players.is_empty() {
        bail!(
            "no player is there: install alsa-utils (aplay), pipewire-bin (pw-play), ffmpeg (ffplay) or sox (play); \
             or use --text, or `antiphon bundle export --format mix`"
        );
    }
    let mut failed = Vec::new();
    for (name, program, with) in players {
        // Each starts from the beginning: one that cannot play (no sound card for it) ends at once.
        let mix = Mix::of(&reader, args.track.as_deref())?;
        match play(&program, with, mix, skip)? {
            None => return Ok(ExitCode::SUCCESS),
            Some(why) => failed.push(format!("{name}: {why}")),
        }
    }
    bail!("no player could play it ({}); --text needs no sound", failed.join("; "))
}

/// Plays to the end; gives why not if the player does not like it.
fn play(program: &Path, with: &[&str], mix: Mix, skip: u64) -> anyhow::Result<Option<String>> {
    let mut command = Command::new(program);
    command.args(with).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let mut into = child.stdin.take().context("the player has no input")?;
    let slots = mix.slots() - skip;
    let began = std::time::Instant::now();
    let mut shown = bar("played");
    let mut bytes = wav_header(slots * 960).to_vec();
    for (n, slot) in (0..).zip(mix.skip(usize::try_from(skip).unwrap_or(usize::MAX))) {
        bytes.extend(slot?.iter().flat_map(|sample| sample.to_le_bytes()));
        match into.write_all(&bytes) {
            Ok(()) => {}
            // The player has ended; its exit code says why.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) => return Err(error).context("cannot write to the player"),
        }
        bytes.clear();
        shown(n + 1, slots);
    }
    drop(into);
    let out = child.wait_with_output().context("the player cannot be waited for")?;
    // ffplay calls it a success when there is no sound card. What ends in half the time was not heard.
    let heard = began.elapsed()
        >= std::time::Duration::from_millis(20) * u32::try_from(slots / 2).unwrap_or(u32::MAX);
    if out.status.success() && heard {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&out.stderr);
    let why = said.lines().rev().find(|line| !line.trim().is_empty()).map(str::trim).unwrap_or("");
    Ok(Some(if why.is_empty() { format!("ended too early, {}", out.status) } else { why.to_owned() }))
}

/// 48 kHz mono, 16 bit. Players read as much as comes, whatever the size says.
fn wav_header(samples: u64) -> [u8; 44] {
    let data = u32::try_from(samples * 2).unwrap_or(u32::MAX - 44);
    let mut out = *b"RIFF____WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xBB\0\0\0\x77\x01\0\x02\0\x10\0data____";
    out[4..8].copy_from_slice(&(data + 36).to_le_bytes());
    out[40..44].copy_from_slice(&data.to_le_bytes());
    out
}

/// Prints the session in the order of time.
fn script(reader: &Reader, only: Option<&str>, from: f64) -> anyhow::Result<()> {
    let manifest = reader.manifest();
    let since = |at: antiphon_core::time::Timestamp| at.millis_since(manifest.started);
    let name = |user| manifest.name_of(user).map_or_else(|| user.to_string(), str::to_owned);
    let mut lines: Vec<(u64, String)> = Vec::new();
    for said in reader.transcripts()? {
        let said = said?;
        if only.is_none_or(|only| said.name.eq_ignore_ascii_case(only) || said.user.to_string() == only) {
            lines.push((said.start_ms, format!("{}: {}", said.name, said.text)));
        }
    }
    for entry in reader.timeline()?.filter(|_| only.is_none()) {
        match entry? {
            TimelineLine::Joined { at, member, consent } => {
                let silent = if consent == Consent::Withheld { ", who is not recorded" } else { "" };
                lines.push((since(at), format!("({} is there{silent})", member.name)));
            }
            TimelineLine::Left { at, user } => lines.push((since(at), format!("({} leaves)", name(user)))),
            TimelineLine::Consent { at, user, consent } => {
                let what = if consent == Consent::Granted {
                    "is recorded from now on"
                } else {
                    "is no longer recorded"
                };
                lines.push((since(at), format!("({} {what})", name(user))));
            }
            _ => {}
        }
    }
    for action in reader.actions(Lane::Production)?.filter(|_| only.is_none()) {
        let action = action?;
        match action.action {
            Action::StopPlayback { reason: StopReason::BargeIn, .. } => {
                lines.push((since(action.at), format!("({} is interrupted)", manifest.bot.name)));
            }
            Action::PostText { text, .. } => {
                lines.push((since(action.at), format!("{} writes: {text}", manifest.bot.name)));
            }
            _ => {}
        }
    }
    lines.sort();
    for (ms, text) in lines.into_iter().filter(|(ms, _)| *ms as f64 >= from * 1e3) {
        line(format!("[{}:{:02}.{}] {text}", ms / 60_000, ms / 1_000 % 60, ms / 100 % 10));
    }
    Ok(())
}
