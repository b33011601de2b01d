//! What ends the move of a slot that was broken off, or that nodes disagree about.
//!
//! A slot that is on its way is *migrating* in the node it leaves and *importing* in the one it goes to. When a move is
//! broken off, one of the two may have forgotten, several may hold keys, or several may think the slot theirs.

/// What the primaries know about a slot. Nodes are known by their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Nodes that have it.
    pub owners: Vec<usize>,
    /// Nodes that have keys in it, with how many.
    pub keys: Vec<(usize, u64)>,
    /// Nodes it is migrating from, with the nodes it goes to; `None` for one that is not known.
    pub migrating: Vec<(usize, Option<usize>)>,
    /// Nodes that are importing it.
    pub importing: Vec<usize>,
}

/// What to do, once the slot has one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It is closed.
    Nothing,
    /// Finish the move from the owner.
    Finish { to: usize },
    /// Finish the move from the owner, and close the slot in all these.
    FinishAndClose { to: usize, others: Vec<usize> },
    /// Close the slot in the owner and all these: nothing has been moved.
    Abandon { others: Vec<usize> },
    /// Close the slot in the owner: nobody else knows of a move.
    Close,
    /// Move the keys of all these to the owner, where the slot is to be closed before.
    Gather { from: Vec<usize> },
}

impl Claims {
    /// How many keys a node has in the slot.
    pub fn keys_of(&self, node: usize) -> u64 {
        self.keys.iter().find(|(own, _)| *own == node).map_or(0, |(_, keys)| *keys)
    }

    /// Nodes that have the slot or keys in it, in the order of `all`.
    pub fn claimants(&self, all: &[usize]) -> Vec<usize> {
        all.iter().copied().filter(|node| self.owners.contains(node) || self.keys_of(*node) > 0).collect()
    }

    /// The owner, if there is no doubt.
    pub fn clear_owner(&self, all: &[usize]) -> Option<usize> {
        match self.claimants(all)[..] {
            [owner] => Some(owner),
            _ => None,
        }
    }

    /// Counts nodes that hold keys of others as importing, and says which those are.
    pub fn add_holders(&mut self, all: &[usize], owner: Option<usize>) -> Vec<usize> {
        let is_open = |node: &usize| self.importing.contains(node) || self.migrating.iter().any(|(own, _)| own == node);
        let holds = |node: &usize| Some(*node) != owner && self.keys_of(*node) > 0;
        let added: Vec<usize> = all.iter().copied().filter(|node| holds(node) && !is_open(node)).collect();
        self.importing.extend(&added);
        added
    }

    /// The node was made the owner, and no longer moves the slot.
    pub fn settle(&mut self, owner: usize) {
        self.migrating.retain(|(node, _)| *node != owner);
        self.importing.retain(|node| *node != owner);
    }

    /// The node was told that the slot is another's, and imports it.
    pub fn demote(&mut self, node: usize) {
        self.settle(node);
        self.importing.push(node);
    }

    /// What is to be done, with this owner.
    pub fn remedy(&self, owner: usize) -> Remedy {
        let target = self.migrating.iter().find(|(node, _)| *node == owner).map(|(_, target)| *target);
        // A slot migrates from its owner alone: elsewhere that is a left-over like an import.
        let stale = self.migrating.iter().map(|(node, _)| *node);
        let mut others: Vec<usize> = stale.chain(self.importing.iter().copied()).collect();
        others.retain(|node| *node != owner);
        let hold_keys = others.iter().any(|node| self.keys_of(*node) > 0);
        match (target, &others[..]) {
            (None, []) if !self.importing.contains(&owner) => Remedy::Nothing,
            (_, []) => Remedy::Close,
            (Some(_), [to]) => Remedy::Finish { to: *to },
            (Some(target), _) if !hold_keys => match target.filter(|target| others.contains(target)) {
                Some(to) => {
                    others.retain(|node| *node != to);
                    Remedy::FinishAndClose { to, others }
                }
                None => Remedy::Abandon { others },
            },
            _ => Remedy::Gather { from: others },
        }
    }
}

/// The node with the most keys, the first of several; `None` without nodes.
pub fn with_most_keys(keys: impl IntoIterator<Item = (usize, u64)>) -> Option<usize> {
    let more =
        |best: Option<(usize, u64)>, next: (usize, u64)| Some(best.filter(|best| best.1 >= next.1).unwrap_or(next));
    keys.into_iter().fold(None, more).map(|(node, _)| node)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [usize; 4] = [0, 1, 2, 3];

    fn claims(migrating: &[(usize, Option<usize>)], importing: &[usize], keys: &[(usize, u64)]) -> Claims {
        Claims { owners: vec![0], keys: keys.to_vec(), migrating: migrating.to_vec(), importing: importing.to_vec() }
    }

    #[test]
    fn a_move_that_both_ends_know_of_is_finished() {
        assert_eq!(claims(&[(0, Some(1))], &[1], &[(1, 3)]).remedy(0), Remedy::Finish { to: 1 });
    }

    #[test]
    fn keys_that_only_their_holders_know_of_go_to_the_owner() {
        assert_eq!(claims(&[], &[2, 1], &[(2, 1)]).remedy(0), Remedy::Gather { from: vec![2, 1] });
    }

    #[test]
    fn of_several_that_import_the_one_that_was_meant_gets_the_slot() {
        let meant = claims(&[(0, Some(2))], &[1, 2, 3], &[(0, 5)]).remedy(0);
        assert_eq!(meant, Remedy::FinishAndClose { to: 2, others: vec![1, 3] });
        for target in [None, Some(0)] {
            let none = claims(&[(0, target)], &[1, 3], &[]).remedy(0);
            assert_eq!(none, Remedy::Abandon { others: vec![1, 3] });
        }
    }

    #[test]
    fn keys_in_several_that_import_go_back() {
        assert_eq!(claims(&[(0, Some(2))], &[1, 2], &[(1, 1)]).remedy(0), Remedy::Gather { from: vec![1, 2] });
    }

    #[test]
    fn a_move_that_only_the_owner_knows_of_is_abandoned() {
        assert_eq!(claims(&[(0, Some(1))], &[], &[(0, 7)]).remedy(0), Remedy::Close);
    }

    #[test]
    fn a_slot_does_not_migrate_from_a_node_that_has_it_no_more() {
        assert_eq!(claims(&[(2, Some(1))], &[1], &[(2, 7)]).remedy(0), Remedy::Gather { from: vec![2, 1] });
        assert_eq!(claims(&[(2, Some(1)), (3, None)], &[], &[]).remedy(0), Remedy::Gather { from: vec![2, 3] });
    }

    #[test]
    fn the_owner_is_clear_when_nobody_else_has_the_slot_or_its_keys() {
        assert_eq!(claims(&[], &[], &[(0, 5)]).clear_owner(&ALL), Some(0));
        assert_eq!(claims(&[], &[], &[(3, 5)]).clear_owner(&ALL), None);
        assert_eq!(Claims::default().clear_owner(&ALL), None);
        let mut claims = claims(&[(0, None)], &[], &[(3, 5), (0, 1)]);
        assert_eq!(claims.claimants(&ALL), [0, 3]);
        assert_eq!(claims.add_holders(&ALL, None), [3]);
        assert_eq!(claims.importing, [3]);
    }

    #[test]
    fn a_new_owner_moves_nothing_and_the_others_import() {
        let mut claims = claims(&[(0, Some(1)), (2, None)], &[1], &[(2, 9)]);
        claims.settle(1);
        claims.demote(2);
        assert_eq!((claims.migrating.clone(), claims.importing.clone()), (vec![(0, Some(1))], vec![2]));
        claims.demote(0);
        assert_eq!(claims.remedy(1), Remedy::Gather { from: vec![2, 0] });
        assert_eq!(self::claims(&[], &[1], &[]).remedy(1), Remedy::Close);
        claims.importing.clear();
        assert_eq!(claims.remedy(1), Remedy::Nothing);
    }

    #[test]
    fn the_first_of_those_with_the_most_keys_is_chosen() {
        assert_eq!(with_most_keys([(4, 0), (5, 2), (6, 2)]), Some(5));
        assert_eq!(with_most_keys([(4, 0), (5, 0)]), Some(4));
        assert_eq!(with_most_keys([]), None);
    }
}
