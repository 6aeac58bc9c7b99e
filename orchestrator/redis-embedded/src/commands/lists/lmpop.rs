//! LMPOP, BLMPOP: from the first list that has anything.

use super::blocking::deadline;
use super::lmove::Side;
use crate::commands::prelude::*;

const KEYS: u16 = W | Spec::MOVABLE_KEYS;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("lmpop", -4, KEYS, NONE, lmpop),
    Command::new("blmpop", -5, KEYS | Spec::BLOCKING, NONE, blmpop),
];

/// Keys, which end (`words`: the names of both), and how many: from the number of keys on.
pub(crate) fn request<'a>(args: &'a [Bytes], words: [&str; 2]) -> Result<(&'a [Bytes], bool, usize), Abort> {
    let positive = |arg: &Bytes, what: &str| {
        let count = int(arg).ok().and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
        count.ok_or_else(|| Abort::error(format!("ERR {what} should be greater than 0")))
    };
    let count = positive(args.first().ok_or_else(syntax)?, "numkeys")?;
    let keys = args.get(1..).and_then(|rest| rest.get(..count)).ok_or_else(syntax)?;
    let (which, rest) = args[1 + count..].split_first().ok_or_else(syntax)?;
    let first = is(which, words[0]);
    if !first && !is(which, words[1]) {
        return Err(syntax());
    }
    let wanted = match rest {
        [] => 1,
        [word, wanted] if is(word, "count") => positive(wanted, "count")?,
        _ => return Err(syntax()),
    };
    Ok((keys, first, wanted))
}

fn side(args: &[Bytes]) -> Result<(&[Bytes], Side, usize), Abort> {
    let (keys, left, wanted) = request(args, ["left", "right"])?;
    Ok((keys, if left { Side::Left } else { Side::Right }, wanted))
}

/// What the first list with anything in it gives.
fn take(call: &mut Call<'_>, keys: &[Bytes], from: Side, wanted: usize) -> Result<Option<Reply>, Abort> {
    for key in keys {
        if call.list(key)?.is_none() {
            continue;
        }
        let list = call.list_mut(key)?;
        let wanted = wanted.min(list.len());
        let items: Vec<Bytes> = (0..wanted)
            .filter_map(|_| if from == Side::Left { list.pop_front() } else { list.pop_back() })
            .collect();
        call.wrote(key);
        return Ok(Some(Reply::Array(vec![Reply::Bulk(key.clone()), Reply::strings(items)])));
    }
    Ok(None)
}

fn lmpop(call: &mut Call<'_>) -> Answer {
    let (keys, from, wanted) = side(&call.args[1..])?;
    Ok(take(call, keys, from, wanted)?.unwrap_or(Reply::NilArray))
}

fn blmpop(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (keys, from, wanted) = side(&args[2..])?;
    let until = deadline(call, &args[1])?;
    match take(call, keys, from, wanted)? {
        Some(found) => Ok(found),
        None => call.wait(keys.to_vec(), args.to_vec(), until, Reply::NilArray),
    }
}
