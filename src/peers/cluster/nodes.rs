//! The nodes that are known, and which of them has which slot.
//!
//! Three things are told in two places, and this is the only file that writes them: the name of a node (in it, and in
//! the index), its slots (in it, and by slot), its primary (in it, and among the replicas of that one).

use std::collections::{BTreeMap, HashMap};

use super::id::NodeId;
use super::node::{Address, Node, NodeKey};
use super::slots::SlotSet;
use crate::db::slot::SLOTS;

/// The nodes.
#[derive(Clone, Debug)]
pub struct Nodes {
    nodes: BTreeMap<NodeKey, Node>,
    by_id: HashMap<NodeId, NodeKey>,
    owners: Box<[Option<NodeKey>; SLOTS]>,
    next_key: u64,
}

impl Default for Nodes {
    fn default() -> Nodes {
        Nodes { nodes: BTreeMap::new(), by_id: HashMap::new(), owners: Box::new([None; SLOTS]), next_key: 1 }
    }
}

impl Nodes {
    /// Adds a node, unless its name is known; then that one's key.
    pub fn add(&mut self, node: Node) -> NodeKey {
        if let Some(known) = self.by_id.get(&node.id) {
            return *known;
        }
        let key = NodeKey(self.next_key);
        self.next_key += 1;
        self.by_id.insert(node.id, key);
        self.nodes.insert(key, node);
        key
    }

    /// Forgets a node and all that was said of it and by it. Its slots have no owner then.
    pub fn remove(&mut self, key: NodeKey) -> Option<Node> {
        self.unassign_all(key);
        self.set_primary(key, None);
        let node = self.nodes.remove(&key)?;
        self.by_id.remove(&node.id);
        for other in self.nodes.values_mut() {
            other.failure_reports.remove(&key);
            if other.primary == Some(key) {
                other.primary = None;
            }
        }
        Some(node)
    }

    /// A node by its key.
    pub fn get(&self, key: NodeKey) -> Option<&Node> {
        self.nodes.get(&key)
    }

    /// The same.
    pub fn get_mut(&mut self, key: NodeKey) -> Option<&mut Node> {
        self.nodes.get_mut(&key)
    }

    /// The key of a name.
    pub fn find(&self, id: &NodeId) -> Option<NodeKey> {
        self.by_id.get(id).copied()
    }

    /// All nodes, those that became known first first.
    pub fn iter(&self) -> impl Iterator<Item = (NodeKey, &Node)> + Clone {
        self.nodes.iter().map(|(key, node)| (*key, node))
    }

    /// Their keys.
    pub fn keys(&self) -> Vec<NodeKey> {
        self.nodes.keys().copied().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Gives a node its name. The caller has seen that no other has it.
    pub fn rename(&mut self, key: NodeKey, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        self.by_id.remove(&node.id);
        node.id = id;
        self.by_id.insert(id, key);
    }

    /// The node that has a slot.
    #[inline]
    pub fn owner(&self, slot: u16) -> Option<NodeKey> {
        self.owners[usize::from(slot)]
    }

    /// Gives a slot to a node; whoever had it has it no more.
    pub fn assign(&mut self, slot: u16, key: NodeKey) {
        self.unassign(slot);
        if let Some(node) = self.nodes.get_mut(&key) {
            node.slots.insert(slot);
            self.owners[usize::from(slot)] = Some(key);
        }
    }

    /// Takes a slot from whoever has it.
    pub fn unassign(&mut self, slot: u16) -> Option<NodeKey> {
        let owner = self.owners[usize::from(slot)].take()?;
        if let Some(node) = self.nodes.get_mut(&owner) {
            node.slots.remove(slot);
        }
        Some(owner)
    }

    /// Takes all slots from a node; which they were.
    pub fn unassign_all(&mut self, key: NodeKey) -> SlotSet {
        let slots = self.nodes.get_mut(&key).map(|node| std::mem::take(&mut node.slots)).unwrap_or_default();
        slots.iter().for_each(|slot| self.owners[usize::from(slot)] = None);
        slots
    }

    /// Has a node follow another one, or none.
    pub fn set_primary(&mut self, key: NodeKey, primary: Option<NodeKey>) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        let former = std::mem::replace(&mut node.primary, primary);
        if let Some(former) = former.and_then(|former| self.nodes.get_mut(&former)) {
            former.replicas.retain(|replica| *replica != key);
        }
        if let Some(primary) = primary.and_then(|primary| self.nodes.get_mut(&primary)) {
            primary.replicas.push(key);
        }
    }

    /// The primary of a node's shard: itself, or the one it follows.
    pub fn primary_of(&self, key: NodeKey) -> Option<NodeKey> {
        let node = self.get(key)?;
        if node.is_primary() { Some(key) } else { node.primary }
    }

    /// How many replicas of a node have not failed.
    pub fn working_replicas(&self, key: NodeKey) -> usize {
        let replicas = self.get(key).map(|node| &node.replicas[..]).unwrap_or_default();
        replicas.iter().filter(|replica| self.get(**replica).is_some_and(|replica| !replica.has_failed())).count()
    }

    /// A node of this address whose name is still unknown.
    pub fn handshake_with(&self, address: &Address) -> Option<NodeKey> {
        self.iter().find(|(_, node)| node.in_handshake() && node.address.is_at(address)).map(|(key, _)| key)
    }

    /// The greatest epoch of a claim.
    pub fn max_config_epoch(&self) -> u64 {
        self.nodes.values().map(|node| node.config_epoch).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::Flags;
    use super::*;
    use crate::util::random::Random;

    fn agree(nodes: &Nodes) {
        for slot in 0..SLOTS as u16 {
            let holders: Vec<NodeKey> =
                nodes.iter().filter(|(_, node)| node.slots.has(slot)).map(|(key, _)| key).collect();
            assert_eq!(holders, Vec::from_iter(nodes.owner(slot)));
        }
        for (key, node) in nodes.iter() {
            assert_eq!(nodes.find(&node.id), Some(key));
            if let Some(primary) = node.primary {
                assert_eq!(nodes.get(primary).expect("a known one").replicas.iter().filter(|r| **r == key).count(), 1);
            }
            assert!(node.replicas.iter().all(|replica| nodes.get(*replica).expect("a known one").primary == Some(key)));
        }
    }

    #[test]
    fn what_is_told_twice_agrees_whatever_is_done() {
        let mut random = Random::from_seed(11);
        let mut nodes = Nodes::default();
        for round in 0..400 {
            let keys = nodes.keys();
            let some = |random: &mut Random| keys.get(random.below(keys.len() as u64) as usize).copied();
            let (one, other) = (some(&mut random), some(&mut random));
            match (random.below(8), one, other) {
                (0 | 1, ..) | (_, None, _) | (_, _, None) => {
                    let (id, shard) = (NodeId::random(&mut random), NodeId::random(&mut random));
                    nodes.add(Node::new(id, shard, Flags::PRIMARY, 0));
                }
                (2, Some(key), _) => _ = nodes.remove(key),
                (3, Some(key), Some(primary)) if key != primary => nodes.set_primary(key, Some(primary)),
                (4, Some(key), _) => nodes.set_primary(key, None),
                (5, Some(key), _) => nodes.rename(key, NodeId::random(&mut random)),
                (6, ..) => _ = nodes.unassign(random.below(64) as u16),
                (_, Some(key), _) => (0..8).for_each(|_| nodes.assign(random.below(64) as u16, key)),
            }
            if round % 20 == 0 {
                agree(&nodes);
            }
        }
        agree(&nodes);
    }
}
