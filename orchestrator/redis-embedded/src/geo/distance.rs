//! Distances on a sphere of the size of the Earth.

use super::hash::Point;

/// The quadratic mean radius of WGS-84, in metres.
pub(crate) const EARTH_RADIUS: f64 = 6_372_797.560_856;

/// Between two points, in metres (haversine).
pub(crate) fn between(a: Point, b: Point) -> f64 {
    let v = ((b.longitude.to_radians() - a.longitude.to_radians()) / 2.0).sin();
    if v == 0.0 {
        return between_latitudes(a.latitude, b.latitude);
    }
    let (from, to) = (a.latitude.to_radians(), b.latitude.to_radians());
    let u = ((to - from) / 2.0).sin();
    let h = u * u + from.cos() * to.cos() * v * v;
    2.0 * EARTH_RADIUS * h.sqrt().asin()
}

pub(crate) fn between_latitudes(a: f64, b: f64) -> f64 {
    EARTH_RADIUS * (b.to_radians() - a.to_radians()).abs()
}
