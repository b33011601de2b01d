//! The nodes of a cluster and the connections to them, found through any one of them.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::member::{self, Member};
use super::node::{Dialer, Node};
use super::say;
use super::settings::Settings;
use super::stop::Stop;
use crate::failure::Failure;
use crate::options::Options;
use crate::output::print;

/// How often nodes are asked whether they agree.
const LOOK: Duration = Duration::from_millis(50);
const DOT: Duration = Duration::from_secs(1);
/// Dots until nodes that can't reach one another are named.
const DOTS_OF_PATIENCE: usize = 20;

/// A cluster, or nodes that are to become one.
#[derive(Debug)]
pub struct Manager<'a> {
    pub options: &'a Options,
    pub dialer: Dialer,
    /// The nodes, the one we were sent to in front.
    pub nodes: Vec<Node>,
    /// Primaries that can't be reached.
    pub unreachable_primaries: usize,
    /// What a check has found to be wrong.
    pub problems: usize,
    /// What is wrong is to be mended.
    pub fixes: bool,
}

impl Manager<'_> {
    /// A manager that knows no node yet.
    ///
    /// # Errors
    /// When a file that TLS needs is of no use.
    pub fn new(options: &Options) -> Result<Manager<'_>, Failure> {
        let dialer = Dialer::new(options)?;
        Ok(Manager { options, dialer, nodes: Vec::new(), unreachable_primaries: 0, problems: 0, fixes: false })
    }

    /// What the options say about this work.
    pub fn settings(&self) -> &Settings {
        &self.options.manager
    }

    /// Learns of all nodes through the one that is there.
    ///
    /// # Errors
    /// When that is not reached, or no node of a cluster.
    pub fn load(&mut self, (host, port): (&str, u16)) -> Result<(), Stop> {
        let mut first = self.dialer.node(host, port)?;
        require_cluster(&mut first)?;
        let others = first.load()?;
        self.nodes = vec![first];
        self.unreachable_primaries = 0;
        for other in others {
            match self.join(&other) {
                Some(node) => self.nodes.push(node),
                None if other.is_primary() => self.unreachable_primaries += 1,
                None => {}
            }
        }
        self.count_replicas();
        Ok(())
    }

    /// A node that another knows of, if it can be worked with. What is in the way is told.
    fn join(&self, known: &Member) -> Option<Node> {
        if known.host.is_empty() || known.port == 0 || known.is("noaddr") {
            return None;
        }
        if known.is("fail") {
            // It might not answer, and others would not believe it.
            let reached = self.dialer.reach(&known.host, known.port);
            reached.map(drop).unwrap_or_else(tell);
            return None;
        }
        let mut node = self.dialer.node(&known.host, known.port).map_err(tell).ok()?;
        if let Err(error) = node.load() {
            say::bad(&format!("[ERR] Unable to load info for node {}", node.place()));
            tell(error.into());
            return None;
        }
        Some(node)
    }

    fn count_replicas(&mut self) {
        for replica in 0..self.nodes.len() {
            let Some(id) = self.nodes[replica].member.primary.clone() else { continue };
            match self.nodes.iter().position(|node| node.id() == id) {
                Some(primary) => self.nodes[primary].replicas += 1,
                None => {
                    let place = self.nodes[replica].place();
                    say::warn(&format!("*** WARNING: {place} claims to be slave of unknown node ID {id}."));
                }
            }
        }
    }

    /// The place of a node with this id in the list.
    pub fn with_id(&self, id: &str) -> Option<usize> {
        let id = id.to_lowercase();
        self.nodes.iter().position(|node| node.id() == id)
    }

    /// The places of the primaries in the list.
    pub fn primaries(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].member.is_primary()).collect()
    }

    /// The primary with the fewest replicas, the first of several, but not this node.
    pub fn with_fewest_replicas(&self, but: Option<usize>) -> Option<usize> {
        let others = self.primaries().into_iter().filter(|node| Some(*node) != but);
        others.min_by_key(|node| self.nodes[*node].replicas)
    }

    /// Whether all nodes think the same about who has which slots.
    pub fn nodes_agree(&mut self) -> bool {
        if self.nodes.len() <= 1 {
            return true;
        }
        let mut signatures = self.nodes.iter_mut().map(|node| member::signature(&node.members().ok()?));
        let Some(Some(first)) = signatures.next() else { return false };
        signatures.all(|signature| signature.as_ref() == Some(&first))
    }

    /// Waits until all nodes think the same.
    pub fn wait_for_agreement(&mut self) {
        say::plain("Waiting for the cluster to join");
        let patience = DOTS_OF_PATIENCE + self.nodes.len() * 15 / 100;
        let (mut dots, mut last_dot) = (0, None::<Instant>);
        while !self.nodes_agree() {
            if last_dot.is_none_or(|last| last.elapsed() >= DOT) {
                print(".");
                last_dot = Some(Instant::now());
                dots += 1;
            }
            if dots > patience {
                self.tell_of_missing_links();
                dots = 0;
            }
            thread::sleep(LOOK);
        }
        print("\n");
    }

    /// Names the nodes that others can't reach.
    fn tell_of_missing_links(&mut self) {
        let mut missing: BTreeMap<(String, u16), Vec<String>> = BTreeMap::new();
        for node in &mut self.nodes {
            let from = node.place();
            for member in node.members().iter().flat_map(|members| member::unlinked(members)) {
                missing.entry((member.host.clone(), member.bus_port)).or_default().push(from.clone());
            }
        }
        if missing.is_empty() {
            return;
        }
        print("\n");
        say::bad(&format!("Warning: {} node(s) may be unreachable", missing.len()));
        for ((host, bus_port), from) in missing {
            say::bad(&format!(" - The port {bus_port} of node {host} may be unreachable from:"));
            from.iter().for_each(|place| say::bad(&format!("   {place}")));
            say::bad("Cluster bus ports must be reachable by every node.");
            say::bad("Remember that cluster bus ports are different from standard instance ports.");
        }
    }
}

/// Refuses a node that is of no cluster.
///
/// # Errors
/// When it is, or does not say.
pub fn require_cluster(node: &mut Node) -> Result<(), Stop> {
    let about = format!("[ERR] Node {}", node.place());
    let text = match node.is_of_cluster() {
        Ok(true) => return Ok(()),
        Ok(false) => "is not configured as a cluster node.".to_owned(),
        Err(error) => match error.refusal() {
            Some(text) => text.to_owned(),
            None => return Err(error.into()),
        },
    };
    say::bad(&format!("{about} {text}"));
    Err(Stop::told())
}

/// Refuses a node that has keys or knows others.
///
/// # Errors
/// When it does, or does not say.
pub fn require_empty(node: &mut Node) -> Result<(), Stop> {
    if node.is_empty()? {
        return Ok(());
    }
    let place = node.place();
    say::bad(&format!(
        "[ERR] Node {place} is not empty. Either the node already knows other nodes (check with CLUSTER NODES) or \
         contains some key in database 0."
    ));
    Err(Stop::told())
}

/// Tells why something stopped.
pub fn tell(stop: Stop) {
    match stop {
        Stop::Told(_) => {}
        Stop::Node(error) => say::bad(&error.to_string()),
        Stop::Failed(failure) => failure.tell(),
    }
}
