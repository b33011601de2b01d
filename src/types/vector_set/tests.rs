//! A set beside a plain list of vectors, its graph after whatever was done to it, and sets from files.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::saved::{Builder, SavedElement};
use super::*;

const FORMS: [Quantization; 3] = [Quantization::None, Quantization::Int8, Quantization::Binary];

fn shape(dimension: usize, quantization: Quantization) -> Shape {
    Shape { dimension, quantization, m: 16, projection: None }
}

fn vector(random: &mut Random, dimension: usize) -> Vec<f32> {
    (0..dimension).map(|_| random.below(2_000_001) as f32 / 1_000_000.0 - 1.0).collect()
}

fn filled(count: usize, shape: Shape, random: &mut Random) -> VectorSet {
    let dimension = shape.dimension;
    let mut set = VectorSet::new(shape, random.next_u64());
    for number in 0..count {
        set.insert(format!("e{number}").as_bytes(), vector(random, dimension), None, 60);
    }
    set
}

fn search(count: usize, ef: usize, all: bool) -> Search<'static> {
    Search { count, ef, filter: None, effort: usize::MAX, all }
}

fn found(set: &VectorSet, target: &Target, search: &Search<'_>) -> Vec<Vec<u8>> {
    set.search(target, search).map(|found| found.name.to_vec()).collect()
}

/// What holds of a graph all the time: links are mutual, each there once, to others of the level, and not too many.
fn assert_sound(set: &VectorSet) {
    let graph = &set.graph;
    assert_eq!(graph.len(), set.len());
    for node in 0..set.len() as u32 {
        for level in 0..=graph.level(node) {
            let links = graph.links(node, level);
            assert!(links.len() <= graph.links_max(level));
            for (at, other) in links.iter().enumerate() {
                assert!(*other != node && !links[..at].contains(other));
                assert!(graph.level(*other) >= level && graph.links(*other, level).contains(&node));
            }
        }
    }
    let attributes = (0..set.len() as u32).filter(|node| set.element(*node).attributes.is_some()).count();
    assert_eq!(set.with_attributes(), attributes);
    assert!(set.names_from(|_| false).is_sorted());
    assert_eq!(set.names_from(|_| false).count(), set.len());
}

#[test]
fn a_search_finds_nearly_all_that_looking_at_everything_finds() {
    let mut random = Random::from_seed(1);
    for form in FORMS {
        let set = filled(400, shape(12, form), &mut random);
        assert_sound(&set);
        let (mut hits, mut all) = (0, 0);
        for _ in 0..50 {
            let target = set.target(vector(&mut random, 12));
            // Many vectors of bits are equally far: what counts is how far the last one found is.
            let far = set.search(&target, &search(10, 10, true)).map(|found| found.distance).fold(0.0, f32::max);
            hits += set.search(&target, &search(10, 50, false)).filter(|found| found.distance <= far).count();
            all += 10;
        }
        assert!(hits * 100 >= all * 90, "{form:?}: {hits} of {all}");
    }
}

#[test]
fn a_search_that_looks_at_everything_is_that_of_a_plain_list() {
    let mut random = Random::from_seed(2);
    let set = filled(300, shape(10, Quantization::None), &mut random);
    let wanted = vector(&mut random, 10);
    let cosine = |other: &[f32]| {
        let dot: f64 = wanted.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let length = |vector: &[f32]| vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        dot / length(&wanted) / length(other)
    };
    let mut twin: Vec<(f64, Vec<u8>)> = set
        .names_from(|_| false)
        .map(|name| (cosine(&set.components(name).expect("an element")), name.to_vec()))
        .collect();
    twin.sort_by(|a, b| b.0.total_cmp(&a.0));
    let target = set.target(wanted.clone());
    let found: Vec<Found<'_>> = set.search(&target, &search(20, 20, true)).collect();
    for (found, (cosine, name)) in found.iter().zip(&twin) {
        assert_eq!(found.name, name);
        assert!((score(found.distance) - (1.0 + cosine) / 2.0).abs() < 1e-5);
    }
    assert_eq!(found.len(), 20);
}

#[test]
fn what_is_left_after_removals_is_found_as_if_the_rest_had_never_been() {
    let mut random = Random::from_seed(3);
    for form in [Quantization::None, Quantization::Int8] {
        let mut set = filled(400, shape(8, form), &mut random);
        for number in (0..400).filter(|number| number % 4 != 0) {
            assert!(set.remove(format!("e{number}").as_bytes()));
        }
        assert_sound(&set);
        let mut hits = 0;
        for _ in 0..50 {
            let target = set.target(vector(&mut random, 8));
            let nearest = found(&set, &target, &search(10, 10, true));
            hits += found(&set, &target, &search(10, 30, false)).iter().filter(|name| nearest.contains(name)).count();
        }
        assert!(hits >= 450, "{hits} of 500");
    }
}

#[test]
fn a_filter_finds_the_nearest_of_those_that_match() {
    let mut random = Random::from_seed(4);
    let mut set = filled(600, shape(8, Quantization::Int8), &mut random);
    for number in 0..600 {
        set.set_attributes(format!("e{number}").as_bytes(), format!("{{\"n\":{number}}}").as_bytes());
    }
    let filter = Filter::new(b".n % 10 == 3").expect("an expression");
    let target = set.target(vector(&mut random, 8));
    let options = |effort, all| Search { count: 10, ef: 10, filter: Some(&filter), effort, all };
    let nearest = found(&set, &target, &options(usize::MAX, true));
    assert!(nearest.iter().all(|name| name.ends_with(b"3")) && nearest.len() == 10);
    let hits = found(&set, &target, &options(usize::MAX, false)).iter().filter(|name| nearest.contains(name)).count();
    assert!(hits >= 8, "{hits}");
    assert!(set.search(&target, &options(20, false)).count() < 10, "effort ends the search");
}

#[test]
fn a_search_for_one_element_with_a_filter_looks_as_far_around_as_ef_says() {
    let mut random = Random::from_seed(5);
    let mut set = filled(600, shape(8, Quantization::None), &mut random);
    for number in 0..600 {
        set.set_attributes(format!("e{number}").as_bytes(), format!("{{\"n\":{number}}}").as_bytes());
    }
    let filter = Filter::new(b".n % 2 == 0").expect("an expression");
    let options = |ef, all| Search { count: 1, ef, filter: Some(&filter), effort: usize::MAX, all };
    let targets: Vec<Target> = (0..200).map(|_| set.target(vector(&mut random, 8))).collect();
    let hits = |ef| {
        let is_nearest =
            |target: &&Target| found(&set, target, &options(ef, false)) == found(&set, target, &options(1, true));
        targets.iter().filter(is_nearest).count()
    };
    let (close, wide) = (hits(1), hits(100));
    assert!(close < 195 && wide >= 199, "{close} and {wide} of 200");
}

#[test]
fn a_search_with_a_filter_begins_with_no_more_nodes_than_it_may_ask_about() {
    let mut random = Random::from_seed(6);
    let mut set = filled(600, shape(8, Quantization::None), &mut random);
    for number in 0..600 {
        set.set_attributes(format!("e{number}").as_bytes(), b"{}");
    }
    let filter = Filter::new(b"1").expect("an expression");
    for _ in 0..50 {
        let target = set.target(vector(&mut random, 8));
        for effort in [1, 2, 5] {
            let options = Search { count: 100, ef: 100, filter: Some(&filter), effort, all: false };
            let count = found(&set, &target, &options).len();
            // The neighbors of the last one are all looked at.
            assert!((1..=if effort == 1 { 1 } else { effort + 32 }).contains(&count), "{count} for {effort}");
        }
    }
}

#[test]
fn a_new_node_has_no_more_links_than_m() {
    let mut random = Random::from_seed(7);
    for m in [4, 16] {
        let mut set = VectorSet::new(Shape { m, ..shape(8, Quantization::None) }, 1);
        for number in 0..400u32 {
            set.insert(format!("e{number}").as_bytes(), vector(&mut random, 8), None, 60);
            let links = set.graph.links(number, 0).len();
            assert!(links <= m && (links > 0 || number == 0), "{links} of {m} for {number}");
        }
    }
}

#[test]
fn equal_seeds_give_equal_sets() {
    let build = || filled(300, shape(6, Quantization::Int8), &mut Random::from_seed(9));
    let links = |set: &VectorSet| -> Vec<Vec<Vec<u64>>> { set.saved().map(|element| element.links).collect() };
    assert_eq!(links(&build()), links(&build()));
}

#[test]
fn vectors_without_length_or_sense_do_no_harm() {
    for form in FORMS {
        let mut set = VectorSet::new(shape(2, form), 1);
        let strange = [[0.0; 2], [f32::NAN; 2], [f32::INFINITY, 1.0], [1.0, -1.0], [1e38; 2], [f32::NAN, 1.0]];
        for (number, vector) in strange.iter().enumerate() {
            set.insert(format!("{number}").as_bytes(), vector.to_vec(), None, 10);
        }
        assert_sound(&set);
        for vector in strange {
            assert_eq!(set.search(&set.target(vector.to_vec()), &search(10, 10, true)).count(), 6);
            set.search(&set.target(vector.to_vec()), &search(10, 10, false)).count();
        }
        (0..6).for_each(|number| assert!(set.remove(format!("{number}").as_bytes())));
        assert!(set.is_empty());
    }
}

#[test]
fn a_set_with_many_links_takes_no_room_before_it_has_them() {
    let mut random = Random::from_seed(6);
    let set = filled(100, Shape { m: 4096, ..shape(3, Quantization::Int8) }, &mut random);
    assert_sound(&set);
    assert!(set.heap_bytes() < 150_000, "{}", set.heap_bytes());
    let target = set.target(vector(&mut random, 3));
    assert_eq!(found(&set, &target, &search(10, 100, false)), found(&set, &target, &search(10, 10, true)));
}

#[test]
fn a_reduced_vector_is_reduced_once() {
    let projection = Projection::new(6, 3);
    let mut set = VectorSet::new(Shape { projection, ..shape(3, Quantization::None) }, 1);
    set.insert(b"a", vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], None, 10);
    let direct = set.target_of(b"a").expect("the element");
    let again = set.target(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    for target in [direct, again] {
        let distance = set.search(&target, &search(1, 10, false)).next().expect("the element").distance;
        assert!(distance.abs() < 1e-6);
    }
}

/// The set a file with the elements of another would give; `change` may spoil them.
fn rebuilt(set: &VectorSet, change: impl FnOnce(&mut Vec<SavedElement<'_>>)) -> Option<VectorSet> {
    let mut elements: Vec<SavedElement<'_>> = set.saved().collect();
    change(&mut elements);
    let shape = Shape {
        dimension: set.dimension(),
        quantization: set.quantization(),
        m: set.m(),
        projection: set.projection().cloned(),
    };
    let mut builder = Builder::new(shape, 5);
    for element in elements {
        builder.add(element)?;
    }
    builder.finish()
}

#[test]
fn a_set_from_a_file_is_the_set_that_was_saved() {
    let mut random = Random::from_seed(7);
    for form in FORMS {
        let mut set = filled(400, shape(9, form), &mut random);
        set.set_attributes(b"e7", b"{}");
        let again = rebuilt(&set, |_| ()).expect("a sound set");
        assert_sound(&again);
        let digest = |set: &VectorSet| {
            let mut digest = Digest::default();
            Value::digest(set, &mut digest);
            digest
        };
        assert_eq!((digest(&again), again.last_id()), (digest(&set), set.last_id()));
        let links =
            |set: &VectorSet| -> Vec<_> { set.links(b"e5").into_iter().flatten().map(|links| links.len()).collect() };
        assert_eq!(links(&again), links(&set));
    }
}

#[test]
fn what_a_file_has_of_a_set_is_refused_if_it_is_unsound() {
    let set = filled(40, shape(4, Quantization::Int8), &mut Random::from_seed(8));
    assert!(rebuilt(&set, |_| ()).is_some());
    type Change = fn(&mut Vec<SavedElement<'_>>);
    let changes: [(&str, Change); 9] = [
        ("a link that does not lead back", |all| _ = all[0].links[0].pop()),
        ("a link to itself", |all| all[0].links[0][0] = all[0].id),
        ("a link to nobody", |all| all[0].links[0][0] = 1 << 40),
        ("a link twice", |all| all[0].links[0][0] = all[0].links[0][1]),
        ("a number twice", |all| all[0].id = all[1].id),
        ("a name twice", |all| all[0].name = all[1].name),
        ("no level", |all| all[0].links.clear()),
        ("too many levels", |all| all[0].links.resize(LEVEL_MAX + 2, Vec::new())),
        ("a vector of another length", |all| all[0].vector.push(0)),
    ];
    for (name, change) in changes {
        assert!(rebuilt(&set, change).is_none(), "{name}");
    }
    assert!(rebuilt(&set, |all| all.clear()).is_none(), "no elements");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Names from a small choice come, change and go; attributes too.
    #[test]
    fn a_set_is_what_a_map_of_names_would_be(
        form in 0_usize..3,
        steps in prop::collection::vec((0_u8..40, 0_u8..4, any::<u64>()), 1..300),
    ) {
        let mut set = VectorSet::new(Shape { m: 4, ..shape(5, FORMS[form]) }, 3);
        let mut twin: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for (name, action, seed) in steps {
            let name = vec![b'n', name];
            let attributes: Option<&[u8]> = match seed % 3 { 0 => None, 1 => Some(b"{}"), _ => Some(b"") };
            match action {
                0 => prop_assert_eq!(set.remove(&name), twin.remove(&name).is_some()),
                1 => {
                    let given = attributes.unwrap_or_default();
                    prop_assert_eq!(set.set_attributes(&name, given), twin.contains_key(&name));
                    twin.entry(name).and_modify(|kept| *kept = (!given.is_empty()).then(|| given.to_vec()));
                }
                _ => {
                    let vector = vector(&mut Random::from_seed(seed), 5);
                    prop_assert_eq!(set.insert(&name, vector, attributes, 20), !twin.contains_key(&name));
                    let given = attributes.map(<[u8]>::to_vec);
                    match twin.get_mut(&name) {
                        None => _ = twin.insert(name, given),
                        Some(kept) if given.is_some() => *kept = given.filter(|given| !given.is_empty()),
                        Some(_) => {}
                    }
                }
            }
        }
        assert_sound(&set);
        prop_assert!(set.names_from(|_| false).eq(twin.keys()));
        for (name, attributes) in &twin {
            prop_assert_eq!(set.attributes(name), attributes.as_deref());
        }
        let target = set.target(vec![1.0, 0.5, -0.5, 0.0, 0.25]);
        prop_assert_eq!(set.search(&target, &search(100, 10, true)).count(), twin.len());
        prop_assert!(twin.is_empty() || rebuilt(&set, |_| ()).is_some());
    }
}
