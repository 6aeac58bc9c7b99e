//! Files made by hand: headers that programs write, and those that break.
use proptest::prelude::*;

use super::*;

/// A chunk, padded as it should be.
fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

fn file(outer: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    let content = chunks.concat();
    let size = u32::try_from(content.len() + 4).unwrap();
    [&outer[..], &size.to_le_bytes(), b"WAVE", &content].concat()
}

/// `fmt ` with the sixteen bytes that all have.
fn format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut bytes = Vec::new();
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate.wrapping_mul(u32::from(block))).to_le_bytes());
    bytes.extend(block.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes
}

fn pcm16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

const SAMPLES: [i16; 4] = [8_192, -8_192, 16_384, 0];
const VALUES: [f32; 4] = [0.25, -0.25, 0.5, 0.0];

fn mono(bytes: Vec<u8>) -> Mono {
    parse(bytes).unwrap().into_mono()
}

/// That these bytes are [`SAMPLES`], with nothing to remark.
fn is_right(bytes: Vec<u8>, what: &str) {
    let mono = mono(bytes);
    assert_eq!((mono.samples.as_slice(), mono.remarks.len()), (&VALUES[..], 0), "{what}: {:?}", mono.remarks);
}

#[test]
fn format_chunks_of_every_size_are_read() {
    let plain = format(1, 1, 16_000, 16);
    let extended = [plain.clone(), vec![0, 0]].concat();
    let twenty = [plain.clone(), vec![2, 0, 0, 0]].concat();
    let mut extensible = format(0xFFFE, 1, 16_000, 16);
    extensible.extend([22, 0, 16, 0, 4, 0, 0, 0]);
    extensible.extend(*b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71");
    for fmt in [plain, extended, twenty, extensible] {
        let what = format!("{} bytes", fmt.len());
        is_right(file(b"RIFF", &[chunk(b"fmt ", &fmt), chunk(b"data", &pcm16(&SAMPLES))]), &what);
    }
}

#[test]
fn valid_bits_are_the_upper_ones_of_their_container() {
    let mut fmt = format(0xFFFE, 1, 16_000, 32);
    fmt.extend([22, 0, 24, 0, 4, 0, 0, 0]);
    fmt.extend(*b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71");
    let samples: Vec<u8> = SAMPLES.iter().flat_map(|s| (i32::from(*s) << 16).to_le_bytes()).collect();
    is_right(file(b"RIFF", &[chunk(b"fmt ", &fmt), chunk(b"data", &samples)]), "24 in 32");
}

#[test]
fn other_parts_padding_and_tags_are_passed_over() {
    let (fmt, data) = (chunk(b"fmt ", &format(1, 1, 16_000, 16)), chunk(b"data", &pcm16(&SAMPLES)));
    let list = chunk(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0");
    is_right(
        file(b"RIFF", &[chunk(b"JUNK", &[0; 28]), fmt.clone(), list.clone(), data.clone(), list.clone()]),
        "parts",
    );
    // A program that forgot the padding byte of an odd part.
    let unpadded = [&b"LIST\x05\0\0\0INFOx"[..]].concat();
    is_right(file(b"RIFF", &[fmt.clone(), unpadded, data.clone()]), "no padding");
    let tagged = [b"ID3\x04\0\0\0\0\x01\x02".to_vec(), vec![7; 130], file(b"RIFF", &[fmt, data])].concat();
    is_right(tagged, "an ID3 tag");
    // Eight bits, an odd number of them, a padding byte and a part behind.
    let odd =
        file(b"RIFF", &[chunk(b"fmt ", &format(1, 1, 8_000, 8)), chunk(b"data", &[160, 96, 192]), list]);
    assert_eq!(mono(odd).samples, [0.25, -0.25, 0.5]);
}

#[test]
fn sizes_that_pipes_leave_are_read_to_the_end() {
    let whole = file(b"RIFF", &[chunk(b"fmt ", &format(1, 1, 16_000, 16)), chunk(b"data", &pcm16(&SAMPLES))]);
    for size in [0u32, 0xFFFF_FFFF, 0x7FFF_F000, 0x7FFF_FFFF, 0xFFFF_FFD7] {
        let mut bytes = whole.clone();
        bytes[40..44].copy_from_slice(&size.to_le_bytes());
        is_right(bytes, &format!("{size:#x}"));
    }
    // Nothing, said by a part of no bytes with another behind it, is nothing.
    let empty = file(
        b"RIFF",
        &[chunk(b"fmt ", &format(1, 1, 16_000, 16)), chunk(b"data", &[]), chunk(b"LIST", b"INFO")],
    );
    assert!(mono(empty).samples.is_empty());
}

#[test]
fn a_cut_off_file_is_read_and_named() {
    let mut bytes =
        file(b"RIFF", &[chunk(b"fmt ", &format(1, 1, 16_000, 16)), chunk(b"data", &pcm16(&[8_192; 16_000]))]);
    bytes.truncate(44 + 16_001);
    let mono = mono(bytes);
    assert_eq!(mono.samples, [0.25; 8_000]);
    assert_eq!(mono.remarks[0].to_string(), "it is cut off: 0.5 of 1.0 s are there and were read");
}

#[test]
fn sixty_four_bit_kin_are_read() {
    let (fmt, samples) = (format(1, 1, 16_000, 16), pcm16(&SAMPLES));
    let mut ds64 = vec![0; 28];
    ds64[8] = 8;
    for outer in [b"RF64", b"BW64"] {
        let mut bytes = file(outer, &[chunk(b"ds64", &ds64), chunk(b"fmt ", &fmt), chunk(b"data", &samples)]);
        let at = bytes.len() - 12;
        bytes[4..8].fill(0xFF);
        bytes[at..at + 4].fill(0xFF);
        bytes.extend(chunk(b"LIST", b"INFO"));
        is_right(bytes, &String::from_utf8_lossy(outer));
    }
    let w64 = |id: &[u8; 4], content: &[u8]| {
        let mut bytes = [&id[..], b"\xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A"].concat();
        bytes.extend((content.len() as u64 + 24).to_le_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let head = [
        &b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00"[..],
        &[0; 8],
        b"wave\xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A",
    ]
    .concat();
    is_right([head, w64(b"fmt ", &fmt), w64(b"data", &samples), w64(b"junk", &[])].concat(), "Wave64");
}

#[test]
fn channels_that_cancel_each_other_out_leave_the_loudest() {
    let stereo = |left: i16, right: i16| {
        let samples: Vec<i16> = (0..100).flat_map(|_| [left, right]).collect();
        mono(file(b"RIFF", &[chunk(b"fmt ", &format(1, 2, 16_000, 16)), chunk(b"data", &pcm16(&samples))]))
    };
    let opposite = stereo(8_192, -8_191);
    assert_eq!(opposite.samples, [0.25; 100]);
    assert_eq!(opposite.remarks, [Remark::LoudestChannel { channel: 1, channels: 2 }]);
    assert!(opposite.remarks[0].to_string().contains("channel 1, the loudest, was used alone"));
    assert_eq!((stereo(8_192, 8_192).samples[0], stereo(8_192, 8_192).remarks.len()), (0.25, 0));
    // One side silent is no cancellation.
    assert_eq!((stereo(0, 16_384).samples[0], stereo(0, 16_384).remarks.len()), (0.25, 0));
}

#[test]
fn samples_that_are_not_numbers_are_silence_and_counted() {
    let samples: Vec<u8> =
        [0.5, f32::NAN, f32::INFINITY, -0.5].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mono = mono(file(b"RIFF", &[chunk(b"fmt ", &format(3, 1, 16_000, 32)), chunk(b"data", &samples)]));
    assert_eq!(mono.samples, [0.5, 0.0, 0.0, -0.5]);
    assert_eq!(mono.remarks, [Remark::NotNumbers { samples: 2 }]);
}

#[test]
fn what_cannot_be_read_says_why() {
    let with = |fmt: &[u8]| {
        let data = chunk(b"data", &pcm16(&SAMPLES));
        parse(file(b"RIFF", &[chunk(b"fmt ", fmt), data])).unwrap_err()
    };
    assert!(with(&format(1, 1, 0, 16)).contains("a rate of 0"), "{}", with(&format(1, 1, 0, 16)));
    assert!(with(&format(1, 1, 4_294_967_291, 16)).contains("4294967291 samples a second"));
    assert!(with(&format(1, 0, 16_000, 16)).contains("no channels"));
    assert!(with(&format(2, 1, 16_000, 4)).contains("ADPCM"));
    assert!(with(&format(0x55, 1, 16_000, 0)).contains("MP3"));
    assert!(with(&format(3, 1, 16_000, 16)).contains("16 bits"));
    assert!(with(&[1, 0]).contains("ends too early"));
    for (bytes, why) in [
        (&b""[..], "empty"),
        (b"hello", "no sound file"),
        (b"\0\0\0\x20ftypM4A ", "MP4"),
        (b"RIFF\0\0\0\0AVI LIST", "not WAVE"),
        (b"RIFF\0\0\0\0WAVE", "no `fmt ` part"),
        (b"fLaC", "FLAC"),
        (b"ID3\x04\0\0\0\0\0\0", "empty"),
    ] {
        let error = parse(bytes.to_vec()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn an_hour_is_the_longest() {
    let bytes =
        file(b"RIFF", &[chunk(b"fmt ", &format(1, 1, 1_000, 8)), chunk(b"data", &vec![128; 3_600_001])]);
    assert!(parse(bytes).unwrap_err().contains("longer than 3600 s"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_headers_do_no_harm(
        kin in 0usize..3,
        damage in proptest::collection::vec((0usize..120, any::<u8>()), 0..10),
        cut in 0usize..200,
    ) {
        let data = chunk(b"data", &pcm16(&SAMPLES));
        let fmt = chunk(b"fmt ", &format(1, 2, 16_000, 16));
        let mut bytes = match kin {
            0 => file(b"RIFF", &[fmt, data]),
            1 => file(b"RF64", &[chunk(b"ds64", &[8; 28]), fmt, data]),
            _ => [&b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00"[..], &[0; 24], b"fmt \xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A\x28\0\0\0\0\0\0\0", &format(1, 1, 8_000, 16), b"data\xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A\x20\0\0\0\0\0\0\0", &[9; 8]].concat(),
        };
        for (at, byte) in damage {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(cut);
        if let Ok(sound) = parse(bytes) {
            let mono = sound.into_mono();
            prop_assert!(mono.samples.iter().all(|sample| sample.is_finite()));
        }
    }
}
