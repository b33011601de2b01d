//! What is found out about the requests of a batch before the first of them runs: their commands, the hashes of their
//! keys. The memory behind the keys is on its way into the cache then.

use super::{Args, CommandId, CommandTable};
use crate::db;
use crate::db::keyspace::Db;
use crate::resp::request::ArgView;

/// What is known of a request before it runs.
#[derive(Clone, Copy, Debug)]
pub struct Resolved {
    /// Its command.
    pub command: Option<CommandId>,
    /// The argument that was hashed, 0 for none, and its hash.
    hashed: usize,
    hash: u64,
}

impl Resolved {
    /// The arguments of the request, with what is known of them.
    #[inline]
    pub fn args<'a>(&self, request: ArgView<'a>) -> Args<'a> {
        Args::with_hash(request, self.hashed, self.hash)
    }
}

/// Looks up the commands of a batch, hashes their first keys, and has the memory behind them fetched. A SELECT among
/// them makes that useless for what follows it, but not wrong.
#[inline]
pub fn resolve<'a>(
    commands: &CommandTable,
    keys: &Db,
    requests: impl Iterator<Item = ArgView<'a>>,
    resolved: &mut Vec<Resolved>,
) {
    resolved.clear();
    // Runs of one command are common: it is looked up once.
    let mut last = (0, None, 0);
    for request in requests {
        let word = request.word(0).unwrap_or(0);
        if word == 0 || word != last.0 {
            let command = commands.resolve(&request);
            let entry = command.map(|id| commands.entry(id));
            let hashed = entry.map_or(0, |entry| usize::from(entry.first_key));
            // The next argument may name another subcommand.
            let word = if entry.is_some_and(|entry| entry.is_plain) { word } else { 0 };
            last = (word, command, hashed);
        }
        let (_, command, hashed) = last;
        let mut found = Resolved { command, hashed, hash: 0 };
        if hashed > 0 && hashed < request.len() {
            found.hash = db::hash_key(request.get(hashed));
            keys.prefetch_bucket(found.hash);
        } else {
            found.hashed = 0;
        }
        resolved.push(found);
    }
    if resolved.len() > 1 {
        for found in resolved.iter().filter(|found| found.hashed > 0) {
            keys.prefetch_entry(found.hash);
        }
        keys.dict.prefetch_by_slot(resolved.iter().filter(|found| found.hashed > 0).map(|found| found.hash));
    }
}
