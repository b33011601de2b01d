//! Moving elements from one sorted set to another with their scores: ZMOVE, BZMOVE, ZMOVEMEMBER.
//!
//! An element that is in the destination already gets the score it had in the source. Both keys keep their expiry. To
//! the set itself nothing is moved. Types are looked at before anything moves.

use std::collections::HashSet;

use super::range::{NOT_A_RANGE, score_bound};
use super::{limits, removed, row};
use crate::command::error::{CmdResult, SYNTAX, WRONG_TYPE};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::types::sorted_set::ScoreRange;
use crate::types::{Collection, SortedSet};

const MOVES: &[Keys] =
    &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE)), Keys::at(2, Access::RW.and(Access::INSERT))];

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("zmove", Arity::at_least(4), zmove)
        .flags(&[WRITE, DENYOOM])
        .keys(MOVES)
        .docs(
            "8.12.0",
            "source destination <MIN | MAX | BYSCORE score-min score-max> [COUNT count]",
            "Moves the members with the lowest or highest scores, or with scores in a range, to another sorted set.",
        )
        .complexity("O(log(N)+K*(log(N)+log(M))) for N members of the source, M of the destination, and K moved."),
    row("bzmove", Arity::at_least(5), bzmove)
        .flags(&[WRITE, DENYOOM, BLOCKING])
        .keys(MOVES)
        .docs(
            "8.12.0",
            "source destination MIN|MAX timeout [COUNT count]",
            "Moves the members with the lowest or highest scores to another sorted set; waits for some if need be.",
        )
        .complexity("O(log(N)+K*(log(N)+log(M))) for N members of the source, M of the destination, and K moved."),
    row("zmovemember", Arity::at_least(6), zmovemember)
        .flags(&[WRITE, DENYOOM])
        .keys(MOVES)
        .docs(
            "8.12.0",
            "source destination [NX|XX] <MEMBERS num-members member [member ...]>",
            "Moves members to another sorted set, if wanted only those that it has or has not.",
        )
        .complexity("O(K*(log(N)+log(M))) for N members of the source, M of the destination, and K given."),
];

/// Which elements are moved.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Selection {
    Lowest,
    Highest,
    Scores(ScoreRange),
}

impl Selection {
    /// Reads MIN or MAX at argument `index`.
    fn end(args: &Args<'_>, index: usize) -> Option<Selection> {
        if args.is(index, "MIN") {
            Some(Selection::Lowest)
        } else {
            args.is(index, "MAX").then_some(Selection::Highest)
        }
    }

    /// Up to so many elements that are selected, in the order in which they are taken.
    fn elements(self, set: &SortedSet, count: usize) -> Elements {
        let some = |ranks| set.iter_ranks(ranks).map(|entry| (entry.member.to_vec(), entry.score()));
        match self {
            Selection::Lowest => some(0..count.min(set.len())).collect(),
            Selection::Highest => some(set.len() - count.min(set.len())..set.len()).rev().collect(),
            Selection::Scores(range) => {
                let ranks = set.ranks_by_score(&range);
                some(ranks.start..ranks.end.min(ranks.start.saturating_add(count))).collect()
            }
        }
    }
}

/// Members and their scores.
type Elements = Vec<(Vec<u8>, f64)>;

/// Reads `COUNT` and a number from argument `index` on, if anything is there.
fn count(args: &Args<'_>, index: usize) -> Result<Option<usize>, Error> {
    const NO_COUNT: Error = Error::fixed("ERR count should be greater than 0");
    if index == args.len() {
        return Ok(None);
    }
    if index + 2 != args.len() || !args.is(index, "COUNT") {
        return Err(SYNTAX);
    }
    args.integer_in(index + 1, 1..=i64::MAX, NO_COUNT).map(|count| Some(count as usize))
}

/// The source if there is one.
///
/// # Errors
/// When there is one and either key holds another type.
fn source<'d>(cx: &'d mut Ctx<'_>, source: &Key<'_>, target: &Key<'_>) -> Result<Option<&'d mut SortedSet>, Error> {
    let target_is_wrong = cx.db.collection_mut::<SortedSet>(target).is_err();
    match cx.db.collection_mut::<SortedSet>(source)? {
        Some(_) if target_is_wrong => Err(WRONG_TYPE),
        set => Ok(set.filter(|_| source.bytes() != target.bytes())),
    }
}

/// Moves elements of the source and answers with their members; with a null if there are none.
fn move_all(cx: &mut Ctx<'_>, source: &Key<'_>, target: &Key<'_>, elements: &Elements) -> CmdResult {
    if elements.is_empty() {
        cx.reply.null_array();
        return Ok(());
    }
    let limits = limits(&cx.server.config);
    let Some(set) = cx.db.collection_mut::<SortedSet>(source)? else { return Ok(()) };
    elements.iter().for_each(|(member, _)| _ = set.remove(member));
    let is_empty = set.is_empty();
    cx.db.dirty += elements.len() as u64;
    removed(cx, source, "zrem", is_empty);
    let set = cx.db.collection_or_new::<SortedSet>(target)?;
    elements.iter().for_each(|(member, score)| _ = set.update(member, limits, |_| Some(*score)));
    cx.touched(target, Event::sorted_set("zadd"));
    cx.reply.array(elements.len());
    elements.iter().for_each(|(member, _)| cx.reply.bulk(member));
    Ok(())
}

/// Without a count, MIN and MAX move one element and BYSCORE all that are in the range.
fn zmove(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (selection, count) = match Selection::end(&args, 3) {
        Some(end) => (end, count(&args, 4)?.unwrap_or(1)),
        None if args.is(3, "BYSCORE") && args.len() > 5 => {
            let count = count(&args, 6)?;
            let bound = |index| score_bound(args.get(index)).ok_or(NOT_A_RANGE);
            (Selection::Scores(ScoreRange { min: bound(4)?, max: bound(5)? }), count.unwrap_or(usize::MAX))
        }
        None => return Err(SYNTAX),
    };
    let (from, to) = (args.key(1), args.key(2));
    let elements = source(cx, &from, &to)?.map(|set| selection.elements(set, count)).unwrap_or_default();
    move_all(cx, &from, &to, &elements)
}

/// Propagated as what it came to. Nothing is waited for where nothing could be moved.
fn bzmove(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let selection = Selection::end(&args, 3).ok_or(SYNTAX)?;
    let count = count(&args, 5)?.unwrap_or(1);
    let deadline = args.timeout(4, cx.clock_ms())?;
    let (from, to) = (args.key(1), args.key(2));
    let found = source(cx, &from, &to).map(|set| set.map(|set| selection.elements(set, count)));
    let elements = match found {
        Err(error) if cx.db.collection_mut::<SortedSet>(&from).is_ok() => {
            // Who waits for the source has to learn of it, see `exec::call`.
            cx.reply.error(error.line());
            return Ok(());
        }
        found => found?.unwrap_or_default(),
    };
    if elements.is_empty() && from.bytes() != to.bytes() {
        return cx.block_on(&args, [from], deadline, true);
    }
    move_all(cx, &from, &to, &elements)?;
    let mut digits = itoa::Buffer::new();
    let count = digits.format(elements.len()).as_bytes();
    cx.propagate_instead(&[b"ZMOVE", from.bytes(), to.bytes(), args.get(3), b"COUNT", count]);
    Ok(())
}

fn zmovemember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_MEMBERS: Error = Error::fixed("ERR num-members should be greater than 0");
    const MISCOUNTED: Error = Error::fixed("ERR The `num-members` parameter must match the number of arguments");
    let (must_be_there, index) = match args.option(3, &[("NX", false, 0), ("XX", true, 0)]) {
        Some((must_be_there, index)) => (Some(must_be_there), index),
        None => (None, 3),
    };
    let (_, first) = args.option(index, &[("MEMBERS", (), 1)]).ok_or(SYNTAX)?;
    let count = args.integer_in(first - 1, 1..=i64::MAX, NO_MEMBERS)?;
    if usize::try_from(count) != Ok(args.len() - first) {
        return Err(MISCOUNTED);
    }
    let (from, to) = (args.key(1), args.key(2));
    let mut elements = Elements::new();
    if let Some(set) = source(cx, &from, &to)? {
        let mut seen = HashSet::new();
        let found = args.rest(first).filter(|member| seen.insert(*member));
        elements = found.filter_map(|member| Some((member.to_vec(), set.score(member)?))).collect();
    }
    if let Some(must_be_there) = must_be_there {
        let target = cx.db.collection_mut::<SortedSet>(&to)?;
        let is_there = |member: &[u8]| target.as_ref().is_some_and(|set| set.score(member).is_some());
        elements.retain(|(member, _)| is_there(member) == must_be_there);
    }
    move_all(cx, &from, &to, &elements)
}

#[cfg(test)]
mod tests {
    use crate::server::testbed::{Testbed, bulks};

    fn filled() -> Testbed {
        let mut bed = Testbed::new();
        bed.run("zadd s 1 a 2 b 3 c 4 d");
        bed.run("zadd t 9 a 7 x");
        bed
    }

    #[test]
    fn elements_are_moved_with_their_scores() {
        let cases = [
            ("MIN", "a", "a 1 x 7"),
            ("max", "d", "d 4 x 7 a 9"),
            ("MIN COUNT 3", "a b c", "a 1 b 2 c 3 x 7"),
            ("MAX COUNT 2", "d c", "c 3 d 4 x 7 a 9"),
            ("BYSCORE 2 3", "b c", "b 2 c 3 x 7 a 9"),
            ("BYSCORE (1 +inf COUNT 2", "b c", "b 2 c 3 x 7 a 9"),
            ("MAX COUNT 9223372036854775807", "d c b a", "a 1 b 2 c 3 d 4 x 7"),
        ];
        for (options, moved, target) in cases {
            let mut bed = filled();
            assert_eq!(bed.run(&format!("zmove s t {options}")), bulks(moved), "{options}");
            assert_eq!(bed.run("zrange t 0 -1 withscores"), bulks(target), "{options}");
            let left = 4 - moved.split(' ').count();
            assert_eq!(bed.run("zcard s"), format!(":{left}\r\n"), "{options}");
            assert_eq!(bed.run("exists s"), format!(":{}\r\n", i32::from(left > 0)), "{options}");
        }
    }

    #[test]
    fn named_members_are_moved_if_the_destination_has_them_or_not() {
        let cases = [
            ("MEMBERS 3 c none a", "c a", "a 1 c 3 x 7"),
            ("MEMBERS 3 b b b", "b", "b 2 x 7 a 9"),
            ("NX MEMBERS 2 a b", "b", "b 2 x 7 a 9"),
            ("xx members 2 a b", "a", "a 1 x 7"),
        ];
        for (options, moved, target) in cases {
            let mut bed = filled();
            assert_eq!(bed.run(&format!("zmovemember s t {options}")), bulks(moved), "{options}");
            assert_eq!(bed.run("zrange t 0 -1 withscores"), bulks(target), "{options}");
        }
        let mut bed = filled();
        assert_eq!(bed.run("zmovemember s t XX MEMBERS 1 b"), "*-1\r\n");
        assert_eq!(bed.run("zmovemember s t MEMBERS 1 none"), "*-1\r\n");
        assert_eq!(bed.run("zmovemember s s MEMBERS 1 a"), "*-1\r\n");
        assert_eq!(bed.run("zmovemember s new XX MEMBERS 1 a"), "*-1\r\n");
        assert_eq!(bed.run("exists new"), ":0\r\n");
    }

    #[test]
    fn nothing_is_moved_onto_itself_or_from_nowhere() {
        let mut bed = filled();
        for command in [
            "zmove s s MIN",
            "bzmove s s MAX 0",
            "bzmove none none MIN 0",
            "zmove none t MIN",
            "zmove s t BYSCORE 10 20",
            "zmove s t BYSCORE 3 2",
        ] {
            assert_eq!(bed.propagated(command), [""; 0], "{command}");
            assert_eq!(bed.run(command), "*-1\r\n", "{command}");
        }
        assert_eq!(bed.run("zcard s"), ":4\r\n");
    }

    #[test]
    fn both_keys_keep_their_expiry_and_a_new_one_has_none() {
        let mut bed = filled();
        bed.run("expire s 100");
        bed.run("expire t 200");
        bed.run("zmove s t MIN");
        bed.run("zmove s new MIN");
        assert_eq!(
            (bed.run("ttl s"), bed.run("ttl t"), bed.run("ttl new")),
            (":100\r\n".into(), ":200\r\n".into(), ":-1\r\n".into())
        );
    }

    #[test]
    fn what_waits_is_propagated_as_what_it_moved() {
        let mut bed = filled();
        assert_eq!(bed.propagated("bzmove s t min 0"), ["ZMOVE s t min COUNT 1"]);
        assert_eq!(bed.propagated("bzmove s t MAX 0 COUNT 9"), ["ZMOVE s t MAX COUNT 3"]);
        assert_eq!(bed.propagated("zmove t s MIN"), ["zmove t s MIN"]);
        assert_eq!(bed.propagated("zmovemember t s MEMBERS 1 x"), ["zmovemember t s MEMBERS 1 x"]);
        assert_eq!(bed.propagated("zmovemember t s MEMBERS 1 x"), [""; 0]);
    }

    #[test]
    fn wrong_arguments_are_told_before_keys_are_looked_up() {
        let mut bed = filled();
        bed.run("set k v");
        let syntax = [
            "zmove k t",
            "zmove k t MID",
            "zmove k t MIN COUNT",
            "zmove k t MIN 5",
            "zmove k t BYSCORE 1",
            "zmove k t BYSCORE 1 2 COUNT",
            "zmove k t MIN COUNT 1 2",
            "bzmove k t BYSCORE 0",
            "bzmove k t MIN 0 COUNT",
            "zmovemember k t MEMBER 1 a",
            "zmovemember k t NX XX MEMBERS 1 a",
            "zmovemember k t 1 a b",
        ];
        for command in &syntax[1..] {
            assert_eq!(bed.run(command), "-ERR syntax error\r\n", "{command}");
        }
        assert_eq!(bed.run(syntax[0]), "-ERR wrong number of arguments for 'zmove' command\r\n");
        for count in ["0", "-1", "x"] {
            let command = format!("zmove k t MIN COUNT {count}");
            assert_eq!(bed.run(&command), "-ERR count should be greater than 0\r\n", "{count}");
        }
        assert_eq!(bed.run("zmove k t BYSCORE a 2"), "-ERR min or max is not a float\r\n");
        assert_eq!(bed.run("bzmove k t MIN x"), "-ERR timeout is not a float or out of range\r\n");
        assert_eq!(bed.run("zmovemember k t MEMBERS 0 a"), "-ERR num-members should be greater than 0\r\n");
        let miscounted = "-ERR The `num-members` parameter must match the number of arguments\r\n";
        assert_eq!(bed.run("zmovemember k t MEMBERS 2 a"), miscounted);
        assert_eq!(bed.run("zmovemember k t MEMBERS 9223372036854775807 a"), miscounted);
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        for command in [
            "zmove k t MIN",
            "zmove s k MIN",
            "bzmove k t MIN 0",
            "bzmove s k MIN 0",
            "bzmove k k MIN 0",
            "zmovemember s k MEMBERS 1 a",
            "zmovemember k t MEMBERS 1 a",
        ] {
            assert_eq!(bed.run(command), wrong, "{command}");
        }
        assert_eq!(bed.run("zmove none k MIN"), "*-1\r\n");
        assert_eq!(bed.run("zcard s"), ":4\r\n");
    }
}
