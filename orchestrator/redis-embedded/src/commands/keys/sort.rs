//! SORT, SORT_RO: the elements of a list, a set or a sorted set in order.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::commands::prelude::*;
use crate::number::parse_f64;
use crate::store::value::Value;
use crate::store::zset::slice;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("sort", -2, W | Spec::MOVABLE_KEYS, ONE, |call| sort(call, false)),
    Command::new("sort_ro", -2, R | Spec::MOVABLE_KEYS, ONE, |call| sort(call, true)),
];

#[derive(Default)]
struct Options {
    /// Elements are compared by what stands under this name.
    by: Option<Bytes>,
    /// They stay in the order they have.
    as_they_are: bool,
    limit: Option<(i64, i64)>,
    get: Vec<Bytes>,
    descending: bool,
    as_text: bool,
    store: Option<Bytes>,
}

fn options(args: &[Bytes], read_only: bool) -> Result<Options, Abort> {
    let mut options = Options::default();
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        rest = match after {
            _ if is(word, "asc") => {
                options.descending = false;
                after
            }
            _ if is(word, "desc") => {
                options.descending = true;
                after
            }
            _ if is(word, "alpha") => {
                options.as_text = true;
                after
            }
            [offset, count, after @ ..] if is(word, "limit") => {
                options.limit = Some((int(offset)?, int(count)?));
                after
            }
            [target, after @ ..] if is(word, "store") && !read_only => {
                options.store = Some(target.clone());
                after
            }
            [pattern, after @ ..] if is(word, "by") => {
                // A pattern that names one thing for all compares nothing.
                options.as_they_are = !pattern.contains(&b'*');
                options.by = Some(pattern.clone());
                after
            }
            [pattern, after @ ..] if is(word, "get") => {
                options.get.push(pattern.clone());
                after
            }
            _ => return Err(syntax()),
        };
    }
    Ok(options)
}

/// What stands under a pattern with the element in place of its star; `name*->field` is a field of a hash.
fn look_up(call: &Call<'_>, pattern: &Bytes, element: &Bytes) -> Option<Bytes> {
    if &pattern[..] == b"#" {
        return Some(element.clone());
    }
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let arrow = pattern[star..].windows(2).position(|two| two == b"->").map(|at| star + at);
    let field = arrow.map(|at| pattern.slice(at + 2..)).filter(|field| !field.is_empty());
    let end = if field.is_some() { arrow.unwrap_or(pattern.len()) } else { pattern.len() };
    let key = Bytes::from([&pattern[..star], element, &pattern[star + 1..end]].concat());
    match field {
        Some(field) => call.hash(&key).ok().flatten()?.get(&field).cloned(),
        None => call.string(&key).ok().flatten().cloned(),
    }
}

fn elements(call: &Call<'_>, key: &Bytes) -> Result<Vec<Bytes>, Abort> {
    match call.db().get(key).map(|entry| &entry.value) {
        None => Ok(Vec::new()),
        Some(Value::List(list)) => Ok(list.iter().cloned().collect()),
        Some(Value::Set(set)) => Ok(set.members().collect()),
        Some(Value::ZSet(zset)) => Ok(zset.iter().map(|(member, _)| member.clone()).collect()),
        Some(_) => Err(wrong_type()),
    }
}

/// Puts them in order.
fn order(call: &Call<'_>, options: &Options, found: Vec<Bytes>) -> Result<Vec<Bytes>, Abort> {
    let weight = |element: &Bytes| match &options.by {
        Some(pattern) => look_up(call, pattern, element),
        None => Some(element.clone()),
    };
    if options.as_text {
        let mut pairs: Vec<(Option<Bytes>, Bytes)> =
            found.into_iter().map(|element| (weight(&element), element)).collect();
        pairs.sort_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| if options.by.is_none() { a.1.cmp(&b.1) } else { Ordering::Equal })
        });
        return Ok(pairs.into_iter().map(|(_, element)| element).collect());
    }
    let mut pairs = Vec::with_capacity(found.len());
    for element in found {
        let number = match weight(&element) {
            None => 0.0,
            Some(text) => parse_f64(&text)
                .ok_or_else(|| Abort::error("ERR One or more scores can't be converted into double"))?,
        };
        pairs.push((number, element));
    }
    // Equal ones by their names, so that the order is always the same.
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    Ok(pairs.into_iter().map(|(_, element)| element).collect())
}

fn sort(call: &mut Call<'_>, read_only: bool) -> Answer {
    let options = options(&call.args[2..], read_only)?;
    let key = &call.args[1];
    let mut found = elements(call, key)?;
    let mut unordered = matches!(call.db().get(key).map(|entry| &entry.value), Some(Value::Set(_)));
    if !options.as_they_are {
        found = order(call, &options, found)?;
        unordered = false;
    } else if unordered
        && (options.store.is_some() || matches!(call.caller, crate::commands::answer::Caller::Script { .. }))
    {
        // A set has no order: what is kept of it has one.
        found.sort();
        unordered = false;
    }
    // A set that is not sorted has no other end.
    if options.descending && !unordered {
        found.reverse();
    }
    if let Some((offset, count)) = options.limit {
        let start = offset.max(0);
        let end = if count < 0 { i64::MAX } else { start.saturating_add(count).saturating_sub(1) };
        found = match slice(start, end, found.len()) {
            Some((from, to)) if end >= start => found.drain(from..=to).collect(),
            _ => Vec::new(),
        };
    }
    let results: Vec<Option<Bytes>> = if options.get.is_empty() {
        found.into_iter().map(Some).collect()
    } else {
        let patterns = &options.get;
        found
            .iter()
            .flat_map(|element| patterns.iter().map(move |pattern| (pattern, element)))
            .map(|(pattern, element)| look_up(call, pattern, element))
            .collect()
    };
    let Some(target) = options.store else {
        return Ok(Reply::Array(results.into_iter().map(Reply::bulk_or_nil).collect()));
    };
    let list: VecDeque<Bytes> = results.into_iter().map(Option::unwrap_or_default).collect();
    let len = list.len();
    call.put_result(&target, Value::List(list));
    Ok(Reply::count(len))
}
