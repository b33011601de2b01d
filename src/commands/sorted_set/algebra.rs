//! Union, intersection and difference of sorted sets, returned, counted or kept. Sets may take part: their members have
//! the score 1. A key that is not there is an empty set.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{begin_entries, limits, row};
use crate::command::error::{CmdResult, SYNTAX, WRONG_TYPE};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::{Databases, EntryView, Key};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::listpack::{Element, IntText};
use crate::types::set::Live;
use crate::types::sorted_set::{Entry, sort};
use crate::types::{Collection, Set, SortedSet};
use crate::util::number;

const READS: Access = Access::RO.and(Access::ACCESS);
const NOT_A_WEIGHT: Error = Error::fixed("ERR weight value is not a float");
const NEGATIVE_LIMIT: Error = Error::fixed("ERR LIMIT can't be negative");

const COUNT_SINCE: &[(&str, &str)] = &[("8.8.0", "`COUNT`.")];

/// The rows.
pub const COMMANDS: &[Command] = &[
    reader("zunion", zunion)
        .docs(
            "6.2.0",
            "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM|MIN|MAX|COUNT] [WITHSCORES]",
            "Returns the members that any of the sorted sets has.",
        )
        .complexity("O(N)+O(M*log(M)) for N members of all sets together, and M of the result.")
        .history(COUNT_SINCE),
    reader("zinter", zinter)
        .docs(
            "6.2.0",
            "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM|MIN|MAX|COUNT] [WITHSCORES]",
            "Returns the members that all sorted sets have.",
        )
        .complexity("O(N*K)+O(M*log(M)) at worst for K sets, of which the smallest has N members, and M in the result.")
        .history(COUNT_SINCE),
    reader("zdiff", zdiff)
        .docs(
            "6.2.0",
            "numkeys key [key ...] [WITHSCORES]",
            "Returns the members of the first sorted set that no other has.",
        )
        .complexity(
            "O(L + (N-K)log(N)) at worst for L members of all sets together, N of the first, and K of the result.",
        ),
    reader("zintercard", zintercard)
        .docs("7.0.0", "numkeys key [key ...] [LIMIT limit]", "Counts the members that all sorted sets have.")
        .complexity("O(N*K) at worst for K sets, of which the smallest has N members."),
    store("zunionstore", zunionstore)
        .docs(
            "2.0.0",
            "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM|MIN|MAX|COUNT]",
            "Keeps the members that any of the sorted sets has in a key.",
        )
        .complexity("O(N)+O(M log(M)) for N members of all sets together, and M of the result.")
        .history(COUNT_SINCE),
    store("zinterstore", zinterstore)
        .docs(
            "2.0.0",
            "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM|MIN|MAX|COUNT]",
            "Keeps the members that all sorted sets have in a key.",
        )
        .complexity("O(N*K)+O(M*log(M)) at worst for K sets, of which the smallest has N members, and M in the result.")
        .history(COUNT_SINCE),
    store("zdiffstore", zdiffstore)
        .docs(
            "6.2.0",
            "destination numkeys key [key ...]",
            "Keeps the members of the first sorted set that no other has in a key.",
        )
        .complexity(
            "O(L + (N-K)log(N)) at worst for L members of all sets together, N of the first, and K of the result.",
        ),
];

const ANSWERED: &[Keys] = &[counted(1)];
const STORED: &[Keys] = &[Keys::at(1, Access::OW.and(Access::UPDATE)), counted(2)];

const fn counted(index: u16) -> Keys {
    Keys { begin: Begin::Index(index), find: Find::Count { count: 0, first: 1, step: 1 }, access: READS }
}

const fn reader(name: &'static str, handler: Handler) -> Command {
    row(name, Arity::at_least(3), handler).flags(&[READONLY]).keys(ANSWERED)
}

const fn store(name: &'static str, handler: Handler) -> Command {
    row(name, Arity::at_least(4), handler).flags(&[WRITE, DENYOOM]).keys(STORED)
}

/// What is done with several sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// How the scores of a member of several sets become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// The sum of what the scores would be if all were 1.
    Count,
}

impl Aggregate {
    /// Infinities that cancel each other out make 0.
    fn join(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Count => zero_if_nan(one + other),
            Aggregate::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Aggregate::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

fn zero_if_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What a command was asked for.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// The argument with the number of keys.
    numkeys: usize,
    operation: Operation,
    /// What becomes of the result.
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Answer,
    Count,
    Store,
}

/// The options given.
#[derive(Debug)]
struct Options {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Where counting ends; 0 for nowhere.
    limit: usize,
}

impl Request {
    /// The number of sources.
    fn sources(self, cx: &Ctx<'_>, args: Args<'_>) -> Result<usize, Error> {
        let count = args.integer(self.numkeys)?;
        if count < 1 {
            let name = cx.row().name;
            return Err(Error::text(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        usize::try_from(count).ok().filter(|count| *count < args.len() - self.numkeys).ok_or(SYNTAX)
    }

    /// Reads the options behind the keys.
    fn options(self, args: Args<'_>, sources: usize) -> Result<Options, Error> {
        let combines = self.operation != Operation::Diff && self.purpose != Purpose::Count;
        let mut options = Options { weights: Vec::new(), aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let mut index = self.numkeys + 1 + sources;
        while index < args.len() {
            let behind = args.len() - index - 1;
            if combines && behind >= sources && args.is(index, "weights") {
                let weight = |at| number::parse_f64(args.get(at)).ok_or(NOT_A_WEIGHT);
                options.weights = (index + 1..=index + sources).map(weight).collect::<Result<_, _>>()?;
                index += sources;
            } else if combines && behind >= 1 && args.is(index, "aggregate") {
                index += 1;
                options.aggregate = match index {
                    at if args.is(at, "sum") => Aggregate::Sum,
                    at if args.is(at, "min") => Aggregate::Min,
                    at if args.is(at, "max") => Aggregate::Max,
                    at if args.is(at, "count") => Aggregate::Count,
                    _ => return Err(SYNTAX),
                };
            } else if self.purpose == Purpose::Answer && args.is(index, "withscores") {
                options.with_scores = true;
            } else if self.purpose == Purpose::Count && behind >= 1 && args.is(index, "limit") {
                index += 1;
                options.limit = args.integer_in(index, 0..=i64::MAX, NEGATIVE_LIMIT)? as usize;
            } else {
                return Err(SYNTAX);
            }
            index += 1;
        }
        Ok(options)
    }
}

/// A set that takes part, with its weight.
#[derive(Clone, Copy)]
struct Source<'a> {
    sorted: Option<&'a SortedSet>,
    plain: Option<Live<'a>>,
    weight: f64,
    /// All scores are taken for 1.
    counts: bool,
}

impl<'a> Source<'a> {
    fn new(entry: Option<EntryView<'a>>, weight: f64, counts: bool, now_ms: i64) -> Self {
        let plain = entry.and_then(EntryView::collection::<Set>).map(|set| set.live(now_ms));
        Self { sorted: entry.and_then(EntryView::collection), plain, weight, counts }
    }

    fn len(self) -> usize {
        self.sorted.map_or(0, Collection::len) + self.plain.map_or(0, Live::len)
    }

    /// The score of a member, not weighed.
    fn score(self, member: &[u8]) -> Option<f64> {
        let plain = || self.plain.filter(|set| set.contains(member)).map(|_| 1.0);
        let score = self.sorted.and_then(|set| set.score(member)).or_else(plain);
        if self.counts { score.map(|_| 1.0) } else { score }
    }

    /// Its elements, scores not weighed.
    fn iter(self) -> impl Iterator<Item = (Element<'a>, f64)> {
        let score = move |entry: &Entry<'_>| if self.counts { 1.0 } else { entry.score() };
        let sorted = self.sorted.into_iter().flat_map(SortedSet::iter).map(move |entry| (entry.member, score(&entry)));
        sorted.chain(self.plain.into_iter().flat_map(Live::iter).map(|member| (member, 1.0)))
    }
}

/// Refuses keys that hold neither sets nor sorted sets.
fn check_types(db: &mut Databases, keys: &[Key<'_>]) -> CmdResult {
    for key in keys {
        if let Some(entry) = db.read(key)
            && entry.collection::<SortedSet>().is_none()
            && entry.collection::<Set>().is_none()
        {
            return Err(WRONG_TYPE);
        }
    }
    Ok(())
}

/// The sets of keys that were checked.
fn look_up<'d>(db: &'d Databases, keys: &[Key<'_>], options: &Options) -> Vec<Source<'d>> {
    let weights = options.weights.iter().copied().chain(std::iter::repeat(1.0));
    let counts = options.aggregate == Aggregate::Count;
    let source = |(key, weight): (&Key<'_>, f64)| Source::new(db.read_only(key), weight, counts, db.now_ms());
    keys.iter().zip(weights).map(source).collect()
}

/// Elements of a result, in no order.
type Elements<'a> = Vec<(Cow<'a, [u8]>, f64)>;

fn owned_text(member: Element<'_>) -> Cow<'_, [u8]> {
    match member {
        Element::Bytes(text) => Cow::Borrowed(text),
        Element::Int(_) => Cow::Owned(member.to_vec()),
    }
}

/// Sums of doubles depend on their order, which is here from the smallest set to the biggest.
fn smallest_first(sources: &mut [Source<'_>]) {
    sources.sort_by_key(|source| source.len());
}

fn unite<'a>(mut sources: Vec<Source<'a>>, aggregate: Aggregate) -> Elements<'a> {
    smallest_first(&mut sources);
    let mut scores: HashMap<Cow<'a, [u8]>, f64> = HashMap::with_capacity(sources.last().map_or(0, |last| last.len()));
    for source in sources {
        for (member, score) in source.iter() {
            let score = zero_if_nan(score * source.weight);
            scores
                .entry(owned_text(member))
                .and_modify(|current| *current = aggregate.join(*current, score))
                .or_insert(score);
        }
    }
    scores.into_iter().collect()
}

/// Calls `visit` with the elements that all sets have, until it says no.
fn intersect<'a>(mut sources: Vec<Source<'a>>, aggregate: Aggregate, mut visit: impl FnMut(Element<'a>, f64) -> bool) {
    smallest_first(&mut sources);
    let [smallest, others @ ..] = &sources[..] else { return };
    let mut room = IntText::new();
    for (member, score) in smallest.iter() {
        let text = member.text(&mut room);
        let start = zero_if_nan(score * smallest.weight);
        let joined = others.iter().try_fold(start, |joined, source| {
            source.score(text).map(|score| aggregate.join(joined, score * source.weight))
        });
        if let Some(score) = joined
            && !visit(member, score)
        {
            return;
        }
    }
}

/// Either the members of the first set are looked for in the others, or those of the others are struck off the first:
/// whichever promises less work.
fn subtract(sources: Vec<Source<'_>>) -> Elements<'_> {
    let [first, others @ ..] = &sources[..] else { return Vec::new() };
    let mut others: Vec<_> = others.iter().filter(|source| source.len() > 0).collect();
    let all: usize = sources.iter().map(|source| source.len()).sum();
    if first.len() * sources.len() / 2 <= all {
        others.sort_by_key(|source| std::cmp::Reverse(source.len()));
        let mut room = IntText::new();
        let mut is_elsewhere = |member: Element<'_>| {
            let text = member.text(&mut room);
            others.iter().any(|source| source.score(text).is_some())
        };
        let left = first.iter().filter(|(member, _)| !is_elsewhere(*member));
        return left.map(|(member, score)| (owned_text(member), score)).collect();
    }
    let mut left: HashMap<_, _> = first.iter().map(|(member, score)| (owned_text(member), score)).collect();
    for (member, _) in others.iter().flat_map(|source| source.iter()) {
        left.remove(&owned_text(member));
        if left.is_empty() {
            break;
        }
    }
    left.into_iter().collect()
}

fn zunion(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    combine(cx, args, Request { numkeys: 1, operation: Operation::Union, purpose: Purpose::Answer })
}

fn zinter(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    combine(cx, args, Request { numkeys: 1, operation: Operation::Inter, purpose: Purpose::Answer })
}

fn zdiff(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    combine(cx, args, Request { numkeys: 1, operation: Operation::Diff, purpose: Purpose::Answer })
}

fn zintercard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    combine(cx, args, Request { numkeys: 1, operation: Operation::Inter, purpose: Purpose::Count })
}

fn zunionstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    combine(cx, args, Request { numkeys: 2, operation: Operation::Union, purpose: Purpose::Store })
}

fn zinterstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    combine(cx, args, Request { numkeys: 2, operation: Operation::Inter, purpose: Purpose::Store })
}

fn zdiffstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    combine(cx, args, Request { numkeys: 2, operation: Operation::Diff, purpose: Purpose::Store })
}

fn combine(cx: &mut Ctx<'_>, args: Args<'_>, request: Request) -> CmdResult {
    let count = request.sources(cx, args)?;
    let keys: Vec<Key<'_>> = args.keys(request.numkeys + 1, 1).take(count).collect();
    check_types(cx.db, &keys)?;
    let options = request.options(args, count)?;
    if request.purpose == Purpose::Store {
        keys.iter().for_each(|key| cx.db.expire_all_parts_of(key));
    }
    let sources = look_up(cx.db, &keys, &options);
    let mut found = Vec::new();
    match (request.operation, request.purpose) {
        (Operation::Inter, Purpose::Count) => {
            let mut count = 0;
            intersect(sources, options.aggregate, |_, _| {
                count += 1;
                count != options.limit
            });
            cx.reply.integer(count as i64);
            return Ok(());
        }
        (Operation::Inter, _) => intersect(sources, options.aggregate, |member, score| {
            found.push((owned_text(member), score));
            true
        }),
        (Operation::Union, _) => found = unite(sources, options.aggregate),
        (Operation::Diff, _) => found = subtract(sources),
    }
    if request.purpose == Purpose::Store {
        let limits = limits(&cx.server.config);
        let set = SortedSet::from_entries(found, limits);
        store_result(cx, &args.key(1), set, request.operation);
        return Ok(());
    }
    sort(&mut found);
    begin_entries(cx.reply, found.len(), options.with_scores);
    for (member, score) in &found {
        if options.with_scores && cx.reply.resp3 {
            cx.reply.array(2);
        }
        cx.reply.bulk(member);
        if options.with_scores {
            cx.reply.double(*score);
        }
    }
    Ok(())
}

fn store_result(cx: &mut Ctx<'_>, destination: &Key<'_>, set: SortedSet, operation: Operation) {
    let event = match operation {
        Operation::Union => "zunionstore",
        Operation::Inter => "zinterstore",
        Operation::Diff => "zdiffstore",
    };
    cx.reply.integer(set.len() as i64);
    if !set.is_empty() {
        cx.db.put_collection(destination, set);
        cx.changed(destination, Event::sorted_set(event));
    } else if cx.db.delete(destination) {
        cx.changed(destination, Event::generic("del"));
    }
}
