//! LCS: the longest common subsequence of two strings.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("lcs", -3, R, (1, 2, 1), lcs)];

#[derive(Default)]
struct Options {
    length: bool,
    places: bool,
    with_lengths: bool,
    least: i64,
}

fn options(args: &[Bytes]) -> Result<Options, Abort> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match () {
            () if is(arg, "idx") => options.places = true,
            () if is(arg, "len") => options.length = true,
            () if is(arg, "withmatchlen") => options.with_lengths = true,
            () if is(arg, "minmatchlen") => options.least = int(rest.next().ok_or_else(syntax)?)?.max(0),
            () => return Err(syntax()),
        }
    }
    if options.length && options.places {
        return Err(Abort::error("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(options)
}

/// Lengths of the longest common subsequences of all beginnings of both.
struct Table {
    cells: Vec<u32>,
    width: usize,
}

impl Table {
    fn of(a: &[u8], b: &[u8]) -> Self {
        let width = b.len() + 1;
        let mut table = Self { cells: vec![0; (a.len() + 1) * width], width };
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                let longest = if a[i - 1] == b[j - 1] {
                    table.at(i - 1, j - 1) + 1
                } else {
                    table.at(i - 1, j).max(table.at(i, j - 1))
                };
                table.cells[i * width + j] = longest;
            }
        }
        table
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }
}

/// A run of bytes that both have: where it begins in each, and how long it is.
struct Run {
    a: usize,
    b: usize,
    len: usize,
}

/// The runs from the last to the first, and the subsequence.
fn runs(a: &[u8], b: &[u8], table: &Table) -> (Vec<Run>, Vec<u8>) {
    let (mut i, mut j) = (a.len(), b.len());
    let (mut runs, mut text) = (Vec::<Run>::new(), Vec::new());
    let mut open = false;
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            text.push(a[i - 1]);
            match runs.last_mut() {
                Some(run) if open => {
                    run.a -= 1;
                    run.b -= 1;
                    run.len += 1;
                }
                _ => runs.push(Run { a: i - 1, b: j - 1, len: 1 }),
            }
            open = true;
            i -= 1;
            j -= 1;
        } else {
            open = false;
            if table.at(i - 1, j) > table.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
    text.reverse();
    (runs, text)
}

fn lcs(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let options = options(&args[3..])?;
    let string = |key: &Bytes| {
        let found =
            call.string(key).map_err(|_| Abort::error("ERR The specified keys must contain string values"));
        found.map(|text| text.cloned().unwrap_or_default())
    };
    let (a, b) = (string(&args[1])?, string(&args[2])?);
    let cells = (a.len() + 1).saturating_mul(b.len() + 1);
    if cells.saturating_mul(4) > call.store.config.limits.bulk_bytes {
        return Err(Abort::error(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let table = Table::of(&a, &b);
    let length = Reply::Int(i64::from(table.at(a.len(), b.len())));
    if options.length {
        return Ok(length);
    }
    let (runs, text) = runs(&a, &b, &table);
    if !options.places {
        return Ok(Reply::bulk(text));
    }
    let pair = |from: usize, len: usize| Reply::Array(vec![Reply::count(from), Reply::count(from + len - 1)]);
    let long_enough = |run: &Run| i64::try_from(run.len).is_ok_and(|len| len >= options.least);
    let matches = runs.into_iter().filter(long_enough).map(|run| {
        let mut parts = vec![pair(run.a, run.len), pair(run.b, run.len)];
        if options.with_lengths {
            parts.push(Reply::count(run.len));
        }
        Reply::Array(parts)
    });
    Ok(Reply::Map(vec![
        (Reply::copy(b"matches"), Reply::Array(matches.collect())),
        (Reply::copy(b"len"), length),
    ]))
}
