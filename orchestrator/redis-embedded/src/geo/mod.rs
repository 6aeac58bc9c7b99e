//! Places on Earth as Redis holds them: geohashes of 52 bits that are scores of sorted sets.
//!
//! - [`hash`] turns coordinates into geohashes and back;
//! - [`distance`] measures on a sphere;
//! - [`area`] finds the boxes that cover a circle or a rectangle.

pub(crate) mod area;
pub(crate) mod distance;
pub(crate) mod hash;
