//! Inputs, actions and transcripts of a session that was cut off.
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::iter::Peekable;
use std::path::Path;

use super::lines::scan;
use super::quarantine::Aside;
use super::report::FileKept;
use crate::format::error::{BundleError, Doing, Result};
use crate::format::json::JsonLines;
use crate::format::lines::{ActionLine, InputLine, TranscriptLine};
use crate::format::manifest::{Counts, Head, INPUTS, TRANSCRIPTS, actions_file};
use crate::format::transcript::Transcriber;
use crate::write::roster::Roster;
use antiphon_core::ids::Lane;
use antiphon_core::private_files;
use antiphon_core::time::Timestamp;

/// What is left of what was decided.
#[derive(Debug)]
pub(super) struct Decisions {
    pub(super) files: Vec<FileKept>,
    pub(super) counts: Counts,
    pub(super) roster: Roster,
    /// When the last input came.
    pub(super) last: Timestamp,
}

/// Cuts inputs and actions to whole steps and puts the transcripts together again. `whole` is how many steps are known to
/// have all their actions.
pub(super) fn recover(dir: &Path, head: &Head, whole: u64, aside: &Aside<'_>) -> Result<Decisions> {
    let mut inputs = scan::<InputLine>(dir, INPUTS, |_, _| Ok(None))?;
    if inputs.lines > whole {
        inputs = inputs.without_last("its actions may not all have been written");
    }
    let steps = inputs.lines;
    let mut files = vec![inputs.cut(INPUTS, aside)?];
    let mut counts = Counts { inputs: steps, ..Counts::default() };
    for lane in [Lane::Production, Lane::Sandbox] {
        let name = actions_file(lane);
        let mut last = 0;
        let actions = scan::<ActionLine>(dir, name, |line, _| {
            let fits = line.step < steps && line.step >= last;
            last = line.step;
            Ok((!fits).then(|| format!("step {} is not among the {steps} inputs kept", line.step)))
        })?;
        match lane {
            Lane::Production => counts.production_actions = actions.lines,
            Lane::Sandbox => counts.sandbox_actions = actions.lines,
        }
        files.push(actions.cut(name, aside)?);
    }
    let mut roster = Roster::default();
    let mut last = head.started;
    let mut transcripts = Transcripts::open(dir, aside)?;
    let mut transcriber = Transcriber::new(head.started, head.bot.clone());
    let mut actions = open::<ActionLine>(dir, actions_file(Lane::Production))?;
    for (step, line) in (0..).zip(JsonLines::<InputLine>::open(&dir.join(INPUTS), INPUTS)?) {
        let InputLine { at, input } = line?;
        last = last.max(at);
        roster.input(at, &input);
        if let Some(line) = transcriber.input(at, &input) {
            transcripts.line(&line)?;
        }
        while let Some(action) = next_of(&mut actions, step)? {
            if let Some(line) = transcriber.action(action.at, &action.action) {
                transcripts.line(&line)?;
            }
        }
    }
    counts.turns = roster.turns();
    let (lines, file) = transcripts.finish()?;
    counts.transcripts = lines;
    files.push(file);
    Ok(Decisions { files, counts, roster, last })
}

fn open<T: serde::de::DeserializeOwned>(dir: &Path, name: &str) -> Result<Peekable<JsonLines<T>>> {
    Ok(JsonLines::open(&dir.join(name), name)?.peekable())
}

fn next_of(actions: &mut Peekable<JsonLines<ActionLine>>, step: u64) -> Result<Option<ActionLine>> {
    match actions.next_if(|line| line.as_ref().map_or(true, |line| line.step <= step)) {
        Some(line) => line.map(Some),
        None => Ok(None),
    }
}

/// The transcripts as they should be, compared with those found: as far as the two agree the file stays.
struct Transcripts<'a> {
    aside: &'a Aside<'a>,
    path: std::path::PathBuf,
    found: u64,
    existing: BufReader<File>,
    /// From the first difference on: what follows the cut.
    out: Option<BufWriter<File>>,
    agreed: u64,
    lines: u64,
    piece: Option<String>,
}

impl<'a> Transcripts<'a> {
    fn open(dir: &Path, aside: &'a Aside<'a>) -> Result<Self> {
        let path = dir.join(TRANSCRIPTS);
        let file =
            private_files::options().read(true).append(true).create(true).open(&path).doing("open", &path)?;
        let found = file.metadata().doing("look at", &path)?.len();
        let existing = BufReader::new(file);
        Ok(Self { aside, path, found, existing, out: None, agreed: 0, lines: 0, piece: None })
    }

    fn line(&mut self, line: &TranscriptLine) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(std::io::Error::from).doing("write", &self.path)?;
        bytes.push(b'\n');
        self.lines += 1;
        if self.out.is_none() {
            if self.stands(&bytes)? {
                self.agreed += bytes.len() as u64;
                return Ok(());
            }
            self.differ()?;
        }
        match &mut self.out {
            Some(out) => out.write_all(&bytes).doing("write", &self.path),
            None => Ok(()),
        }
    }

    fn stands(&mut self, bytes: &[u8]) -> Result<bool> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let found = self.existing.fill_buf().doing("read", &self.path)?;
            let n = found.len().min(rest.len());
            if n == 0 || found[..n] != rest[..n] {
                return Ok(false);
            }
            self.existing.consume(n);
            rest = &rest[n..];
        }
        Ok(true)
    }

    fn differ(&mut self) -> Result<()> {
        self.piece = self.aside.cut(TRANSCRIPTS, self.agreed)?;
        let file = File::options().append(true).open(&self.path).doing("open", &self.path)?;
        self.out = Some(BufWriter::new(file));
        Ok(())
    }

    fn finish(mut self) -> Result<(u64, FileKept)> {
        if self.out.is_none() && self.found > self.agreed {
            self.differ()?;
        }
        if let Some(out) = self.out.take() {
            let file = out.into_inner().map_err(std::io::IntoInnerError::into_error);
            file.and_then(|file| file.sync_all()).doing("write", &self.path)?;
        }
        let lost = self.piece.as_ref().map(|_| {
            format!("{} bytes that do not follow from inputs and actions", self.found - self.agreed)
        });
        let kept = FileKept {
            name: TRANSCRIPTS.to_owned(),
            found_bytes: self.found,
            kept_bytes: self.agreed,
            kept: format!("{} lines, put together again from inputs and actions", self.lines),
            lost,
            aside: self.piece,
        };
        Ok((self.lines, kept))
    }
}

/// Reads the session's head out of its first input, when the file that has it is damaged.
pub(super) fn head_of_first_input(dir: &Path) -> Result<Option<Head>> {
    let path = dir.join(INPUTS);
    if !path.is_file() {
        return Ok(None);
    }
    match JsonLines::<InputLine>::open(&path, INPUTS)?.next() {
        Some(Ok(InputLine {
            at,
            input:
                antiphon_core::event::Input::SessionStarted {
                    session,
                    guild,
                    channel,
                    bot,
                    flags,
                    providers,
                    settings,
                },
        })) => Ok(Some(Head {
            session,
            guild,
            channel,
            started: at,
            bot,
            flags,
            settings,
            providers,
            policies: Default::default(),
            versions: Default::default(),
        })),
        Some(Err(error @ BundleError::Io { .. })) => Err(error),
        _ => Ok(None),
    }
}
