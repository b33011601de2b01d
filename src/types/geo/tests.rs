//! Places and searches against plain computations and values from a real server.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;
use crate::types::SortedSet;
use crate::types::sorted_set::Limits;

const LIMITS: Limits = Limits { entries: 128, value: 64 };

fn place(longitude: f64, latitude: f64) -> Place {
    Place::new(longitude, latitude).expect("a place")
}

fn set_of(places: impl IntoIterator<Item = Place>) -> SortedSet {
    let member = |(place, number): (Place, u32)| (format!("m{number}"), place.score() as f64);
    SortedSet::from_entries(places.into_iter().zip(0..).map(member).collect(), LIMITS)
}

#[test]
fn places_have_the_scores_of_redis() {
    let known = [
        (-73.9454966, 40.747533, 1791875804419201),
        (-74.0131604, 40.7126674, 1791873972053020),
        (13.361389, 38.115556, 3479099956230698),
        (0.0, 0.0, 3377699720527872),
        (-180.0, -LATITUDE_MAX, 0),
        // At the very end a place is beyond the last cell.
        (180.0, LATITUDE_MAX, 13510798882111488),
    ];
    for (longitude, latitude, score) in known {
        assert_eq!(place(longitude, latitude).score(), score, "{longitude} {latitude}");
    }
}

#[test]
fn a_place_is_on_the_map() {
    for (longitude, latitude) in
        [(180.1, 0.0), (-180.1, 0.0), (0.0, 85.06), (0.0, -85.06), (f64::NAN, 0.0), (0.0, 90.0)]
    {
        assert_eq!(Place::new(longitude, latitude), None, "{longitude} {latitude}");
    }
    assert!(Place::new(180.0, -LATITUDE_MAX).is_some());
}

#[test]
fn scores_that_are_no_places_give_some_place() {
    let degrees = |score: f64| {
        let Place { longitude, latitude } = Place::of_score(score);
        (longitude, latitude)
    };
    assert_eq!(degrees(-5.0), (180.0, LATITUDE_MAX));
    assert_eq!(degrees(1e18), (180.0, LATITUDE_MAX));
    assert_eq!(degrees(3e19), degrees(0.0));
    assert_eq!(degrees(f64::INFINITY), degrees(0.0));
    assert_eq!(degrees(-1e30), degrees((1u64 << 63) as f64));
    assert_eq!(score_bits(1e19), 10_000_000_000_000_000_000);
}

#[test]
fn geohashes_are_the_standard_ones() {
    assert_eq!(&place(-5.6, 42.6).geohash(), b"ezs42e44yx0");
    assert_eq!(&place(13.361389, 38.115556).geohash(), b"sqc8b49rny0");
}

#[test]
fn distances_are_printed_with_four_decimals() {
    let printed = |distance: f64| Distance(distance).to_string();
    assert_eq!(printed(0.0), "0.0000");
    assert_eq!(printed(0.7750), "0.7750");
    assert_eq!(printed(166_274.151_569_600_4), "166274.1516");
    // Half way, to the even digit.
    assert_eq!((printed(0.00125 / 10.0), printed(0.00375 / 10.0)), ("0.0001".into(), "0.0004".into()));
    assert_eq!((printed(-1.5), printed(-0.000001)), ("-1.5000".into(), "0.0000".into()));
    assert_eq!(printed(f64::NAN), "-922337203685477.5808");
    let (palermo, catania) = (place(13.361389, 38.115556), place(15.087269, 37.502669));
    let kept = |place: Place| Place::of_score(place.score() as f64);
    assert_eq!(printed(kept(palermo).distance(kept(catania))), "166274.1516");
}

#[test]
fn elements_are_found_in_the_order_of_redis() {
    let grid = [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (-1.0, 0.1), (1.0, 0.1), (0.1, -1.0), (0.1, 1.0)];
    let set = set_of(grid.into_iter().chain([(0.1, 0.1)]).map(|(longitude, latitude)| place(longitude, latitude)));
    let outline = Outline::Box { width: 400.0, height: 400.0 };
    let search = Search { centre: place(0.2, 0.2), outline, unit: 1000.0 };
    let found: Vec<Vec<u8>> = search.run(&set, usize::MAX).iter().map(|found| found.member.to_vec()).collect();
    assert_eq!(found, [b"m8", b"m5", b"m7", b"m3", b"m6", b"m1", b"m4", b"m2", b"m0"]);
}

#[test]
fn a_limit_ends_the_search() {
    let set = set_of((0..50).map(|number| place(f64::from(number) / 1000.0, 10.0)));
    let search = Search { centre: place(0.0, 10.0), outline: Outline::Circle { radius: 100.0 }, unit: 1000.0 };
    for limit in [1, 7, 50] {
        assert_eq!(search.run(&set, limit).len(), limit);
    }
    assert_eq!(search.run(&set, 60).len(), 50);
}

#[test]
fn on_the_coarsest_grid_no_cell_is_searched_twice() {
    let search = Search { centre: place(10.0, 10.0), outline: Outline::Circle { radius: 30_000.0 }, unit: 1000.0 };
    let mut cells: Vec<u64> = search.cells().map(|cell| cell.bits).collect();
    assert_eq!(cells.len(), 4);
    cells.sort_unstable();
    assert_eq!(cells, [0, 1, 2, 3]);
}

#[test]
fn a_polygon_whose_centre_is_beyond_the_map_is_searched_whole() {
    let corners = [(-179.4, -50.8), (136.2, 82.2), (-14.3, 54.6), (171.3, 78.0), (0.0, -68.8)];
    let search = search_of(corners.map(|(longitude, latitude)| place(longitude, latitude)).to_vec());
    assert!(search.centre.latitude > LATITUDE_MAX, "{:?}", search.centre);
    assert_eq!(search.run(&set_of([place(0.0, 0.0), place(26.5, -21.7)]), usize::MAX).len(), 2);
}

/// Everywhere, and more often near the poles and the date line.
fn places() -> impl Strategy<Value = Place> {
    prop_oneof![
        3 => (-180.0..=180.0, -LATITUDE_MAX..=LATITUDE_MAX),
        2 => (-180.0..=180.0, 78.0..=LATITUDE_MAX),
        2 => (-180.0..=180.0, -LATITUDE_MAX..=-78.0),
        1 => (179.0..=180.0, -70.0..=70.0),
        1 => (-180.0..=-179.0, -70.0..=70.0),
    ]
    .prop_map(|(longitude, latitude)| place(longitude, latitude))
}

fn searches() -> impl Strategy<Value = Search> {
    // From metres to around the world.
    let length = (0.0..7.4).prop_map(|power| 10f64.powf(power));
    let outline = prop_oneof![
        length.clone().prop_map(|radius| Outline::Circle { radius }),
        (length.clone(), length).prop_map(|(width, height)| Outline::Box { width, height }),
    ];
    let unit = prop_oneof![Just(1.0), Just(0.3048)];
    let around = (places(), outline, unit).prop_map(|(centre, outline, unit)| Search { centre, outline, unit });
    prop_oneof![2 => around, 1 => polygons().prop_map(search_of)]
}

/// Polygons around the world, and small ones.
fn polygons() -> impl Strategy<Value = Vec<Place>> {
    let small = (places(), prop::collection::vec((-1.0..1.0, -1.0..1.0), 3..7)).prop_map(|(middle, steps)| {
        let beside = |(east, north): (f64, f64)| Place {
            longitude: (middle.longitude + east).clamp(-180.0, 180.0),
            latitude: (middle.latitude + north).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        };
        steps.into_iter().map(beside).collect()
    });
    prop_oneof![small, prop::collection::vec(places(), 3..7)]
}

fn search_of(vertices: Vec<Place>) -> Search {
    Search { centre: centroid(&vertices), outline: Outline::Polygon(vertices), unit: 1.0 }
}

/// Whether an odd number of the triangles between the first vertex and a side have a place in them.
fn lies_in_triangles(vertices: &[Place], place: Place) -> bool {
    let side = |one: Place, other: Place| {
        (other.longitude - one.longitude) * (place.latitude - one.latitude)
            > (place.longitude - one.longitude) * (other.latitude - one.latitude)
    };
    let has_place = |sides: &[Place]| {
        let (first, second) = (side(vertices[0], sides[0]), side(sides[0], sides[1]));
        first == second && second == side(sides[1], vertices[0])
    };
    vertices[1..].windows(2).filter(|sides| has_place(sides)).count() % 2 == 1
}

/// The place so many metres away into a direction, if it is on the map.
fn away(from: Place, metres: f64, direction: f64) -> Option<Place> {
    let (angle, latitude) = (metres / EARTH_RADIUS, radians(from.latitude));
    let other = (latitude.sin() * angle.cos() + latitude.cos() * angle.sin() * direction.cos()).asin();
    let across = direction.sin() * angle.sin() * latitude.cos();
    let longitude = radians(from.longitude) + across.atan2(angle.cos() - latitude.sin() * other.sin());
    Place::new((longitude.to_degrees() + 540.0).rem_euclid(360.0) - 180.0, other.to_degrees())
}

/// Whether a place is within an outline, computed without any shortcut.
fn is_within(search: &Search, place: Place) -> bool {
    let centre = search.centre;
    match &search.outline {
        Outline::Polygon(vertices) => lies_in_triangles(vertices, place),
        Outline::Circle { radius } => centre.distance(place) <= radius * search.unit,
        Outline::Box { width, height } => {
            let beside = Place { longitude: centre.longitude, latitude: place.latitude };
            let above = Place { longitude: place.longitude, latitude: centre.latitude };
            place.distance(above) <= height * search.unit / 2.0 && place.distance(beside) <= width * search.unit / 2.0
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn searches_find_what_a_scan_finds(
        search in searches(),
        mut places in prop::collection::vec(places(), 1..20),
        near in prop::collection::vec((0.0..2.0, 0.0..TAU), 40),
    ) {
        let reach = search.unit * match &search.outline {
            Outline::Circle { radius } => *radius,
            Outline::Box { width, height } => width.max(*height) / 2.0,
            Outline::Polygon(vertices) => search.centre.distance(vertices[0]),
        };
        places.extend(near.iter().filter_map(|(part, direction)| away(search.centre, reach * part, *direction)));
        let set = set_of(places.iter().copied());
        let found = search.run(&set, usize::MAX);
        let mut members: Vec<String> =
            found.iter().map(|found| String::from_utf8_lossy(&found.member.to_vec()).into_owned()).collect();
        members.sort_unstable();
        let kept = |place: &Place| Place::of_score(place.score() as f64);
        let mut expected: Vec<String> = places
            .iter()
            .zip(0..)
            .filter(|(place, _)| is_within(&search, kept(place)))
            .map(|(_, number): (_, u32)| format!("m{number}"))
            .collect();
        expected.sort_unstable();
        prop_assert_eq!(members, expected);
        for found in found {
            prop_assert_eq!(found.distance.to_bits(), search.centre.distance(found.place).to_bits());
        }
    }

    #[test]
    fn a_place_is_kept_to_half_a_metre(place in places()) {
        let kept = Place::of_score(place.score() as f64);
        prop_assert!(place.distance(kept) < 0.5, "{} m", place.distance(kept));
        prop_assert_eq!(place.distance(kept), kept.distance(place));
    }

    #[test]
    fn neighbours_are_each_others_neighbours(place in places(), steps in 1..=cell::STEPS_MAX) {
        let cell = Cell::of(place, steps);
        prop_assume!(cell.bits < 1 << (2 * steps));
        for (east, north) in [(0, 1), (1, 0), (1, 1), (1, -1)] {
            let neighbour = cell.neighbour(east, north);
            prop_assert_eq!(neighbour.neighbour(-east, -north), cell);
            prop_assert!(neighbour.bits < 1 << (2 * steps));
        }
        let (here, east) = (cell.area(), cell.neighbour(1, 0).area());
        prop_assert!(here.longitudes[1] == east.longitudes[0] || here.longitudes[1] == LONGITUDE_MAX);
        prop_assert_eq!(here.latitudes, east.latitudes);
    }
}
