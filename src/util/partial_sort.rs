//! Sorting so far that some places of the order hold what belongs there.
//!
//! The quicksort of Bentley and McIlroy ("Engineering a Sort Function", 1993), which goes only into parts that overlap
//! the places wanted. It is not stable; but Redis sorts with it wherever a part of a result is asked for, so clients
//! see what it does with equal elements, and here it does the same.
//!
//! Input made to defeat it would take quadratic time. A part that was divided too often is sorted by merging instead.

use std::cmp::Ordering;
use std::ops::Range;

/// Parts shorter than this are sorted by insertion.
const SHORT: usize = 7;
/// Parts longer than this are divided by the median of nine rather than three.
const LONG: usize = 40;

/// Moves elements so that those in the places `wanted` are the ones that sorting all would put there.
pub fn sort_places<T>(items: &mut [T], wanted: Range<usize>, compare: impl Fn(&T, &T) -> Ordering) {
    let divisions_max = 2 * items.len().checked_ilog2().unwrap_or(0);
    let mut parts = vec![(0..items.len(), 0)];
    while let Some((part, divisions)) = parts.pop() {
        let Some(items) = items.get_mut(part.clone()) else { continue };
        if items.len() < SHORT {
            sort_by_insertion(items, &compare);
        } else if divisions == divisions_max {
            items.sort_by(&compare);
        } else {
            let (below, above) = divide(items, &compare);
            let below = part.start..part.start + below;
            let above = part.end - above..part.end;
            let is_wanted = |part: &Range<usize>| part.len() > 1 && part.start < wanted.end && wanted.start < part.end;
            parts.extend([below, above].into_iter().filter(is_wanted).map(|part| (part, divisions + 1)));
        }
    }
}

fn sort_by_insertion<T>(items: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) {
    for next in 1..items.len() {
        for index in (1..=next).rev() {
            if compare(&items[index - 1], &items[index]) != Ordering::Greater {
                break;
            }
            items.swap(index - 1, index);
        }
    }
}

fn median<T>(items: &[T], [a, b, c]: [usize; 3], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let order = |one: usize, other: usize| compare(&items[one], &items[other]);
    if order(a, b) == Ordering::Less {
        match (order(b, c), order(a, c)) {
            (Ordering::Less, _) => b,
            (_, Ordering::Less) => c,
            _ => a,
        }
    } else {
        match (order(b, c), order(a, c)) {
            (Ordering::Greater, _) => b,
            (_, Ordering::Less) => a,
            _ => c,
        }
    }
}

/// Moves what is less than some element to the front and what is greater to the back; how many each are.
fn divide<T>(items: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let len = items.len();
    let mut middle = len / 2;
    if len > SHORT {
        let (mut first, mut last) = (0, len - 1);
        if len > LONG {
            let step = len / 8;
            first = median(items, [first, first + step, first + 2 * step], compare);
            middle = median(items, [middle - step, middle, middle + step], compare);
            last = median(items, [last - 2 * step, last - step, last], compare);
        }
        middle = median(items, [first, middle, last], compare);
    }
    items.swap(0, middle);
    // Equal elements gather at both ends: ..equal_front and equal_back.. hold them, front..back is yet to be seen.
    let (mut equal_front, mut front) = (1, 1);
    let (mut equal_back, mut back) = (len, len);
    loop {
        while front < back {
            match compare(&items[front], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(equal_front, front);
                    equal_front += 1;
                }
                Ordering::Less => {}
            }
            front += 1;
        }
        while front < back {
            match compare(&items[back - 1], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    equal_back -= 1;
                    items.swap(equal_back, back - 1);
                }
                Ordering::Greater => {}
            }
            back -= 1;
        }
        if front >= back {
            break;
        }
        items.swap(front, back - 1);
        front += 1;
        back -= 1;
    }
    let (below, above) = (front - equal_front, equal_back - back);
    swap_runs(items, 0, front, equal_front.min(below));
    swap_runs(items, front, len, above.min(len - equal_back));
    (below, above)
}

/// Exchanges `count` elements from `start` on with as many before `end`.
fn swap_runs<T>(items: &mut [T], start: usize, end: usize, count: usize) {
    for offset in 0..count {
        items.swap(start + offset, end - count + offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_places_wanted_hold_what_sorting_all_puts_there(
            items in prop::collection::vec(0..60u8, 0..300), from in 0..300usize, count in 0..300usize,
        ) {
            let mut expected = items.clone();
            expected.sort_unstable();
            let mut sorted = items.clone();
            let wanted = from.min(items.len())..(from + count).min(items.len());
            sort_places(&mut sorted, wanted.clone(), u8::cmp);
            prop_assert_eq!(&sorted[wanted.clone()], &expected[wanted]);
            sorted.sort_unstable();
            prop_assert_eq!(sorted, expected);
        }
    }

    #[test]
    fn equal_elements_end_where_redis_has_them() {
        // Keys with their first places, as GEOSEARCH … COUNT 8 of a real server returns members at these distances.
        let mut items: Vec<(u32, usize)> = DISTANCES.iter().copied().zip(0..).collect();
        sort_places(&mut items, 0..8, |one, other| one.0.cmp(&other.0));
        let members: Vec<usize> = items.iter().take(8).map(|(_, member)| *member).collect();
        assert_eq!(members, FIRST_EIGHT);
    }

    #[test]
    fn input_against_it_takes_no_quadratic_time() {
        // Organ pipes and saw teeth are the classic ones; with so many divisions allowed all end in due time.
        let len = 1 << 14;
        let pipes = |index: usize| index.min(len - index);
        for shape in [&pipes as &dyn Fn(usize) -> usize, &|index| index % 129, &|_| 5, &|index| len - index] {
            let mut items: Vec<usize> = (0..len).map(shape).collect();
            let compared = std::cell::Cell::new(0u64);
            sort_places(&mut items, 0..len, |one, other| {
                compared.set(compared.get() + 1);
                one.cmp(other)
            });
            assert!(items.is_sorted());
            assert!(compared.get() < 4 * len as u64 * 14, "{} comparisons", compared.get());
        }
    }

    const DISTANCES: &[u32] = &[
        4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 5, 5, 5, 5,
    ];
    const FIRST_EIGHT: &[usize] = &[23, 26, 25, 24, 29, 28, 27, 32];
}
