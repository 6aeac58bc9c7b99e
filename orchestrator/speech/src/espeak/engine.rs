//! espeak-ng's C library. It keeps everything in globals: one lock guards every call. A sentence takes a few
//! milliseconds, so waits are short.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int, c_short, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use espeak_rs_sys as sys;

use super::data;
use super::voice::Voice;
use crate::limits::Abort;
use crate::provider::SpeechError;

static GLOBAL: Mutex<Option<Ready>> = Mutex::new(None);

/// The library, started.
#[derive(Debug, Clone)]
struct Ready {
    rate: u32,
    data: PathBuf,
    voice: Option<String>,
}

/// What was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The library's version.
    pub version: String,
    /// The rate of its sound.
    pub rate: u32,
    /// The data in use.
    pub data: PathBuf,
}

fn lock() -> MutexGuard<'static, Option<Ready>> {
    GLOBAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the library, once for the process; later calls say what the first found.
pub fn start(setting: Option<&Path>) -> Result<Started, SpeechError> {
    let mut global = lock();
    let ready = match &*global {
        Some(ready) => ready.clone(),
        None => {
            let ready = data::candidates(setting).iter().find_map(|at| initialise(at.as_deref())).ok_or_else(|| {
                SpeechError::unavailable(
                    "espeak-ng",
                    "its data folder (espeak-ng-data) was not found, or is another version's",
                    "Put it next to the program, install the package espeak-ng-data, or name it in ANTIPHON_ESPEAK_DATA",
                )
            })?;
            *global = Some(ready.clone());
            ready
        }
    };
    Ok(Started { version: info().0, rate: ready.rate, data: ready.data })
}

fn initialise(at: Option<&Path>) -> Option<Ready> {
    let path = match at {
        Some(at) => Some(CString::new(at.to_str()?).ok()?),
        None => None,
    };
    // With a path that holds no data, espeak-ng silently goes on to its own places: ask which it took.
    // SAFETY: the lock is held; the path is a C string or null and is copied by the library.
    let rate = unsafe {
        sys::espeak_Initialize(
            sys::espeak_AUDIO_OUTPUT_AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            path.as_ref().map_or(std::ptr::null(), |p| p.as_ptr()),
            sys::espeakINITIALIZE_DONT_EXIT as c_int,
        )
    };
    let data = info().1;
    let rate = u32::try_from(rate).ok().filter(|&rate| rate > 0)?;
    if !data.join("phontab").is_file() {
        return None;
    }
    // SAFETY: the lock is held; the callback is a plain function.
    unsafe { sys::espeak_SetSynthCallback(Some(on_samples)) };
    Some(Ready { rate, data, voice: None })
}

/// Version and data folder.
fn info() -> (String, PathBuf) {
    let mut path = std::ptr::null();
    // SAFETY: both results are static C strings of the library.
    unsafe {
        let version = sys::espeak_Info(&raw mut path);
        let text = |p: *const std::ffi::c_char| {
            if p.is_null() { String::new() } else { CStr::from_ptr(p).to_string_lossy().into_owned() }
        };
        (text(version), PathBuf::from(text(path)))
    }
}

/// Chooses a voice. The lock is held.
fn choose(ready: &mut Ready, name: &str) -> Result<(), SpeechError> {
    if ready.voice.as_deref() == Some(name) {
        return Ok(());
    }
    let unknown = || {
        SpeechError::unavailable(
            format!("espeak-ng's voice {name:?}"),
            "there is no such voice",
            "Give a language such as \"en-gb\" or \"en-us\", with a variant if you like: \"en-us+f3\"",
        )
    };
    ready.voice = None;
    // By name of file or voice first, then by language: "en-gb" is a language of the voice whose file is "en".
    let (language, variant) = name.split_once('+').map_or((name, None), |(l, v)| (l, Some(v)));
    let by_language = || {
        let file = file_of_language(language)?;
        Some(variant.map_or_else(|| file.clone(), |variant| format!("{file}+{variant}")))
    };
    if !set_voice(name) && !by_language().is_some_and(|found| set_voice(&found)) {
        return Err(unknown());
    }
    ready.voice = Some(name.to_owned());
    Ok(())
}

/// The lock is held.
fn set_voice(name: &str) -> bool {
    // SAFETY: the lock is held; the name is a C string.
    CString::new(name)
        .is_ok_and(|name| unsafe { sys::espeak_SetVoiceByName(name.as_ptr()) } == sys::espeak_ERROR_EE_OK)
}

/// The file name of the voice that speaks a language, by its first choice. The lock is held.
fn file_of_language(language: &str) -> Option<String> {
    // SAFETY: the lock is held. The result is an array of pointers that ends with null; each voice's identifier is a C
    // string, and its languages are a priority byte and a C string, again and again, until a priority of zero.
    unsafe {
        let mut voice = sys::espeak_ListVoices(std::ptr::null_mut()).cast_const();
        while !voice.is_null() && !(*voice).is_null() {
            let (mut entry, file) = ((**voice).languages, (**voice).identifier);
            while !entry.is_null() && !file.is_null() && *entry != 0 {
                let tag = CStr::from_ptr(entry.add(1));
                if tag.to_bytes().eq_ignore_ascii_case(language.as_bytes()) {
                    let file = CStr::from_ptr(file).to_string_lossy();
                    return file.rsplit('/').next().map(str::to_owned);
                }
                entry = entry.add(tag.to_bytes().len() + 2);
            }
            voice = voice.add(1);
        }
        None
    }
}

/// Sound as it is made, and whether to go on.
struct Sink<'a> {
    samples: Vec<i16>,
    abort: &'a Abort,
}

/// Called by espeak-ng with each buffer of sound.
///
/// # Safety
/// Called by `espeak_Synth` alone: `events` is a list of at least one event, whose user data is the [`Sink`] given
/// to that call; `wav` is null or holds `count` samples.
unsafe extern "C" fn on_samples(wav: *mut c_short, count: c_int, events: *mut sys::espeak_EVENT) -> c_int {
    if events.is_null() {
        return 0;
    }
    // SAFETY: see above; the sink outlives the synchronous call to `espeak_Synth`.
    unsafe {
        let Some(sink) = (*events).user_data.cast::<Sink<'_>>().as_mut() else { return 0 };
        if let (false, Ok(count)) = (wav.is_null(), usize::try_from(count)) {
            sink.samples.extend_from_slice(std::slice::from_raw_parts(wav, count));
        }
        c_int::from(sink.abort.is_set())
    }
}

/// Speaks a text: samples and their rate. The library must be started.
pub fn speak(text: &str, voice: &Voice, abort: &Abort) -> Result<(Vec<i16>, u32), SpeechError> {
    let text: Vec<u8> = text.bytes().filter(|&b| b != 0).collect();
    let c_text = CString::new(text).map_err(|_| SpeechError::failed("espeak", "the text has a null byte"))?;
    let mut global = lock();
    let ready = global.as_mut().ok_or_else(not_started)?;
    choose(ready, &voice.name)?;
    let rate = ready.rate;
    let mut sink = Sink { samples: Vec::new(), abort };
    let settings = [
        (sys::espeak_PARAMETER_espeakRATE, voice.words_per_minute.clamp(80, 450)),
        (sys::espeak_PARAMETER_espeakPITCH, voice.pitch.clamp(0, 99)),
        (sys::espeak_PARAMETER_espeakVOLUME, 100),
    ];
    // SAFETY: the lock is held until the end; the text is a C string of the given size; the sink lives on this
    // stack frame and is used during this synchronous call only.
    let status = unsafe {
        for (parameter, value) in settings {
            sys::espeak_SetParameter(parameter, c_int::from(value), 0);
        }
        sys::espeak_Synth(
            c_text.as_ptr().cast::<c_void>(),
            c_text.as_bytes_with_nul().len(),
            0,
            sys::espeak_POSITION_TYPE_POS_CHARACTER,
            0,
            sys::espeakCHARS_UTF8,
            std::ptr::null_mut(),
            (&raw mut sink).cast::<c_void>(),
        )
    };
    if status != sys::espeak_ERROR_EE_OK {
        return Err(SpeechError::failed("espeak", format!("espeak_Synth returned {status}")));
    }
    Ok((sink.samples, rate))
}

/// Speaks a text at once and without a deadline: for tests and tools, not for a session.
pub fn speak_now(text: &str, voice: &Voice) -> Result<(Vec<i16>, u32), SpeechError> {
    speak(text, voice, &Abort::never())
}

/// The phonemes of one clause in IPA, without its final mark. The library must be started.
pub fn phonemes(clause: &str, voice: &str) -> Result<String, SpeechError> {
    let text: Vec<u8> = clause.bytes().filter(|&b| b != 0).collect();
    let c_text = CString::new(text).map_err(|_| SpeechError::failed("espeak", "the text has a null byte"))?;
    let mut global = lock();
    choose(global.as_mut().ok_or_else(not_started)?, voice)?;
    let mut at = c_text.as_ptr().cast::<c_void>();
    let mut parts: Vec<String> = Vec::new();
    while !at.is_null() {
        let before = at;
        // SAFETY: the lock is held; `at` points into the C string, and is moved on within it or set to null; the
        // result is a C string in the library's buffer, copied before the next call.
        let part = unsafe {
            let found = sys::espeak_TextToPhonemes(
                &raw mut at,
                sys::espeakCHARS_UTF8 as c_int,
                sys::espeakINITIALIZE_PHONEME_IPA as c_int,
            );
            if found.is_null() { String::new() } else { CStr::from_ptr(found).to_string_lossy().into_owned() }
        };
        let part = without_language_marks(&part);
        if !part.trim().is_empty() {
            parts.push(part.trim().to_owned());
        }
        if at == before {
            break;
        }
    }
    Ok(parts.join(" "))
}

/// espeak-ng writes `(en)` where a word is of another language than the voice.
fn without_language_marks(phonemes: &str) -> String {
    let mut depth = 0usize;
    phonemes
        .chars()
        .filter(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

fn not_started() -> SpeechError {
    SpeechError::failed("espeak", "espeak-ng was not started")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_becomes_phonemes_without_marks() {
        start(None).unwrap();
        let ipa = phonemes("hello world", "en-us").unwrap();
        assert!(ipa.contains('ʊ') && ipa.contains('w') && !ipa.contains('.'), "{ipa}");
        assert_eq!(without_language_marks("a(en)b(de)c"), "abc");
    }

    #[test]
    fn an_unknown_voice_is_named_and_does_no_harm() {
        start(None).unwrap();
        let error = phonemes("hello", "xx-nowhere").unwrap_err().to_string();
        assert!(error.contains("xx-nowhere") && error.contains("en-gb"), "{error}");
        assert!(!phonemes("hello", "en-gb").unwrap().is_empty());
    }

    #[test]
    fn threads_do_not_disturb_each_other() {
        start(None).unwrap();
        let expected = phonemes("what time is it", "en-gb").unwrap();
        std::thread::scope(|scope| {
            for voice in ["en-gb", "en-us", "en-gb", "en-us"] {
                let expected = &expected;
                scope.spawn(move || {
                    for _ in 0..100 {
                        let got = phonemes("what time is it", voice).unwrap();
                        assert!(voice == "en-us" || got == *expected);
                    }
                });
            }
        });
    }
}
