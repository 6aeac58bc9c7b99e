//! A circle or a rectangle around a point, and the boxes that cover it (`geohash_helper.c`).

use super::distance::{EARTH_RADIUS, between, between_latitudes};
use super::hash::{Bounds, Cell, MAX_STEP, Point};

/// Half the circumference that steps are estimated by, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// In metres.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) center: Point,
    pub(crate) shape: Shape,
}

impl Area {
    /// How far a point is from the centre, if it lies within.
    pub(crate) fn distance_within(&self, point: Point) -> Option<f64> {
        let distance = between(self.center, point);
        let inside = match self.shape {
            Shape::Circle { radius } => distance <= radius,
            Shape::Rectangle { width, height } => {
                let level = Point { longitude: self.center.longitude, latitude: point.latitude };
                between_latitudes(point.latitude, self.center.latitude) <= height / 2.0
                    && between(point, level) <= width / 2.0
            }
        };
        inside.then_some(distance)
    }

    /// Longitudes and latitudes that it reaches to.
    fn bounds(&self) -> Bounds {
        let Point { longitude, latitude } = self.center;
        let (half_width, half_height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Rectangle { width, height } => (width / 2.0, height / 2.0),
        };
        let north = (half_height / EARTH_RADIUS).to_degrees();
        let east_at = |latitude: f64| (half_width / EARTH_RADIUS / latitude.to_radians().cos()).to_degrees();
        // Where the meridians are nearer to each other, it reaches across more of them.
        let east = if latitude < 0.0 { east_at(latitude - north) } else { east_at(latitude + north) };
        Bounds {
            west: longitude - east,
            east: longitude + east,
            south: latitude - north,
            north: latitude + north,
        }
    }

    fn estimated_step(&self) -> u32 {
        let mut range = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Rectangle { width, height } => (width / 2.0).hypot(height / 2.0),
        };
        if range == 0.0 {
            return MAX_STEP;
        }
        let mut step = 1;
        while range < MERCATOR_MAX && step < 64 {
            range *= 2.0;
            step += 1;
        }
        // Enough to be sure of the nine boxes; wider towards the poles.
        step -= 2;
        let latitude = self.center.latitude.abs();
        step -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        u32::try_from(step.clamp(1, 26)).unwrap_or(1)
    }

    /// The box around the centre and those of its neighbours that may hold something, in the order in which Redis looks.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let bounds = self.bounds();
        let mut step = self.estimated_step();
        let mut middle = Cell::of(self.center, step);
        let too_small = middle.neighbor(0, 1).bounds().north < bounds.north
            || middle.neighbor(0, -1).bounds().south > bounds.south
            || middle.neighbor(1, 0).bounds().east < bounds.east
            || middle.neighbor(-1, 0).bounds().west > bounds.west;
        if step > 1 && too_small {
            step -= 1;
            middle = Cell::of(self.center, step);
        }
        let here = middle.bounds();
        let mut cells = vec![middle];
        for (east, north) in [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)] {
            let beyond = (north < 0 && here.south < bounds.south)
                || (north > 0 && here.north > bounds.north)
                || (east < 0 && here.west < bounds.west)
                || (east > 0 && here.east > bounds.east);
            let cell = middle.neighbor(east, north);
            // Of a huge area, neighbours can be one and the same. Redis does not compare with the one in the middle.
            let repeated = cells.len() > 1 && cells.last() == Some(&cell);
            if !(repeated || (step >= 2 && beyond)) {
                cells.push(cell);
            }
        }
        cells
    }
}
