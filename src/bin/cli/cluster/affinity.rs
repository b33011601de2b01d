//! How badly primaries and replicas share hosts, and a search for something better.
//!
//! A replica on the host of its primary counts 10,000, replicas of one primary that share a host count one each, so the
//! second is bettered only where the first does not suffer. The search exchanges the primaries of two replicas, one of
//! which shares a host, and keeps what is not worse: the way to the best may lead over several exchanges that win nothing.

use std::collections::BTreeMap;

const SHARED_WITH_PRIMARY: u64 = 10_000;
const TRIES_PER_NODE: usize = 500;

/// Nodes with their hosts, and who replicates whom; nodes are known by their places.
#[derive(Clone, Debug)]
pub struct Layout<'a> {
    pub hosts: Vec<&'a str>,
    pub primary_of: Vec<Option<usize>>,
}

impl Layout<'_> {
    /// Nothing is shared at zero; the more, the worse.
    pub fn score(&self) -> u64 {
        let value = |(has_primary, count): (bool, u64)| match (has_primary, count) {
            (_, 0 | 1) => 0,
            (true, count) => SHARED_WITH_PRIMARY * (count - 1),
            (false, count) => count,
        };
        self.groups().into_values().map(value).sum()
    }

    /// Whether a replica is where its primary is.
    pub fn shares_with_primary(&self) -> bool {
        self.score() >= SHARED_WITH_PRIMARY
    }

    /// By host and primary: whether that itself is there, and how many of it and its replicas are.
    fn groups(&self) -> BTreeMap<(&str, usize), (bool, u64)> {
        let mut groups = BTreeMap::new();
        for (node, primary) in self.primary_of.iter().enumerate() {
            let group = groups.entry((self.hosts[node], primary.unwrap_or(node))).or_insert((false, 0));
            *group = (group.0 || primary.is_none(), group.1 + 1);
        }
        groups
    }

    /// A replica of each group that shares a host.
    fn offenders(&self) -> Vec<usize> {
        let first_of = |(host, primary): &(&str, usize)| {
            (0..self.hosts.len()).find(|node| self.hosts[*node] == *host && self.primary_of[*node] == Some(*primary))
        };
        self.groups().iter().filter(|(_, (_, count))| *count > 1).filter_map(|(group, _)| first_of(group)).collect()
    }

    /// Looks for a better layout; `random` gives a number below another.
    pub fn improve(&mut self, mut random: impl FnMut(usize) -> usize) {
        let replicas: Vec<usize> = (0..self.hosts.len()).filter(|node| self.primary_of[*node].is_some()).collect();
        if replicas.len() < 2 || self.hosts.iter().all(|host| *host == self.hosts[0]) {
            return;
        }
        for _ in 0..TRIES_PER_NODE * self.hosts.len() {
            let (score, offenders) = (self.score(), self.offenders());
            if score == 0 || offenders.is_empty() {
                return;
            }
            let one = offenders[random(offenders.len())];
            let other = replicas[random(replicas.len())];
            self.primary_of.swap(one, other);
            if self.score() > score {
                self.primary_of.swap(one, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout<'a>(hosts: &[&'a str], primary_of: &[Option<usize>]) -> Layout<'a> {
        Layout { hosts: hosts.to_vec(), primary_of: primary_of.to_vec() }
    }

    /// Numbers that look random and are the same each time.
    fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        }
    }

    #[test]
    fn sharing_with_the_primary_is_worst() {
        assert_eq!(layout(&["a", "b", "a", "b"], &[None, None, Some(1), Some(0)]).score(), 0);
        assert_eq!(layout(&["a", "b", "a", "b"], &[None, None, Some(0), Some(1)]).score(), 20_000);
        assert_eq!(layout(&["a", "b", "b"], &[None, Some(0), Some(0)]).score(), 2);
        assert_eq!(layout(&["a", "a", "a"], &[None, Some(0), Some(0)]).score(), 20_000);
    }

    #[test]
    fn the_search_ends_where_nothing_is_shared() {
        let mut layout = layout(&["a", "b", "c", "a", "b", "c"], &[None, None, None, Some(0), Some(1), Some(2)]);
        layout.improve(numbers(1));
        assert_eq!(layout.score(), 0);
    }

    #[test]
    fn one_host_is_left_as_it_is() {
        let mut layout = layout(&["a"; 4], &[None, None, Some(0), Some(1)]);
        layout.improve(|_| unreachable!("nothing is tried"));
        assert!(layout.shares_with_primary());
        assert_eq!(layout.primary_of, [None, None, Some(0), Some(1)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn the_search_never_worsens_nor_changes_how_many_replicas_each_has(
            hosts in proptest::collection::vec(0usize..4, 6..16),
            seed in any::<u64>(),
        ) {
            let names = ["a", "b", "c", "d"];
            let hosts: Vec<&str> = hosts.into_iter().map(|host| names[host]).collect();
            let primaries = hosts.len() / 2;
            let primary_of = (0..hosts.len()).map(|node| (node >= primaries).then(|| node % primaries)).collect();
            let mut layout = Layout { hosts, primary_of };
            let (score, mut before) = (layout.score(), layout.primary_of.clone());
            layout.improve(numbers(seed));
            prop_assert!(layout.score() <= score);
            let mut after = layout.primary_of.clone();
            before.sort_unstable();
            after.sort_unstable();
            prop_assert_eq!(before, after);
        }
    }
}
