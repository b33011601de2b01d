//! Which slots leave which nodes: for a number of slots that one node is to get, and for a balance by weights.
//!
//! Shares are counted in single precision and rounded as redis-cli does it, so that both plan the same.

use super::slots::{SLOTS, SlotSet};

/// So many slots from these nodes, as node and slot: from each as many as its part of all their slots, its lowest ones.
/// Where rounding leaves some over, they come from the nodes that have the most.
pub fn moves(sources: &[(usize, &SlotSet)], count: usize) -> Vec<(usize, u16)> {
    let mut sources: Vec<(usize, Vec<u16>)> =
        sources.iter().map(|(node, slots)| (*node, slots.iter().collect())).collect();
    sources.sort_by_key(|(_, slots)| std::cmp::Reverse(slots.len()));
    let total: usize = sources.iter().map(|(_, slots)| slots.len()).sum();
    let count = count.min(total);
    let mut left = count;
    let mut shares: Vec<usize> = Vec::new();
    for (place, (_, slots)) in sources.iter().enumerate() {
        let share = count as f32 / total as f32 * slots.len() as f32;
        let share = if place == 0 { share.ceil() } else { share.floor() };
        let share = (share as usize).min(left).min(slots.len());
        left -= share;
        shares.push(share);
    }
    while left > 0 {
        for (share, (_, slots)) in shares.iter_mut().zip(&sources) {
            if left > 0 && *share < slots.len() {
                *share += 1;
                left -= 1;
            }
        }
    }
    let of = |(share, (node, slots)): (usize, &(usize, Vec<u16>))| -> Vec<(usize, u16)> {
        slots.iter().take(share).map(|slot| (*node, *slot)).collect()
    };
    shares.into_iter().zip(&sources).flat_map(of).collect()
}

/// A primary that takes part in a balance.
#[derive(Clone, Copy, Debug)]
pub struct Party {
    pub node: usize,
    pub slots: usize,
    pub weight: f32,
}

/// How many slots each has too many, or too few below zero, the least first; `None` if each has as many as its weight
/// asks for, give or take so many percent. The weights are not all zero.
pub fn balances(parties: &[Party], threshold: f32) -> Option<Vec<(usize, i64)>> {
    let weights: f32 = parties.iter().map(|party| party.weight).sum();
    let expected = |party: &Party| (f32::from(SLOTS) / weights * party.weight) as i64;
    let is_off = |party: &Party| match party.slots {
        0 => expected(party) > 1,
        slots => (100.0 - 100.0 * expected(party) as f64 / slots as f64).abs() > f64::from(threshold),
    };
    if threshold <= 0.0 || !parties.iter().any(is_off) {
        return None;
    }
    let balance = |party: &Party| (party.node, party.slots as i64 - expected(party));
    let mut balances: Vec<(usize, i64)> = parties.iter().map(balance).collect();
    // What rounding leaves over goes to those who get some anyway.
    let mut over: i64 = balances.iter().map(|(_, balance)| balance).sum();
    while over > 0 && balances.iter().any(|(_, balance)| *balance <= 0) {
        for (_, balance) in balances.iter_mut().filter(|(_, balance)| *balance <= 0) {
            if over > 0 {
                *balance -= 1;
                over -= 1;
            }
        }
    }
    balances.sort_by_key(|(_, balance)| *balance);
    Some(balances)
}

/// A number of slots that go from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub from: usize,
    pub to: usize,
    pub slots: usize,
}

/// The transfers that settle balances, which are sorted.
pub fn transfers(mut balances: Vec<(usize, i64)>) -> Vec<Transfer> {
    let mut transfers = Vec::new();
    let (mut poor, mut rich) = (0, balances.len().saturating_sub(1));
    while poor < rich {
        let slots = (-balances[poor].1).min(balances[rich].1).max(0);
        if slots > 0 {
            transfers.push(Transfer { from: balances[rich].0, to: balances[poor].0, slots: slots as usize });
        }
        balances[poor].1 += slots;
        balances[rich].1 -= slots;
        if balances[poor].1 >= 0 {
            poor += 1;
        } else {
            rich -= 1;
        }
    }
    transfers
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn counts(moves: &[(usize, u16)]) -> BTreeMap<usize, usize> {
        moves.iter().fold(BTreeMap::new(), |mut counts, (node, _)| {
            *counts.entry(*node).or_default() += 1;
            counts
        })
    }

    #[test]
    fn sources_give_by_what_they_have_and_their_lowest_slots_first() {
        let (one, other) = (SlotSet::from_iter(0..5461), SlotSet::from_iter(5461..16384));
        let moves = moves(&[(1, &one), (2, &other)], 100);
        assert_eq!(counts(&moves), BTreeMap::from([(1, 33), (2, 67)]));
        assert_eq!(moves[..2], [(2, 5461), (2, 5462)]);
        assert_eq!(moves[67..69], [(1, 0), (1, 1)]);
    }

    #[test]
    fn rounding_does_not_lose_slots() {
        let sets: Vec<SlotSet> = (0..5).map(|node| (node * 10..node * 10 + 10).collect()).collect();
        let sources: Vec<(usize, &SlotSet)> = sets.iter().enumerate().collect();
        assert_eq!(counts(&moves(&sources, 9)), BTreeMap::from([(0, 3), (1, 2), (2, 2), (3, 1), (4, 1)]));
        assert_eq!(moves(&sources, 1000).len(), 50);
        assert_eq!(moves(&[(0, &SlotSet::new())], 5), []);
    }

    fn party(node: usize, slots: usize, weight: f32) -> Party {
        Party { node, slots, weight }
    }

    #[test]
    fn a_balance_within_the_threshold_stays() {
        let parties = [party(0, 5461, 1.0), party(1, 5462, 1.0), party(2, 5461, 1.0)];
        assert_eq!(balances(&parties, 2.0), None);
        let parties = [party(0, 5561, 1.0), party(1, 5362, 1.0), party(2, 5461, 1.0)];
        assert_eq!(balances(&parties, 2.0), None);
        assert!(balances(&parties, 1.0).is_some());
        assert_eq!(balances(&parties, 0.0), None);
    }

    #[test]
    fn weights_decide_about_shares() {
        let parties = [party(0, 5461, 1.0), party(1, 5462, 1.0), party(2, 5461, 2.0)];
        let balances = balances(&parties, 2.0).expect("something to do");
        assert_eq!(balances, [(2, -2731), (0, 1365), (1, 1366)]);
        assert_eq!(
            transfers(balances),
            [Transfer { from: 1, to: 2, slots: 1366 }, Transfer { from: 0, to: 2, slots: 1365 }]
        );
    }

    #[test]
    fn a_node_without_slots_gets_its_share() {
        let parties = [party(0, 8192, 1.0), party(1, 8192, 1.0), party(2, 0, 1.0)];
        let balances = balances(&parties, 2.0).expect("something to do");
        assert_eq!(balances.iter().map(|(_, balance)| balance).sum::<i64>(), 0);
        assert_eq!(balances[0], (2, -5462));
    }

    #[test]
    fn a_weight_of_zero_empties_a_node() {
        let parties = [party(0, 8192, 1.0), party(1, 8192, 0.0)];
        let balances = balances(&parties, 2.0).expect("something to do");
        assert_eq!(transfers(balances), [Transfer { from: 1, to: 0, slots: 8192 }]);
    }

    proptest! {
        #[test]
        fn as_many_slots_move_as_are_asked_for(
            bounds in proptest::collection::btree_set(0..SLOTS, 2..8),
            count in 0usize..20_000,
        ) {
            let bounds: Vec<u16> = bounds.into_iter().collect();
            let sets: Vec<SlotSet> = bounds.windows(2).map(|pair| (pair[0]..pair[1]).collect()).collect();
            let sources: Vec<(usize, &SlotSet)> = sets.iter().enumerate().collect();
            let moves = moves(&sources, count);
            let total: usize = sets.iter().map(SlotSet::len).sum();
            prop_assert_eq!(moves.len(), count.min(total));
            prop_assert!(moves.iter().all(|(node, slot)| sets[*node].contains(*slot)));
            prop_assert_eq!(moves.iter().map(|(_, slot)| *slot).collect::<BTreeSet<_>>().len(), moves.len());
        }

        #[test]
        fn transfers_leave_everyone_with_their_share(
            cuts in proptest::collection::vec(0..SLOTS, 1..7),
            weights in proptest::collection::vec(0u8..5, 8),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(usize::from).chain([0, usize::from(SLOTS)]).collect();
            cuts.sort_unstable();
            let slots = cuts.windows(2).map(|pair| pair[1] - pair[0]);
            let parties: Vec<Party> =
                slots.zip(&weights).enumerate().map(|(node, (slots, w))| party(node, slots, f32::from(*w))).collect();
            let weight: f32 = parties.iter().map(|party| party.weight).sum();
            prop_assume!(weight > 0.0);
            if let Some(balances) = balances(&parties, 1.0) {
                let mut slots: Vec<usize> = parties.iter().map(|party| party.slots).collect();
                for Transfer { from, to, slots: count } in transfers(balances) {
                    prop_assert!(from != to && slots[from] >= count);
                    slots[from] -= count;
                    slots[to] += count;
                }
                for (party, slots) in parties.iter().zip(slots) {
                    let share = f32::from(SLOTS) / weight * party.weight;
                    prop_assert!((slots as f32 - share).abs() <= parties.len() as f32, "{slots} of {share}");
                }
            }
        }
    }
}
