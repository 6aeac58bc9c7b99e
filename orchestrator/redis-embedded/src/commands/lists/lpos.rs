//! LPOS.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("lpos", -3, R, ONE, lpos)];

fn lpos(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (mut rank, mut count, mut max) = (1_i64, None, 0);
    for pair in args[3..].chunks(2) {
        let [word, value] = pair else { return Err(syntax()) };
        if is(word, "rank") {
            rank = int(value)?;
            if rank == 0 {
                return Err(Abort::error(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second \
                     ... or use negative to start from the end of the list",
                ));
            }
        } else if is(word, "count") {
            count = Some(at_least(value, 0, "ERR COUNT can't be negative")?);
        } else if is(word, "maxlen") {
            max = at_least(value, 0, "ERR MAXLEN can't be negative")?;
        } else {
            return Err(syntax());
        }
    }
    let list = call.list(&args[1])?;
    let Some(list) = list else {
        return Ok(if count.is_some() { Reply::Array(Vec::new()) } else { Reply::Nil });
    };
    let skip = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let max = if max == 0 { usize::MAX } else { max };
    let wanted = match count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let matching = |(at, item): (usize, &Bytes)| (*item == args[2]).then_some(at);
    let found: Vec<usize> = if rank > 0 {
        list.iter().enumerate().take(max).filter_map(matching).skip(skip).take(wanted).collect()
    } else {
        list.iter().enumerate().rev().take(max).filter_map(matching).skip(skip).take(wanted).collect()
    };
    Ok(match count {
        None => found.first().map_or(Reply::Nil, |&at| Reply::count(at)),
        Some(_) => Reply::Array(found.into_iter().map(Reply::count).collect()),
    })
}
