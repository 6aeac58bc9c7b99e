//! Silero's model file in whisper.cpp's format, checked from end to end before whisper.cpp sees it.
//!
//! whisper.cpp (1.8.3) believes the lengths in this file's header, and takes a file that ends before its first tensor
//! for a model. Silero's 16 kHz network has had one shape in all versions that come in this format (5.1.2, 6.2.0), so
//! every number of the header and every tensor is held to that shape.
//!
//! Layout (`whisper_vad_init_with_params` in whisper.cpp): magic; the type as a counted string; version (three
//! numbers); samples of a window and of context; encoder layers with their widths and kernels; LSTM and final layer;
//! then tensors, each with number of dimensions, length of name, type, dimensions, name and data. All numbers are
//! little-endian 32-bit.
use std::collections::BTreeMap;

/// `ggml`, as a little-endian number.
const MAGIC: i32 = 0x6767_6d6c;
/// Samples of one window: 32 ms.
pub const WINDOW: usize = 512;
/// No file of this kind is larger: it is a fixed network of under a megabyte.
pub const LARGEST: u64 = 4 << 20;

/// What the header says behind the version.
const HEADER: [(&str, i32); 19] = [
    ("samples of a window", WINDOW as i32),
    ("samples of context", 64),
    ("encoder layers", 4),
    ("channels into layer 0", 129),
    ("channels out of layer 0", 128),
    ("kernel of layer 0", 3),
    ("channels into layer 1", 128),
    ("channels out of layer 1", 64),
    ("kernel of layer 1", 3),
    ("channels into layer 2", 64),
    ("channels out of layer 2", 64),
    ("kernel of layer 2", 3),
    ("channels into layer 3", 64),
    ("channels out of layer 3", 128),
    ("kernel of layer 3", 3),
    ("width of the LSTM's input", 128),
    ("width of the LSTM", 128),
    ("channels into the last layer", 128),
    ("channels out of the last layer", 1),
];

/// Tensors: name, shape with the fastest dimension first, and whether numbers are 16 bits wide.
const TENSORS: [(&str, [i32; 4], bool); 15] = [
    ("_model.stft.forward_basis_buffer", [256, 1, 258, 1], true),
    ("_model.encoder.0.reparam_conv.weight", [3, 129, 128, 1], true),
    ("_model.encoder.0.reparam_conv.bias", [128, 1, 1, 1], false),
    ("_model.encoder.1.reparam_conv.weight", [3, 128, 64, 1], true),
    ("_model.encoder.1.reparam_conv.bias", [64, 1, 1, 1], false),
    ("_model.encoder.2.reparam_conv.weight", [3, 64, 64, 1], true),
    ("_model.encoder.2.reparam_conv.bias", [64, 1, 1, 1], false),
    ("_model.encoder.3.reparam_conv.weight", [3, 64, 128, 1], true),
    ("_model.encoder.3.reparam_conv.bias", [128, 1, 1, 1], false),
    ("_model.decoder.rnn.weight_ih", [128, 512, 1, 1], false),
    ("_model.decoder.rnn.weight_hh", [128, 512, 1, 1], false),
    ("_model.decoder.rnn.bias_ih", [512, 1, 1, 1], false),
    ("_model.decoder.rnn.bias_hh", [512, 1, 1, 1], false),
    ("_model.decoder.decoder.2.weight", [128, 1, 1, 1], true),
    ("_model.decoder.decoder.2.bias", [1, 1, 1, 1], false),
];

/// What is wrong with a model file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadVad {
    /// It is some other program's.
    #[error("it is not Silero's model in ggml format: {0}")]
    Foreign(String),
    /// It ends too early.
    #[error("it is truncated: it ends within {0}")]
    Truncated(String),
    /// The header is another network's.
    #[error("its header says {value} {field}, Silero's 16 kHz network has {expected}")]
    Header {
        /// Which number.
        field: &'static str,
        value: i32,
        /// What it has to be.
        expected: i32,
    },
    /// A tensor is another network's.
    #[error("tensor {name:?} {why}")]
    Tensor {
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Tensors are missing.
    #[error("{missing} of its 15 tensors are missing, such as {example:?}")]
    Missing {
        missing: usize,
        /// One of them.
        example: &'static str,
    },
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize, within: &str) -> Result<&'a [u8], BadVad> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| BadVad::Truncated(within.to_owned()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, within: &str) -> Result<i32, BadVad> {
        let bytes = self.bytes(4, within)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}

/// Reads a whole model file and gives its version.
pub fn check(bytes: &[u8]) -> Result<String, BadVad> {
    let mut file = Reader(bytes);
    if file.number("its first bytes")? != MAGIC {
        return Err(BadVad::Foreign(format!("it starts with {}", hex::encode(&bytes[..4]))));
    }
    let length = file.number("its header")?;
    // A Whisper model has its vocabulary's size here.
    if !(1..=64).contains(&length) {
        return Err(BadVad::Foreign(format!("its type has {length} letters; is it a Whisper model?")));
    }
    let kind = String::from_utf8_lossy(file.bytes(length as usize, "its header")?).into_owned();
    if kind != "silero-16k" {
        return Err(BadVad::Foreign(format!("its type is {kind:?}, not \"silero-16k\"")));
    }
    let mut version = [0; 3];
    for part in &mut version {
        *part = file.number("its header")?;
    }
    for (field, expected) in HEADER {
        let value = file.number("its header")?;
        if value != expected {
            return Err(BadVad::Header { field, value, expected });
        }
    }
    tensors(&mut file)?;
    Ok(version.map(|part| part.to_string()).join("."))
}

fn tensors(file: &mut Reader<'_>) -> Result<(), BadVad> {
    let mut due: BTreeMap<&str, ([i32; 4], bool)> =
        TENSORS.iter().map(|&(name, shape, half)| (name, (shape, half))).collect();
    while !file.0.is_empty() {
        let head = "a tensor's head";
        let (dims, length, kind) = (file.number(head)?, file.number(head)?, file.number(head)?);
        if !(0..=4).contains(&dims) || !(1..=64).contains(&length) {
            let why = format!("has {dims} dimensions and a name of {length} letters");
            return Err(BadVad::Tensor { name: "?".into(), why });
        }
        // Dimensions of one are not always written.
        let mut shape = [1; 4];
        for size in shape.iter_mut().take(dims as usize) {
            *size = file.number(head)?;
        }
        let name = String::from_utf8_lossy(file.bytes(length as usize, head)?).into_owned();
        let wrong = |why: String| BadVad::Tensor { name: name.clone(), why };
        let Some((expected, half)) = due.remove(name.as_str()) else {
            return Err(wrong("is not one of Silero's, or comes twice".into()));
        };
        if shape != expected {
            return Err(wrong(format!("has shape {shape:?}, not {expected:?}")));
        }
        // ggml's types 0 and 1: 32-bit and 16-bit floating point.
        if kind != i32::from(half) {
            return Err(wrong(format!("is stored as type {kind}, not {}", i32::from(half))));
        }
        let values: i32 = expected.iter().product();
        file.bytes(values as usize * if half { 2 } else { 4 }, &format!("tensor {name:?}"))?;
    }
    match due.keys().next() {
        // The names in `due` are those of the table.
        Some(name) => Err(BadVad::Missing {
            missing: due.len(),
            example: TENSORS.iter().map(|t| t.0).find(|n| n == name).unwrap_or_default(),
        }),
        None => Ok(()),
    }
}

/// Writing such a file, for tests.
#[cfg(test)]
pub(super) mod writing {
    use super::{HEADER, MAGIC, TENSORS};

    /// The file's bytes up to the first tensor.
    pub(in super::super) fn head() -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |n: i32| out.extend(n.to_le_bytes());
        put(MAGIC);
        put(10);
        out.extend(b"silero-16k");
        for n in [6, 2, 0].into_iter().chain(HEADER.map(|h| h.1)) {
            out.extend(n.to_le_bytes());
        }
        out
    }

    /// A model whose weights are what `weight` says of a tensor's name and a place in it.
    pub(in super::super) fn model(weight: impl Fn(&str, usize) -> f32) -> Vec<u8> {
        let mut out = head();
        for (name, shape, half) in TENSORS {
            // As whisper.cpp's converter does: trailing ones are left out.
            let dims = shape.iter().rposition(|&n| n != 1).map_or(0, |last| last + 1);
            for n in [dims as i32, name.len() as i32, i32::from(half)] {
                out.extend(n.to_le_bytes());
            }
            for n in &shape[..dims] {
                out.extend(n.to_le_bytes());
            }
            out.extend(name.as_bytes());
            for place in 0..shape.iter().product::<i32>() as usize {
                let value = weight(name, place);
                if half {
                    out.extend(half_bits(value).to_le_bytes());
                } else {
                    out.extend(value.to_le_bytes());
                }
            }
        }
        out
    }

    /// IEEE 754 binary16, for normal numbers and zero.
    fn half_bits(value: f32) -> u16 {
        let bits = value.to_bits();
        let sign = (bits >> 16 & 0x8000) as u16;
        let exponent = (bits >> 23 & 0xff) as i32 - 127 + 15;
        if exponent <= 0 { sign } else { sign | (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_the_published_size_and_says_its_version() {
        let model = writing::model(|_, _| 0.0);
        // The size of ggml-silero-v5.1.2.bin and ggml-silero-v6.2.0.bin.
        assert_eq!(model.len(), 885_098);
        assert_eq!(check(&model).unwrap(), "6.2.0");
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let model = writing::model(|_, _| 0.0);
        let head = writing::head().len();
        for cut in (0..head).chain([head, head + 1, head + 40, 300_000, model.len() - 1]) {
            assert!(check(&model[..cut]).is_err(), "{cut}");
        }
        assert_eq!(
            check(&model[..head]).unwrap_err(),
            BadVad::Missing { missing: 15, example: "_model.decoder.decoder.2.bias" }
        );
    }

    #[test]
    fn foreign_files_and_networks_are_refused_by_name() {
        assert!(matches!(check(b"RIFF and so on"), Err(BadVad::Foreign(_))));
        // A Whisper model: the same magic, then the vocabulary's size.
        let whisper = [MAGIC.to_le_bytes(), 51_864i32.to_le_bytes()].concat();
        assert!(check(&whisper).unwrap_err().to_string().contains("Whisper"));
        let mut other = writing::model(|_, _| 0.0);
        other[30..34].copy_from_slice(&256i32.to_le_bytes());
        assert_eq!(
            check(&other).unwrap_err().to_string(),
            "its header says 256 samples of a window, Silero's 16 kHz network has 512"
        );
        let mut more = writing::model(|_, _| 0.0);
        more.extend([1, 0, 0, 0]);
        assert!(check(&more).is_err());
    }
}
