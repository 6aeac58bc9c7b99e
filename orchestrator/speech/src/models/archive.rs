//! Takes one file out of a zip archive (APPNOTE.TXT of PKWARE), such as a library out of a Python wheel. The archive's
//! digest was checked before, so this reads what it needs and refuses the rest: no encryption, no zip64.
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::ModelError;

const END: [u8; 4] = *b"PK\x05\x06";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Writes the member of this name to `target`, at most `limit` bytes.
pub fn extract(archive: &Path, member: &str, target: &Path, limit: u64) -> Result<(), ModelError> {
    unpack(archive, member, target, limit)
        .map_err(|why| ModelError::Archive { archive: archive.display().to_string(), why })
}

fn unpack(archive: &Path, member: &str, target: &Path, limit: u64) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    let mut file = File::open(archive).map_err(text)?;
    let entry = find(&mut file, member)?;
    file.seek(SeekFrom::Start(entry.offset)).map_err(text)?;
    let mut head = [0; 30];
    file.read_exact(&mut head).map_err(text)?;
    if head[..4] != LOCAL {
        return Err("its directory points nowhere".into());
    }
    let skip = i64::from(u16_at(&head, 26)) + i64::from(u16_at(&head, 28));
    file.seek(SeekFrom::Current(skip)).map_err(text)?;
    let packed = file.take(entry.packed);
    let mut unpacked: Box<dyn Read> = match entry.method {
        STORED => Box::new(packed),
        DEFLATED => Box::new(flate2::read::DeflateDecoder::new(packed)),
        other => return Err(format!("{member} is packed by method {other}")),
    };
    let mut out = File::create(target).map_err(text)?;
    let written = std::io::copy(&mut (&mut unpacked).take(limit + 1), &mut out).map_err(text)?;
    if written > limit {
        return Err(format!("{member} is larger than {limit} bytes"));
    }
    out.flush().and_then(|()| out.sync_all()).map_err(text)
}

struct Entry {
    method: u16,
    packed: u64,
    offset: u64,
}

fn find(file: &mut File, member: &str) -> Result<Entry, String> {
    let text = |e: std::io::Error| e.to_string();
    let length = file.seek(SeekFrom::End(0)).map_err(text)?;
    // The end record has 22 bytes and a comment of at most 65535.
    let tail_length = length.min(22 + 65_535);
    file.seek(SeekFrom::Start(length - tail_length)).map_err(text)?;
    let mut tail = vec![0; tail_length as usize];
    file.read_exact(&mut tail).map_err(text)?;
    let end = tail.windows(4).rposition(|w| w == END).ok_or("it is not a zip archive")?;
    let end = tail.get(end..end + 22).ok_or("it is truncated")?;
    let (count, size, start) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
    if u64::from(start) + u64::from(size) > length {
        return Err("its directory lies outside".into());
    }
    file.seek(SeekFrom::Start(start.into())).map_err(text)?;
    let mut directory = vec![0; size as usize];
    file.read_exact(&mut directory).map_err(text)?;
    let mut at = 0;
    for _ in 0..count {
        let head = directory.get(at..at + 46).ok_or("its directory is truncated")?;
        if head[..4] != CENTRAL {
            return Err("its directory is damaged".into());
        }
        let name_length = usize::from(u16_at(head, 28));
        let name = directory.get(at + 46..at + 46 + name_length).ok_or("its directory is truncated")?;
        if name == member.as_bytes() {
            if u16_at(head, 8) & 1 != 0 {
                return Err(format!("{member} is encrypted"));
            }
            return Ok(Entry {
                method: u16_at(head, 10),
                packed: u32_at(head, 20).into(),
                offset: u32_at(head, 42).into(),
            });
        }
        at += 46 + name_length + usize::from(u16_at(head, 30)) + usize::from(u16_at(head, 32));
    }
    Err(format!("it does not hold {member}"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// Builds archives for tests.
#[cfg(test)]
pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut packed = Vec::new();
        flate2::read::DeflateEncoder::new(*content, flate2::Compression::fast())
            .read_to_end(&mut packed)
            .unwrap();
        let offset = out.len() as u32;
        let mut common = vec![20, 0, 0, 0, DEFLATED as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(LOCAL);
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(packed);
        directory.extend(CENTRAL);
        directory.extend([20, 0]);
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(END);
    out.extend([0, 0, 0, 0]);
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_is_taken_out() {
        let dir = tempfile::tempdir().unwrap();
        let (archive, target) = (dir.path().join("a.whl"), dir.path().join("lib.so"));
        let content = b"library ".repeat(1000);
        std::fs::write(&archive, zip(&[("x/readme", b"hi"), ("x/lib.so", &content)])).unwrap();
        extract(&archive, "x/lib.so", &target, 10_000).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), content);
        assert!(extract(&archive, "x/lib.so", &target, 100).unwrap_err().to_string().contains("larger"));
        assert!(extract(&archive, "x/none", &target, 100).unwrap_err().to_string().contains("does not hold"));
    }

    #[test]
    fn damaged_archives_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let (archive, target) = (dir.path().join("a.whl"), dir.path().join("out"));
        let whole = zip(&[("m", &b"content ".repeat(50))]);
        for length in 0..whole.len() {
            std::fs::write(&archive, &whole[..length]).unwrap();
            assert!(extract(&archive, "m", &target, 10_000).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&archive, &bytes).unwrap();
            let _ = extract(&archive, "m", &target, 10_000);
        }
    }
}
