//! What is found out about the requests of a batch before the first of them runs: their commands, the hashes of their
//! keys. The memory behind the keys is on its way into the cache then.

use super::{Args, CommandId, CommandTable};
use crate::db;
use crate::db::keyspace::Db;
use crate::resp::request::{ArgView, Batch, Request};

/// What is known of a request before it runs.
#[derive(Clone, Copy, Debug)]
pub struct Resolved {
    /// Its command.
    pub command: Option<CommandId>,
    /// The command is plain, and has as many arguments as it should.
    pub is_usual: bool,
    /// What was hashed is all there is of keys.
    has_no_other_key: bool,
    /// The argument that was hashed, 0 for none, and its hash.
    hashed: u16,
    hash: u64,
}

impl Resolved {
    /// The arguments of the request, with what is known of them.
    #[inline(always)]
    pub fn args<'a>(&self, request: ArgView<'a>) -> Args<'a> {
        Args::with_hash(request, usize::from(self.hashed), self.hash)
    }

    /// The slot of its keys where keys are kept by slot; `Ok(None)` if it has none.
    ///
    /// # Errors
    /// It may have several keys.
    #[inline]
    pub fn slot(&self) -> Result<Option<u16>, SeveralKeys> {
        match self.has_no_other_key {
            true => Ok((self.hashed > 0).then(|| db::slot_in(self.hash) as u16)),
            false => Err(SeveralKeys),
        }
    }
}

/// A request may have more keys than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeveralKeys;

/// What was found out about a batch.
#[derive(Debug, Default)]
pub struct Lookahead {
    /// About each of its requests.
    pub resolved: Vec<Resolved>,
    /// What holds for requests that begin as the one before, also if that was in another batch: runs of one command are
    /// common.
    last: Option<Resolved>,
}

impl Lookahead {
    /// Looks up the commands of a batch, hashes their first keys, and has the memory behind them fetched. A SELECT among
    /// them makes that useless for what follows it, but not wrong.
    #[inline(always)]
    pub fn resolve(&mut self, commands: &CommandTable, keys: &Db, batch: &Batch, buffer: &[u8]) {
        let Lookahead { resolved, last } = self;
        resolved.clear();
        resolved.extend(batch.requests.iter().map(|request| {
            let known = match *last {
                Some(last) if request.alike => last,
                _ => look_up(commands, batch, request, buffer, last),
            };
            if known.hashed == 0 {
                return known;
            }
            let hash = db::hash_key(ArgView::of(batch, request, buffer).get(usize::from(known.hashed)));
            keys.prefetch_bucket(hash);
            Resolved { hash, ..known }
        }));
        if resolved.len() > 1 {
            let hashes = resolved.iter().filter(|found| found.hashed > 0).map(|found| found.hash);
            match keys.dict.is_by_slot() {
                true => keys.dict.prefetch_by_slot(hashes),
                false => hashes.for_each(|hash| keys.prefetch_entry(hash)),
            }
        }
    }
}

/// Looks up a command; `last` becomes what is known then of requests that begin alike.
#[inline(never)]
fn look_up(
    commands: &CommandTable,
    batch: &Batch,
    request: &Request,
    buffer: &[u8],
    last: &mut Option<Resolved>,
) -> Resolved {
    let args = ArgView::of(batch, request, buffer);
    let command = commands.resolve(&args);
    let entry = command.map(|id| commands.entry(id));
    let is_plain = entry.is_some_and(|entry| entry.is_plain);
    let is_usual = is_plain && entry.is_some_and(|entry| entry.row.arity.allows(args.len()));
    let key = entry.map_or(0, |entry| entry.first_key);
    let hashed = if usize::from(key) < args.len() { key } else { 0 };
    let has_no_other_key = entry.is_some_and(|entry| entry.has_no_other_key);
    let found = Resolved { command, is_usual, has_no_other_key, hashed, hash: 0 };
    // The next argument of others may name a subcommand.
    *last = is_plain.then_some(found);
    found
}
