//! GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER.

use super::geopos::{coordinates, fixed};
use super::query::{Form, Order, Query, point};
use crate::commands::prelude::*;
use crate::geo::hash::Point;
use crate::store::value::Value;
use crate::store::zset::{ScoreEnd, ZSet};

const RADIUS: Form = Form::Radius { storing: true };
const RADIUS_ONLY: Form = Form::Radius { storing: false };

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("geosearch", -7, R, ONE, |call| search(call, false)),
    Command::new("geosearchstore", -8, W, (1, 2, 1), |call| search(call, true)),
    Command::new("georadius", -6, W | Spec::MOVABLE_KEYS, ONE, |call| radius(call, RADIUS)),
    Command::new("georadius_ro", -6, R, ONE, |call| radius(call, RADIUS_ONLY)),
    Command::new("georadiusbymember", -5, W | Spec::MOVABLE_KEYS, ONE, |call| by_member(call, RADIUS)),
    Command::new("georadiusbymember_ro", -5, R, ONE, |call| by_member(call, RADIUS_ONLY)),
];

struct Found {
    member: Bytes,
    score: f64,
    point: Point,
    /// In metres.
    distance: f64,
}

fn search(call: &mut Call<'_>, storing: bool) -> Answer {
    let args = call.args;
    let (source, words) = if storing { (&args[2], &args[3..]) } else { (&args[1], &args[2..]) };
    let form = Form::Search { storing };
    let mut query = Query::new();
    query.store = storing.then(|| args[1].clone());
    query.read(words, form, call.zset(source)?)?;
    query.check(form, &args[0])?;
    answer(call, source, query)
}

fn radius(call: &mut Call<'_>, form: Form) -> Answer {
    let args = call.args;
    let zset = call.zset(&args[1])?;
    let mut query = Query::new();
    query.center = Some(point(&args[2..4])?);
    query.radius(&args[4..6])?;
    query.read(&args[6..], form, zset)?;
    query.check(form, &args[0])?;
    answer(call, &args[1], query)
}

fn by_member(call: &mut Call<'_>, form: Form) -> Answer {
    let args = call.args;
    let zset = call.zset(&args[1])?;
    let mut query = Query::new();
    if zset.is_some() {
        query.member(zset, &args[2])?;
        query.radius(&args[3..5])?;
    }
    query.read(&args[5..], form, zset)?;
    query.check(form, &args[0])?;
    answer(call, &args[1], query)
}

/// All that lies within, box by box; with ANY, no more than are wanted.
fn find(zset: &ZSet, query: &Query) -> Vec<Found> {
    let Some(area) = query.area() else { return Vec::new() };
    let limit = if query.any { query.count.unwrap_or(usize::MAX) } else { usize::MAX };
    let mut found = Vec::new();
    for cell in area.cells() {
        let (low, high) = cell.scores();
        let (low, high) = (ScoreEnd { value: low, open: false }, ScoreEnd { value: high, open: true });
        for (member, score) in zset.by_score(low, high) {
            if found.len() >= limit {
                return found;
            }
            let point = Point::from_score(score);
            if let Some(distance) = area.distance_within(point) {
                found.push(Found { member, score, point, distance });
            }
        }
    }
    found
}

fn answer(call: &mut Call<'_>, source: &Bytes, query: Query) -> Answer {
    let Some(zset) = call.zset(source)? else {
        return Ok(match &query.store {
            Some(target) => {
                call.delete(target);
                Reply::Int(0)
            }
            None => Reply::Array(Vec::new()),
        });
    };
    let mut found = find(zset, &query);
    match query.order {
        Order::Descending => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        Order::Ascending => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        // The nearest, unless any will do.
        Order::None if query.count.is_some() && !query.any => {
            found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        }
        Order::None => {}
    }
    found.truncate(query.count.unwrap_or(usize::MAX));
    let Some(target) = &query.store else {
        let resp3 = call.resp3();
        return Ok(Reply::Array(found.into_iter().map(|found| describe(found, &query, resp3)).collect()));
    };
    let sizes = call.sizes();
    let mut kept = ZSet::default();
    for found in found {
        let score = if query.store_distance { found.distance / query.unit } else { found.score };
        kept.insert(found.member, score, &sizes);
    }
    let len = kept.len();
    call.put_result(target, Value::ZSet(kept));
    Ok(Reply::count(len))
}

fn describe(found: Found, query: &Query, resp3: bool) -> Reply {
    let member = Reply::Bulk(found.member);
    if !(query.with_distance || query.with_hash || query.with_coordinates) {
        return member;
    }
    let mut parts = vec![member];
    if query.with_distance {
        parts.push(Reply::bulk(fixed(found.distance / query.unit)));
    }
    if query.with_hash {
        #[allow(clippy::cast_possible_truncation)]
        parts.push(Reply::Int(found.score as i64));
    }
    if query.with_coordinates {
        parts.push(coordinates(found.point, resp3));
    }
    Reply::Array(parts)
}
