//! Searching a circle, a box or a polygon.
//!
//! The grid is chosen so coarse that the cell of the centre and its eight neighbours cover all that is asked for. They
//! are searched in the order of Redis (the centre, then north, south, east, west, then the corners), each in the order
//! of scores; that is the order of results nobody asked to have sorted. Neighbours that the outline does not reach are
//! left out.
//!
//! Most elements of a cell lie outside of a circle. Two tests that cost less than a distance refuse them: by latitude
//! alone, and before the square root and the arc sine. Both have a margin, so the distance still decides all that
//! matters.
//!
//! A polygon is one on the plane of degrees: its sides are straight there, and none crosses the 180th meridian. What
//! lies in it is told by a ray to the east, which crosses its sides an odd number of times. Its centre, from which
//! distances are counted, is that of its vertices in space. All of that is as in Valkey.

use super::cell::{Cell, STEPS_MAX};
use super::{EARTH_RADIUS, Place, RADIANS_PER_DEGREE, radians};
use crate::types::SortedSet;
use crate::types::listpack::Element;
use crate::types::sorted_set::{ScoreBound, ScoreRange};

/// Half the extent of the Mercator projection, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;
/// Distances are computed to at least so many digits.
const MARGIN: f64 = 1.0 + 1e-9;

/// What is searched, around a centre, in the user's unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline {
    /// All up to a distance.
    Circle {
        /// The distance.
        radius: f64,
    },
    /// All up to a distance along the meridian and another along the parallel.
    Box {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
    /// All between some vertices, at least one.
    Polygon(Vec<Place>),
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The centre.
    pub centre: Place,
    /// What around it.
    pub outline: Outline,
    /// Metres in the user's unit.
    pub unit: f64,
}

/// An element within the outline.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The member.
    pub member: Element<'a>,
    /// Its score.
    pub score: f64,
    /// Where it is.
    pub place: Place,
    /// Metres from the centre.
    pub distance: f64,
}

/// The centre of places in space, as seen from the middle of the earth.
pub fn centroid(places: &[Place]) -> Place {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for place in places {
        let (longitude, latitude) = (radians(place.longitude), radians(place.latitude));
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    let degrees = |radians: f64| radians / RADIANS_PER_DEGREE;
    let (longitude, latitude) = (f64::atan2(y, x), f64::atan2(z, f64::sqrt(x * x + y * y)));
    Place { longitude: degrees(longitude), latitude: degrees(latitude) }
}

/// Whether a place lies between vertices: whether a ray to the east crosses an odd number of sides.
fn lies_between(vertices: &[Place], place: Place) -> bool {
    let mut inside = false;
    let mut previous = vertices.last();
    for vertex in vertices {
        if let Some(other) = previous
            && (vertex.latitude > place.latitude) != (other.latitude > place.latitude)
        {
            let part = (other.longitude - vertex.longitude) * (place.latitude - vertex.latitude)
                / (other.latitude - vertex.latitude);
            inside ^= place.longitude < part + vertex.longitude;
        }
        previous = Some(vertex);
    }
    inside
}

impl Search {
    /// The elements of a set within the outline, not sorted, or any of them up to `limit`.
    pub fn run<'s>(&self, set: &'s SortedSet, limit: usize) -> Vec<Found<'s>> {
        let test = Test::new(self);
        let mut found = Vec::new();
        for cell in self.cells() {
            if found.len() >= limit {
                break;
            }
            let bound = |score: u64, exclusive| ScoreBound { score: score as f64, exclusive };
            let range = ScoreRange { min: bound(cell.first_score(), false), max: bound(cell.end_score(), true) };
            let ranks = set.ranks_by_score(&range);
            let candidates = set.iter_ranks(ranks).filter_map(|entry| {
                let score = entry.score();
                let place = Place::of_score(score);
                test.distance(place).map(|distance| Found { member: entry.member, score, place, distance })
            });
            found.extend(candidates.take(limit - found.len()));
        }
        found
    }

    /// The cells to be searched, in their order.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell> + use<> {
        let (steps, bounds) = (self.steps(), self.bounds());
        let is_polygon = matches!(self.outline, Outline::Polygon(_));
        // That of a polygon may lie nearer to a pole than the map reaches; any cell at the map's end does then.
        let middle = if is_polygon { self.centre.on_the_map() } else { self.centre };
        let mut centre = Cell::of(middle, steps);
        if steps > 1 && !bounds.are_covered_from(centre) {
            centre = Cell::of(middle, steps - 1);
        }
        // The centre of a polygon may lie beside it, and far from its bounds.
        while is_polygon && centre.steps > 1 && !bounds.lie_around(centre) {
            centre = Cell::of(middle, centre.steps - 1);
        }
        let reached = bounds.reach_beyond(centre);
        let mut last = centre;
        let order = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        order.into_iter().filter_map(move |(east, north)| {
            if (east, north) == (0, 0) {
                return Some(centre);
            }
            let cell = centre.neighbour(east, north);
            // On a coarse grid a cell has the same neighbour on both sides.
            (reached.towards(east, north) && (last == centre || cell != last)).then(|| {
                last = cell;
                cell
            })
        })
    }

    /// On how fine a grid the cells are still as wide as the outline; the meridians converge towards the poles.
    fn steps(&self) -> u32 {
        let mut range = self.unit
            * match &self.outline {
                Outline::Circle { radius } => *radius,
                Outline::Box { width, height } => {
                    ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
                }
                Outline::Polygon(_) => {
                    self.bounds().corners().map(|corner| self.centre.distance(corner)).fold(0.0, f64::max)
                }
            };
        if range == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1;
        while range < MERCATOR_MAX {
            range *= 2.0;
            steps += 1;
        }
        let latitude = self.centre.latitude.abs();
        let converging = i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        (steps - 2 - converging).clamp(1, STEPS_MAX as i32) as u32
    }

    fn bounds(&self) -> Bounds {
        let (across, up) = match &self.outline {
            Outline::Circle { radius } => (self.unit * radius, self.unit * radius),
            Outline::Box { width, height } => (self.unit * (width / 2.0), self.unit * (height / 2.0)),
            Outline::Polygon(vertices) => return Bounds::around(vertices),
        };
        let Place { longitude, latitude } = self.centre;
        let degrees = |radians: f64| radians / RADIANS_PER_DEGREE;
        let latitudes = degrees(up / EARTH_RADIUS);
        // The outline is widest, in degrees, where it is nearest to a pole.
        let widest = if latitude < 0.0 { latitude - latitudes } else { latitude + latitudes };
        let longitudes = degrees(across / EARTH_RADIUS / radians(widest).cos());
        Bounds {
            longitudes: [longitude - longitudes, longitude + longitudes],
            latitudes: [latitude - latitudes, latitude + latitudes],
        }
    }
}

/// The degrees an outline covers, which may be beyond those there are.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    longitudes: [f64; 2],
    latitudes: [f64; 2],
}

/// Into which directions an outline reaches beyond the cell of its centre.
#[derive(Clone, Copy, Debug)]
struct Reached {
    north: bool,
    south: bool,
    east: bool,
    west: bool,
}

impl Reached {
    fn towards(self, east: i8, north: i8) -> bool {
        (north != 1 || self.north)
            && (north != -1 || self.south)
            && (east != 1 || self.east)
            && (east != -1 || self.west)
    }
}

impl Bounds {
    /// Those of some places.
    fn around(places: &[Place]) -> Bounds {
        let ends = |degrees: fn(&Place) -> f64| {
            let degrees = places.iter().map(degrees);
            [degrees.clone().fold(f64::INFINITY, f64::min), degrees.fold(f64::NEG_INFINITY, f64::max)]
        };
        Bounds { longitudes: ends(|place| place.longitude), latitudes: ends(|place| place.latitude) }
    }

    fn corners(self) -> impl Iterator<Item = Place> {
        let of = move |latitude| self.longitudes.map(|longitude| Place { longitude, latitude });
        self.latitudes.into_iter().flat_map(of)
    }

    /// Whether a cell and its neighbours cover them.
    fn are_covered_from(self, centre: Cell) -> bool {
        let ([west, east], [south, north]) = (self.longitudes, self.latitudes);
        let too_small = centre.neighbour(0, 1).area().latitudes[1] < north
            || centre.neighbour(0, -1).area().latitudes[0] > south
            || centre.neighbour(1, 0).area().longitudes[1] < east
            || centre.neighbour(-1, 0).area().longitudes[0] > west;
        !too_small
    }

    /// Whether they lie in a cell and its neighbours, none of which is one beyond the end of the map.
    fn lie_around(self, centre: Cell) -> bool {
        let ([west, east], [south, north]) = (self.longitudes, self.latitudes);
        let own = centre.area();
        let longitudes = |side: i8| centre.neighbour(side, 0).area().longitudes;
        let latitudes = |side: i8| centre.neighbour(0, side).area().latitudes;
        (east <= own.longitudes[1] || east <= longitudes(1)[1])
            && (west >= own.longitudes[0] || west >= longitudes(-1)[0])
            && (north <= own.latitudes[1] || north <= latitudes(1)[1])
            && (south >= own.latitudes[0] || south >= latitudes(-1)[0])
    }

    /// Where they end outside of a cell. On the coarsest grid all neighbours are searched. So are those to both sides
    /// when an outline reaches across a pole, where all meridians meet: there the bounds of longitude mean nothing, and
    /// Redis, which trusts them, misses elements.
    fn reach_beyond(self, centre: Cell) -> Reached {
        let ([west, east], [south, north]) = (self.longitudes, self.latitudes);
        let area = centre.area();
        let all = centre.steps < 2;
        let all_around = all || north > 90.0 || south < -90.0;
        // Bounds that are no numbers are beyond nothing, and nothing is left out.
        let within = |inner: f64, outer: f64| inner < outer;
        Reached {
            north: all || !within(north, area.latitudes[1]),
            south: all || !within(area.latitudes[0], south),
            east: all_around || !within(east, area.longitudes[1]),
            west: all_around || !within(area.longitudes[0], west),
        }
    }
}

/// Decides which places are within an outline.
struct Test<'s> {
    search: &'s Search,
    radius: f64,
    /// The haversine of the radius and its margin; nothing of a distance beyond it is within.
    haversine_max: f64,
    longitude: f64,
    latitude: f64,
    cos_latitude: f64,
}

impl Test<'_> {
    fn new(search: &Search) -> Test<'_> {
        let radius = match search.outline {
            Outline::Circle { radius } => radius * search.unit,
            Outline::Box { .. } | Outline::Polygon(_) => 0.0,
        };
        let half_angle = radius / (2.0 * EARTH_RADIUS);
        let half_way = std::f64::consts::FRAC_PI_2;
        let haversine_max = if half_angle < half_way { half_angle.sin().powi(2) * MARGIN } else { f64::INFINITY };
        let latitude = radians(search.centre.latitude);
        let longitude = radians(search.centre.longitude);
        Test { search, radius, haversine_max, longitude, latitude, cos_latitude: latitude.cos() }
    }

    /// Metres from the centre to a place, if it is within the outline.
    #[inline]
    fn distance(&self, place: Place) -> Option<f64> {
        match &self.search.outline {
            Outline::Circle { .. } => self.distance_in_circle(place),
            Outline::Box { width, height } => self.distance_in_box(place, *width, *height),
            Outline::Polygon(vertices) => lies_between(vertices, place).then(|| self.search.centre.distance(place)),
        }
    }

    /// [`Place::distance`] with what belongs to the centre computed once.
    #[inline]
    fn distance_in_circle(&self, place: Place) -> Option<f64> {
        let latitude = radians(place.latitude);
        let along_meridian = EARTH_RADIUS * (latitude - self.latitude).abs();
        if along_meridian > self.radius * MARGIN {
            return None;
        }
        let half_longitude = ((radians(place.longitude) - self.longitude) / 2.0).sin();
        let distance = if half_longitude == 0.0 {
            along_meridian
        } else {
            let half_latitude = ((latitude - self.latitude) / 2.0).sin();
            let product = self.cos_latitude * latitude.cos() * half_longitude * half_longitude;
            let haversine = half_latitude * half_latitude + product;
            if haversine > self.haversine_max {
                return None;
            }
            2.0 * EARTH_RADIUS * haversine.sqrt().asin()
        };
        // Opposite places may have no distance that is a number. They are within, as in Redis.
        if distance > self.radius { None } else { Some(distance) }
    }

    fn distance_in_box(&self, place: Place, width: f64, height: f64) -> Option<f64> {
        let Search { centre, unit, .. } = *self.search;
        if place.latitude_distance(centre) > height * unit / 2.0 {
            return None;
        }
        let beside_centre = Place { longitude: centre.longitude, latitude: place.latitude };
        if place.distance(beside_centre) > width * unit / 2.0 {
            return None;
        }
        Some(centre.distance(place))
    }
}
