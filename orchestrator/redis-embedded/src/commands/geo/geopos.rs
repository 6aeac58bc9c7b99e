//! GEOPOS, GEOHASH, GEODIST: places that are known.

use super::query::unit;
use crate::commands::prelude::*;
use crate::geo::distance::between;
use crate::geo::hash::Point;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("geopos", -2, R, ONE, geopos),
    Command::new("geohash", -2, R, ONE, geohash),
    Command::new("geodist", -4, R, ONE, geodist),
];

/// With four digits behind the point, rounded to even.
pub(super) fn fixed(number: f64) -> String {
    #[allow(clippy::cast_possible_truncation)]
    let scaled = (number * 10_000.0).round_ties_even() as i64;
    let sign = if scaled < 0 { "-" } else { "" };
    let scaled = scaled.unsigned_abs();
    format!("{sign}{}.{:04}", scaled / 10_000, scaled % 10_000)
}

/// Longitude and latitude with up to 17 digits behind the point.
pub(super) fn coordinates(point: Point, resp3: bool) -> Reply {
    let one = |number: f64| {
        if resp3 {
            return Reply::Double(number);
        }
        let text = format!("{number:.17}");
        Reply::bulk(text.trim_end_matches('0').trim_end_matches('.').to_owned())
    };
    Reply::Array(vec![one(point.longitude), one(point.latitude)])
}

fn place(call: &Call<'_>, member: &Bytes) -> Result<Option<Point>, Abort> {
    let score = call.zset(&call.args[1])?.and_then(|zset| zset.score(member));
    Ok(score.map(Point::from_score))
}

fn geopos(call: &mut Call<'_>) -> Answer {
    call.zset(&call.args[1])?;
    let resp3 = call.resp3();
    let places: Result<Vec<Reply>, Abort> = call.args[2..]
        .iter()
        .map(|member| Ok(place(call, member)?.map_or(Reply::NilArray, |point| coordinates(point, resp3))))
        .collect();
    Ok(Reply::Array(places?))
}

fn geohash(call: &mut Call<'_>) -> Answer {
    call.zset(&call.args[1])?;
    let hashes: Result<Vec<Reply>, Abort> = call.args[2..]
        .iter()
        .map(|member| Ok(place(call, member)?.map_or(Reply::Nil, |point| Reply::bulk(point.text()))))
        .collect();
    Ok(Reply::Array(hashes?))
}

fn geodist(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let metres = match args.get(4) {
        Some(_) if args.len() > 5 => return Err(syntax()),
        Some(name) => unit(name)?,
        None => 1.0,
    };
    Ok(match (place(call, &args[2])?, place(call, &args[3])?) {
        (Some(a), Some(b)) => Reply::bulk(fixed(between(a, b) / metres)),
        _ => Reply::Nil,
    })
}
