//! A loaded model and its decoding states.
//!
//! whisper.cpp lets several states decode with one model at the same time, one thread each; states are costly to
//! make and are kept for reuse. All `unsafe` of the Whisper path is in this file.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState,
};

use super::hearing::{Piece, Token};
use crate::limits::Abort;

/// The fewest samples that whisper.cpp decodes: 100 ms and a little.
pub const SHORTEST: usize = 1_760;

/// How to decode, fixed for the life of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoding {
    /// Language to expect, such as `en`, or `auto`. Only for multilingual models.
    pub language: String,
    /// Threads of one decoding.
    pub threads: usize,
}

/// How to decode one piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct How {
    /// Positions (20 ms each) that the encoder is given.
    pub audio_ctx: i32,
    /// 0 is greedy.
    pub temperature: f32,
    /// The most tokens.
    pub max_tokens: i32,
}

/// Parameters made once and copied for each call: whisper-rs leaks the language's string at each setting.
struct Template(FullParams<'static, 'static>);

// SAFETY: the raw pointers inside are the language, a C string that whisper-rs leaks and that is never written to, and
// callbacks and user data that are null here. Nothing is changed after construction.
unsafe impl Send for Template {}
// SAFETY: as above; the template is only ever cloned from.
unsafe impl Sync for Template {}

/// A model in memory.
pub struct Engine {
    context: WhisperContext,
    template: Template,
    idle: Mutex<Vec<WhisperState>>,
    keep: usize,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads a checked model from a file. `keep` states are kept for reuse.
    pub fn from_file(path: &Path, decoding: &Decoding, keep: usize) -> Result<Self, WhisperError> {
        whisper_rs::install_logging_hooks();
        Ok(Self::new(WhisperContext::new_with_params(path, context_parameters())?, decoding, keep))
    }

    /// Loads a checked model from memory.
    pub fn from_memory(bytes: &[u8], decoding: &Decoding, keep: usize) -> Result<Self, WhisperError> {
        whisper_rs::install_logging_hooks();
        let context = WhisperContext::new_from_buffer_with_params(bytes, context_parameters())?;
        Ok(Self::new(context, decoding, keep))
    }

    fn new(context: WhisperContext, decoding: &Decoding, keep: usize) -> Self {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(i32::try_from(decoding.threads).unwrap_or(1).max(1));
        params.set_no_context(true);
        params.set_single_segment(true);
        params.set_no_timestamps(true);
        // Its own way of decoding again is off: `doubt` has a better one, which widens the window first.
        params.set_temperature_inc(0.0);
        params.set_print_special(false);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_timestamps(false);
        // "en" is the default; a model that knows only English cannot detect a language.
        if context.is_multilingual() && decoding.language != "en" {
            let known = whisper_rs::get_lang_id(&decoding.language).and_then(whisper_rs::get_lang_str);
            params.set_language(Some(known.unwrap_or("auto")));
        }
        Self { context, template: Template(params), idle: Mutex::new(Vec::new()), keep }
    }

    /// Decodes one piece that fits the model's window. `None` when `abort` asked to stop.
    pub fn decode(&self, samples: &[f32], how: How, abort: &Abort) -> Result<Option<Piece>, WhisperError> {
        if samples.len() < SHORTEST {
            return Ok(Some(Piece::default()));
        }
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut state = match taken {
            Some(state) => state,
            None => self.context.create_state()?,
        };
        let mut params = self.template.0.clone();
        params.set_audio_ctx(how.audio_ctx);
        params.set_temperature(how.temperature);
        params.set_max_tokens(how.max_tokens);
        // SAFETY: the callback reads its user data as an `Abort`; the borrow behind it outlives the call to `full`,
        // which is the only thing that calls back. (whisper-rs's safe variant passes its closure wrongly.)
        unsafe {
            params.set_abort_callback(Some(should_abort));
            params.set_abort_callback_user_data(std::ptr::from_ref(abort).cast_mut().cast::<c_void>());
        }
        let done = state.full(params, samples);
        // A state that was stopped or failed half-way is not used again.
        if abort.is_set() {
            return Ok(None);
        }
        done?;
        let piece = read(&state);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.keep {
            idle.push(state);
        }
        Ok(Some(piece))
    }
}

fn context_parameters() -> WhisperContextParameters<'static> {
    let mut parameters = WhisperContextParameters::default();
    parameters.use_gpu(false).flash_attn(false);
    parameters
}

/// Called by ggml between the nodes of its graph.
///
/// # Safety
/// `data` must point to an [`Abort`] that lives during the call.
unsafe extern "C" fn should_abort(data: *mut c_void) -> bool {
    // SAFETY: see `Engine::decode`, the only place that sets this callback.
    let abort = unsafe { &*data.cast_const().cast::<Abort>() };
    abort.is_set()
}

fn read(state: &WhisperState) -> Piece {
    let mut piece = Piece::default();
    for segment in state.as_iter() {
        // Bytes, not str: a cut multi-byte character is no reason to lose the turn.
        if let Ok(bytes) = segment.to_bytes() {
            piece.text.push_str(&String::from_utf8_lossy(bytes));
        }
        for at in 0..segment.n_tokens() {
            if let Some(token) = segment.get_token(at) {
                piece.tokens.push(Token { probability: token.token_probability() });
            }
        }
    }
    piece
}
