//! Where a track's packets come from: one RTP stream at a time, with the one before it until it has run dry.
use antiphon_core::audio::SLOT_SAMPLES_16K;
use antiphon_core::time::Timestamp;

use crate::captured::Frame;
use crate::jitter::{Arrival, Body, Meta, Stream, StreamSettings};

/// For so long after a change of SSRC, packets of the old one are stragglers; later ones are a change back.
const STRAGGLERS_NS: i64 = 1_000_000_000;

#[derive(Debug)]
struct Source {
    ssrc: u32,
    stream: Stream,
}

/// Mirrored sound, counted as if it were an RTP stream, so that one way of keeping time serves both.
#[derive(Debug)]
struct Pcm {
    sequence: u16,
    timestamp: u32,
    frames: Box<[Frame]>,
}

/// The streams of one track. Their memory is taken when the first packet of each comes, and used again.
#[derive(Debug)]
pub(crate) struct Sources {
    settings: StreamSettings,
    current: Option<Source>,
    retiring: Option<Source>,
    changed_at: i64,
    pcm: Option<Pcm>,
}

impl Sources {
    pub(crate) fn new(settings: StreamSettings) -> Self {
        Self { settings, current: None, retiring: None, changed_at: 0, pcm: None }
    }

    /// The stream for a packet of `ssrc`, and the SSRC before, if this is a change.
    pub(crate) fn for_packet(&mut self, ssrc: u32, arrived: i64) -> (&mut Stream, Option<u32>) {
        let is = |source: &Option<Source>| source.as_ref().is_some_and(|source| source.ssrc == ssrc);
        let mut changed_from = None;
        let straggler = is(&self.retiring) && arrived - self.changed_at < STRAGGLERS_NS;
        if !is(&self.current) && !straggler {
            let mut stream = match self.retiring.take() {
                Some(retired) => retired.stream,
                None => Stream::new(self.settings),
            };
            stream.reset();
            self.retiring = self.current.take();
            changed_from = self.retiring.as_ref().map(|source| source.ssrc);
            self.changed_at = arrived;
            self.current = Some(Source { ssrc, stream });
        }
        let chosen = if straggler { &mut self.retiring } else { &mut self.current };
        let settings = self.settings;
        let source = chosen.get_or_insert_with(|| Source { ssrc, stream: Stream::new(settings) });
        (&mut source.stream, changed_from)
    }

    /// 20 ms of mirrored sound that was complete at `arrived`.
    pub(crate) fn pcm(&mut self, frame: &[i16; SLOT_SAMPLES_16K], arrived: i64, at: Timestamp) -> Arrival {
        let window = self.settings.window;
        let pcm = self.pcm.get_or_insert_with(|| {
            let frames = vec![Frame::SILENCE; usize::from(window)].into_boxed_slice();
            Pcm { sequence: 0, timestamp: 0, frames }
        });
        let (sequence, timestamp) = (pcm.sequence, pcm.timestamp);
        pcm.sequence = sequence.wrapping_add(1);
        pcm.timestamp = timestamp.wrapping_add(960);
        let meta = Meta { at, ssrc: 0, sequence, timestamp, epoch: None };
        let (stream, _) = self.for_packet(0, arrived);
        let arrival = stream.arrive(arrived, meta, 960, Body::Pcm);
        if matches!(arrival, Arrival::Accepted | Arrival::Restarted)
            && let Some(seq) = stream.newest()
            && let Some(pcm) = &mut self.pcm
        {
            let index = seq.rem_euclid(pcm.frames.len() as i64) as usize;
            pcm.frames[index].0 = *frame;
        }
        arrival
    }

    /// The sound of the mirrored frame `seq`.
    pub(crate) fn pcm_frame(&self, seq: i64) -> &Frame {
        match &self.pcm {
            Some(pcm) => &pcm.frames[seq.rem_euclid(pcm.frames.len() as i64) as usize],
            None => &Frame::SILENCE,
        }
    }

    fn playing_source(&mut self) -> Option<&mut Source> {
        match &mut self.retiring {
            Some(source) if source.stream.held() > 0 => Some(source),
            _ => self.current.as_mut(),
        }
    }

    /// The stream whose turn it is.
    pub(crate) fn playing(&mut self) -> Option<&mut Stream> {
        self.playing_source().map(|source| &mut source.stream)
    }

    pub(crate) fn playing_ssrc(&mut self) -> u32 {
        self.playing_source().map_or(0, |source| source.ssrc)
    }

    /// The newest stream.
    pub(crate) fn current(&self) -> Option<&Stream> {
        self.current.as_ref().map(|source| &source.stream)
    }

    pub(crate) fn held(&self) -> usize {
        [&self.current, &self.retiring].into_iter().flatten().map(|source| source.stream.held()).sum()
    }

    /// Drops what is held.
    pub(crate) fn clear(&mut self) -> usize {
        let held = [&mut self.current, &mut self.retiring]
            .into_iter()
            .flatten()
            .map(|source| source.stream.clear())
            .sum();
        if let Some(pcm) = &mut self.pcm {
            pcm.frames.fill(Frame::SILENCE);
        }
        held
    }
}
