//! `import`: moves the keys of a server that is no node into a cluster, each to the node that has its slot.

use oxidis::resp::Value;
use oxidis::slot_of;

use super::address::Address;
use super::manager::{Manager, tell};
use super::node::{Dialer, Node, field};
use super::say;
use super::settings::Settings;
use super::slots::SLOTS;
use super::stop::{NodeError, Stop};
use crate::options::Options;
use crate::output::print;

/// Keys that are asked for at a time.
const BATCH: &str = "1000";

/// # Errors
/// When the cluster has problems, the server can't be used, or a key is not moved.
pub fn run(manager: &mut Manager<'_>, args: &[String]) -> Result<bool, Stop> {
    let address = Address::of_arguments(args)?;
    let from = manager.settings().from.as_ref();
    let from =
        from.ok_or_else(|| Stop::failure("[ERR] Option '--cluster-from' is required for subcommand 'import'."))?;
    let from = Address::read(from).ok_or_else(|| {
        Stop::failure("[ERR] Invalid --cluster-from host. You need to pass a valid address (ie. 120.0.0.1:7000).")
    })?;
    let (host, port) = from.parts();
    say::step(&format!(">>> Importing data from {host}:{port} to cluster {}:{}", address.host, address.port));
    manager.load(address.parts())?;
    if !manager.check(true)? {
        return Ok(false);
    }
    let mut source = connect(manager.options, host, port)?;
    move_all(manager, &mut source).map_err(told)?;
    Ok(true)
}

/// A connection to the server, to which we are who the options for it say; it does not speak TLS.
fn connect(options: &Options, host: &str, port: u16) -> Result<Node, Stop> {
    let Settings { from_user, from_password, .. } = &options.manager;
    let (user, password) = (from_user.clone(), from_password.clone());
    let options = Options { tls: false, user, password, ..options.clone() };
    let mut source = Dialer::new(&options)?.node(host, port).map_err(|stop| match stop {
        Stop::Node(error) => Stop::failure(format!("AUTH failed: {}", error.reason())),
        stop => stop,
    })?;
    let is_node = field(&source.text(&["INFO"]).map_err(told)?, "cluster_enabled") == Some("1");
    if is_node {
        say::bad("[ERR] The source node should not be a cluster node.");
        return Err(Stop::told());
    }
    Ok(source)
}

fn told(error: NodeError) -> Stop {
    match error.refusal() {
        Some(text) => say::bad(&format!("Source {} replied with error:\n{text}", error.place)),
        None => tell(error.into()),
    }
    Stop::told()
}

fn move_all(manager: &Manager<'_>, source: &mut Node) -> Result<(), NodeError> {
    say::warn(&format!("*** Importing {} keys from DB 0", source.number(&["DBSIZE"])?));
    let targets = targets(manager);
    let mut cursor = b"0".to_vec();
    loop {
        let reply = source.call([&b"SCAN"[..], &cursor, b"COUNT", BATCH.as_bytes()])?;
        let parts = reply.elements().unwrap_or_default();
        let [next, keys] = parts[..] else { return Err(source.unexpected()) };
        for key in keys.elements().unwrap_or_default().into_iter().filter_map(Value::bytes) {
            let target = targets[usize::from(slot_of(key))].ok_or_else(|| source.unexpected())?;
            move_key(manager, source, key, &manager.nodes[target])?;
        }
        cursor = next.bytes().ok_or_else(|| source.unexpected())?.to_vec();
        if cursor == b"0" {
            return Ok(());
        }
    }
}

/// Who has each slot.
fn targets(manager: &Manager<'_>) -> Vec<Option<usize>> {
    let mut targets = vec![None; usize::from(SLOTS)];
    for node in manager.primaries() {
        manager.nodes[node].member.slots.iter().for_each(|slot| targets[usize::from(slot)] = Some(node));
    }
    targets
}

fn move_key(manager: &Manager<'_>, source: &mut Node, key: &[u8], target: &Node) -> Result<(), NodeError> {
    print([b"Migrating ", key, format!(" to {}: ", target.place()).as_bytes()].concat());
    let settings = manager.settings();
    let (host, port) = target.place_for_nodes();
    let mut args: Vec<Vec<u8>> = vec!["MIGRATE".into(), host.into(), port.to_string().into(), key.to_vec()];
    args.extend([b"0".to_vec(), settings.timeout_ms.to_string().into()]);
    if settings.copy {
        args.push("COPY".into());
    }
    if settings.replace {
        args.push("REPLACE".into());
    }
    args.extend(manager.dialer.credentials("AUTH", "AUTH2"));
    source.call(&args)?;
    say::good("OK");
    Ok(())
}
