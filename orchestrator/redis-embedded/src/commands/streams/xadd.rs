//! XADD, XTRIM: entries in, and the stream kept short.

use crate::commands::prelude::*;
use crate::store::stream::{StreamId, Trim, TrimBy};

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("xadd", -5, W | FAST, ONE, xadd), Command::new("xtrim", -4, W, ONE, xtrim)];

const BAD_ID: &str = "ERR Invalid stream ID specified as stream command argument";

pub(crate) fn parse_id(arg: &[u8], missing_seq: u64) -> Result<StreamId, Abort> {
    StreamId::parse(arg, missing_seq).ok_or_else(|| Abort::error(BAD_ID))
}

/// An id in which `-` and `+` mean the least and the greatest.
pub(crate) fn range_id(arg: &[u8], missing_seq: u64) -> Result<StreamId, Abort> {
    match arg {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        other => parse_id(other, missing_seq),
    }
}

/// MAXLEN or MINID with what follows; gives how many words it took.
fn trim_option(args: &[Bytes]) -> Result<(Trim, usize), Abort> {
    let mut used = 1;
    let about = match args.get(1).map(|arg| &arg[..]) {
        Some(b"~") => Some(true),
        Some(b"=") => Some(false),
        _ => None,
    };
    used += usize::from(about.is_some());
    let threshold = args.get(used).ok_or_else(syntax)?;
    used += 1;
    let by = if is(&args[0], "maxlen") {
        TrimBy::Length(at_least(threshold, 0, "ERR The MAXLEN argument must be >= 0.")?)
    } else {
        TrimBy::Id(parse_id(threshold, 0)?)
    };
    Ok((Trim { by, about: about == Some(true), limit: None }, used))
}

struct Options {
    trim: Option<Trim>,
    no_stream: bool,
    /// Words read.
    used: usize,
}

fn options(args: &[Bytes], adding: bool) -> Result<Options, Abort> {
    let mut options = Options { trim: None, no_stream: false, used: 0 };
    let mut limit = None;
    while let Some(arg) = args.get(options.used) {
        if is(arg, "maxlen") || is(arg, "minid") {
            if options.trim.is_some() {
                return Err(Abort::error(
                    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                ));
            }
            let (trim, used) = trim_option(&args[options.used..])?;
            options.trim = Some(trim);
            options.used += used;
        } else if is(arg, "limit") && args.len() > options.used + 1 {
            let given = at_least(&args[options.used + 1], 0, "ERR The LIMIT argument must be >= 0.")?;
            limit = Some(given);
            options.used += 2;
        } else if is(arg, "nomkstream") && adding {
            options.no_stream = true;
            options.used += 1;
        } else if adding {
            break;
        } else {
            return Err(syntax());
        }
    }
    if let Some(limit) = limit {
        match &mut options.trim {
            Some(trim) if trim.about => trim.limit = Some(limit),
            Some(_) => {
                return Err(Abort::error(
                    "ERR syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            None => {
                return Err(Abort::error(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                ));
            }
        }
    }
    Ok(options)
}

/// The id asked for: all of it, the milliseconds of it, or none.
enum Wanted {
    Auto,
    AutoSequence(u64),
    Exact(StreamId),
}

impl Wanted {
    fn parse(arg: &[u8]) -> Result<Self, Abort> {
        if arg == b"*" {
            return Ok(Self::Auto);
        }
        if let Some(ms) = arg.strip_suffix(b"-*") {
            return Ok(Self::AutoSequence(parse_id(ms, 0)?.ms));
        }
        let id = parse_id(arg, 0)?;
        if id == StreamId::MIN {
            return Err(Abort::error("ERR The ID specified in XADD must be greater than 0-0"));
        }
        Ok(Self::Exact(id))
    }

    fn after(self, last: StreamId, now: u64) -> Option<StreamId> {
        match self {
            Self::Auto if now > last.ms => Some(StreamId { ms: now, seq: 0 }),
            Self::Auto => last.next(),
            Self::AutoSequence(ms) if ms > last.ms => Some(StreamId { ms, seq: 0 }),
            Self::AutoSequence(ms) if ms == last.ms => {
                last.seq.checked_add(1).map(|seq| StreamId { ms, seq })
            }
            Self::AutoSequence(_) => None,
            Self::Exact(id) => Some(id).filter(|id| *id > last),
        }
    }
}

fn xadd(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let key = &args[1];
    let options = options(&args[2..], true)?;
    let rest = &args[2 + options.used..];
    let fields = rest.get(1..).unwrap_or_default();
    if fields.is_empty() || !fields.len().is_multiple_of(2) {
        return call.arity_error();
    }
    let wanted = Wanted::parse(&rest[0])?;
    let now = call.now();
    let existing = call.stream(key)?;
    if existing.is_none() && options.no_stream {
        return Ok(Reply::Nil);
    }
    let last = existing.map_or(StreamId::MIN, |stream| stream.last_id);
    if last == StreamId::MAX {
        return Err(Abort::error(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = wanted.after(last, now).ok_or_else(|| {
        Abort::error("ERR The ID specified in XADD is equal or smaller than the target stream top item")
    })?;
    let block = call.store.settings.stream_node_entries;
    let stream = call.stream_mut(key)?;
    stream.append(id, fields.to_vec(), block);
    if let Some(trim) = options.trim {
        stream.trim(work_of(trim, block));
    }
    call.wrote(key);
    Ok(id.reply())
}

/// How much may go at once with `~`: what LIMIT says (0: anything), else a hundred blocks.
fn work_of(trim: Trim, block: u64) -> Trim {
    let limit = match trim.limit {
        _ if !trim.about => None,
        Some(0) => None,
        Some(given) => Some(given),
        None => usize::try_from(block.saturating_mul(100)).ok().map(|max| max.min(1_000_000)),
    };
    Trim { limit, ..trim }
}

fn xtrim(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let options = options(&args[2..], false)?;
    let trim = options.trim.ok_or_else(syntax)?;
    if call.stream(&args[1])?.is_none() {
        return Ok(Reply::Int(0));
    }
    let trim = work_of(trim, call.store.settings.stream_node_entries);
    let removed = call.stream_mut(&args[1])?.trim(trim);
    if removed > 0 {
        call.wrote(&args[1]);
    }
    Ok(Reply::count(removed))
}
