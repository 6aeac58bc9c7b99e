//! Whisper's model files in whisper.cpp's format, checked from end to end before whisper.cpp sees them.
//!
//! whisper.cpp (1.8.3) takes a file that ends before its first tensor as a model "for testing" and loads it without
//! an error; sizes in the header are believed. So every field, every tensor's name, shape and type, and the file's
//! exact length are checked here. What this cannot see is a changed weight: that is what the digest is for.
//!
//! Layout (`whisper_model_load` in whisper.cpp): magic, eleven numbers, mel filters, vocabulary, then tensors, each
//! with number of dimensions, length of name, type, dimensions, name and data. All numbers are little-endian.
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

/// `ggml`, as a little-endian number.
const MAGIC: u32 = 0x6767_6d6c;
/// Whisper's vocabularies: English, multilingual, and large-v3's with Cantonese. whisper.cpp derives the ids of its
/// special tokens from these.
const VOCABULARIES: std::ops::RangeInclusive<i32> = 51_864..=51_866;
/// The version of quantisation is kept in thousands of the type field (`GGML_QNT_VERSION_FACTOR`).
const QUANTISATION_FACTOR: i32 = 1000;

/// What is wrong with a model file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadModel {
    /// It is some other program's.
    #[error("it is not a Whisper model in ggml format ({0})")]
    Foreign(String),
    /// It ends too early.
    #[error("it is truncated: it ends within {0}")]
    Truncated(String),
    /// Something stands after its end.
    #[error("{0} unknown bytes follow its last tensor")]
    Trailing(u64),
    /// Its header says something that no Whisper model says.
    #[error("its header says {field} = {value}, which is not {expected}")]
    Header {
        /// Which number.
        field: &'static str,
        value: i64,
        /// What it may be.
        expected: &'static str,
    },
    /// A tensor does not fit the header: a model for other hyper-parameters, or a damaged file.
    #[error("tensor {name:?} {why}")]
    Tensor {
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Tensors are missing.
    #[error("{missing} of its {expected} tensors are missing, such as {example:?}")]
    Missing {
        missing: usize,
        /// Of how many.
        expected: usize,
        /// One of them.
        example: String,
    },
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Io(String),
}

/// A model's hyper-parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Size of the vocabulary.
    pub n_vocab: i32,
    /// Audio positions of 20 ms: the model's window.
    pub n_audio_ctx: i32,
    /// Width of the encoder.
    pub n_audio_state: i32,
    /// Its heads.
    pub n_audio_head: i32,
    /// Its layers.
    pub n_audio_layer: i32,
    /// Text positions.
    pub n_text_ctx: i32,
    /// Width of the decoder: that of the encoder.
    pub n_text_state: i32,
    /// Its heads.
    pub n_text_head: i32,
    /// Its layers.
    pub n_text_layer: i32,
    /// Mel bands.
    pub n_mels: i32,
    /// How weights are stored.
    pub ftype: i32,
}

impl Header {
    /// Whether it knows languages other than English.
    pub fn multilingual(&self) -> bool {
        self.n_vocab >= 51_865
    }

    /// The longest sound it takes at once, in 16 kHz samples: 320 a position, and never more than Whisper's 30 s. A
    /// model with a smaller window of its own keeps 240 ms of it free, so that the last word does not touch its end.
    pub fn window(&self) -> usize {
        let positions = (self.n_audio_ctx.max(0) as usize).min(1500);
        if positions < 1500 { positions.saturating_sub(12).max(10) * 320 } else { positions * 320 }
    }
}

/// How numbers of one tensor are stored: ggml's type number, values in a block, bytes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Storage {
    ggml: i32,
    block: i64,
    bytes: i64,
}

const F32: Storage = Storage { ggml: 0, block: 1, bytes: 4 };
const F16: Storage = Storage { ggml: 1, block: 1, bytes: 2 };

/// ggml's file types (`ggml_ftype`) that Whisper models come in.
fn storage(ftype: i32) -> Option<Storage> {
    let of = |ggml, block, bytes| Some(Storage { ggml, block, bytes });
    match ftype {
        0 => Some(F32),
        1 => Some(F16),
        2 => of(2, 32, 18),
        3 => of(3, 32, 20),
        7 => of(8, 32, 34),
        8 => of(6, 32, 22),
        9 => of(7, 32, 24),
        10 => of(10, 256, 84),
        11 => of(11, 256, 110),
        12 => of(12, 256, 144),
        13 => of(13, 256, 176),
        14 => of(14, 256, 210),
        _ => None,
    }
}

struct Reader<R> {
    inner: R,
    length: u64,
    at: u64,
}

impl<R: Read + Seek> Reader<R> {
    fn bytes(&mut self, count: u64, within: &str) -> Result<Vec<u8>, BadModel> {
        // Checked against the file's length first: a lying length must not make us reserve memory.
        if self.length - self.at < count {
            return Err(BadModel::Truncated(within.into()));
        }
        let mut out = vec![0; count as usize];
        self.inner.read_exact(&mut out).map_err(|e| BadModel::Io(e.to_string()))?;
        self.at += count;
        Ok(out)
    }

    fn number(&mut self, within: &str) -> Result<i32, BadModel> {
        let bytes = self.bytes(4, within)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn skip(&mut self, count: u64, within: &str) -> Result<(), BadModel> {
        if self.length - self.at < count {
            return Err(BadModel::Truncated(within.into()));
        }
        self.at += count;
        self.inner.seek(SeekFrom::Start(self.at)).map_err(|e| BadModel::Io(e.to_string()))?;
        Ok(())
    }
}

/// Reads a whole model file, data apart, and says what it is.
pub fn check<R: Read + Seek>(mut inner: R) -> Result<Header, BadModel> {
    let io = |e: std::io::Error| BadModel::Io(e.to_string());
    let length = inner.seek(SeekFrom::End(0)).map_err(io)?;
    inner.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut file = Reader { inner: std::io::BufReader::with_capacity(4096, inner), length, at: 0 };

    let start = file.bytes(length.min(16), "its first bytes")?;
    recognise(&start)?;
    file.at = 4;
    file.inner.seek(SeekFrom::Start(4)).map_err(io)?;

    let header = header(&mut file)?;
    filters(&mut file, &header)?;
    vocabulary(&mut file, &header)?;
    tensors(&mut file, &header)?;
    Ok(header)
}

/// Recognises a foreign file by its first bytes, naming what is often given by mistake.
fn recognise(start: &[u8]) -> Result<(), BadModel> {
    if start.len() >= 4 && start[..4] == MAGIC.to_le_bytes() {
        return Ok(());
    }
    let what = match start {
        [] => "it is empty".into(),
        [b'G', b'G', b'U', b'F', ..] => "it is a GGUF file, as language models are".into(),
        [b'P', b'K', 3, 4, ..] => "it is a zip archive, as PyTorch's checkpoints are".into(),
        [0x1f, 0x8b, ..] => "it is compressed by gzip".into(),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed by zstd".into(),
        [b'R', b'I', b'F', b'F', ..] => "it is a WAV file".into(),
        [0x7f, b'E', b'L', b'F', ..] => "it is a program or library".into(),
        [b'<', ..] => "it is a web page: the download brought an error page".into(),
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => {
            "it is a Git LFS pointer: fetch the file itself".into()
        }
        [8, ..] => "it looks like an ONNX model, as Piper voices are".into(),
        other => format!("it starts with {}", hex::encode(&other[..other.len().min(4)])),
    };
    Err(BadModel::Foreign(what))
}

fn header<R: Read + Seek>(file: &mut Reader<R>) -> Result<Header, BadModel> {
    let mut next = || file.number("its header");
    let header = Header {
        n_vocab: next()?,
        n_audio_ctx: next()?,
        n_audio_state: next()?,
        n_audio_head: next()?,
        n_audio_layer: next()?,
        n_text_ctx: next()?,
        n_text_state: next()?,
        n_text_head: next()?,
        n_text_layer: next()?,
        n_mels: next()?,
        ftype: next()? % QUANTISATION_FACTOR,
    };
    let h = &header;
    let checks: [(bool, &'static str, i32, &'static str); 12] = [
        (VOCABULARIES.contains(&h.n_vocab), "n_vocab", h.n_vocab, "51864 to 51866"),
        ((1..=1500).contains(&h.n_audio_ctx), "n_audio_ctx", h.n_audio_ctx, "1 to 1500"),
        ((32..=2048).contains(&h.n_audio_state), "n_audio_state", h.n_audio_state, "32 to 2048"),
        ((1..=64).contains(&h.n_audio_head), "n_audio_head", h.n_audio_head, "1 to 64"),
        ((1..=64).contains(&h.n_audio_layer), "n_audio_layer", h.n_audio_layer, "1 to 64"),
        ((16..=448).contains(&h.n_text_ctx), "n_text_ctx", h.n_text_ctx, "16 to 448"),
        (h.n_text_state == h.n_audio_state, "n_text_state", h.n_text_state, "n_audio_state"),
        (h.n_text_head == h.n_audio_head, "n_text_head", h.n_text_head, "n_audio_head"),
        ((1..=64).contains(&h.n_text_layer), "n_text_layer", h.n_text_layer, "1 to 64"),
        (h.n_mels == 80 || h.n_mels == 128, "n_mels", h.n_mels, "80 or 128"),
        (storage(h.ftype).is_some(), "ftype", h.ftype, "a type that whisper.cpp knows"),
        (
            h.n_audio_head > 0 && h.n_audio_state % h.n_audio_head == 0,
            "n_audio_state",
            h.n_audio_state,
            "a multiple of n_audio_head",
        ),
    ];
    for (good, field, value, expected) in checks {
        if !good {
            return Err(BadModel::Header { field, value: value.into(), expected });
        }
    }
    Ok(header)
}

fn filters<R: Read + Seek>(file: &mut Reader<R>, header: &Header) -> Result<(), BadModel> {
    let n_mel = file.number("its mel filters")?;
    let n_fft = file.number("its mel filters")?;
    if n_mel != header.n_mels {
        return Err(BadModel::Header { field: "filters.n_mel", value: n_mel.into(), expected: "n_mels" });
    }
    // 400 samples of a 25 ms window at 16 kHz give 201 bins.
    if n_fft != 201 {
        return Err(BadModel::Header { field: "filters.n_fft", value: n_fft.into(), expected: "201" });
    }
    file.skip(n_mel as u64 * n_fft as u64 * 4, "its mel filters")
}

fn vocabulary<R: Read + Seek>(file: &mut Reader<R>, header: &Header) -> Result<(), BadModel> {
    let words = file.number("its vocabulary")?;
    if !(1..=header.n_vocab).contains(&words) {
        return Err(BadModel::Header {
            field: "number of words",
            value: words.into(),
            expected: "1 to n_vocab",
        });
    }
    for _ in 0..words {
        let length = file.number("its vocabulary")?;
        if !(0..=1024).contains(&length) {
            return Err(BadModel::Header {
                field: "length of a word",
                value: length.into(),
                expected: "0 to 1024",
            });
        }
        file.bytes(length as u64, "its vocabulary")?;
    }
    Ok(())
}

fn tensors<R: Read + Seek>(file: &mut Reader<R>, header: &Header) -> Result<(), BadModel> {
    let mut expected = expected(header);
    let total = expected.len();
    while file.at < file.length {
        if file.length - file.at < 12 && expected.is_empty() {
            return Err(BadModel::Trailing(file.length - file.at));
        }
        let dims = file.number("a tensor's head")?;
        let length = file.number("a tensor's head")?;
        let kind = file.number("a tensor's head")?;
        if !(1..=4).contains(&dims) || !(1..=128).contains(&length) {
            return Err(if expected.is_empty() {
                BadModel::Trailing(file.length - file.at + 12)
            } else {
                BadModel::Tensor { name: "?".into(), why: format!("has {dims} dimensions") }
            });
        }
        let mut shape = [1i64; 4];
        for size in shape.iter_mut().take(dims as usize) {
            *size = file.number("a tensor's head")?.into();
        }
        let name = String::from_utf8_lossy(&file.bytes(length as u64, "a tensor's head")?).into_owned();
        let wrong = |why: String| BadModel::Tensor { name: name.clone(), why };
        let Some((due, stored)) = expected.remove(&name) else {
            return Err(wrong("is not one of a Whisper model's, or comes twice".into()));
        };
        if shape != due {
            return Err(wrong(format!("has shape {shape:?} where the header asks for {due:?}")));
        }
        if kind != stored.ggml {
            return Err(wrong(format!("is stored as type {kind} where the header asks for {}", stored.ggml)));
        }
        let values: i64 = due.iter().product();
        if due[0] % stored.block != 0 {
            return Err(wrong(format!("cannot be cut into blocks of {}", stored.block)));
        }
        file.skip((values / stored.block * stored.bytes) as u64, &format!("tensor {name:?}"))?;
    }
    match expected.keys().min() {
        Some(example) if expected.len() == total => {
            Err(BadModel::Truncated(format!("its tensors: not even {example:?} is there")))
        }
        Some(example) => {
            Err(BadModel::Missing { missing: expected.len(), expected: total, example: example.clone() })
        }
        None => Ok(()),
    }
}

/// Every tensor of a model with this header: name to shape (innermost first) and storage.
fn expected(header: &Header) -> HashMap<String, ([i64; 4], Storage)> {
    let weights = storage(header.ftype).unwrap_or(F32);
    let kernels = if weights == F32 { F32 } else { F16 };
    let state = i64::from(header.n_audio_state);
    let mels = i64::from(header.n_mels);
    let mut out = HashMap::new();
    let mut add = |name: String, shape: [i64; 3], stored| {
        out.insert(name, ([shape[0], shape[1], shape[2], 1], stored));
    };

    add("encoder.positional_embedding".into(), [state, header.n_audio_ctx.into(), 1], F32);
    add("encoder.conv1.weight".into(), [3, mels, state], kernels);
    add("encoder.conv1.bias".into(), [1, state, 1], F32);
    add("encoder.conv2.weight".into(), [3, state, state], kernels);
    add("encoder.conv2.bias".into(), [1, state, 1], F32);
    add("encoder.ln_post.weight".into(), [state, 1, 1], F32);
    add("encoder.ln_post.bias".into(), [state, 1, 1], F32);
    add("decoder.positional_embedding".into(), [state, header.n_text_ctx.into(), 1], F32);
    add("decoder.token_embedding.weight".into(), [state, header.n_vocab.into(), 1], weights);
    add("decoder.ln.weight".into(), [state, 1, 1], F32);
    add("decoder.ln.bias".into(), [state, 1, 1], F32);

    let sides = [
        ("encoder", header.n_audio_layer, &["attn"][..]),
        ("decoder", header.n_text_layer, &["attn", "cross_attn"]),
    ];
    for (side, layers, attentions) in sides {
        for layer in 0..layers {
            let at = format!("{side}.blocks.{layer}");
            for ln in attentions.iter().map(|a| format!("{a}_ln")).chain(["mlp_ln".into()]) {
                add(format!("{at}.{ln}.weight"), [state, 1, 1], F32);
                add(format!("{at}.{ln}.bias"), [state, 1, 1], F32);
            }
            add(format!("{at}.mlp.0.weight"), [state, 4 * state, 1], weights);
            add(format!("{at}.mlp.0.bias"), [4 * state, 1, 1], F32);
            add(format!("{at}.mlp.2.weight"), [4 * state, state, 1], weights);
            add(format!("{at}.mlp.2.bias"), [state, 1, 1], F32);
            for attention in attentions {
                for part in ["query", "key", "value", "out"] {
                    add(format!("{at}.{attention}.{part}.weight"), [state, state, 1], weights);
                    // Keys have no bias in Whisper.
                    if part != "key" {
                        add(format!("{at}.{attention}.{part}.bias"), [state, 1, 1], F32);
                    }
                }
            }
        }
    }
    out
}

/// Builds small model files for tests: right in form, with all weights zero.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    pub(crate) const TINY: Header = Header {
        n_vocab: 51_864,
        n_audio_ctx: 64,
        n_audio_state: 32,
        n_audio_head: 2,
        n_audio_layer: 1,
        n_text_ctx: 32,
        n_text_state: 32,
        n_text_head: 2,
        n_text_layer: 2,
        n_mels: 80,
        ftype: 1,
    };

    /// The bytes before the tensors.
    pub(crate) fn front(h: &Header) -> Vec<u8> {
        let mut out = MAGIC.to_le_bytes().to_vec();
        let numbers = [
            h.n_vocab,
            h.n_audio_ctx,
            h.n_audio_state,
            h.n_audio_head,
            h.n_audio_layer,
            h.n_text_ctx,
            h.n_text_state,
            h.n_text_head,
            h.n_text_layer,
            h.n_mels,
            h.ftype,
            h.n_mels,
            201,
        ];
        numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.resize(out.len() + h.n_mels as usize * 201 * 4, 0);
        out.extend(2i32.to_le_bytes());
        for word in [" ", " yes"] {
            out.extend((word.len() as i32).to_le_bytes());
            out.extend(word.as_bytes());
        }
        out
    }

    pub(crate) fn model(h: &Header) -> Vec<u8> {
        let mut out = front(h);
        let mut all: Vec<_> = expected(h).into_iter().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, (shape, stored)) in all {
            let dims = if shape[2] > 1 { 3 } else { 2 };
            out.extend((dims as i32).to_le_bytes());
            out.extend((name.len() as i32).to_le_bytes());
            out.extend(stored.ggml.to_le_bytes());
            shape[..dims].iter().for_each(|&n| out.extend((n as i32).to_le_bytes()));
            out.extend(name.as_bytes());
            let bytes = shape.iter().product::<i64>() / stored.block * stored.bytes;
            out.resize(out.len() + bytes as usize, 0);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::sample::{TINY, front, model};
    use super::*;

    fn verdict(bytes: Vec<u8>) -> Result<Header, BadModel> {
        check(Cursor::new(bytes))
    }

    #[test]
    fn a_well_formed_file_passes_in_every_storage() {
        for ftype in [0, 1, 2, 3, 7, 8, 9] {
            let header = Header { ftype, ..TINY };
            assert_eq!(verdict(model(&header)), Ok(header));
        }
        let wide = Header { n_vocab: 51_866, n_mels: 128, ..TINY };
        assert_eq!(verdict(model(&wide)), Ok(wide));
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let whole = model(&TINY);
        let step = whole.len() / 400;
        for length in (0..whole.len()).step_by(step).chain([front(&TINY).len(), whole.len() - 1]) {
            let error = verdict(whole[..length].to_vec()).unwrap_err();
            let right = match length {
                0..4 => matches!(error, BadModel::Foreign(_)),
                _ => matches!(error, BadModel::Truncated(_) | BadModel::Missing { .. }),
            };
            assert!(right, "cut at {length}: {error}");
        }
        let no_tensors = verdict(front(&TINY)).unwrap_err().to_string();
        assert!(no_tensors.contains("truncated"), "{no_tensors}");
    }

    #[test]
    fn another_programs_file_is_named() {
        for (bytes, expected) in [
            (&b"GGUF\x03\0\0\0"[..], "GGUF"),
            (b"PK\x03\x04zip", "PyTorch"),
            (b"<!DOCTYPE html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            (b"RIFF\x10\0\0\0WAVE", "WAV"),
            (b"\x08\x08\x12\x07", "ONNX"),
            (b"hello", "68656c6c"),
            (b"", "empty"),
        ] {
            let error = verdict(bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_model_for_other_hyper_parameters_is_refused_by_tensor() {
        let mut bytes = model(&TINY);
        bytes[8..12].copy_from_slice(&128i32.to_le_bytes());
        let error = verdict(bytes).unwrap_err().to_string();
        assert!(error.contains("encoder.positional_embedding") && error.contains("128"), "{error}");
    }

    #[test]
    fn impossible_headers_are_refused_by_field() {
        for (at, value, field) in
            [(4, 7, "n_vocab"), (16, 7, "n_audio_head"), (36, i32::MAX, "n_text_layer"), (44, 77, "ftype")]
        {
            let mut bytes = model(&TINY);
            bytes[at..at + 4].copy_from_slice(&i32::to_le_bytes(value));
            let error = verdict(bytes).unwrap_err();
            assert!(
                matches!(error, BadModel::Header { field: f, .. } if f == field || f == "n_text_head" || f == "n_audio_state"),
                "{field}: {error}"
            );
        }
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let mut bytes = model(&TINY);
        bytes.extend([0; 40]);
        assert_eq!(verdict(bytes), Err(BadModel::Trailing(40)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_damage_makes_it_panic_or_reserve_memory(at in 0usize..70_000, byte: u8, cut in 0usize..200_000) {
            let mut bytes = model(&TINY);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut.max(at));
            let _ = verdict(bytes);
        }
    }
}
