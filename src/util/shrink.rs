//! Giving back the memory of maps that have lost most of what they held: what many clients left behind would stay in
//! use for good otherwise.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// Maps with room for no more than this are left as they are.
const KEPT: usize = 64;
/// A map is made smaller when it uses less than one part in so many of its room.
const UNUSED_SHARE: usize = 8;

/// Makes a map smaller if most of its room is unused. Call it after each removal: all together cost no more than a
/// share of the removals.
pub fn shrink<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.capacity() > KEPT && map.len() < map.capacity() / UNUSED_SHARE {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_is_emptied_gives_its_room_back_in_few_steps() {
        let mut map: HashMap<u32, u32> = (0..100_000).map(|number| (number, number)).collect();
        let mut steps = 0;
        for number in 0..100_000 {
            map.remove(&number);
            let before = map.capacity();
            shrink(&mut map);
            steps += usize::from(map.capacity() != before);
        }
        assert!(map.capacity() <= KEPT && steps < 10, "{steps} steps to {}", map.capacity());
    }
}
