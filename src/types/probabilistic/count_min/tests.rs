use super::{CountMin, FULL, MergeOverflow, dimensions};
use crate::types::probabilistic::{OutOfMemory, Refused};

fn item(number: u64) -> String {
    format!("item{number}")
}

/// What RedisBloom 2.8.2 counts in a sketch as narrow.
#[test]
fn counters_are_those_of_redisbloom() {
    let mut sketch = CountMin::new(5, 2).expect("room");
    (0..6).for_each(|number| {
        sketch.add(item(number).as_bytes(), number * number + 1);
    });
    let counts: Vec<u32> = (0..7).map(|number| sketch.count(item(number).as_bytes())).collect();
    assert_eq!((counts, sketch.total()), (vec![28, 2, 5, 10, 17, 28, 0], 61));
}

#[test]
fn dimensions_follow_from_the_errors() {
    assert_eq!(dimensions(0.001, 0.01), (2000, 7));
    assert_eq!(dimensions(0.5, 0.9), (4, 1));
    assert_eq!(dimensions(0.0123, 0.0003), (163, 12));
    assert_eq!(dimensions(0.9, 0.99999999999), (3, 0));
    assert_eq!(CountMin::new(1 << 40, 1 << 40), Err(OutOfMemory));
}

#[test]
fn full_counters_stay_full() {
    let mut sketch = CountMin::new(10, 3).expect("room");
    assert_eq!(sketch.add(b"a", 4_294_967_290), 4_294_967_290);
    assert_eq!((sketch.add(b"a", 6), sketch.add(b"a", i64::MAX as u64), sketch.count(b"a")), (FULL, FULL, FULL));
}

#[test]
fn sums_take_weights_and_refuse_what_does_not_fit() {
    let (mut one, mut other) = (CountMin::new(10, 3).expect("room"), CountMin::new(10, 3).expect("room"));
    one.add(b"a", 1);
    other.add(b"a", 10);
    other.add(b"c", 20);
    let sum = CountMin::merged(&[(&one, 1), (&other, 2)]).expect("a sum");
    assert_eq!((sum.count(b"a"), sum.count(b"c"), sum.total()), (21, 40, 61));
    assert_eq!(CountMin::merged(&[(&one, -1), (&other, 1)]).map(|sum| sum.count(b"a")), Ok(9));
    for weight in [-1, i64::MIN, i64::MAX, 429_496_730] {
        assert_eq!(CountMin::merged(&[(&other, weight)]), Err(MergeOverflow), "{weight}");
    }
}

#[test]
fn bytes_make_the_same_sketch() {
    let mut sketch = CountMin::new(7, 3).expect("room");
    (0..100).for_each(|number| {
        sketch.add(item(number).as_bytes(), number);
    });
    assert_eq!(CountMin::from_parts(7, 3, sketch.total(), &sketch.bytes()), Ok(sketch.clone()));
    for (width, depth) in [(0, 0), (7, 2), (1, 20), (u64::MAX, 3), (0, 21), (21, 0), (1 << 63, 2)] {
        assert_eq!(CountMin::from_parts(width, depth, 0, &sketch.bytes()), Err(Refused::Malformed), "{width} {depth}");
    }
}
