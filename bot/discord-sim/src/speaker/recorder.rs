//! What a speaker hears, on disk: one WAV file for each person, all beginning at the same moment, so that laid side
//! by side they are the call. Bounded: beyond the limit, frames are counted and not written.
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hound::WavWriter;
use serde::{Deserialize, Serialize};

use super::audibility::Audibility;
use super::clip::{FRAME_SAMPLES, amplitude};
use super::track::{Piece, Source, Track, TrackStats, samples_in};
use super::wav::{self, RATE};
use crate::client::HeardFrame;
use crate::ids::UserId;

/// People recorded at most.
const MAX_PEOPLE: usize = 256;

/// Where and how much is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The folder for the WAV files; made when it is not there.
    pub folder: PathBuf,
    /// The length of each file at most.
    pub limit: Duration,
    /// File names for people; others are named by their id.
    pub names: HashMap<UserId, String>,
}

impl Recording {
    /// Into `folder`, an hour at most.
    pub fn into_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), limit: Duration::from_secs(3600), names: HashMap::new() }
    }

    /// Gives a person's file a name.
    #[must_use]
    pub fn name(mut self, user: UserId, name: impl Into<String>) -> Self {
        self.names.insert(user, name.into());
        self
    }

    fn file(&self, user: UserId) -> PathBuf {
        let id = user.to_string();
        let name: String = self
            .names
            .get(&user)
            .unwrap_or(&id)
            .chars()
            .map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' })
            .collect();
        self.folder.join(format!("{name}.wav"))
    }
}

/// What was heard of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardPerson {
    /// Who.
    pub user: UserId,
    /// The recording, when there is one.
    pub file: Option<PathBuf>,
    /// Stretches of audible sound, in milliseconds since the recording began: start and end.
    pub audible_ms: Vec<(u64, u64)>,
    /// Counts of packets.
    pub stats: TrackStats,
    /// Frames that were not written because the file had reached its limit, or the disk refused.
    pub dropped_frames: u64,
}

/// A WAV file that grows; gaps are filled with silence.
pub struct WavSink<W: Write + Seek> {
    writer: Option<WavWriter<W>>,
    written: u64,
    limit: u64,
    dropped: u64,
}

impl<W: Write + Seek> std::fmt::Debug for WavSink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavSink").field("written", &self.written).finish_non_exhaustive()
    }
}

impl<W: Write + Seek> WavSink<W> {
    /// Begins a file of `limit` samples at most.
    pub fn new(inner: W, limit: u64) -> Result<Self, hound::Error> {
        Ok(Self { writer: Some(WavWriter::new(inner, wav::spec())?), written: 0, limit, dropped: 0 })
    }

    /// Writes samples at their place; what lies before the end is skipped.
    pub fn write_at(&mut self, at: u64, samples: &[f32]) {
        let end = at + samples.len() as u64;
        let Some(writer) = self.writer.as_mut().filter(|_| end <= self.limit) else {
            self.dropped += (samples.len() as u64).div_ceil(FRAME_SAMPLES as u64);
            return;
        };
        let skip = usize::try_from(self.written.saturating_sub(at)).unwrap_or(usize::MAX);
        let gap = at.saturating_sub(self.written);
        let silence = (0..gap).map(|_| 0);
        let sound = samples.iter().skip(skip).map(|sample| wav::to_i16(*sample));
        for sample in silence.chain(sound) {
            if let Err(error) = writer.write_sample(sample) {
                tracing::warn!(%error, "a recording stops here: the disk refused it");
                self.writer = None;
                self.dropped += (samples.len() as u64).div_ceil(FRAME_SAMPLES as u64);
                return;
            }
        }
        self.written = self.written.max(end);
    }

    /// Frames that were not written.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Ends the file.
    pub fn finish(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.finalize()
        {
            tracing::warn!(%error, "a recording could not be ended");
        }
    }
}

struct Person {
    track: Track,
    sink: Option<WavSink<BufWriter<File>>>,
    file: Option<PathBuf>,
    unwritten: u64,
}

/// Everything that one speaker hears.
pub struct Listening {
    started: Instant,
    recording: Option<Recording>,
    threshold: f32,
    people: HashMap<UserId, Person>,
    audibility: Audibility,
    unheard: u64,
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listening").field("people", &self.people.len()).finish_non_exhaustive()
    }
}

impl Listening {
    /// Listening that began at `started`; sound counts as audible from `audible_dbfs` on.
    pub fn new(started: Instant, recording: Option<Recording>, audible_dbfs: f32) -> Self {
        Self {
            started,
            recording,
            threshold: amplitude(audible_dbfs),
            people: HashMap::new(),
            audibility: Audibility::default(),
            unheard: 0,
        }
    }

    /// When it began.
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Who is audible.
    pub const fn audibility(&self) -> &Audibility {
        &self.audibility
    }

    /// Frames of people beyond the number that is recorded.
    pub const fn unheard(&self) -> u64 {
        self.unheard
    }

    /// A frame came. Says whether something audible did.
    pub fn hear(&mut self, frame: HeardFrame) -> bool {
        let user = frame.user;
        if !self.people.contains_key(&user) {
            let Some(person) = self.meet(user, frame.ssrc) else {
                self.unheard += 1;
                return false;
            };
            self.people.insert(user, person);
        }
        let Some(person) = self.people.get_mut(&user) else { return false };
        let pieces = person.track.push(frame);
        self.keep(user, pieces)
    }

    /// What is still held back is decoded, and the files are ended.
    pub fn finish(&mut self) -> Vec<HeardPerson> {
        let users: Vec<UserId> = self.people.keys().copied().collect();
        for user in users {
            if let Some(person) = self.people.get_mut(&user) {
                let pieces = person.track.flush();
                self.keep(user, pieces);
            }
            if let Some(sink) = self.people.get_mut(&user).and_then(|person| person.sink.as_mut()) {
                sink.finish();
            }
        }
        self.report()
    }

    /// What was heard so far, by user id.
    pub fn report(&self) -> Vec<HeardPerson> {
        let since = |at: Instant| {
            u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
        };
        let mut heard: Vec<HeardPerson> = self
            .people
            .iter()
            .map(|(user, person)| HeardPerson {
                user: *user,
                file: person.file.clone(),
                audible_ms: self
                    .audibility
                    .stretches(*user)
                    .map(|stretch| (since(stretch.first), since(stretch.last) + 20))
                    .collect(),
                stats: person.track.stats(),
                dropped_frames: person.sink.as_ref().map_or(person.unwritten, WavSink::dropped),
            })
            .collect();
        heard.sort_by_key(|person| person.user);
        heard
    }

    fn meet(&self, user: UserId, ssrc: u32) -> Option<Person> {
        if self.people.len() >= MAX_PEOPLE {
            return None;
        }
        let track = Track::new(self.started, ssrc)
            .inspect_err(|error| tracing::warn!(%user, %error, "libopus has no decoder for this person"))
            .ok()?;
        let mut person = Person { track, sink: None, file: None, unwritten: 0 };
        if let Some(recording) = &self.recording {
            let file = recording.file(user);
            match open(recording, &file) {
                Ok(sink) => {
                    person.sink = Some(sink);
                    person.file = Some(file);
                }
                Err(error) => {
                    tracing::warn!(%user, file = %file.display(), %error, "this person is not recorded");
                }
            }
        }
        Some(person)
    }

    fn keep(&mut self, user: UserId, pieces: Vec<Piece>) -> bool {
        let mut audible = false;
        let recorded = self.recording.is_some();
        let Some(person) = self.people.get_mut(&user) else { return false };
        for piece in pieces {
            if let Source::Packet(at) = piece.source
                && piece.level() >= self.threshold
            {
                self.audibility.audible(user, at);
                audible = true;
            }
            match &mut person.sink {
                Some(sink) => sink.write_at(piece.at, &piece.samples),
                None => person.unwritten += u64::from(recorded),
            }
        }
        audible
    }
}

fn open(recording: &Recording, file: &std::path::Path) -> Result<WavSink<BufWriter<File>>, hound::Error> {
    std::fs::create_dir_all(&recording.folder).map_err(hound::Error::IoError)?;
    let inner = BufWriter::new(File::create(file).map_err(hound::Error::IoError)?);
    // A WAV file holds 4 GiB at most.
    let most = u64::from(u32::MAX) / 2 - u64::from(RATE);
    WavSink::new(inner, samples_in(recording.limit).min(most))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::clip::Clip;
    use super::super::clip::tests::glide;
    use super::*;

    #[test]
    fn gaps_are_silence_and_what_overlaps_is_skipped() {
        let mut bytes = Cursor::new(Vec::new());
        let mut sink = WavSink::new(&mut bytes, 1000).unwrap();
        sink.write_at(4, &[0.5, 0.5]);
        sink.write_at(5, &[0.25, 0.25]);
        sink.write_at(8, &[0.5]);
        sink.finish();
        drop(sink);
        let samples = wav::parse(&bytes.into_inner(), std::path::Path::new("x")).unwrap();
        assert_eq!(samples, [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.25, 0.0, 0.5]);
    }

    #[test]
    fn frames_beyond_the_limit_are_counted() {
        let mut bytes = Cursor::new(Vec::new());
        let mut sink = WavSink::new(&mut bytes, 2000).unwrap();
        sink.write_at(0, &[0.5; 960]);
        sink.write_at(960, &[0.5; 960]);
        sink.write_at(1920, &[0.5; 960]);
        sink.write_at(u64::MAX - 4000, &[0.5; 960]);
        assert_eq!(sink.dropped(), 2);
        sink.finish();
        drop(sink);
        assert_eq!(wav::parse(&bytes.into_inner(), std::path::Path::new("x")).unwrap().len(), 1920);
    }

    #[test]
    fn a_person_is_recorded_with_audible_stretches() {
        let folder = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let recording = Recording::into_folder(folder.path().join("heard")).name(UserId(3), "Eve/../x");
        let mut listening = Listening::new(start, Some(recording), -45.0);
        let clip = Clip::from_pcm(&glide(0.5)).unwrap();
        for (n, frame) in clip.frames().iter().enumerate() {
            listening.hear(HeardFrame {
                user: UserId(3),
                ssrc: 1,
                sequence: n as u16,
                timestamp: n as u32 * 960,
                at: start + Duration::from_millis(1000 + n as u64 * 20),
                opus: frame.opus.clone(),
                encrypted: true,
            });
        }
        let [person] = &listening.finish()[..] else { panic!() };
        let file = person.file.clone().unwrap();
        assert_eq!(file, folder.path().join("heard/Eve____x.wav"), "no name leaves the folder");
        let samples = wav::read(&file).unwrap();
        assert_eq!(samples.len(), 72_000);
        assert!(samples[..48_000].iter().all(|sample| *sample == 0.0), "a second of silence first");
        let [(from, to)] = person.audible_ms[..] else { panic!("{:?}", person.audible_ms) };
        assert!((1000..1040).contains(&from) && (1480..=1500).contains(&to), "{from} to {to}");
        assert_eq!((person.stats.frames, person.dropped_frames), (25, 0));
    }

    #[test]
    fn without_a_folder_people_are_still_heard() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let start = Instant::now();
        let mut listening = Listening::new(start, Some(Recording::into_folder(file.path())), -45.0);
        let clip = Clip::from_pcm(&glide(0.04)).unwrap();
        for (n, frame) in clip.frames().iter().enumerate() {
            listening.hear(HeardFrame {
                user: UserId(3),
                ssrc: 1,
                sequence: n as u16,
                timestamp: n as u32 * 960,
                at: start,
                opus: frame.opus.clone(),
                encrypted: true,
            });
        }
        let [person] = &listening.finish()[..] else { panic!() };
        assert_eq!((person.file.is_none(), person.dropped_frames, person.stats.frames), (true, 2, 2));
    }
}
