//! The cursor of an array: what writes by way of it, and what lies before it.

use super::*;

const OVERFLOW: Error = Error::fixed("ERR insert index overflow");

/// Either all values fit, or none is written.
pub(super) fn arinsert(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, limits) = (args.key(1), limits(&cx.server.config));
    let values = args.len() - 2;
    let first = cx.db.collection_mut::<Array>(&key)?.map_or(Some(0), |array| array.next()).ok_or(OVERFLOW)?;
    let last = first.checked_add(values as u64 - 1).filter(|last| *last <= INDEX_MAX).ok_or(OVERFLOW)?;
    let array = cx.db.collection_or_new::<Array>(&key)?;
    match values {
        1 => _ = array.set(first, args.get(2), &limits),
        _ => _ = array.set_all(first, (2..args.len()).map(|at| args.get(at)), &limits),
    }
    array.set_cursor(Some(last));
    cx.db.dirty += values as u64;
    cx.touched(&key, Event::array("arinsert"));
    cx.reply.unsigned(last);
    Ok(())
}

pub(super) fn arring(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_SIZE: Error = Error::fixed("ERR invalid size");
    const NOT_POSITIVE: Error = Error::fixed("ERR size must be positive");
    let (key, limits) = (args.key(1), limits(&cx.server.config));
    let size = parse_i64(args.get(2)).ok_or(NO_SIZE)?;
    let size = u64::try_from(size).ok().filter(|size| *size > 0).ok_or(NOT_POSITIVE)?;
    let array = cx.db.collection_or_new::<Array>(&key)?;
    let last = array.push_around(size, args.rest(3), &limits);
    cx.db.dirty += args.len() as u64 - 3;
    cx.touched(&key, Event::array("arring"));
    cx.reply.unsigned(last);
    Ok(())
}

pub(super) fn arnext(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match cx.db.collection::<Array>(&args.key(1))?.map_or(Some(0), Array::next) {
        Some(index) => cx.reply.unsigned(index),
        None => cx.reply.null(),
    }
    Ok(())
}

/// The index behind the last one is allowed here: from there nothing can be inserted any more.
pub(super) fn arseek(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, next) = (args.key(1), parse_canonical(args.get(2)).ok_or(BAD_INDEX)?);
    let Some(array) = cx.db.collection_mut::<Array>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    array.set_cursor(next.checked_sub(1));
    cx.changed(&key, Event::array("arseek"));
    cx.reply.integer(1);
    Ok(())
}

/// Indexes are walked backwards from the cursor and around the beginning, empty ones included. Without a cursor, or
/// with one behind the end, they are walked from the end.
pub(super) fn arlastitems(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_COUNT: Error = Error::fixed("ERR invalid COUNT");
    const TOO_MANY: Error = Error::fixed("ERR count exceeds maximum of 1000000 items");
    let count = parse_i64(args.get(2)).ok_or(NO_COUNT)?;
    let backwards = match args.len() {
        _ if count <= 0 => false,
        3 => false,
        4 if args.is(3, "rev") => true,
        4 => return Err(SYNTAX),
        _ => return Err(wrong_arity("arlastitems")),
    };
    let array = cx.db.collection::<Array>(&args.key(1))?.filter(|array| count > 0 && array.count() > 0);
    let Some(array) = array else {
        cx.reply.array(0);
        return Ok(());
    };
    let end = array.end();
    let count = count.unsigned_abs().min(end);
    if count > array.count() && count > REPLIED_MAX {
        return Err(TOO_MANY);
    }
    let latest = array.cursor().filter(|cursor| *cursor < end).unwrap_or(end - 1);
    // What lies up to the latest, and what is left of the count behind it, at the end.
    let lower = (latest - (count - 1).min(latest), latest);
    let upper = count.checked_sub(latest + 1).filter(|left| *left > 0).map(|left| (end - left, end - 1));
    cx.reply.array(count as usize);
    let turned = |(from, to)| if backwards { (to, from) } else { (from, to) };
    let (first, second) = if backwards { (Some(lower), upper) } else { (upper, Some(lower)) };
    for part in [first, second].into_iter().flatten() {
        write_all(cx.reply, array, turned(part));
    }
    Ok(())
}
