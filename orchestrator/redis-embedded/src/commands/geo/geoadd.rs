//! GEOADD.

use super::query::point;
use crate::commands::prelude::*;
use crate::commands::zsets::zadd::{Options, add_scores};

pub(crate) const COMMANDS: &[Command] = &[Command::new("geoadd", -5, W, ONE, geoadd)];

fn geoadd(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let mut options = Options::default();
    let mut at = 2;
    while let Some(arg) = args.get(at) {
        match () {
            () if is(arg, "nx") => options.only_new = true,
            () if is(arg, "xx") => options.only_old = true,
            () if is(arg, "ch") => options.changed = true,
            () => break,
        }
        at += 1;
    }
    let places = &args[at..];
    if !places.len().is_multiple_of(3) || (options.only_new && options.only_old) {
        return Err(syntax());
    }
    let scored: Result<Vec<(f64, &Bytes)>, Abort> =
        places.chunks_exact(3).map(|place| Ok((point(&place[..2])?.score(), &place[2]))).collect();
    let scored = scored?;
    if scored.is_empty() {
        return Err(syntax());
    }
    add_scores(call, &args[1], &scored, &options)
}
