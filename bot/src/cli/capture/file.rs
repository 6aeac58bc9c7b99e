//! `antiphon capture --pcm`: one speaker's raw PCM, from a file (time is what was read of it) or a live pipe (time is when
//! it came).
use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::event::{Consent, Member};
use antiphon_core::ids::UserId;
use antiphon_core::time::{Clock, Timestamp, WallClock};
use anyhow::{Context, bail};
use capture::mirror::wire::{Codec, Declaration};
use capture::mirror::{Encoding, Format, Intake, Piece};

use super::held::HeldClock;
use super::{Args, settle, start, whole};
use crate::app::App;
use crate::output::{line, progress};
use crate::signals::Signals;

/// The one speaker.
const SPEAKER: UserId = UserId(1);

/// Where in its slot a file's sound begins: well within, so that no rounding leads across the slot's edge.
const LEAD: Duration = Duration::from_millis(5);

/// What was read at a time: up to 20 ms.
struct Block {
    pieces: Vec<Piece>,
    /// When its last sample sounded.
    until: Timestamp,
}

/// Where the time of a block comes from.
enum Pace {
    /// A file began then: time is what was read.
    From(Timestamp),
    /// A live source sounded just before it was read.
    Live(Arc<dyn Clock>),
}

pub(super) async fn record(
    app: &Arc<App>,
    args: &Args,
    live: bool,
    format: Format,
    source: Box<dyn Read + Send>,
) -> anyhow::Result<ExitCode> {
    let speed = if live { 1 } else { args.speed };
    let held = Arc::new(HeldClock::new(speed));
    let clock: Arc<dyn Clock> = if live { Arc::new(WallClock::default()) } else { held.clone() };
    let speaker = Member { user: SPEAKER, name: args.speaker.clone(), bot: false };
    let session = start(app, &args.out, speed, clock.clone(), vec![(speaker, Consent::Granted)]).await?;
    let started = session.started();

    // Reading blocks: it has a thread of its own, and a short queue so that a pipe is read as fast as it is used.
    let (blocks, mut inbox) = tokio::sync::mpsc::channel(64);
    let pace = if live { Pace::Live(clock) } else { Pace::From(started) };
    let reading = tokio::task::spawn_blocking(move || read(source, format, &pace, &blocks));
    let mut signals = Signals::follow();
    let mut reported = 0;
    loop {
        // Ctrl-C is how a live pipe is ended: what came so far is sealed as usual.
        let block = tokio::select! {
            block = inbox.recv() => block,
            signal = signals.next() => {
                progress(format!("{signal}: ending"));
                None
            }
        };
        let Some(Block { pieces, until }) = block else { break };
        if !live {
            // At the pace at which it is understood, however fast it can be read.
            tokio::time::sleep(until.since(held.unheld()) / speed).await;
        }
        for piece in pieces {
            if !session.mirrored(piece).await {
                break;
            }
        }
        held.release(until);
        let seconds = until.since(started).as_secs();
        if seconds >= reported + 10 {
            reported = seconds;
            progress(format!("{seconds} s recorded, {} turns", session.status().turns));
        }
    }
    held.release(Timestamp(u64::MAX));
    // The reader may hang in a read of a pipe that was not closed: it is not waited for then.
    inbox.close();
    let fault = tokio::time::timeout(Duration::from_secs(1), reading).await.unwrap_or(Ok(Ok(None)))?;
    settle(&session, speed).await;
    let ended = session.end("the sound ended").await.context("the session did not end")?;
    whole(&ended)?;
    line(format!("{}: {} turns", args.out.display(), ended.status.turns));
    match fault {
        Ok(None) => Ok(ExitCode::SUCCESS),
        Ok(Some(fault)) => bail!("{fault}; what came before is in {}", args.out.display()),
        Err(error) => Err(error.context(format!("what came before is in {}", args.out.display()))),
    }
}

/// Reads 20 ms at a time and hands on what capture takes; gives what was wrong with the end, if anything.
fn read(
    mut source: Box<dyn Read + Send>,
    format: Format,
    pace: &Pace,
    blocks: &tokio::sync::mpsc::Sender<Block>,
) -> anyhow::Result<Option<String>> {
    let codec = match format.encoding {
        Encoding::I16Le => Codec::Pcm16,
        Encoding::F32Le => Codec::PcmFloat,
    };
    let channels = u8::try_from(format.channels).context("there are more channels than can be read")?;
    let (rate, consent) = (format.rate, true);
    let declaration = Declaration { user: SPEAKER, name: String::new(), codec, rate, channels, consent };
    let mut intake = Intake::new(&declaration, 1)?;
    let frame = format.frame_bytes();
    let mut buffer = vec![0; format.slot_bytes()];
    let (mut sequence, mut position, mut dangling) = (0u32, 0u64, 0);
    let until = |position: u64| match pace {
        Pace::From(started) => {
            started.after(LEAD + Duration::from_micros(position * 1_000_000 / u64::from(rate)))
        }
        Pace::Live(clock) => clock.now(),
    };
    while dangling == 0 {
        let read = fill(&mut source, &mut buffer)?;
        if read == 0 {
            break;
        }
        dangling = read % frame;
        let whole = read - dangling;
        let (mut pieces, begins) = (Vec::new(), position);
        position += (whole / frame) as u64;
        let until = until(position);
        if whole > 0 {
            intake.audio(until, sequence, begins, &buffer[..whole], |piece| pieces.push(piece))?;
        }
        sequence = sequence.wrapping_add(1);
        if blocks.blocking_send(Block { pieces, until }).is_err() {
            return Ok(None);
        }
    }
    let (mut pieces, until) = (Vec::new(), until(position));
    intake.finish(until, |piece| pieces.push(piece));
    // There is no receiver when the session was ended meanwhile.
    let _taken = blocks.blocking_send(Block { pieces, until }).is_ok();
    Ok((dangling > 0).then(|| {
        format!(
            "the PCM ended within a frame: {dangling} bytes were left over of frames of {frame} bytes; \
             are --rate, --channels and --samples right?"
        )
    }))
}

/// Fills the buffer, if there is as much.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> anyhow::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(anyhow::Error::new(error).context("reading the PCM failed")),
        }
    }
    Ok(filled)
}
