//! XDEL and XDELEX, XACK and XACKDEL.

use super::shared::ids;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::{Args, Error};
use crate::server::effects::Event;
use crate::server::execution::Ctx;
use crate::types::Stream;
use crate::types::stream::{Deletion, References, StreamId};
use crate::util::number;

const DELETED: Event = Event::stream("xdel");

pub fn xack(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let stream = cx.db.collection_mut::<Stream>(&args.key(1))?;
    let Some(group) = stream.and_then(|stream| stream.groups_mut().0.get_mut(args.get(2))) else {
        cx.reply.integer(0);
        return Ok(());
    };
    let acknowledged = ids(&args, 3)?.into_iter().filter(|id| group.acknowledge(*id)).count();
    cx.db.dirty += acknowledged as u64;
    cx.reply.integer(acknowledged as i64);
    Ok(())
}

pub fn xdel(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let Some(stream) = cx.db.collection_mut::<Stream>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let deletions = ids(&args, 2)?.into_iter().map(|id| stream.delete(id, References::Keep));
    let deleted = deletions.filter(|deletion| *deletion == Deletion::Deleted).count();
    cx.reply.integer(deleted as i64);
    if deleted > 0 {
        cx.db.dirty += deleted as u64;
        cx.touched(&key, DELETED);
    }
    Ok(())
}

/// What becomes of references, if a word says so.
pub fn references(word: &[u8]) -> Option<References> {
    match word {
        _ if word.eq_ignore_ascii_case(b"keepref") => Some(References::Keep),
        _ if word.eq_ignore_ascii_case(b"delref") => Some(References::Delete),
        _ if word.eq_ignore_ascii_case(b"acked") => Some(References::Respect),
        _ => None,
    }
}

/// The options of XDELEX and XACKDEL: the ids stand at `first`, in front of `end`.
#[derive(Clone, Copy, Debug)]
struct Selection {
    references: References,
    first: usize,
    end: usize,
}

impl Selection {
    /// Reads them from argument `from` on; the ids are not looked at.
    fn parse(args: &Args<'_>, from: usize) -> Result<Selection, Error> {
        const NOT_A_COUNT: Error = Error::fixed("ERR Number of IDs must be a positive integer");
        const TOO_FEW: Error = Error::fixed("ERR The `numids` parameter must match the number of arguments");
        let (mut chosen, mut place) = (None, None);
        let mut index = from;
        while index < args.len() {
            if let Some(references) = references(args.get(index))
                && chosen.is_none()
            {
                chosen = Some(references);
                index += 1;
            } else if args.is(index, "ids") && index + 1 < args.len() {
                let count = number::parse_i64(args.get(index + 1)).and_then(|count| usize::try_from(count).ok());
                let count = count.filter(|count| *count > 0).ok_or(NOT_A_COUNT)?;
                let first = index + 2;
                let end = first.checked_add(count).filter(|end| *end <= args.len()).ok_or(TOO_FEW)?;
                place = Some((first, end));
                index = end;
            } else {
                return Err(SYNTAX);
            }
        }
        let (first, end) = place.ok_or(SYNTAX)?;
        Ok(Selection { references: chosen.unwrap_or_default(), first, end })
    }

    /// How many ids there are.
    fn len(&self) -> usize {
        self.end - self.first
    }

    /// The ids.
    fn ids(&self, args: &Args<'_>) -> Result<Vec<StreamId>, Error> {
        (self.first..self.end).map(|index| super::shared::id(args, index)).collect()
    }
}

/// What XDELEX and XACKDEL answer for an entry that is not there.
const MISSING: i64 = -1;
/// What they answer for one that is deleted now.
const GONE: i64 = 1;
/// What they answer for one that some group needs.
const NEEDED: i64 = 2;

/// Answers that none of the ids was found.
fn reply_all_missing(cx: &mut Ctx<'_>, selection: &Selection) -> CmdResult {
    cx.reply.array(selection.len());
    (0..selection.len()).for_each(|_| cx.reply.integer(MISSING));
    Ok(())
}

pub fn xdelex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let stream = cx.db.collection_mut::<Stream>(&key)?;
    let selection = Selection::parse(&args, 2)?;
    let Some(stream) = stream else { return reply_all_missing(cx, &selection) };
    let ids = selection.ids(&args)?;
    let (mut deleted, mut forgotten) = (0, 0);
    cx.reply.array(ids.len());
    for id in ids {
        let answer = match stream.delete(id, selection.references) {
            Deletion::Deleted => {
                deleted += 1;
                GONE
            }
            Deletion::Missing(was_pending) => {
                forgotten += u64::from(was_pending);
                MISSING
            }
            Deletion::Needed => NEEDED,
        };
        cx.reply.integer(answer);
    }
    cx.db.dirty += deleted + forgotten;
    if deleted > 0 {
        cx.touched(&key, DELETED);
    }
    Ok(())
}

pub fn xackdel(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, group_name) = (args.key(1), args.get(2));
    let stream = cx.db.collection_mut::<Stream>(&key)?;
    let selection = Selection::parse(&args, 3)?;
    let Some(stream) = stream.filter(|stream| stream.groups().get(group_name).is_some()) else {
        return reply_all_missing(cx, &selection);
    };
    let ids = selection.ids(&args)?;
    let (mut acknowledged, mut deleted) = (0, false);
    cx.reply.array(ids.len());
    for id in ids {
        let (groups, _) = stream.groups_mut();
        if !groups.get_mut(group_name).is_some_and(|group| group.acknowledge(id)) {
            cx.reply.integer(MISSING);
            continue;
        }
        acknowledged += 1;
        let deletion = stream.delete(id, selection.references);
        deleted |= deletion == Deletion::Deleted;
        cx.reply.integer(if deletion == Deletion::Needed { NEEDED } else { GONE });
    }
    cx.db.dirty += acknowledged;
    if deleted {
        cx.touched(&key, DELETED);
    }
    Ok(())
}
