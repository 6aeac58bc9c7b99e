//! LMOVE, RPOPLPUSH: from one list to another.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("lmove", 5, W, (1, 2, 1), lmove), Command::new("rpoplpush", 3, W, (1, 2, 1), rpoplpush)];

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    pub(crate) fn parse(arg: &[u8]) -> Result<Self, Abort> {
        if is(arg, "left") {
            Ok(Self::Left)
        } else if is(arg, "right") {
            Ok(Self::Right)
        } else {
            Err(syntax())
        }
    }
}

/// Moves one element; `None` when there is none.
pub(crate) fn shift(
    call: &mut Call<'_>,
    from: &Bytes,
    to: &Bytes,
    out: Side,
    into: Side,
) -> Result<Option<Bytes>, Abort> {
    if call.list(from)?.is_none() {
        return Ok(None);
    }
    call.list(to)?;
    let list = call.list_mut(from)?;
    let item = if out == Side::Left { list.pop_front() } else { list.pop_back() };
    let Some(item) = item else { return Ok(None) };
    // The target first: it may be the same list, which must not vanish in between.
    let target = call.list_mut(to)?;
    if into == Side::Left {
        target.push_front(item.clone());
    } else {
        target.push_back(item.clone());
    }
    call.wrote(to);
    call.wrote(from);
    Ok(Some(item))
}

fn lmove(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (out, into) = (Side::parse(&args[3])?, Side::parse(&args[4])?);
    Ok(Reply::bulk_or_nil(shift(call, &args[1], &args[2], out, into)?))
}

fn rpoplpush(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    Ok(Reply::bulk_or_nil(shift(call, &args[1], &args[2], Side::Right, Side::Left)?))
}
