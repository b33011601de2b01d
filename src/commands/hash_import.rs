//! HIMPORT: many hashes of the same fields. A client tells the names once, and then for each hash the values alone.
//!
//! Such hashes share their names where they are small, see [`crate::types::hash`]. Replicas and the log are told of each
//! as of one that was set field by field: names that a connection has told mean nothing to them.

use super::hash::{HSET_EVENT, limits};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::request::OwnedRequest;
use crate::server::execution::{Command, Ctx};
use crate::types::hash::{FieldSet, Hash};

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("himport", SUBCOMMANDS).group(Group::Hash).docs(
    "8.10.0",
    "",
    "Makes many hashes of the same fields.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("prepare", Arity::at_least(4), prepare).group(Group::Hash).docs(
        "8.10.0",
        "fieldset-name field [field ...]",
        "Tells the names of fields for the hashes that this connection is going to set.",
    ),
    Command::new("set", Arity::at_least(5), set)
        .group(Group::Hash)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(2, Access::OW.and(Access::UPDATE))])
        .docs("8.10.0", "key fieldset-name value [value ...]", "Sets a key to a hash, given the values of its fields."),
    Command::new("discard", Arity::exactly(3), discard).group(Group::Hash).docs(
        "8.10.0",
        "fieldset-name",
        "Forgets the names that were told under a name.",
    ),
    Command::new("discardall", Arity::exactly(2), discard_all).group(Group::Hash).docs(
        "8.10.0",
        "",
        "Forgets all names that this connection has told.",
    ),
];

fn prepare(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const TWICE: Error = Error::fixed("ERR duplicate field name in fieldset");
    const TOO_LARGE: Error = Error::fixed("ERR fieldsets take more memory than client-query-buffer-limit allows");
    let names: Vec<&[u8]> = args.rest(3).collect();
    let set = FieldSet::new(&names).ok_or(TWICE)?;
    let (name, limit) = (args.get(2), cx.server.config.client_query_buffer_limit);
    let sets = cx.client_mut().field_sets.get_or_insert_default();
    if sets.bytes_with(name, &set) > limit {
        return Err(TOO_LARGE);
    }
    sets.insert(name, set);
    cx.reply.ok();
    Ok(())
}

fn set(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_SET: Error = Error::fixed("ERR no such fieldset");
    const MISCOUNTED: Error = Error::fixed("ERR value count does not match fieldset field count");
    const FIRST: usize = 4;
    let (key, limits) = (args.key(2), limits(cx));
    let client = cx.client();
    let set = client.field_sets.as_ref().and_then(|sets| sets.get(args.get(3))).ok_or(NO_SET)?;
    if args.len() - FIRST != set.len() {
        return Err(MISCOUNTED);
    }
    let value = |place: usize| args.get(FIRST + place);
    let hash = Hash::of_field_set(set, value, limits);
    let request = cx.server.observers.propagates().then(|| {
        let pairs = set.pairs(value).flat_map(|(field, value)| [field, value]);
        OwnedRequest::of(&[&b"HSET"[..], key.bytes()].into_iter().chain(pairs).collect::<Vec<_>>())
    });
    let was_there = cx.db.exists(&key);
    cx.db.put_collection(&key, hash);
    cx.changed(&key, HSET_EVENT);
    if let Some(request) = request {
        if was_there {
            cx.propagate_instead(&[b"DEL", key.bytes()]);
        }
        let db = cx.db.selected();
        cx.server.effects.propagate_instead(db, request);
    }
    cx.reply.ok();
    Ok(())
}

fn discard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let removed = cx.client_mut().field_sets.as_mut().is_some_and(|sets| sets.remove(args.get(2)));
    cx.reply.integer(i64::from(removed));
    Ok(())
}

fn discard_all(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let sets = cx.client_mut().field_sets.take();
    cx.reply.integer(sets.map_or(0, |sets| sets.len()) as i64);
    Ok(())
}

#[cfg(test)]
mod tests;
