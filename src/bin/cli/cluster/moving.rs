//! Moving a slot from one node to another, with its keys.
//!
//! The slot is opened at both ends, so that clients are sent the right way for each key; the keys go over by MIGRATE, some
//! at a time; then all are told of the new owner. The new owner is told first: were it to die after another node was told
//! and before it was, the slot would have no owner. Whatever breaks this off leaves a slot that is open, and every key in
//! one of the two nodes: `fix` ends such a move.

use oxidis::resp::Value;

use super::manager::Manager;
use super::say;
use super::stop::{NodeError, Stop};
use crate::output::print;

/// What a node says to SETSLOT that has become a replica since it was asked.
const IS_REPLICA: &str = "ERR Please use SETSLOT only with masters.";

/// What DEBUG DIGEST-VALUE says about a key that does not exist.
const NO_VALUE: &[u8] = b"0000000000000000000000000000000000000000";

/// How a slot is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Its keys alone: the nodes know the owner.
    pub cold: bool,
    /// With a line of its own, and a dot for each key.
    pub loud: bool,
}

impl Manager<'_> {
    /// Moves a slot between two nodes of the list.
    ///
    /// # Errors
    /// When a node refuses something or is lost; the slot may be open then.
    pub fn move_slot(&mut self, from: usize, to: usize, slot: u16, way: Way) -> Result<(), Stop> {
        if way.loud {
            print(format!("Moving slot {slot} from {} to {}: ", self.nodes[from].place(), self.nodes[to].place()));
        }
        let opened = if way.cold { Ok(()) } else { self.open_slot(from, to, slot) };
        let moved = opened.and_then(|()| self.move_keys(from, to, slot, way.loud));
        if way.loud {
            print("\n");
        }
        moved?;
        if !way.cold {
            self.announce_owner(from, to, slot)?;
            self.nodes[from].member.slots.remove(slot);
            self.nodes[to].member.slots.insert(slot);
        }
        Ok(())
    }

    fn open_slot(&mut self, from: usize, to: usize, slot: u16) -> Result<(), Stop> {
        self.set_slot(to, slot, "IMPORTING", from)?;
        Ok(self.set_slot(from, slot, "MIGRATING", to)?)
    }

    /// Tells all primaries of a slot's new owner. One that has become a replica hears of it through the others: this
    /// happens to a node that has given its last slot away.
    fn announce_owner(&mut self, from: usize, to: usize, slot: u16) -> Result<(), Stop> {
        self.set_slot(to, slot, "NODE", to)?;
        let others = self.primaries().into_iter().filter(|node| ![from, to].contains(node));
        for node in [from].into_iter().chain(others) {
            match self.set_slot(node, slot, "NODE", to) {
                Err(error) if error.refusal().is_some_and(|text| text.starts_with(IS_REPLICA)) => {}
                done => done?,
            }
        }
        Ok(())
    }

    /// CLUSTER SETSLOT in one node, about another.
    ///
    /// # Errors
    /// When it refuses or is lost.
    pub fn set_slot(&mut self, node: usize, slot: u16, state: &str, other: usize) -> Result<(), NodeError> {
        let id = self.nodes[other].id().to_owned();
        self.nodes[node].call(["CLUSTER", "SETSLOT", &slot.to_string(), state, &id]).map(drop)
    }

    /// Ends a slot's being on its way, in one node.
    ///
    /// # Errors
    /// When it refuses or is lost.
    pub fn close_slot(&mut self, node: usize, slot: u16) -> Result<(), NodeError> {
        self.nodes[node].call(["CLUSTER", "SETSLOT", &slot.to_string(), "STABLE"]).map(drop)
    }

    fn move_keys(&mut self, from: usize, to: usize, slot: u16, loud: bool) -> Result<(), Stop> {
        let most = self.settings().pipeline;
        loop {
            let keys = self.nodes[from].keys_of_slot(slot, most)?;
            if keys.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.migrate(from, to, &keys, false) {
                let Some(text) = error.refusal().map(str::to_owned) else { return Err(error.into()) };
                let replace = self.may_try_again(from, to, slot, &keys, &text)?;
                self.migrate(from, to, &keys, replace).map_err(told)?;
            }
            if loud {
                print(".".repeat(keys.len()));
            }
        }
    }

    fn migrate(&mut self, from: usize, to: usize, keys: &[Vec<u8>], replace: bool) -> Result<(), NodeError> {
        let (host, port) = self.nodes[to].place_for_nodes();
        let timeout = self.settings().timeout_ms;
        let mut args: Vec<Vec<u8>> = vec!["MIGRATE".into(), host.into(), port.to_string().into(), "".into()];
        args.extend([b"0".to_vec(), timeout.to_string().into()]);
        if replace {
            args.push("REPLACE".into());
        }
        args.extend(self.dialer.credentials("AUTH", "AUTH2"));
        args.push("KEYS".into());
        args.extend_from_slice(keys);
        self.nodes[from].call(&args).map(drop)
    }

    /// Looks after what was in the way of keys; whether they are to replace others now.
    fn may_try_again(&mut self, from: usize, to: usize, slot: u16, keys: &[Vec<u8>], text: &str) -> Result<bool, Stop> {
        if text.contains("BUSYKEY") {
            say::warn("\n*** Target key exists");
            if !self.settings().replace {
                self.require_same_values(from, to, keys)?;
            }
            say::warn("*** Replacing target keys...");
            return Ok(true);
        }
        if self.is_served(from, slot)? {
            return Err(told(self.nodes[from].refused(text.as_bytes())));
        }
        if self.fixes {
            let place = self.nodes[to].place();
            say::warn(&format!("*** Slot was not served, setting owner to node {place}."));
            self.set_slot(from, slot, "NODE", to)?;
        }
        Ok(false)
    }

    /// Whether a node knows of an owner of the slot.
    pub fn is_served(&mut self, node: usize, slot: u16) -> Result<bool, NodeError> {
        let reply = self.nodes[node].call(["CLUSTER", "SLOTS"])?;
        let ranges = reply.elements().ok_or_else(|| self.nodes[node].unexpected())?;
        let bounds = |range: &Value| match range.elements()?[..] {
            [Value::Integer(first), Value::Integer(last), ..] => Some(*first..=*last),
            _ => None,
        };
        Ok(ranges.into_iter().filter_map(bounds).any(|range| range.contains(&i64::from(slot))))
    }

    /// Refuses to overwrite keys whose values differ.
    fn require_same_values(&mut self, from: usize, to: usize, keys: &[Vec<u8>]) -> Result<(), Stop> {
        say::warn("*** Checking key values on both nodes...");
        let digests = self.digests(from, keys).and_then(|ours| Ok((ours, self.digests(to, keys)?)));
        let (ours, theirs) = match digests {
            Ok(digests) => digests,
            Err(error) => {
                say::bad(&error.to_string());
                say::bad("*** Value check failed!");
                return Err(Stop::told());
            }
        };
        let differ = |(own, other): (&Vec<u8>, &Vec<u8>)| own != other && ![own, other].iter().any(|v| *v == NO_VALUE);
        let pairs = ours.iter().zip(&theirs);
        let different: Vec<&Vec<u8>> =
            keys.iter().zip(pairs).filter(|(_, pair)| differ(*pair)).map(|(key, _)| key).collect();
        if different.is_empty() {
            return Ok(());
        }
        let names: String = different.iter().map(|key| format!("    - {}\n", String::from_utf8_lossy(key))).collect();
        say::bad(&format!(
            "*** Found {} key(s) in both source node and target node having different values.\n    Source node: {}\n    \
             Target node: {}\n    Keys(s):\n{names}Please fix the above key(s) manually and try again or relaunch the \
             command \nwith --cluster-replace option to force key overriding.",
            different.len(),
            self.nodes[from].place(),
            self.nodes[to].place(),
        ));
        Err(Stop::told())
    }

    fn digests(&mut self, node: usize, keys: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, NodeError> {
        let mut args: Vec<Vec<u8>> = vec!["DEBUG".into(), "DIGEST-VALUE".into()];
        args.extend_from_slice(keys);
        let reply = self.nodes[node].call(&args)?;
        let digests = reply.elements().filter(|digests| digests.len() == keys.len());
        let texts = digests.and_then(|all| all.into_iter().map(|one| one.bytes().map(<[u8]>::to_vec)).collect());
        texts.ok_or_else(|| self.nodes[node].unexpected())
    }
}

/// Tells of keys that were not moved.
fn told(error: NodeError) -> Stop {
    print("\n");
    say::bad(&error.to_string());
    Stop::Told(Some(error.reason()))
}
