//! LMOVEM and BLMOVEM: several elements moved from an end of a list to an end of another, or of the same.
//!
//! The elements come to lie as if they had been moved one by one (OBO), or in the order they had (BULK). The answer has
//! them in the order of the destination. EXACTLY moves that many or nothing, and where it waits, it waits for all.

use super::{MOVES, end, popped};
use crate::command::error::{CmdResult, SYNTAX, WRONG_TYPE};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::commands::list::{limits, push_event};
use crate::db::Key;
use crate::server::execution::{Command, Ctx};
use crate::types::list::End;
use crate::types::{Collection, List};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("lmovem", Arity::at_least(5), lmovem)
        .group(Group::List)
        .flags(&[WRITE, DENYOOM])
        .keys(MOVES)
        .docs(
            "8.10.0",
            "source destination LEFT|RIGHT LEFT|RIGHT [<COUNT count | EXACTLY exactly> <OBO | BULK>]",
            "Moves elements from an end of a list to an end of another, and returns them.",
        )
        .complexity("O(N) for N elements moved."),
    Command::new("blmovem", Arity::at_least(6), blmovem)
        .group(Group::List)
        .flags(&[WRITE, DENYOOM, BLOCKING])
        .keys(MOVES)
        .docs(
            "8.10.0",
            "source destination LEFT|RIGHT LEFT|RIGHT timeout [<COUNT count | EXACTLY exactly> <OBO | BULK>]",
            "Moves elements from an end of a list to an end of another, or waits until there are enough.",
        )
        .complexity("O(N) for N elements moved."),
];

/// What is to be moved.
#[derive(Clone, Copy)]
struct Request {
    from: End,
    to: End,
    count: usize,
    /// Nothing is moved if there is less.
    exactly: bool,
    /// The elements lie as if moved one by one.
    one_by_one: bool,
}

impl Request {
    /// Reads the ends, and how many from argument `at` on.
    fn parse(args: &Args<'_>, at: usize) -> Result<Request, Error> {
        const NO_COUNT: Error = Error::fixed("ERR count should be greater than 0");
        let (from, to) = (end(args, 3)?, end(args, 4)?);
        if args.len() == at {
            return Ok(Request { from, to, count: 1, exactly: false, one_by_one: false });
        }
        let (exactly, next) = args.option(at, &[("COUNT", false, 1), ("EXACTLY", true, 1)]).ok_or(SYNTAX)?;
        let (one_by_one, behind) = args.option(next, &[("OBO", true, 0), ("BULK", false, 0)]).ok_or(SYNTAX)?;
        if behind != args.len() {
            return Err(SYNTAX);
        }
        let count = args.integer_in(at + 1, 1..=i64::MAX, NO_COUNT)? as usize;
        Ok(Request { from, to, count, exactly, one_by_one })
    }

    /// The elements to move, in the order they get; `None` if there are not enough.
    fn elements(self, list: &List) -> Option<Vec<Vec<u8>>> {
        if self.exactly && list.len() < self.count {
            return None;
        }
        let count = self.count.min(list.len());
        let first = if self.from == End::Head { 0 } else { list.len() - count };
        let mut elements = Vec::with_capacity(count);
        list.visit_some(first, count, End::Tail, |element| elements.push(element.to_vec()));
        // What leaves at one end and comes in at the same one by one is turned round.
        if self.one_by_one && self.from == self.to {
            elements.reverse();
        }
        Some(elements)
    }
}

/// What became of a move.
enum Outcome {
    /// So many elements were moved, and are answered.
    Moved(usize),
    /// There is no source.
    NoSource,
    /// There are too few elements.
    TooFew,
    /// The destination is no list, which was answered.
    Refused,
}

fn move_many(cx: &mut Ctx<'_>, source: &Key<'_>, target: &Key<'_>, request: Request) -> Result<Outcome, Error> {
    let limits = limits(cx.server);
    let target_is_wrong = cx.db.collection_mut::<List>(target).is_err();
    let Some(list) = cx.db.collection_mut::<List>(source)? else { return Ok(Outcome::NoSource) };
    if target_is_wrong {
        // Who waits for the source has to learn of it, see `exec::call`.
        cx.reply.error(WRONG_TYPE.line());
        return Ok(Outcome::Refused);
    }
    let Some(elements) = request.elements(list) else { return Ok(Outcome::TooFew) };
    let count = elements.len();
    let first = if request.from == End::Head { 0 } else { list.len() - count };
    list.remove_range(first, count, &limits);
    let list = cx.db.collection_or_new::<List>(target)?;
    list.expect(elements.iter().map(Vec::len).sum(), count, &limits);
    match request.to {
        End::Head => elements.iter().rev().for_each(|element| list.push(End::Head, element, &limits)),
        End::Tail => elements.iter().for_each(|element| list.push(End::Tail, element, &limits)),
    }
    cx.reply.array(count);
    elements.iter().for_each(|element| cx.reply.bulk(element));
    cx.touched(target, push_event(request.to));
    let is_empty = cx.db.collection_mut::<List>(source)?.is_some_and(|list| list.is_empty());
    popped(cx, source, request.from, count, is_empty);
    Ok(Outcome::Moved(count))
}

fn lmovem(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let request = Request::parse(&args, 5)?;
    match move_many(cx, &args.key(1), &args.key(2), request)? {
        Outcome::NoSource if !request.exactly => cx.reply.array(0),
        Outcome::NoSource | Outcome::TooFew => cx.reply.null_array(),
        Outcome::Moved(_) | Outcome::Refused => {}
    }
    Ok(())
}

/// Propagated as what it came to.
fn blmovem(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let request = Request::parse(&args, 6)?;
    let deadline = args.timeout(5, cx.clock_ms())?;
    let (source, target) = (args.key(1), args.key(2));
    match move_many(cx, &source, &target, request)? {
        Outcome::NoSource | Outcome::TooFew => return cx.block_on(&args, [source], deadline, true),
        Outcome::Refused => {}
        Outcome::Moved(count) => {
            let mut digits = itoa::Buffer::new();
            let order: &[u8] = if request.one_by_one { b"OBO" } else { b"BULK" };
            let ends = (args.get(3), args.get(4));
            let count = digits.format(count).as_bytes();
            cx.propagate_instead(&[
                b"LMOVEM",
                source.bytes(),
                target.bytes(),
                ends.0,
                ends.1,
                b"EXACTLY",
                count,
                order,
            ]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::testbed::{Testbed, bulks};

    #[test]
    fn elements_come_to_lie_in_the_order_asked_for() {
        let cases = [
            ("LEFT LEFT COUNT 3 OBO", "3 2 1", "4 5", "3 2 1 x y"),
            ("LEFT LEFT COUNT 3 BULK", "1 2 3", "4 5", "1 2 3 x y"),
            ("LEFT RIGHT COUNT 3 OBO", "1 2 3", "4 5", "x y 1 2 3"),
            ("LEFT RIGHT COUNT 3 BULK", "1 2 3", "4 5", "x y 1 2 3"),
            ("RIGHT RIGHT COUNT 3 OBO", "5 4 3", "1 2", "x y 5 4 3"),
            ("RIGHT RIGHT COUNT 3 BULK", "3 4 5", "1 2", "x y 3 4 5"),
            ("RIGHT LEFT COUNT 3 OBO", "3 4 5", "1 2", "3 4 5 x y"),
            ("RIGHT LEFT EXACTLY 3 bulk", "3 4 5", "1 2", "3 4 5 x y"),
            ("right left", "5", "1 2 3 4", "5 x y"),
            ("LEFT RIGHT COUNT 9223372036854775807 BULK", "1 2 3 4 5", "", "x y 1 2 3 4 5"),
        ];
        for (options, moved, source, target) in cases {
            let mut bed = Testbed::new();
            bed.run("rpush s 1 2 3 4 5");
            bed.run("rpush t x y");
            assert_eq!(bed.run(&format!("lmovem s t {options}")), bulks(moved), "{options}");
            assert_eq!(bed.run("lrange s 0 -1"), bulks(source), "{options}");
            assert_eq!(bed.run("lrange t 0 -1"), bulks(target), "{options}");
        }
    }

    #[test]
    fn a_list_can_be_rotated_by_several_elements() {
        let mut bed = Testbed::new();
        bed.run("rpush k 1 2 3 4");
        assert_eq!(bed.run("lmovem k k LEFT RIGHT COUNT 2 BULK"), bulks("1 2"));
        assert_eq!(bed.run("lrange k 0 -1"), bulks("3 4 1 2"));
        assert_eq!(bed.run("lmovem k k RIGHT RIGHT EXACTLY 4 OBO"), bulks("2 1 4 3"));
        assert_eq!(bed.run("lrange k 0 -1"), bulks("2 1 4 3"));
    }

    #[test]
    fn too_few_elements_are_not_moved_if_so_many_are_wanted() {
        let mut bed = Testbed::new();
        bed.run("rpush s 1 2");
        assert_eq!(bed.run("lmovem s t LEFT RIGHT EXACTLY 3 BULK"), "*-1\r\n");
        assert_eq!(bed.run("exists t"), ":0\r\n");
        assert_eq!(bed.run("lmovem none t LEFT RIGHT EXACTLY 3 BULK"), "*-1\r\n");
        assert_eq!(bed.run("lmovem none t LEFT RIGHT COUNT 3 BULK"), "*0\r\n");
        assert_eq!(bed.run("lmovem none t LEFT RIGHT"), "*0\r\n");
    }

    #[test]
    fn what_waits_is_propagated_as_what_it_moved() {
        let mut bed = Testbed::new();
        bed.run("rpush s 1 2 3");
        assert_eq!(bed.propagated("lmovem s t left right count 1 obo"), ["lmovem s t left right count 1 obo"]);
        assert_eq!(bed.propagated("blmovem s t left right 0 count 9 bulk"), ["LMOVEM s t left right EXACTLY 2 BULK"]);
        assert_eq!(bed.propagated("blmovem t t left right 0"), ["LMOVEM t t left right EXACTLY 1 BULK"]);
        assert_eq!(bed.propagated("lmovem none t left right"), [""; 0]);
    }

    #[test]
    fn wrong_arguments_are_told_before_keys_are_looked_up() {
        let mut bed = Testbed::new();
        bed.run("set k v");
        let syntax = [
            "LEFT x",
            "x LEFT",
            "LEFT LEFT COUNT 2",
            "LEFT LEFT COUNT 2 x",
            "LEFT LEFT x 2 OBO",
            "LEFT LEFT COUNT 2 OBO x",
            "LEFT LEFT OBO COUNT 2",
        ];
        for options in syntax {
            assert_eq!(bed.run(&format!("lmovem k t {options}")), "-ERR syntax error\r\n", "{options}");
        }
        for count in ["0", "-1", "a", "9223372036854775808"] {
            let command = format!("lmovem k t LEFT LEFT COUNT {count} OBO");
            assert_eq!(bed.run(&command), "-ERR count should be greater than 0\r\n", "{count}");
        }
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        assert_eq!(bed.run("lmovem k t LEFT LEFT"), wrong);
        bed.run("rpush l 1");
        assert_eq!(bed.run("lmovem l k LEFT LEFT"), wrong);
        assert_eq!(bed.run("blmovem l k LEFT LEFT 0 COUNT 1 OBO"), wrong);
        assert_eq!(bed.run("blmovem l k LEFT LEFT x"), "-ERR timeout is not a float or out of range\r\n");
        assert_eq!(bed.run("llen l"), ":1\r\n");
    }
}
