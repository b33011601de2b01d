//! Who becomes what in a new cluster: primaries spread over the hosts, an equal share of the slots for each, and replicas
//! on other hosts than their primaries where that is possible.

use std::ops::RangeInclusive;

use super::slots::SLOTS;

/// Roles of nodes, which are known by their places in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub primaries: Vec<usize>,
    /// Each replica with its primary, in the order they were found.
    pub replicas: Vec<(usize, usize)>,
    /// How many of these come before those that are left when each primary has as many as were asked for.
    pub asked_for: usize,
}

/// How many of the nodes are primaries if each gets so many replicas.
pub fn primaries(nodes: usize, replicas: usize) -> usize {
    nodes / replicas.saturating_add(1)
}

/// The slots of each of so many primaries, which are at least one.
pub fn shares(primaries: usize) -> Vec<RangeInclusive<u16>> {
    let share = f32::from(SLOTS) / primaries as f32;
    let mut first = 0;
    (1..=primaries)
        .map(|number| {
            let end = if number == primaries { SLOTS } else { (share * number as f32).round() as u16 };
            let slots = first..=end.max(first + 1) - 1;
            first = slots.end() + 1;
            slots
        })
        .collect()
}

/// Roles for nodes on these hosts, so many replicas for each primary.
pub fn place(hosts: &[&str], replicas: usize) -> Placement {
    let mut primaries = interleaved(hosts);
    let mut left = primaries.split_off(self::primaries(hosts.len(), replicas));
    if !left.is_empty() {
        // So that neighbours don't end on one host where hosts and nodes come out even.
        left.rotate_left(1);
    }
    let mut placement = Placement { primaries, replicas: Vec::new(), asked_for: 0 };
    for number in 0..placement.primaries.len() {
        for _ in 0..replicas {
            placement.add(hosts, number, &mut left);
        }
    }
    placement.asked_for = placement.replicas.len();
    while !left.is_empty() && !placement.primaries.is_empty() {
        for number in 0..placement.primaries.len() {
            placement.add(hosts, number, &mut left);
        }
    }
    placement
}

impl Placement {
    /// Gives a primary one of the nodes that are left: the first of another host, or else the first.
    fn add(&mut self, hosts: &[&str], number: usize, left: &mut Vec<usize>) {
        let primary = self.primaries[number];
        let elsewhere = left.iter().position(|node| hosts[*node] != hosts[primary]);
        if !left.is_empty() {
            self.replicas.push((left.remove(elsewhere.unwrap_or(0)), primary));
        }
    }
}

/// The nodes, one of each host in turn.
fn interleaved(hosts: &[&str]) -> Vec<usize> {
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (node, host) in hosts.iter().enumerate() {
        let before = hosts[..node].iter().filter(|other| *other == host).count();
        order.push((before, hosts.iter().position(|other| other == host).unwrap_or(node)));
    }
    let mut nodes: Vec<usize> = (0..hosts.len()).collect();
    nodes.sort_by_key(|node| order[*node]);
    nodes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slots_are_shared_as_redis_cli_shares_them() {
        assert_eq!(shares(3), [0..=5460, 5461..=10922, 10923..=16383]);
        assert_eq!(shares(4), [0..=4095, 4096..=8191, 8192..=12287, 12288..=16383]);
        assert_eq!(shares(5), [0..=3276, 3277..=6553, 6554..=9829, 9830..=13106, 13107..=16383]);
        assert_eq!(shares(1), [0..=16383]);
    }

    #[test]
    fn nodes_of_one_host_are_taken_in_their_order() {
        let placement = place(&["a"; 6], 1);
        assert_eq!(placement.primaries, [0, 1, 2]);
        assert_eq!(placement.replicas, [(4, 0), (5, 1), (3, 2)]);
    }

    #[test]
    fn replicas_go_to_other_hosts() {
        let hosts = ["a", "a", "b", "b", "c", "c"];
        let placement = place(&hosts, 1);
        assert_eq!(placement.primaries, [0, 2, 4]);
        assert!(placement.replicas.iter().all(|(replica, primary)| hosts[*replica] != hosts[*primary]));
    }

    #[test]
    fn what_is_left_is_shared_out() {
        let placement = place(&["a"; 8], 1);
        assert_eq!((placement.primaries.len(), placement.replicas.len(), placement.asked_for), (4, 4, 4));
        let placement = place(&["a"; 11], 2);
        assert_eq!((placement.primaries.len(), placement.replicas.len(), placement.asked_for), (3, 8, 6));
        assert_eq!(place(&["a"; 23], 5).replicas.len(), 20);
        assert_eq!(place(&["a"; 3], 0).replicas, []);
    }

    proptest! {
        #[test]
        fn every_slot_has_one_owner(primaries in 1usize..1000) {
            let shares = shares(primaries);
            prop_assert_eq!(shares.len(), primaries);
            let slots: Vec<u16> = shares.iter().cloned().flatten().collect();
            prop_assert_eq!(slots, (0..SLOTS).collect::<Vec<_>>());
            let lengths: Vec<usize> = shares.iter().map(|share| share.len()).collect();
            let (least, most) = (lengths.iter().min(), lengths.iter().max());
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 2), "{:?}", lengths);
        }

        #[test]
        fn every_node_has_one_role(hosts in proptest::collection::vec(0u8..4, 3..40), replicas in 0usize..4) {
            let hosts: Vec<String> = hosts.iter().map(u8::to_string).collect();
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let count = primaries(hosts.len(), replicas);
            prop_assume!(count > 0);
            let placement = place(&hosts, replicas);
            prop_assert_eq!(placement.primaries.len(), count);
            let replicas_of = |primary| placement.replicas.iter().filter(|(_, own)| *own == primary).count();
            prop_assert!(placement.primaries.iter().all(|primary| replicas_of(*primary) >= replicas));
            let mut nodes = placement.primaries.clone();
            nodes.extend(placement.replicas.iter().map(|(replica, _)| *replica));
            nodes.sort_unstable();
            prop_assert_eq!(nodes, (0..hosts.len()).collect::<Vec<_>>());
        }
    }
}
