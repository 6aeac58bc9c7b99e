//! EVAL, EVALSHA and their read-only forms.

use crate::commands::prelude::*;
use crate::lua;

const FLAGS: u16 = NO_SCRIPT | Spec::MOVABLE_KEYS;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("eval", -3, FLAGS, NONE, |call| eval(call, false)),
    Command::new("eval_ro", -3, FLAGS | R, NONE, |call| eval(call, true)),
    Command::new("evalsha", -3, FLAGS, NONE, |call| evalsha(call, false)),
    Command::new("evalsha_ro", -3, FLAGS | R, NONE, |call| evalsha(call, true)),
];

/// What stands behind the number of keys: keys, and the rest.
pub(crate) fn keys_and_args<'a>(
    call: &Call<'a>,
    no_number: &'static str,
) -> Result<(&'a [Bytes], &'a [Bytes]), Abort> {
    let count = int(&call.args[2]).map_err(|_| Abort::error(no_number))?;
    let rest = &call.args[3..];
    if count < 0 {
        return Err(Abort::error("ERR Number of keys can't be negative"));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > rest.len() {
        return Err(Abort::error("ERR Number of keys can't be greater than number of args"));
    }
    Ok(rest.split_at(count))
}

fn eval(call: &mut Call<'_>, read_only: bool) -> Answer {
    let (keys, args) = keys_and_args(call, NOT_INTEGER)?;
    let sha = lua::sha1_hex(&call.args[1]);
    call.store.scripts.remember(&sha, &call.args[1]);
    lua::run(call, &sha, keys, args, read_only)
}

fn evalsha(call: &mut Call<'_>, read_only: bool) -> Answer {
    let (keys, args) = keys_and_args(call, NOT_INTEGER)?;
    let sha = String::from_utf8_lossy(&call.args[1]).to_lowercase();
    if !call.store.scripts.knows(&sha) {
        return Err(Abort::error("NOSCRIPT No matching script. Please use EVAL."));
    }
    lua::run(call, &sha, keys, args, read_only)
}
