//! The order of centroids before neighbours are merged: by their means.
//!
//! Centroids of equal means and different weights are merged in another order by every way to sort, and the digests
//! differ then. RedisBloom sorts by a quicksort that takes the middle as the pivot. So [`sort`] does the same if the
//! order of equal ones matters; mostly it does not, and a merge of what is in order with what came since is faster.

use super::Centroid;

/// The quicksort takes quadratic time for some inputs; for more centroids than these it is not asked.
const AS_ELSEWHERE_MAX: usize = 8192;

/// Sorts centroids of which the first ones, so many, are in order.
pub fn sort(centroids: &mut [Centroid], sorted: usize) {
    let before = (centroids.len() <= AS_ELSEWHERE_MAX).then(|| centroids.to_vec());
    centroids[sorted..].sort_unstable_by(|one, other| one.mean.total_cmp(&other.mean));
    centroids.sort_by(|one, other| one.mean.total_cmp(&other.mean));
    let alike =
        |pair: &[Centroid]| pair[0].weight == pair[1].weight && pair[0].mean.to_bits() == pair[1].mean.to_bits();
    let matters = |pair: &[Centroid]| pair[0].mean == pair[1].mean && !alike(pair);
    if let Some(before) = before.filter(|_| centroids.windows(2).any(matters)) {
        centroids.copy_from_slice(&before);
        quicksort(centroids);
    }
}

/// The quicksort of the format.
fn quicksort(centroids: &mut [Centroid]) {
    let mut pending = vec![(0, centroids.len())];
    while let Some((begin, end)) = pending.pop() {
        let part = &mut centroids[begin..end];
        match part.len() {
            0 | 1 => {}
            2 => {
                if part[0].mean > part[1].mean {
                    part.swap(0, 1);
                }
            }
            len => {
                let pivot = begin + partition(part, (begin + end - 1) / 2 - begin);
                debug_assert!(pivot < begin + len);
                pending.push((begin, pivot));
                pending.push((pivot + 1, end));
            }
        }
    }
}

/// Brings what is less than the pivot before it; where the pivot then is.
fn partition(part: &mut [Centroid], pivot: usize) -> usize {
    let last = part.len() - 1;
    let mean = part[pivot].mean;
    part.swap(pivot, last);
    let mut place = 0;
    for at in 0..last {
        if part[at].mean < mean {
            part.swap(place, at);
            place += 1;
        }
    }
    part.swap(place, last);
    place
}

#[cfg(test)]
mod tests {
    use super::{quicksort, sort};
    use crate::types::probabilistic::t_digest::Centroid;
    use crate::util::random::Random;

    #[test]
    fn the_order_is_that_of_the_quicksort() {
        let mut random = Random::from_seed(11);
        for _ in 0..500 {
            let (len, values) = (random.below(300) as usize, 1 + random.below(400));
            let centroid = |random: &mut Random| {
                let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
                Centroid { mean: sign * random.below(values) as f64, weight: 1 + random.below(3) as i64 }
            };
            let mut centroids: Vec<Centroid> = (0..len).map(|_| centroid(&mut random)).collect();
            let sorted = random.below(len as u64 + 1) as usize;
            centroids[..sorted].sort_by(|one, other| one.mean.total_cmp(&other.mean));
            let mut expected = centroids.clone();
            quicksort(&mut expected);
            sort(&mut centroids, sorted);
            assert!(expected.is_sorted_by(|one, next| one.mean <= next.mean));
            assert_eq!(centroids, expected);
        }
    }
}
