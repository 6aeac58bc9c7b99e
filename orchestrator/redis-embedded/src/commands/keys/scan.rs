//! SCAN, and what HSCAN, SSCAN and ZSCAN share with it.

use crate::commands::prelude::*;
use crate::store::glob;

pub(crate) const COMMANDS: &[Command] = &[Command::new("scan", -2, R, NONE, scan)];

/// MATCH, COUNT and TYPE of a scan.
pub(crate) struct Options {
    pub(crate) cursor: u64,
    pub(crate) count: usize,
    pattern: Option<Bytes>,
    kind: Option<Bytes>,
}

impl Options {
    /// Reads them from the cursor on.
    pub(crate) fn parse(args: &[Bytes], with_type: bool) -> Result<Self, Abort> {
        let cursor =
            args.first().and_then(|arg| std::str::from_utf8(arg).ok()).and_then(|text| text.parse().ok());
        let cursor = cursor.ok_or_else(|| Abort::error("ERR invalid cursor"))?;
        let mut options = Self { cursor, count: 10, pattern: None, kind: None };
        for pair in args.get(1..).unwrap_or_default().chunks(2) {
            let [word, value] = pair else { return Err(syntax()) };
            if is(word, "count") {
                options.count = at_least(value, 1, SYNTAX)?;
            } else if is(word, "match") {
                options.pattern = Some(value.clone());
            } else if is(word, "type") && with_type {
                options.kind = Some(value.clone());
            } else {
                return Err(syntax());
            }
        }
        Ok(options)
    }

    pub(crate) fn admits(&self, name: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, name))
    }

    /// The form all scans answer in.
    pub(crate) fn reply(next: u64, items: Vec<Reply>) -> Reply {
        Reply::Array(vec![Reply::bulk(next.to_string()), Reply::Array(items)])
    }
}

fn scan(call: &mut Call<'_>) -> Answer {
    let options = Options::parse(&call.args[1..], true)?;
    let (next, found) = call.db().scan(options.cursor, options.count);
    let found = found
        .into_iter()
        .filter(|(key, entry)| {
            let kind = options.kind.as_ref().is_none_or(|kind| is(kind, entry.value.type_name()));
            kind && options.admits(key)
        })
        .map(|(key, _)| Reply::Bulk(key.clone()));
    Ok(Options::reply(next, found.collect()))
}
