//! Raw PCM from a file, a pipe or a socket into the pipeline.
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::audio::{SLOT_SAMPLES_16K, SPEECH_RATE};
use antiphon_core::ids::UserId;
use antiphon_core::time::{Clock, Timestamp};

use super::format::{Format, FormatError};
use super::front::Front;
use crate::captured::Captured;
use crate::pipeline::Pipeline;

/// Samples fed in at a time: 160 ms.
const PIECE: usize = 8 * SLOT_SAMPLES_16K;

/// What time it is while reading.
#[derive(Debug, Clone)]
pub enum Pace {
    /// A file: time is what has been read of it, from `started` on. It goes as fast as it can be read.
    Virtual {
        /// When its first sample sounded.
        started: Timestamp,
    },
    /// A live source: each chunk sounded just before it was read.
    Live(Arc<dyn Clock>),
}

/// How far reading is.
#[derive(Debug)]
pub enum Progress {
    /// There may be more.
    More,
    Ended(Report),
}

/// What was read.
#[derive(Debug)]
pub struct Report {
    pub frames: u64,
    /// Bytes left over because the stream ended within a sample frame.
    pub dangling_bytes: usize,
    /// When the last sample sounded.
    pub ended: Timestamp,
    /// Why reading stopped, if not at the end. What was read up to then is kept.
    pub error: Option<io::Error>,
}

/// Reads raw PCM in bounded chunks and feeds it to a pipeline as one speaker's sound.
#[derive(Debug)]
pub struct MirrorReader<R> {
    reader: R,
    front: Front,
    user: UserId,
    pace: Pace,
    buffer: Box<[u8]>,
    /// 16 kHz samples handed on.
    handed: u64,
}

impl<R: Read> MirrorReader<R> {
    /// A reader of this format, whose sound is `user`'s. `user` must have joined the pipeline.
    pub fn new(reader: R, format: Format, user: UserId, pace: Pace) -> Result<Self, FormatError> {
        let front = Front::new(format)?;
        let buffer = vec![0; format.slot_bytes()].into_boxed_slice();
        Ok(Self { reader, front, user, pace, buffer, handed: 0 })
    }

    /// Reads one chunk (at most 20 ms; this blocks as the reader does) and feeds it in. `original` gets the bytes as
    /// they came, for the track; `sink` what came out of the pipeline. Its end is not the pipeline's: say
    /// [`Pipeline::finish`].
    pub fn step(
        &mut self,
        pipeline: &mut Pipeline,
        original: impl FnOnce(&[u8]),
        mut sink: impl FnMut(Captured),
    ) -> Progress {
        let error = loop {
            match self.reader.read(&mut self.buffer) {
                Ok(0) => break None,
                Ok(read) => {
                    let block = self.front.push(&self.buffer[..read]);
                    original(block.original);
                    hand_on(&self.pace, &mut self.handed, self.user, block.speech, pipeline, &mut sink);
                    return Progress::More;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
        };
        let tail = self.front.finish();
        let (frames, dangling_bytes) = (tail.frames, tail.dangling_bytes);
        let ended = hand_on(&self.pace, &mut self.handed, self.user, tail.speech, pipeline, &mut sink);
        Progress::Ended(Report { frames, dangling_bytes, ended, error })
    }

    /// Reads to the end.
    pub fn run(
        &mut self,
        pipeline: &mut Pipeline,
        mut original: impl FnMut(&[u8]),
        mut sink: impl FnMut(Captured),
    ) -> Report {
        loop {
            if let Progress::Ended(report) = self.step(pipeline, &mut original, &mut sink) {
                return report;
            }
        }
    }
}

/// Feeds 16 kHz sound in, by pieces that any reorder window has room for; returns when it ended.
fn hand_on(
    pace: &Pace,
    handed: &mut u64,
    user: UserId,
    speech: &[i16],
    pipeline: &mut Pipeline,
    mut sink: impl FnMut(Captured),
) -> Timestamp {
    let length = |samples: u64| Duration::from_micros(samples * 1_000_000 / u64::from(SPEECH_RATE));
    let (mut began, now) = match pace {
        Pace::Virtual { started } => (started.after(length(*handed)), None),
        Pace::Live(clock) => (clock.now().before(length(speech.len() as u64)), Some(clock.now())),
    };
    for piece in speech.chunks(PIECE) {
        *handed += piece.len() as u64;
        pipeline.pcm(began, user, piece);
        began = match pace {
            Pace::Virtual { started } => started.after(length(*handed)),
            Pace::Live(_) => began.after(length(piece.len() as u64)),
        };
        pipeline.tick(began);
        pipeline.drain(&mut sink);
    }
    let ended = now.unwrap_or(began);
    pipeline.tick(ended);
    pipeline.drain(&mut sink);
    ended
}

#[cfg(test)]
mod tests {
    use antiphon_core::audio::SlotMark;
    use antiphon_core::event::Consent;
    use antiphon_core::time::ManualClock;

    use super::super::format::Encoding;
    use super::*;
    use crate::config::Config;

    const USER: UserId = UserId(9);

    fn stereo_48k(seconds: u64) -> (Format, Vec<u8>) {
        let format = Format { rate: 48_000, channels: 2, encoding: Encoding::I16Le };
        (
            format,
            (0..seconds * 48_000).flat_map(|k| [(k % 999) as i16; 2]).flat_map(i16::to_le_bytes).collect(),
        )
    }

    #[test]
    fn a_file_becomes_a_track_without_a_gap() {
        let (format, mut bytes) = stereo_48k(3);
        bytes.extend([1, 2, 3]);
        let started = Timestamp::from_millis(1_000);
        let mut pipeline = Pipeline::new(Config::default(), started).unwrap();
        pipeline.member_joined(started, USER, Consent::Granted);
        let mut reader = MirrorReader::new(&bytes[..], format, USER, Pace::Virtual { started }).unwrap();
        let (mut original, mut captured) = (Vec::new(), Vec::new());
        let report =
            reader.run(&mut pipeline, |bytes| original.extend_from_slice(bytes), |c| captured.push(c));
        pipeline.finish(report.ended);
        pipeline.drain(|c| captured.push(c));
        assert_eq!((report.frames, report.dangling_bytes), (144_000, 3));
        assert_eq!(report.ended, Timestamp::from_millis(4_000));
        assert_eq!(original, bytes[..bytes.len() - 3]);
        let slots: Vec<(u64, SlotMark)> = captured
            .iter()
            .filter_map(|c| if let Captured::Slot(slot) = c { Some((slot.slot, slot.mark)) } else { None })
            .collect();
        assert_eq!(slots, (0..150).map(|slot| (slot, SlotMark::Received)).collect::<Vec<_>>());
    }

    #[test]
    fn a_rate_that_is_resampled_by_the_second_loses_nothing() {
        let format = Format { rate: 44_101, channels: 1, encoding: Encoding::I16Le };
        let bytes = vec![5; 44_101 * 2 * 5 / 2];
        let mut pipeline = Pipeline::new(Config::default(), Timestamp(0)).unwrap();
        pipeline.member_joined(Timestamp(0), USER, Consent::Granted);
        let pace = Pace::Virtual { started: Timestamp(0) };
        let mut reader = MirrorReader::new(&bytes[..], format, USER, pace).unwrap();
        let mut marks = Vec::new();
        let mut take = |c| {
            if let Captured::Slot(slot) = c {
                marks.push(slot.mark);
            }
        };
        let report = reader.run(&mut pipeline, |_| {}, &mut take);
        pipeline.finish(report.ended);
        pipeline.drain(&mut take);
        assert_eq!(marks, [SlotMark::Received; 125]);
    }

    #[test]
    fn a_stalled_live_stream_has_silence_there() {
        struct Stalling {
            clock: ManualClock,
            reads: u32,
        }
        impl Read for Stalling {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.reads += 1;
                match self.reads {
                    1..=100 | 102..=150 => self.clock.advance(Duration::from_millis(20)),
                    101 => self.clock.advance(Duration::from_millis(1_020)),
                    _ => return Err(io::Error::other("unplugged")),
                }
                buffer.fill(3);
                Ok(buffer.len())
            }
        }
        let clock = ManualClock::at(Timestamp::from_millis(5_000));
        let mut pipeline = Pipeline::new(Config::default(), clock.now()).unwrap();
        pipeline.member_joined(clock.now(), USER, Consent::Granted);
        let format = Format { rate: 16_000, channels: 1, encoding: Encoding::I16Le };
        let source = Stalling { clock: clock.clone(), reads: 0 };
        let mut reader = MirrorReader::new(source, format, USER, Pace::Live(Arc::new(clock))).unwrap();
        let mut marks = Vec::new();
        let mut take = |c| {
            if let Captured::Slot(slot) = c {
                marks.push(slot.mark);
            }
        };
        let report = reader.run(&mut pipeline, |_| {}, &mut take);
        assert!(report.error.unwrap().to_string().contains("unplugged"));
        pipeline.finish(report.ended);
        pipeline.drain(&mut take);
        assert_eq!(marks.len(), 200);
        assert!(marks[..100].iter().all(|&mark| mark == SlotMark::Received));
        assert!(marks[106..149].iter().all(|&mark| mark == SlotMark::Silent), "{marks:?}");
        assert!(marks[152..].iter().all(|&mark| mark == SlotMark::Received), "{marks:?}");
    }
}
