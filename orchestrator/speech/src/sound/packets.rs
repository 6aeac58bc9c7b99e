//! What symphonia decodes: FLAC, Vorbis in Ogg, MP3, AIFF.
use std::io::{Cursor, ErrorKind};
use std::panic::AssertUnwindSafe;

use symphonia::core::audio::SampleBuffer;
use symphonia::core::codecs::{CODEC_TYPE_NULL, DecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatOptions;
use symphonia::core::io::MediaSourceStream;
use symphonia::core::probe::Hint;

use super::content::{MAX_SECONDS, Remark, Samples, Sound};

/// Decodes a file whose kind has this usual ending, and this name.
pub(super) fn parse(ending: &str, name: &str, bytes: Vec<u8>) -> Result<Sound, String> {
    // The decoders are memory-safe, but not all of them are free of panics on what is not sound.
    let decoding = std::panic::catch_unwind(AssertUnwindSafe(|| decode(ending, name, bytes)));
    decoding.unwrap_or_else(|_| Err(format!("it is damaged: its {name} cannot be decoded")))
}

fn decode(ending: &str, name: &str, bytes: Vec<u8>) -> Result<Sound, String> {
    let wrong = |error: &Error| format!("its {name} cannot be decoded ({error})");
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(ending);
    let options = FormatOptions { enable_gapless: true, ..Default::default() };
    let probed = symphonia::default::get_probe()
        .format(&hint, stream, &options, &Default::default())
        .map_err(|error| wrong(&error))?;
    let mut format = probed.format;
    let track = format.tracks().iter().find(|track| track.codec_params.codec != CODEC_TYPE_NULL);
    let Some(track) = track else { return Err("no sound is in it".into()) };
    let (id, parameters) = (track.id, track.codec_params.clone());
    let mut decoder = symphonia::default::get_codecs()
        .make(&parameters, &DecoderOptions::default())
        .map_err(|error| wrong(&error))?;
    let mut samples: Vec<f32> = Vec::new();
    let (mut form, mut damaged, mut remarks) = (None, 0u64, Vec::new());
    loop {
        let packet = match format.next_packet() {
            Ok(packet) if packet.track_id() == id => packet,
            Ok(_) => continue,
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(Error::ResetRequired) => {
                remarks.push(Remark::Changes);
                break;
            }
            Err(_) => {
                damaged += 1;
                break;
            }
        };
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_)) => {
                damaged += 1;
                continue;
            }
            Err(Error::IoError(_)) => {
                damaged += 1;
                break;
            }
            Err(error) => return Err(wrong(&error)),
        };
        let spec = *decoded.spec();
        let this = (spec.rate, spec.channels.count());
        if *form.get_or_insert(this) != this {
            remarks.push(Remark::Changes);
            break;
        }
        let mut buffer = SampleBuffer::<f32>::new(decoded.capacity() as u64, spec);
        buffer.copy_interleaved_ref(decoded);
        samples.extend_from_slice(buffer.samples());
        // Said by the caller, in words.
        if samples.len() as u64 / (this.1.max(1) as u64) > u64::from(spec.rate) * (MAX_SECONDS + 1) {
            break;
        }
    }
    let Some((rate, channels)) = form else { return Err(format!("nothing of its {name} can be decoded")) };
    if damaged > 0 {
        remarks.push(Remark::Damaged { packets: damaged });
    }
    let there = (samples.len() / channels.max(1)) as u64;
    if let Some(promised) = parameters.n_frames.filter(|promised| *promised > there + u64::from(rate) / 10) {
        let seconds = |frames: u64| frames as f64 / f64::from(rate.max(1));
        remarks.push(Remark::CutOff { there: seconds(there), promised: seconds(promised) });
    }
    Ok(Sound {
        rate,
        channels: u16::try_from(channels).unwrap_or(u16::MAX),
        form: name.into(),
        remarks,
        samples: Samples::Floats(samples),
    })
}
