//! LCS: the longest common subsequence of two strings.
//!
//! The classic table: cell (i, j) holds the length for the first i bytes of one string and the first j of the other.
//! Walked backwards from its last cell it yields the subsequence and the ranges that match. Where only the length is
//! asked for, two rows of it do. Time is the product of the lengths; `proto-max-bulk-len` limits the memory, and with
//! it the time, and holds for the length alone as well, as in Redis.

use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::Reply;
use crate::server::execution::{Command, Ctx};

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("lcs", Arity::at_least(3), lcs)
    .group(Group::String)
    .flags(&[READONLY])
    .keys(&[Keys::range(1, 1, 1, Access::RO.and(Access::ACCESS))])
    .docs(
        "7.0.0",
        "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
        "Finds the longest subsequence that two strings have in common.",
    )
    .complexity("O(N*M) for strings of N and M bytes.")];

#[derive(Default)]
struct Options {
    length: bool,
    indexes: bool,
    with_length: bool,
    /// Shorter matches are not told.
    length_min: i64,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, Error> {
        let mut options = Options::default();
        let mut index = 3;
        while index < args.len() {
            if args.is(index, "IDX") {
                options.indexes = true;
            } else if args.is(index, "LEN") {
                options.length = true;
            } else if args.is(index, "WITHMATCHLEN") {
                options.with_length = true;
            } else if args.is(index, "MINMATCHLEN") && index + 1 < args.len() {
                index += 1;
                options.length_min = args.integer(index)?;
            } else {
                return Err(SYNTAX);
            }
            index += 1;
        }
        if options.length && options.indexes {
            return Err(Error::fixed("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

/// The types are judged before the options, as in Redis.
fn lcs(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let strings = cx.db.strings(&[args.key(1), args.key(2)]);
    let strings = strings.map_err(|_| Error::fixed("ERR The specified keys must contain string values"))?;
    let options = Options::parse(&args)?;
    let [a, b] = &strings[..] else { return Err(SYNTAX) };
    if a.len().max(b.len()) >= u32::MAX as usize - 1 {
        return Err(Error::fixed("ERR String too long for LCS"));
    }
    let cells = (a.len() + 1).saturating_mul(b.len() + 1);
    if cells.saturating_mul(size_of::<u32>()) > cx.server.config.proto_max_bulk_len {
        return Err(Error::fixed("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
    }
    if options.length {
        cx.reply.integer(i64::from(length(a, b)));
        return Ok(());
    }
    let table = Table::compute(a, b)?;
    if options.indexes {
        reply_ranges(cx.reply, &table, &options);
    } else {
        cx.reply.bulk(&table.subsequence());
    }
    Ok(())
}

fn reply_ranges(reply: &mut Reply, table: &Table<'_>, options: &Options) {
    reply.map(2);
    reply.bulk(b"matches");
    let head = reply.defer();
    let mut told = 0;
    for found in table.matches().filter(|found| i64::from(found.len) >= options.length_min) {
        reply.array(if options.with_length { 3 } else { 2 });
        for start in [found.a, found.b] {
            reply.array(2);
            reply.integer(i64::from(start));
            reply.integer(i64::from(start + found.len - 1));
        }
        if options.with_length {
            reply.integer(i64::from(found.len));
        }
        told += 1;
    }
    reply.finish_array(head, told);
    reply.bulk(b"len");
    reply.integer(i64::from(table.length()));
}

/// Fills a row of the table from the one above it.
fn next_row(byte: u8, b: &[u8], above: &[u32], row: &mut [u32]) {
    let mut left = 0;
    let cells = row.iter_mut().skip(1).zip(above.windows(2)).zip(b);
    for ((cell, pair), other) in cells {
        let (diagonal, up) = (pair[0], pair[1]);
        left = if byte == *other { diagonal + 1 } else { up.max(left) };
        *cell = left;
    }
}

/// The length of the subsequence alone.
fn length(a: &[u8], b: &[u8]) -> u32 {
    let (a, b) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let (mut above, mut row) = (vec![0; b.len() + 1], vec![0; b.len() + 1]);
    for byte in a {
        next_row(*byte, b, &above, &mut row);
        std::mem::swap(&mut above, &mut row);
    }
    above.last().copied().unwrap_or(0)
}

struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    cells: Vec<u32>,
}

/// A range that both strings have: where it begins in each, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    a: u32,
    b: u32,
    len: u32,
}

impl<'a> Table<'a> {
    fn compute(a: &'a [u8], b: &'a [u8]) -> Result<Table<'a>, Error> {
        const NO_MEMORY: Error = Error::fixed("ERR Insufficient memory, failed allocating transient memory for LCS");
        let width = b.len() + 1;
        let count = width * (a.len() + 1);
        let mut cells = Vec::new();
        cells.try_reserve_exact(count).map_err(|_| NO_MEMORY)?;
        cells.resize(count, 0);
        for (index, byte) in a.iter().enumerate() {
            let (above, below) = cells.split_at_mut((index + 1) * width);
            next_row(*byte, b, &above[index * width..], &mut below[..width]);
        }
        Ok(Table { a, b, cells })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * (self.b.len() + 1) + j]
    }

    fn length(&self) -> u32 {
        self.at(self.a.len(), self.b.len())
    }

    /// The pairs of indexes of equal bytes that make up the subsequence, the last first. Of several subsequences of
    /// the same length it is the one that Redis finds.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        std::iter::from_fn(move || {
            while i > 0 && j > 0 {
                if self.a[i - 1] == self.b[j - 1] {
                    (i, j) = (i - 1, j - 1);
                    return Some((i, j));
                }
                if self.at(i - 1, j) > self.at(i, j - 1) { i -= 1 } else { j -= 1 }
            }
            None
        })
    }

    fn subsequence(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.pairs().map(|(i, _)| self.a[i]).collect();
        bytes.reverse();
        bytes
    }

    /// The matching ranges, the last first: runs of pairs that follow each other in both strings.
    fn matches(&self) -> impl Iterator<Item = Match> {
        let mut pairs = self.pairs().map(|(i, j)| (i as u32, j as u32)).peekable();
        std::iter::from_fn(move || {
            let (mut a, mut b) = pairs.next()?;
            let mut len = 1;
            while let Some(next) = pairs.next_if(|(i, j)| i + 1 == a && j + 1 == b) {
                (a, b) = next;
                len += 1;
            }
            Some(Match { a, b, len })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Protocol;
    use crate::server::testbed::Testbed;
    use proptest::prelude::*;

    /// The definition, without a table.
    fn naive(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([], _) | (_, []) => 0,
            ([x, rest_a @ ..], [y, rest_b @ ..]) if x == y => 1 + naive(rest_a, rest_b),
            ([_, rest_a @ ..], [_, rest_b @ ..]) => naive(rest_a, b).max(naive(a, rest_b)),
        }
    }

    fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
        let mut whole = whole.iter();
        part.iter().all(|byte| whole.any(|other| other == byte))
    }

    #[test]
    fn indexes_are_a_map_of_matches_and_length() {
        let mut bed = Testbed::new();
        bed.run("mset a ohmytext b mynewtext");
        let matches = "$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n";
        let length = "$3\r\nlen\r\n:6\r\n";
        assert_eq!(bed.run("lcs a b idx"), format!("*4\r\n{matches}{length}"));
        bed.protocol = Protocol::Resp3;
        assert_eq!(bed.run("lcs a b idx"), format!("%2\r\n{matches}{length}"));
        assert_eq!(bed.run("lcs a b idx minmatchlen 5"), format!("%2\r\n$7\r\nmatches\r\n*0\r\n{length}"));
    }

    proptest! {
        #[test]
        fn length_subsequence_and_ranges_agree(
            a in prop::collection::vec(0u8..4, 0..10),
            b in prop::collection::vec(0u8..4, 0..10),
        ) {
            let table = Table::compute(&a, &b).expect("memory for a small table");
            let subsequence = table.subsequence();
            prop_assert_eq!(subsequence.len(), naive(&a, &b));
            prop_assert_eq!(table.length() as usize, subsequence.len());
            prop_assert_eq!(length(&a, &b) as usize, subsequence.len());
            prop_assert!(is_subsequence(&subsequence, &a) && is_subsequence(&subsequence, &b));
            let mut joined = Vec::new();
            let mut matches: Vec<Match> = table.matches().collect();
            matches.reverse();
            for found in matches {
                let (i, j, len) = (found.a as usize, found.b as usize, found.len as usize);
                prop_assert_eq!(&a[i..i + len], &b[j..j + len]);
                joined.extend_from_slice(&a[i..i + len]);
            }
            prop_assert_eq!(joined, subsequence);
        }
    }
}
