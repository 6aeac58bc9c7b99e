//! The first line of a script or a library: `#!lua name=… flags=…`.

use crate::resp::split_words;

/// What a script says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// It has such a line at all.
    pub(super) declared: bool,
    pub(super) no_writes: bool,
    /// It runs even when nothing more may be written.
    pub(super) without_memory: bool,
}

/// The words of the line, without `#!`; none when there is no such line.
pub(super) fn words(source: &[u8]) -> Result<Option<Vec<String>>, ()> {
    let Some(rest) = source.strip_prefix(b"#!") else { return Ok(None) };
    let end = rest.iter().position(|&byte| byte == b'\n').ok_or(())?;
    let words = split_words(&rest[..end]).ok_or(())?;
    Ok(Some(words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()))
}

/// What a script for EVAL asks for.
pub(super) fn flags(source: &[u8]) -> Result<Flags, String> {
    let Some(words) = words(source).map_err(|()| "ERR Invalid script shebang".to_owned())? else {
        return Ok(Flags::default());
    };
    let mut flags = Flags { declared: true, ..Flags::default() };
    let engine = words.first().map_or("", String::as_str);
    let options = words.get(1..).unwrap_or_default();
    if engine != "lua" {
        return Err(format!("ERR Unexpected engine in script shebang: #!{engine}"));
    }
    for option in options {
        let Some(list) = option.strip_prefix("flags=") else {
            return Err(format!("ERR Unknown lua shebang option: {option}"));
        };
        for flag in list.split(',').filter(|flag| !flag.is_empty()) {
            match flag {
                "no-writes" => flags.no_writes = true,
                "allow-oom" => flags.without_memory = true,
                "allow-stale" | "no-cluster" | "allow-cross-slot-keys" => {}
                other => return Err(format!("ERR Unexpected flag in script shebang: {other}")),
            }
        }
    }
    Ok(flags)
}
