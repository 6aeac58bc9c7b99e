//! What a search for places asks for, and how its words are read.

use crate::commands::prelude::*;
use crate::geo::area::{Area, Shape};
use crate::geo::hash::Point;
use crate::number::parse_f64;
use crate::store::zset::ZSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    None,
    Ascending,
    Descending,
}

/// A search, as far as it is read.
pub(super) struct Query {
    pub(super) center: Option<Point>,
    pub(super) shape: Option<Shape>,
    /// Metres of the unit that distances are given in.
    pub(super) unit: f64,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_coordinates: bool,
    /// The first that are found will do.
    pub(super) any: bool,
    pub(super) order: Order,
    pub(super) count: Option<usize>,
    pub(super) store: Option<Bytes>,
    pub(super) store_distance: bool,
    from: bool,
    by_radius: bool,
    by_box: bool,
    from_member: bool,
}

/// Which words a command takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEORADIUS and its like: centre and radius come first; a result may be stored or not.
    Radius { storing: bool },
    /// GEOSEARCH: centre and shape are words like all others.
    Search { storing: bool },
}

pub(super) fn point(args: &[Bytes]) -> Result<Point, Abort> {
    let point = Point { longitude: float(&args[0])?, latitude: float(&args[1])? };
    if point.is_valid() {
        return Ok(point);
    }
    let Point { longitude, latitude } = point;
    Err(Abort::error(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// Metres of a unit.
pub(super) fn unit(arg: &[u8]) -> Result<f64, Abort> {
    let units = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let known = units.into_iter().find(|(name, _)| is(arg, name));
    known
        .map(|(_, metres)| metres)
        .ok_or_else(|| Abort::error("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

fn length(arg: &[u8], refusal: &'static str) -> Result<f64, Abort> {
    parse_f64(arg).ok_or_else(|| Abort::error(refusal))
}

impl Query {
    pub(super) fn new() -> Self {
        Self {
            center: None,
            shape: None,
            unit: 1.0,
            with_distance: false,
            with_hash: false,
            with_coordinates: false,
            any: false,
            order: Order::None,
            count: None,
            store: None,
            store_distance: false,
            from: false,
            by_radius: false,
            by_box: false,
            from_member: false,
        }
    }

    pub(super) fn area(&self) -> Option<Area> {
        Some(Area { center: self.center?, shape: self.shape? })
    }

    /// A radius and its unit.
    pub(super) fn radius(&mut self, args: &[Bytes]) -> Result<(), Abort> {
        let radius = length(&args[0], "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(Abort::error("ERR radius cannot be negative"));
        }
        self.unit = unit(&args[1])?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    fn rectangle(&mut self, args: &[Bytes]) -> Result<(), Abort> {
        let width = length(&args[0], "ERR need numeric width")?;
        let height = length(&args[1], "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(Abort::error("ERR height or width cannot be negative"));
        }
        self.unit = unit(&args[2])?;
        self.shape = Some(Shape::Rectangle { width: width * self.unit, height: height * self.unit });
        Ok(())
    }

    /// The place of a member of the sorted set that is searched, if there is one.
    pub(super) fn member(&mut self, zset: Option<&ZSet>, member: &Bytes) -> Result<(), Abort> {
        let Some(zset) = zset else { return Ok(()) };
        let score = zset.score(member);
        let score = score.ok_or_else(|| Abort::error("ERR could not decode requested zset member"))?;
        self.center = Some(Point::from_score(score));
        Ok(())
    }

    /// Reads the words behind what comes first.
    pub(super) fn read(&mut self, args: &[Bytes], form: Form, zset: Option<&ZSet>) -> Result<(), Abort> {
        let searching = matches!(form, Form::Search { .. });
        let mut rest = args;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            match after {
                _ if is(word, "withdist") => self.with_distance = true,
                _ if is(word, "withhash") => self.with_hash = true,
                _ if is(word, "withcoord") => self.with_coordinates = true,
                _ if is(word, "any") => self.any = true,
                _ if is(word, "asc") => self.order = Order::Ascending,
                _ if is(word, "desc") => self.order = Order::Descending,
                [count, after @ ..] if is(word, "count") => {
                    let count = int(count)?;
                    let count = usize::try_from(count).ok().filter(|count| *count > 0);
                    self.count = Some(count.ok_or_else(|| Abort::error("ERR COUNT must be > 0"))?);
                    rest = after;
                }
                [key, after @ ..]
                    if (is(word, "store") || is(word, "storedist"))
                        && form == (Form::Radius { storing: true }) =>
                {
                    self.store = Some(key.clone());
                    self.store_distance = is(word, "storedist");
                    rest = after;
                }
                _ if is(word, "storedist") && form == (Form::Search { storing: true }) => {
                    self.store_distance = true;
                }
                [member, after @ ..] if is(word, "frommember") && searching && !self.from => {
                    self.member(zset, member)?;
                    self.from_member = true;
                    rest = after;
                }
                [_, _, after @ ..] if is(word, "fromlonlat") && searching && !self.from_member => {
                    self.center = Some(point(&rest[..2])?);
                    self.from = true;
                    rest = after;
                }
                [_, _, after @ ..] if is(word, "byradius") && searching && !self.by_box => {
                    self.radius(&rest[..2])?;
                    self.by_radius = true;
                    rest = after;
                }
                [_, _, _, after @ ..] if is(word, "bybox") && searching && !self.by_radius => {
                    self.rectangle(&rest[..3])?;
                    self.by_box = true;
                    rest = after;
                }
                _ => return Err(syntax()),
            }
        }
        Ok(())
    }

    /// Whether all of it goes together.
    pub(super) fn check(&self, form: Form, command: &Bytes) -> Result<(), Abort> {
        let name = String::from_utf8_lossy(command);
        let searching = matches!(form, Form::Search { .. });
        if self.store.is_some() && (self.with_distance || self.with_hash || self.with_coordinates) {
            let what = if searching { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(Abort::error(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if searching && !(self.from || self.from_member) {
            return Err(Abort::error(format!(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if searching && !(self.by_radius || self.by_box) {
            return Err(Abort::error(format!(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if self.any && self.count.is_none() {
            return Err(Abort::error("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }
}
