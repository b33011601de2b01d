use super::{Parameters, TopK};
use crate::types::probabilistic::{OutOfMemory, Refused};
use crate::util::random::Random;

fn sketch(k: u32, width: u32, depth: u32, decay: f64) -> TopK {
    TopK::new(Parameters { k, width, depth, decay }).expect("room")
}

fn copy(sketch: &TopK) -> TopK {
    let mut copy =
        TopK::from_parts(sketch.parameters(), &sketch.bucket_bytes(), &sketch.list_bytes()).expect("sound parts");
    sketch.names().enumerate().for_each(|(at, name)| copy.set_name(at, name.unwrap_or_default()));
    copy
}

/// What RedisBloom 2.8.2 lists when nothing is left to chance.
#[test]
fn the_list_is_that_of_redisbloom() {
    let mut sketch = sketch(3, 4, 2, 1.0);
    (0..40u32).for_each(|at| drop(sketch.add(format!("item{}", at * at % 7).as_bytes(), at % 5)));
    assert_eq!(sketch.list(), [(&b"item2"[..], 27), (b"item4", 22), (b"item0", 10)]);
}

#[test]
fn a_counter_that_is_worn_down_goes_to_the_one_that_did_it() {
    let mut sketch = sketch(1, 1, 1, 1.0);
    assert_eq!(sketch.add(b"a", 3), None);
    assert_eq!(sketch.add(b"b", 5).as_deref(), Some(&b"a"[..]));
    assert_eq!((sketch.count(b"a"), sketch.count(b"b"), sketch.list()), (0, 3, vec![(&b"b"[..], 3)]));
    assert_eq!((sketch.add(b"c", 0), sketch.contains(b"b"), sketch.contains(b"c")), (None, true, false));
}

/// As RedisBloom 2.8.2 does it.
#[test]
fn an_element_counted_no_time_may_lie_in_the_list_unseen() {
    let mut sketch = sketch(2, 50, 3, 1.0);
    assert_eq!((sketch.add(b"a", 0), sketch.contains(b"a"), sketch.list()), (None, true, vec![]));
    assert_eq!((sketch.add(b"b", 0), sketch.add(b"c", 2).as_deref()), (None, Some(&b"a"[..])));
    assert_eq!(copy(&sketch), sketch);
}

#[test]
fn frequent_elements_are_found_among_many() {
    let mut random = Random::from_seed(1);
    let mut sketch = sketch(10, 200, 5, 0.9);
    for _ in 0..50_000 {
        let frequent = random.below(2) == 0;
        let item = if frequent { random.below(10) } else { 10 + random.below(10_000) };
        sketch.add(&item.to_le_bytes(), 1);
    }
    assert!((0..10u64).all(|item| sketch.contains(&item.to_le_bytes())));
}

#[test]
fn decisions_of_chance_are_the_same_for_a_copy_by_its_bytes() {
    let mut random = Random::from_seed(2);
    let mut sketch = sketch(5, 8, 4, 0.9);
    let mut item = || random.below(40).to_string().into_bytes();
    (0..2000).for_each(|_| drop(sketch.add(&item(), 1)));
    let mut copy = copy(&sketch);
    assert_eq!(copy, sketch);
    for _ in 0..2000 {
        let item = item();
        assert_eq!(copy.add(&item, 2), sketch.add(&item, 2));
    }
    assert_eq!(copy, sketch);
}

#[test]
fn names_may_be_empty_or_hold_any_byte() {
    let mut sketch = sketch(2, 50, 3, 0.9);
    sketch.add(b"", 2);
    sketch.add(b"a\0b", 3);
    assert_eq!(sketch.list(), [(&b"a\0b"[..], 3), (b"", 2)]);
    assert_eq!(copy(&sketch).list(), sketch.list());
}

#[test]
fn sizes_and_parts_that_cannot_be_are_refused() {
    let huge = Parameters { k: u32::MAX, width: u32::MAX, depth: u32::MAX, decay: 0.9 };
    assert_eq!(TopK::new(huge), Err(OutOfMemory));
    assert_eq!(TopK::new(Parameters { width: 1, depth: 1, ..huge }), Err(OutOfMemory));
    let sketch = sketch(2, 3, 4, 0.9);
    let (of, buckets, list) = (sketch.parameters(), sketch.bucket_bytes(), sketch.list_bytes());
    let with = |of| TopK::from_parts(of, &buckets, &list);
    assert_eq!(with(of).as_ref(), Ok(&sketch));
    for wrong in [
        Parameters { k: 3, ..of },
        Parameters { width: 4, ..of },
        Parameters { depth: 0, ..of },
        Parameters { decay: 1.5, ..of },
        Parameters { decay: f64::NAN, ..of },
    ] {
        assert_eq!(with(wrong), Err(Refused::Malformed), "{wrong:?}");
    }
    assert_eq!(TopK::from_parts(of, &buckets[1..], &list), Err(Refused::Malformed));
    assert_eq!(TopK::from_parts(of, &buckets, &list[1..]), Err(Refused::Malformed));
}
