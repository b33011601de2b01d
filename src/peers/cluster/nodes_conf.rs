//! `nodes.conf`: what a node knows of its cluster, as a text. CLUSTER NODES shows the same lines.
//!
//! ```text
//! id ip:port@bus-port[,hostname[,name=value ...]] flags primary|- ping pong epoch link [slots] [[slot->-id]] [[slot-<-id]]
//! ...
//! vars currentEpoch number lastVoteEpoch number [strays slots]
//! ```
//! Redis 7.0 has no `name=value`, 7.2 and later the shard, the name for people and the port of the other kind there, in
//! any order. The last line is the one with `vars`, so that a file that was cut off is known by its absence.

use std::fmt::{self, Write};
use std::ops::RangeInclusive;

use super::id::NodeId;
use super::moves::ranges_text;
use super::node::{Announced, Approach, Flags, Node, NodeKey};
use super::nodes::Nodes;
use super::settings::Settings;
use super::slots::SlotSet;
use super::state::State;
use crate::config::cluster::{BUS_PORT_OFFSET, is_word, valid_hostname, valid_ipv4, valid_ipv6};
use crate::db::slot;
use crate::util::random::Random;

/// The least fields of a node's line.
const FIELDS_MIN: usize = 8;

/// What is wrong with a file: the line, counted from 1, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseError {
    pub line: usize,
    pub what: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}: {}", self.line, self.what)
    }
}

/// For whom a node is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A client.
    Client(Approach),
    /// This node, when it starts again.
    File,
}

impl State {
    /// The content of the file.
    pub fn to_nodes_conf(&self) -> String {
        let known = self.nodes.iter().filter(|(_, node)| !node.in_handshake());
        let mut text: String = known.map(|(key, _)| self.describe(key, Reader::File) + "\n").collect();
        let (current, vote) = (self.current_epoch, self.last_vote_epoch);
        // Writing to a text does not fail.
        write!(text, "vars currentEpoch {current} lastVoteEpoch {vote}").ok();
        if !self.strays.is_empty() {
            write!(text, " strays {}", self.strays_text()).ok();
        }
        text.push('\n');
        text
    }

    /// Slots whose keys count for nothing, as ranges with commas between; empty if there are none.
    pub fn strays_text(&self) -> String {
        ranges_text(&self.strays).replace(' ', ",")
    }

    /// A line about a node, without its end.
    pub fn describe(&self, key: NodeKey, reader: Reader) -> String {
        let Some(node) = self.nodes.get(key) else { return String::new() };
        let address = &node.address;
        let (ip, port) = match reader {
            Reader::Client(client) => (node.ip_for(client), node.port_for(client)),
            Reader::File => (address.ip.as_str(), address.port),
        };
        let mut line = format!("{} {ip}:{port}@{}", node.id, address.bus_port);
        if reader == Reader::File {
            let other = if self.settings.bus_speaks_tls { "tcp-port" } else { "tls-port" };
            write!(line, ",{},{other}={}", node.hostname, address.other_port).ok();
            if !node.human_name.is_empty() {
                write!(line, ",nodename={}", node.human_name).ok();
            }
            describe_announced(&node.announced, &mut line);
            write!(line, ",shard-id={}", node.shard).ok();
        } else if !node.hostname.is_empty() {
            write!(line, ",{}", node.hostname).ok();
        }
        let primary = node.primary.and_then(|primary| self.nodes.get(primary));
        let epoch = primary.filter(|_| node.is_replica()).map_or(node.config_epoch, |primary| primary.config_epoch);
        let primary = primary.map_or("-", |primary| primary.id.as_str());
        let link = if node.link.is_some() || node.is_myself() { "connected" } else { "disconnected" };
        let (flags, ping, pong) = (node.flags.names(), node.ping_sent_ms, node.pong_received_ms);
        write!(line, " {flags} {primary} {ping} {pong} {epoch} {link}").ok();
        for (first, last) in node.slots.ranges() {
            let range = if first == last { format!(" {first}") } else { format!(" {first}-{last}") };
            line.push_str(&range);
        }
        if node.is_myself() {
            let open = |arrow: &'static str| {
                move |(slot, other): (&u16, &NodeKey)| {
                    self.nodes.get(*other).map(|other| (*slot, format!(" [{slot}{arrow}{}]", other.id)))
                }
            };
            let migrating = self.migrating.iter().filter_map(open("->-"));
            let importing = self.importing.iter().filter_map(open("-<-"));
            let mut all: Vec<(u16, String)> = migrating.chain(importing).collect();
            all.sort();
            all.iter().for_each(|(_, text)| line.push_str(text));
        }
        line
    }

    /// The node that a file tells of.
    ///
    /// # Errors
    /// When it tells of none, or is cut off or damaged.
    pub fn from_nodes_conf(
        text: &str,
        settings: Settings,
        now_ms: i64,
        random: &mut Random,
    ) -> Result<State, ParseError> {
        let mut reader = FileReader { nodes: Nodes::default(), lines: Vec::new(), vars: None, now_ms };
        let mut last = 0;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            last = index + 1;
            reader.line(line, random).map_err(|what| ParseError { line: last, what })?;
        }
        let error = |what: &str| ParseError { line: last, what: what.to_owned() };
        let vars = reader.vars.ok_or_else(|| error("the file ends without the line of epochs"))?;
        let (mut nodes, lines) = (reader.nodes, reader.lines);
        let myself = nodes.iter().find(|(_, node)| node.is_myself()).map(|(key, _)| key);
        let myself = myself.ok_or_else(|| error("no node is this one"))?;
        for line in &lines {
            for slot in line.slots.iter() {
                // Whoever is told of first keeps it.
                if nodes.owner(slot).is_none() {
                    nodes.assign(slot, line.key);
                }
            }
            let primary = line.primary.and_then(|id| nodes.find(&id)).filter(|primary| *primary != line.key);
            nodes.set_primary(line.key, primary);
            // A primary that has replicas may get one of others once it has none left.
            if let Some(primary) = primary.and_then(|primary| nodes.get_mut(primary)) {
                primary.flags.set(Flags::MIGRATE_TO, true);
            }
        }
        share_shards(&mut nodes);
        let max_epoch = nodes.max_config_epoch();
        let mut state = State::with(settings, nodes, myself);
        state.current_epoch = vars.current.max(max_epoch);
        state.last_vote_epoch = vars.vote;
        for line in lines.iter().filter(|line| line.key == myself) {
            for (slot, is_leaving, id) in &line.open {
                let Some(other) = state.nodes.find(id).filter(|other| *other != myself) else { continue };
                let open = if *is_leaving { &mut state.migrating } else { &mut state.importing };
                open.insert(*slot, other);
            }
        }
        let strays = vars.strays.iter().filter(|slot| !state.is_mine(*slot)).collect();
        state.add_strays(&strays);
        state.outbox = Default::default();
        Ok(state)
    }
}

/// Where clients are told that a node is, as far as that is another place.
fn describe_announced(announced: &Announced, line: &mut String) {
    for (name, ip) in [("client-ipv4", &announced.ipv4), ("client-ipv6", &announced.ipv6)] {
        if !ip.is_empty() {
            write!(line, ",{name}={ip}").ok();
        }
    }
    for (name, port) in [("client-tcp-port", announced.port), ("client-tls-port", announced.tls_port)] {
        if port != 0 {
            write!(line, ",{name}={port}").ok();
        }
    }
}

/// Files of old have no shards: a replica is in that of its primary. Primaries without replicas have others of theirs,
/// whatever these say.
fn share_shards(nodes: &mut Nodes) {
    for key in nodes.keys() {
        let Some(primary) = nodes.get(key).filter(|node| node.is_replica()).and_then(|node| node.primary) else {
            continue;
        };
        let shard = nodes.get(primary).map(|primary| primary.shard);
        if let (Some(shard), Some(node)) = (shard, nodes.get_mut(key)) {
            node.shard = shard;
        }
    }
}

/// What a line says that needs the others to be known.
struct Line {
    key: NodeKey,
    primary: Option<NodeId>,
    slots: SlotSet,
    /// Slot, whether it leaves, whom it goes to or comes from.
    open: Vec<(u16, bool, NodeId)>,
}

struct FileReader {
    nodes: Nodes,
    lines: Vec<Line>,
    vars: Option<Vars>,
    now_ms: i64,
}

impl FileReader {
    fn line(&mut self, line: &str, random: &mut Random) -> Result<(), String> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        if fields[0].eq_ignore_ascii_case("vars") {
            self.vars = Some(vars(&fields[1..])?);
            return Ok(());
        }
        let [id, address, flags, primary, ping, pong, epoch, _, slots @ ..] = &fields[..] else {
            return Err(format!("{} fields, at least {FIELDS_MIN} are expected", fields.len()));
        };
        let id = node_id(id)?;
        if self.nodes.find(&id).is_some() {
            return Err(format!("node {id} is there twice"));
        }
        let flags = Flags::from_names(flags).ok_or_else(|| format!("unknown flags '{flags}'"))?;
        if flags.has(Flags::MYSELF) && self.nodes.iter().any(|(_, node)| node.is_myself()) {
            return Err("a second node is this one".to_owned());
        }
        let mut node = Node::new(id, NodeId::random(random), flags, self.now_ms);
        read_address(&mut node, address)?;
        let was = |word: &str| number::<i64>(word).map(|time| if time == 0 { 0 } else { self.now_ms });
        (node.ping_sent_ms, node.pong_received_ms) = (was(ping)?, was(pong)?);
        if flags.has(Flags::FAILED) {
            node.failed_ms = self.now_ms;
        }
        let primary = if primary.starts_with('-') { None } else { Some(node_id(primary)?) };
        let epoch = number(epoch)?;
        node.config_epoch = if flags.has(Flags::REPLICA) && primary.is_some() { 0 } else { epoch };
        let key = self.nodes.add(node);
        let mut line = Line { key, primary, slots: SlotSet::default(), open: Vec::new() };
        for word in slots {
            match word.strip_prefix('[') {
                Some(open) => line.open.push(open_slot(open)?),
                None => slot_range(word)?.for_each(|slot| _ = line.slots.insert(slot)),
            }
        }
        self.lines.push(line);
        Ok(())
    }
}

/// What the line says that tells of no node.
struct Vars {
    current: u64,
    vote: u64,
    /// See [`State::strays`].
    strays: SlotSet,
}

fn vars(fields: &[&str]) -> Result<Vars, String> {
    let (mut current, mut vote, mut strays) = (None, None, SlotSet::default());
    for pair in fields.chunks(2) {
        let [name, value] = pair else { return Err("a variable without a value".to_owned()) };
        match name.to_ascii_lowercase().as_str() {
            "currentepoch" => current = Some(number(value)?),
            "lastvoteepoch" => vote = Some(number(value)?),
            "strays" => strays = strays_of_text(value)?,
            _ => log::warn!("Skipping unknown cluster config variable '{name}'"),
        }
    }
    let (current, vote) = current.zip(vote).ok_or_else(|| "an epoch is missing".to_owned())?;
    Ok(Vars { current, vote, strays })
}

/// Reads what [`State::strays_text`] has written.
///
/// # Errors
/// What is wrong with it.
pub fn strays_of_text(text: &str) -> Result<SlotSet, String> {
    let mut slots = SlotSet::default();
    for range in text.split(',').filter(|range| !range.is_empty()) {
        slot_range(range)?.for_each(|slot| _ = slots.insert(slot));
    }
    Ok(slots)
}

/// Reads where a node is and what it is called.
fn read_address(node: &mut Node, text: &str) -> Result<(), String> {
    let mut parts = text.split(',');
    let place = parts.next().unwrap_or_default();
    let (ip, ports) = place.rsplit_once(':').ok_or_else(|| format!("no port in '{place}'"))?;
    let (port, bus_port) = ports.split_once('@').map_or((ports, None), |(port, bus)| (port, Some(bus)));
    node.address.ip = ip.to_owned();
    node.address.port = number(port)?;
    node.address.bus_port = match bus_port {
        Some(port) => number(port)?,
        None => node.address.port.saturating_add(BUS_PORT_OFFSET),
    };
    let hostname = parts.next().unwrap_or_default();
    valid_hostname(hostname)?;
    node.hostname = hostname.to_owned();
    for part in parts {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("'{part}' has no value"))?;
        match name {
            "shard-id" => node.shard = node_id(value)?,
            "nodename" if value.bytes().all(is_word) => node.human_name = value.to_owned(),
            "tcp-port" | "tls-port" => node.address.other_port = number(value)?,
            "client-ipv4" if valid_ipv4(value).is_ok() => node.announced.ipv4 = value.to_owned(),
            "client-ipv6" if valid_ipv6(value).is_ok() => node.announced.ipv6 = value.to_owned(),
            "client-tcp-port" => node.announced.port = number(value)?,
            "client-tls-port" => node.announced.tls_port = number(value)?,
            // What other versions know of nodes.
            _ => {}
        }
    }
    Ok(())
}

fn open_slot(text: &str) -> Result<(u16, bool, NodeId), String> {
    let wrong = || format!("'[{text}' is no slot on its way");
    let inner = text.strip_suffix(']').ok_or_else(wrong)?;
    let (number, other) = inner.split_once('-').ok_or_else(wrong)?;
    let (is_leaving, id) = match (other.strip_prefix(">-"), other.strip_prefix("<-")) {
        (Some(id), _) => (true, id),
        (_, Some(id)) => (false, id),
        _ => return Err(wrong()),
    };
    Ok((slot(number)?, is_leaving, node_id(id)?))
}

/// A range of slots, or a slot alone.
fn slot_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok(slot(first)?..=slot(last)?)
}

fn slot(text: &str) -> Result<u16, String> {
    let slot = number::<u16>(text).ok().and_then(|number| slot::numbered(number.into()));
    slot.ok_or_else(|| format!("'{text}' is no slot"))
}

fn node_id(text: &str) -> Result<NodeId, String> {
    NodeId::from_bytes(text.as_bytes()).ok_or_else(|| format!("'{text}' names no node"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is no number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

    fn parse(text: &str) -> Result<State, ParseError> {
        State::from_nodes_conf(text, Settings::new(&Config::default()), 1000, &mut Random::from_seed(1))
    }

    fn written_by_redis_7_0() -> String {
        format!(
            "{B} 127.0.0.1:7001@17001,host.example slave,fail? {A} 5 6 3 connected\n\
             {A} 10.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-100 200 16383 [200->-{C}] [300-<-{C}]\n\
             {C} ::1:7002@17002 master,fail,nofailover - 0 7 9 disconnected 101-199\n\n\
             vars currentEpoch 7 lastVoteEpoch 4\n\n\n"
        )
    }

    #[test]
    fn a_file_of_redis_7_0_is_read() {
        let state = parse(&written_by_redis_7_0()).expect("a sound file");
        let node = |id: &str| state.find(id.as_bytes()).expect("a known node").1;
        assert_eq!(state.myself().id.as_str(), A);
        assert_eq!(state.myself().slots().ranges(), [(0, 100), (200, 200), (16383, 16383)]);
        assert_eq!((node(B).hostname.as_str(), node(B).flags.names().as_str()), ("host.example", "slave,fail?"));
        assert_eq!((node(B).primary(), node(B).shard), (Some(state.my_key()), node(A).shard));
        assert_eq!((node(C).address.ip.as_str(), node(C).address.port, node(C).address.bus_port), ("::1", 7002, 17002));
        assert_eq!((node(C).failed_ms, node(C).pong_received_ms, node(C).ping_sent_ms), (1000, 1000, 0));
        assert_eq!((state.current_epoch(), state.last_vote_epoch()), (9, 4));
        let c = state.find(C.as_bytes()).expect("a known node").0;
        assert_eq!((state.migrating_to(200), state.importing_from(300)), (Some(c), Some(c)));
        assert_ne!(node(A).shard, node(C).shard);
    }

    #[test]
    fn files_of_redis_8_and_valkey_are_read() {
        let text = format!(
            "{A} 127.0.0.1:1@2,,tls-port=3,nodename=n,shard-id={C} myself,master - 0 0 1 connected 1-3 5\n\
             {B} 127.0.0.1:4@5,h.example,client-ipv6=::1,client-ipv4=1.2.3.4,client-tls-port=6,client-tcp-port=7,tls-port=0,shard-id={C} slave {A} 0 0 1 connected\n\
             vars currentEpoch 1 lastVoteEpoch 0\n"
        );
        let state = parse(&text).expect("a sound file");
        let myself = state.myself();
        assert_eq!((myself.human_name.as_str(), myself.shard.as_str()), ("", C), "the name is a directive's");
        let other = state.find(B.as_bytes()).expect("a known node").1;
        let Announced { ipv4, ipv6, port, tls_port } = &other.announced;
        assert_eq!((other.shard.as_str(), ipv4.as_str(), ipv6.as_str(), *port, *tls_port), (C, "1.2.3.4", "::1", 7, 6));
        let written = state.to_nodes_conf();
        assert_eq!(parse(&written).expect("a sound file").to_nodes_conf(), written);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let state = parse(&written_by_redis_7_0()).expect("a sound file");
        let text = state.to_nodes_conf();
        assert_eq!(parse(&text).expect("a sound file").to_nodes_conf(), text);
        assert!(text.contains(&format!(" myself,master - 0 0 3 connected 0-100 200 16383 [200->-{C}] [300-<-{C}]\n")));
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused_wherever_that_was() {
        let text = parse(&written_by_redis_7_0()).expect("a sound file").to_nodes_conf();
        let last = text.rfind("lastVoteEpoch").expect("the last variable") + "lastVoteEpoch ".len();
        for end in 0..last {
            assert!(parse(&text[..end]).is_err(), "{:?}", &text[..end]);
        }
    }

    #[test]
    fn a_damaged_file_is_told_by_its_line() {
        let sound = written_by_redis_7_0();
        for (from, to, line, what) in [
            ("myself,master", "master", 5, "no node is this one"),
            ("slave,fail?", "slave,what", 1, "unknown flags 'slave,what'"),
            (B, "BB", 1, "'BB' names no node"),
            ("slave,fail?", "myself", 2, "a second node is this one"),
            ("16383", "16384", 2, "'16384' is no slot"),
            (":7001@17001", ":70010@17001", 1, "'70010' is no number that fits"),
            ("[200->-", "[200=>-", 2, "'[200=>-cccccccccccccccccccccccccccccccccccccccc]' is no slot on its way"),
            (" disconnected 101-199", "", 3, "7 fields, at least 8 are expected"),
            ("vars currentEpoch 7", "vars", 5, "an epoch is missing"),
        ] {
            let error = parse(&sound.replace(from, to)).expect_err("a damaged file");
            assert_eq!((error.line, error.what.as_str()), (line, what), "{from} {to}");
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let sound = written_by_redis_7_0().into_bytes();
        let mut random = Random::from_seed(3);
        for _ in 0..3000 {
            let mut bytes = sound.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len() as u64) as usize;
                match random.below(3) {
                    0 => bytes[at] = b" ,:@-[]<>\n9a="[random.below(13) as usize],
                    1 => bytes.truncate(at + 1),
                    _ => _ = bytes.remove(at.min(bytes.len() - 2)),
                }
                if bytes.len() < 3 {
                    break;
                }
            }
            parse(&String::from_utf8_lossy(&bytes)).ok();
        }
    }
}
