//! Whether this node of a cluster serves a command, and where its client has to go otherwise.
//!
//! All keys of a command, and of a transaction, are in one slot, and the node that has the slot serves it. While a slot
//! moves from one node to another its keys are in both: the old node sends clients on for what it has no more (ASK),
//! and the new one serves those alone who were sent (ASKING). Neither can serve several keys at once that are not all
//! there (TRYAGAIN).

use super::endpoint;
use crate::command::spec::{ASKING, MOVES_KEYS, PUBSUB, RUNS_QUEUE, WRITE};
use crate::command::{Args, CommandId, Error, Flags, Spec, keys};
use crate::db::{Databases, Key};
use crate::net::ClientKey;
use crate::peers::cluster::{NodeKey, State};
use crate::server::Server;
use crate::server::execution::Ctx;

/// Why this node does not serve a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detour {
    /// Its keys are in several slots.
    CrossSlot,
    /// Its slot is on its way, and its keys are in both places.
    Unstable,
    /// No node has the slot.
    Unbound,
    /// The cluster is down.
    Down,
    /// The cluster is down, and only read.
    DownForWrites,
    /// Another node has the slot.
    Moved(u16, NodeKey),
    /// The slot is on its way to another node, and the keys are there already.
    Ask(u16, NodeKey),
}

impl Detour {
    /// The error for a client.
    pub fn error(self, server: &Server, client: ClientKey) -> Error {
        match self {
            Detour::CrossSlot => Error::fixed("CROSSSLOT Keys in request don't hash to the same slot"),
            Detour::Unstable => Error::fixed("TRYAGAIN Multiple keys request during rehashing of slot"),
            Detour::Unbound => Error::fixed("CLUSTERDOWN Hash slot not served"),
            Detour::Down => Error::fixed("CLUSTERDOWN The cluster is down"),
            Detour::DownForWrites => Error::fixed("CLUSTERDOWN The cluster is down and only accepts read commands"),
            Detour::Moved(slot, to) => Error::text(format!("MOVED {slot} {}", endpoint::of_node(server, client, to))),
            Detour::Ask(slot, to) => Error::text(format!("ASK {slot} {}", endpoint::of_node(server, client, to))),
        }
    }

    /// The error for a script that calls such a command.
    fn error_in_script(self, command: &str) -> Error {
        Error::fixed(match self {
            Detour::DownForWrites => {
                "ERR Script attempted to execute a write command while the cluster is down and readonly"
            }
            Detour::Down => "ERR Script attempted to execute a command while the cluster is down",
            Detour::Unbound => "ERR Script attempted to access a slot not served",
            Detour::CrossSlot => {
                return Error::text(format!(
                    "ERR Command '{command}' in script attempted to access keys that don't hash to the same slot"
                ));
            }
            Detour::Unstable | Detour::Moved(..) | Detour::Ask(..) => {
                "ERR Script attempted to access a non local key in a cluster node"
            }
        })
    }
}

const SEVERAL_SLOTS: &str = "ERR Script attempted to access keys that do not hash to the same slot";

/// Whether nothing stands against a call whose keys are in a slot, or that has none, as for most: [`check`] need not be
/// asked then.
#[inline]
pub fn is_plainly_served(server: &Server, slot: Option<u16>) -> bool {
    let (Some(cluster), Some(slot)) = (server.cluster.as_deref(), slot) else { return true };
    cluster.is_mine(slot) && cluster.is_ok() && cluster.migrating_to(slot).is_none()
}

/// Decides about a call of a client; `flags` are those of the call, or of all that EXEC is about to run. The slot it is
/// about, if it has keys.
///
/// # Errors
/// Why it is not served here.
pub fn check(cx: &Ctx<'_>, id: CommandId, args: &Args<'_>, flags: Flags) -> Result<Option<u16>, Detour> {
    let Some(cluster) = cx.server.cluster.as_deref() else { return Ok(None) };
    let row = cx.server.commands.entry(id).row;
    let is_of_channels = flags.has(PUBSUB);
    let now_ms = cx.server.clock.unix_ms();
    let mut inquiry =
        Inquiry { cluster, db: cx.db, now_ms, is_of_channels, found: None, several: false, missing: 0, present: 0 };
    let client = cx.client();
    match client.transaction.as_deref().filter(|_| row.flags.has(RUNS_QUEUE)) {
        Some(transaction) => {
            for (id, request) in &transaction.queue {
                inquiry.call(cx.server.commands.entry(*id).row, Args::from(request.view()))?;
            }
        }
        None => inquiry.call(row, *args)?,
    }
    inquiry.decide(cx, row.flags, flags)
}

/// Decides about a call of a script that runs; `of_script` is the slot that the script has kept to so far, and changes
/// with the first key if `keeps_to_slot`.
///
/// # Errors
/// For the script.
pub fn check_in_script(
    cx: &Ctx<'_>,
    id: CommandId,
    args: &Args<'_>,
    of_script: &mut Option<u16>,
    keeps_to_slot: bool,
) -> Result<(), Error> {
    let entry = cx.server.commands.entry(id);
    let slot = check(cx, id, args, entry.row.flags).map_err(|detour| detour.error_in_script(&entry.full_name))?;
    let Some(slot) = slot.filter(|_| keeps_to_slot) else { return Ok(()) };
    if *of_script.get_or_insert(slot) == slot { Ok(()) } else { Err(Error::fixed(SEVERAL_SLOTS)) }
}

/// What has been found out about the keys of a call.
struct Inquiry<'a> {
    cluster: &'a State,
    db: &'a Databases,
    now_ms: i64,
    /// They are shard channels, which are in slots as keys are, but exist or not.
    is_of_channels: bool,
    found: Option<Found<'a>>,
    /// There is more than one key.
    several: bool,
    /// Keys that are not here, and that are, where the slot is on its way.
    missing: usize,
    present: usize,
}

/// The slot of the keys.
struct Found<'a> {
    slot: u16,
    owner: NodeKey,
    first: &'a [u8],
    /// Where it is on its way to,
    migrating_to: Option<NodeKey>,
    /// or whether it is on its way here.
    is_imported: bool,
}

impl<'a> Inquiry<'a> {
    fn call(&mut self, row: &Spec, args: Args<'a>) -> Result<(), Detour> {
        if let Some(key) = keys::find_only(row, args) {
            return self.key(args.key(key.index));
        }
        if row.takes_keys() {
            keys::find(row, args).iter().try_for_each(|key| self.key(args.key(key.index)))
        } else {
            keys::find_channels(row, args).try_for_each(|index| self.key(Key::new(args.get(index))))
        }
    }

    fn key(&mut self, key: Key<'a>) -> Result<(), Detour> {
        let slot = key.slot();
        match &self.found {
            None => self.found = Some(self.first_key(slot, &key)?),
            Some(found) if found.slot != slot => return Err(Detour::CrossSlot),
            Some(found) => self.several |= found.is_imported && found.first != key.bytes(),
        }
        let is_open = self.found.as_ref().is_some_and(|found| found.migrating_to.is_some() || found.is_imported);
        if is_open && !self.is_of_channels {
            let entry = self.db.database(0).dict.find(key.hash(), key.bytes());
            let is_here = entry.is_some_and(|entry| !entry.is_due(self.now_ms));
            self.missing += usize::from(!is_here);
            self.present += usize::from(is_here);
        }
        Ok(())
    }

    fn first_key(&self, slot: u16, key: &Key<'a>) -> Result<Found<'a>, Detour> {
        let owner = self.cluster.owner(slot).ok_or(Detour::Unbound)?;
        let is_mine = self.cluster.is_mine(slot);
        let migrating_to = self.cluster.migrating_to(slot).filter(|_| is_mine);
        let is_imported = migrating_to.is_none() && self.cluster.importing_from(slot).is_some();
        Ok(Found { slot, owner, first: key.bytes(), migrating_to, is_imported })
    }

    /// `of_row` are the flags of the command, `flags` those of the call.
    fn decide(self, cx: &Ctx<'_>, of_row: Flags, flags: Flags) -> Result<Option<u16>, Detour> {
        let Some(found) = self.found else { return Ok(None) };
        let (server, client, cluster) = (&*cx.server, cx.client(), self.cluster);
        if !cluster.is_ok() {
            let is_served = match self.is_of_channels {
                true => server.config.cluster_allow_pubsubshard_when_down,
                false => server.config.cluster_allow_reads_when_down,
            };
            match is_served {
                false => return Err(Detour::Down),
                true if !self.is_of_channels && flags.has(WRITE) => return Err(Detour::DownForWrites),
                true => {}
            }
        }
        let is_open = found.migrating_to.is_some() || found.is_imported;
        // Between its two nodes, what moves keys works where they are.
        if is_open && of_row.has(MOVES_KEYS) {
            return Ok(Some(found.slot));
        }
        match found.migrating_to.filter(|_| self.missing > 0) {
            Some(_) if self.present > 0 => return Err(Detour::Unstable),
            Some(to) => return Err(Detour::Ask(found.slot, to)),
            None => {}
        }
        if found.is_imported && (client.asked || of_row.has(ASKING)) {
            let is_torn = self.several && self.missing > 0;
            return if is_torn { Err(Detour::Unstable) } else { Ok(Some(found.slot)) };
        }
        let reads = (client.reads_replicas || self.is_of_channels) && !flags.has(WRITE);
        let is_served = cluster.is_mine(found.slot) || reads && cluster.is_of_my_shard(found.slot);
        if is_served { Ok(Some(found.slot)) } else { Err(Detour::Moved(found.slot, found.owner)) }
    }
}
