//! Voice activity: is there a voice in this slot?
//!
//! Built in is earshot, pure Rust with its weights inside. Another detector (Silero) can be given from outside, so that
//! this crate knows no model format.
use std::fmt;
use std::sync::Arc;

use antiphon_core::audio::SLOT_SAMPLES_16K;
use antiphon_core::ids::UserId;

use crate::captured::Frame;
use crate::config::Config;

/// What earshot takes at a time: 16 ms of 16 kHz.
const EARSHOT_WINDOW: usize = 256;
/// The longest window that a detector from outside may ask for.
pub const MAX_WINDOW: usize = 4_096;
/// After this many slots without sound the detector starts afresh.
const FORGET_SLOTS: u32 = 10;

/// A detector that starts afresh hears this much of a room's silence first. Without it, earshot takes the onset of any
/// noise for a voice for its first 200 ms (scores up to 0.64 for white noise; with it, 0.58 and usually 0.3).
const WARM_UP_WINDOWS: usize = 6;

/// A detector from outside: one per speaker, so it may keep state.
pub trait Score: Send {
    /// Scores one window of 16 kHz mono sound, 0 (no voice) to 1.
    fn score(&mut self, window: &[i16]) -> f32;

    /// Forgets what it heard: the speaker was silent for a while.
    fn forget(&mut self) {}
}

impl<F: FnMut(&[i16]) -> f32 + Send> Score for F {
    fn score(&mut self, window: &[i16]) -> f32 {
        self(window)
    }
}

/// Where detectors come from.
#[derive(Clone, Default)]
pub enum VadSource {
    #[default]
    Earshot,
    /// From outside: `make` is called once per speaker, and its scorer with `window` samples at a time.
    Custom {
        /// Samples a window; brought within 160 to [`MAX_WINDOW`].
        window: usize,
        /// Makes a speaker's scorer.
        make: Arc<dyn Fn(UserId) -> Box<dyn Score> + Send + Sync>,
    },
}

impl fmt::Debug for VadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VadSource::Earshot => f.write_str("Earshot"),
            VadSource::Custom { window, .. } => write!(f, "Custom(window {window})"),
        }
    }
}

enum Detector {
    Earshot(Box<earshot::Detector>),
    Custom(Box<dyn Score>),
}

/// One speaker's voice activity, with hysteresis.
pub(crate) struct Vad {
    detector: Detector,
    window: Box<[i16]>,
    filled: usize,
    score: f32,
    voiced: bool,
    rested: u32,
    start: f32,
    stop: f32,
    /// Mean square below which nothing counts as voice.
    floor: u64,
}

impl fmt::Debug for Vad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vad").field("score", &self.score).field("voiced", &self.voiced).finish()
    }
}

impl Vad {
    pub(crate) fn new(config: &Config, source: &VadSource, user: UserId) -> Self {
        let (detector, window) = match source {
            VadSource::Earshot => (Detector::Earshot(earshot::Detector::default_boxed()), EARSHOT_WINDOW),
            VadSource::Custom { window, make } => {
                (Detector::Custom(make(user)), (*window).clamp(SLOT_SAMPLES_16K / 2, MAX_WINDOW))
            }
        };
        let mut detector = detector;
        warm_up(&mut detector);
        let amplitude = 32_768.0 * 10f64.powf(f64::from(config.vad_floor_dbfs) / 20.0);
        Self {
            detector,
            window: vec![0; window].into_boxed_slice(),
            filled: 0,
            score: 0.0,
            voiced: false,
            rested: 0,
            start: config.vad_start,
            stop: config.vad_stop,
            floor: ((amplitude * amplitude) as u64).max(1),
        }
    }

    /// A slot with sound: is there a voice in it?
    pub(crate) fn hear(&mut self, frame: &Frame) -> bool {
        let energy = frame.energy();
        if energy < self.floor {
            // Nothing to look at: the detector is most of what a speaker costs.
            return self.rest();
        }
        self.rested = 0;
        let mut samples = &frame.0[..];
        let mut best: Option<f32> = None;
        while !samples.is_empty() {
            let take = samples.len().min(self.window.len() - self.filled);
            self.window[self.filled..self.filled + take].copy_from_slice(&samples[..take]);
            self.filled += take;
            samples = &samples[take..];
            if self.filled == self.window.len() {
                self.filled = 0;
                let score = match &mut self.detector {
                    Detector::Earshot(detector) => detector.predict_i16(&self.window),
                    Detector::Custom(detector) => detector.score(&self.window),
                };
                // A broken score is no voice.
                let score = if score.is_finite() { score } else { 0.0 };
                best = Some(best.map_or(score, |best| best.max(score)));
            }
        }
        if let Some(score) = best {
            self.score = score;
        }
        self.voiced = self.score >= if self.voiced { self.stop } else { self.start };
        self.voiced
    }

    /// A slot without sound, or next to none.
    pub(crate) fn rest(&mut self) -> bool {
        self.rested = self.rested.saturating_add(1);
        if self.rested == FORGET_SLOTS {
            self.reset();
        }
        self.voiced = false;
        self.score = 0.0;
        false
    }

    /// Forgets what was heard.
    pub(crate) fn reset(&mut self) {
        warm_up(&mut self.detector);
        self.window.fill(0);
        self.filled = 0;
        self.score = 0.0;
        self.voiced = false;
    }
}

/// Starts afresh, in a silent room: noise of one least bit.
fn warm_up(detector: &mut Detector) {
    let detector = match detector {
        Detector::Earshot(detector) => detector,
        Detector::Custom(detector) => return detector.forget(),
    };
    detector.reset();
    let (mut seed, mut window) = (7u32, [0; EARSHOT_WINDOW]);
    for _ in 0..WARM_UP_WINDOWS {
        for sample in &mut window {
            // A linear congruential generator (Numerical Recipes), of which the upper bits are good enough.
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = (seed >> 30) as i16 - 1;
        }
        detector.predict_i16(&window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of a fixed seed.
    fn noise(amplitude: i16, seed: &mut u32) -> Frame {
        let mut frame = Frame::SILENCE;
        for sample in &mut frame.0 {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = ((*seed >> 16) as i16) / (i16::MAX / amplitude.max(1));
        }
        frame
    }

    fn scored(scores: &'static [f32]) -> VadSource {
        VadSource::Custom {
            window: SLOT_SAMPLES_16K,
            make: Arc::new(move |_| {
                let mut next = scores.iter();
                Box::new(move |_: &[i16]| *next.next().unwrap_or(&0.0))
            }),
        }
    }

    #[test]
    fn it_starts_high_and_stops_low() {
        let source = scored(&[0.4, 0.6, 0.4, 0.3, 0.4]);
        let mut vad = Vad::new(&Config::default(), &source, UserId(1));
        let frame = noise(8_000, &mut 1);
        let heard: Vec<bool> = (0..5).map(|_| vad.hear(&frame)).collect();
        assert_eq!(heard, [false, true, true, false, false]);
    }

    #[test]
    fn a_score_that_is_no_number_is_no_voice() {
        let source = scored(&[f32::NAN, f32::INFINITY]);
        let mut vad = Vad::new(&Config::default(), &source, UserId(1));
        let frame = noise(8_000, &mut 1);
        assert!(!vad.hear(&frame));
        assert!(!vad.hear(&frame));
    }

    #[test]
    fn sound_below_the_floor_is_no_voice() {
        let source = scored(&[1.0; 4]);
        let mut vad = Vad::new(&Config::default(), &source, UserId(1));
        assert!(!vad.hear(&noise(20, &mut 1)));
        assert!(vad.hear(&noise(8_000, &mut 1)));
    }

    #[test]
    fn earshot_hears_no_voice_in_noise_or_silence() {
        let mut vad = Vad::new(&Config::default(), &VadSource::Earshot, UserId(1));
        let mut seed = 7;
        let mut voiced = 0;
        for k in 0..250 {
            let heard = if k % 50 < 25 { vad.hear(&noise(3_000, &mut seed)) } else { vad.rest() };
            voiced += i32::from(heard);
        }
        // A few slots at the onset of noise may be mistaken; turns need four of six.
        assert!(voiced < 8, "{voiced}");
    }

    #[test]
    fn full_scale_garbage_does_no_harm() {
        let mut vad = Vad::new(&Config::default(), &VadSource::Earshot, UserId(1));
        for k in 0..200 {
            let mut frame = Frame::SILENCE;
            for (i, sample) in frame.0.iter_mut().enumerate() {
                *sample = if (i / (1 + k % 40)) % 2 == 0 { i16::MAX } else { i16::MIN };
            }
            vad.hear(&frame);
        }
    }
}
