//! Clusters of several nodes, which know one another from `nodes.conf`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use super::replication::wait_for_link;
use super::tls::file;
use super::{Connection, Reply, Server, free_port, run, wait_until};

/// The nodes' ids, in order.
pub const IDS: [&str; 6] = [
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "cccccccccccccccccccccccccccccccccccccccc",
    "dddddddddddddddddddddddddddddddddddddddd",
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
    "ffffffffffffffffffffffffffffffffffffffff",
];

/// What a node is.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// It has these slots.
    Primary(&'static str),
    /// It follows the node of this place.
    Replica(usize),
}

/// A node of a cluster, with what it takes to start it again.
pub struct Node {
    server: Option<Server>,
    program: OsString,
    pub port: u16,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

impl Node {
    /// Starts it, as it was.
    pub fn start(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.server = Some(Server::start_on(self.port, &self.program, Path::new("/dev/null"), &arguments));
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("a node that runs")
    }

    /// A new connection.
    pub fn client(&self) -> Connection {
        self.server().connect()
    }

    /// The reply to the command of a line.
    pub fn ask(&self, call: &str) -> Reply {
        run(&mut self.client(), call)
    }

    /// A field of CLUSTER INFO.
    pub fn field(&self, name: &str) -> String {
        let text = self.ask("CLUSTER INFO").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// How many keys it has, those that count for nothing included.
    pub fn keys_held(&self) -> usize {
        let text = self.ask("INFO keyspace").text();
        let count = text.split_once("db0:keys=").and_then(|(_, rest)| rest.split(',').next());
        count.map_or(0, |count| count.parse().expect("a number"))
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.server().signal("KILL");
        self.server = None;
    }
}

/// Starts nodes of a program, and waits until their links stand, they serve, and replicas follow.
pub fn start_cluster(roles: &[Role], program: &OsStr, options: &[&str]) -> Vec<Node> {
    let programs = vec![program.to_owned(); roles.len()];
    start_cluster_of(roles, &programs, false, options)
}

/// The same with a program for each; with `tls` they speak that among themselves.
pub fn start_cluster_of(roles: &[Role], programs: &[OsString], tls: bool, options: &[&str]) -> Vec<Node> {
    let ports: Vec<[u16; 3]> = roles.iter().map(|_| [free_port(), free_port(), free_port()]).collect();
    let mut nodes: Vec<Node> = (0..roles.len())
        .map(|own| {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let conf = nodes_conf(roles, &ports, own, tls);
            fs::write(folder.path().join("nodes.conf"), conf).expect("a file");
            let [port, bus, tls_port] = ports[own].map(|port| port.to_string());
            let place = folder.path().to_str().expect("a path of text").to_owned();
            let mut arguments: Vec<String> = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"]
                .into_iter()
                .chain(["--cluster-port", &bus, "--dir", &place, "--cluster-allow-replica-migration", "no"])
                .chain(["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"])
                .chain(options.iter().copied())
                .map(str::to_owned)
                .collect();
            if tls {
                let files = [("cert-file", "server.crt"), ("key-file", "server.key"), ("ca-cert-file", "ca.crt")];
                arguments.extend(files.iter().flat_map(|(name, path)| [format!("--tls-{name}"), file(path)]));
                let rest = ["--tls-port", &tls_port, "--tls-cluster", "yes", "--tls-replication", "yes"];
                arguments.extend(rest.map(str::to_owned));
            }
            let port = port.parse().expect("a port");
            Node { server: None, program: programs[own].clone(), port, arguments, folder }
        })
        .collect();
    nodes.iter_mut().for_each(Node::start);
    for node in &nodes {
        wait_until("the cluster serves", || node.field("cluster_state") == "ok");
        wait_until("links stand", || {
            let Reply::Array(links) = node.ask("CLUSTER LINKS") else { panic!("no list") };
            links.len() == 2 * (roles.len() - 1)
        });
    }
    for (node, _) in nodes.iter().zip(roles).filter(|(_, role)| matches!(role, Role::Replica(_))) {
        wait_for_link(node.server());
    }
    nodes
}

/// What a node knows at first.
fn nodes_conf(roles: &[Role], ports: &[[u16; 3]], own: usize, tls: bool) -> String {
    let line = |node: usize| {
        let [plain, bus, tls_port] = ports[node];
        let (port, other) = if tls { (tls_port, format!(",,tcp-port={plain}")) } else { (plain, String::new()) };
        let (role, slots) = match roles[node] {
            Role::Primary(slots) => ("master -".to_owned(), slots),
            Role::Replica(of) => (format!("slave {}", IDS[of]), ""),
        };
        let myself = if node == own { "myself," } else { "" };
        format!("{} 127.0.0.1:{port}@{bus}{other} {myself}{role} 0 0 {} connected {slots}\n", IDS[node], node + 1)
    };
    let lines: String = (0..roles.len()).map(line).collect();
    format!("{lines}vars currentEpoch {} lastVoteEpoch 0\n", roles.len())
}

/// How many slots a node has, as another sees it.
pub fn slots_of(node: &Node, id: &str) -> usize {
    let text = node.ask("CLUSTER NODES").text();
    let line = text.lines().find(|line| line.starts_with(id)).expect("a line of the node").to_owned();
    let ranges = line.split(' ').skip(8).filter(|word| !word.starts_with('['));
    ranges
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            last.parse::<usize>().expect("a slot") - first.parse::<usize>().expect("a slot") + 1
        })
        .sum()
}
