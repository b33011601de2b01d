//! Vector sets, as Redis 8 brings them as a module: elements with a vector each, found by how near theirs is to another.
//!
//! The arguments are checked as Redis's module does it, every command by itself: rows say no more of their number than
//! that there is a name. Redis searches in threads; here every command runs when it comes, and `CAS` and `NOTHREAD` say
//! nothing. There are no keyspace events.

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::Protocol;
use crate::resp::reply::Reply;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::vector_set::{
    Filter, Found, INSERT_EF, Projection, Quantization, Search, Shape, VectorSet, link_score, score,
};
use crate::util::number;

const INVALID_VECTOR: Error = Error::fixed("ERR invalid vector specification");
/// The most components of a vector.
const DIMENSION_MAX: usize = 1 << 16;
/// The most elements that inserting looks at.
const INSERT_EF_MAX: i64 = 1_000_000;
/// Elements found if a search does not say how many.
const COUNT_DEFAULT: usize = 10;
/// How far a search looks around.
const SEARCH_EF: usize = 100;
/// Elements looked at for a filter, for each that is to be found.
const EFFORT_PER_ELEMENT: usize = 100;
const M_DEFAULT: usize = 16;
const M_MIN: i64 = 4;
const M_MAX: i64 = 4096;

/// Redis's module says no more of a key than that.
const KEY: &[Keys] = &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("vadd", vadd, &[WRITE, DENYOOM])
        .docs(
            "8.0.0",
            "key [REDUCE dim] <FP32 vector | VALUES num value [value ...]> element [CAS] [NOQUANT | Q8 | BIN] [EF build-exploration-factor] [SETATTR attributes] [M numlinks]",
            "Adds an element to a vector set, or gives it another vector.",
        )
        .complexity("O(log(N)) for N elements."),
    row("vcard", vcard, &[READONLY, FAST]).docs("8.0.0", "key", "Returns the number of elements of a vector set."),
    row("vdim", vdim, &[READONLY, FAST]).docs("8.0.0", "key", "Returns the number of components of a vector set's vectors."),
    row("vemb", vemb, &[READONLY, FAST]).docs("8.0.0", "key element [RAW]", "Returns the vector of an element."),
    row("vgetattr", vgetattr, &[READONLY, FAST]).docs("8.0.0", "key element", "Returns the attributes of an element."),
    row("vinfo", vinfo, &[READONLY, FAST]).docs("8.0.0", "key", "Returns how a vector set is made."),
    row("vismember", vismember, &[READONLY]).docs("8.2.0", "key element", "Tells whether a vector set has an element."),
    row("vlinks", vlinks, &[READONLY, FAST]).docs(
        "8.0.0",
        "key element [WITHSCORES]",
        "Returns the neighbors of an element on every level of the graph.",
    ),
    row("vrandmember", vrandmember, &[READONLY])
        .docs("8.0.0", "key [count]", "Returns elements of a vector set chosen at random.")
        .complexity("O(1); with a count O(N) for N elements."),
    row("vrange", vrange, &[READONLY])
        .docs("8.4.0", "key start end [count]", "Returns elements of a vector set in the order of their names.")
        .complexity("O(log(N)+M) for N elements of which M are returned."),
    row("vrem", vrem, &[WRITE])
        .docs("8.0.0", "key element", "Removes an element from a vector set.")
        .complexity("O(log(N)) for N elements."),
    row("vsetattr", vsetattr, &[WRITE, FAST]).docs(
        "8.0.0",
        "key element attributes",
        "Sets the attributes of an element, or takes them away.",
    ),
    row("vsim", vsim, &[READONLY])
        .docs(
            "8.0.0",
            "key <ELE element | FP32 vector | VALUES num value [value ...]> [WITHSCORES] [WITHATTRIBS] [COUNT count] [EPSILON max-distance] [EF search-exploration-factor] [FILTER expression] [FILTER-EF max-filtering-effort] [TRUTH] [NOTHREAD]",
            "Returns the elements of a vector set whose vectors are nearest to one.",
        )
        .complexity("O(log(N)) for N elements."),
];

const fn row(name: &'static str, handler: Handler, flags: &[Flags]) -> Command {
    Command::new(name, Arity::at_least(1), handler).group(Group::VectorSet).flags(flags).keys(KEY)
}

/// Refuses another number of arguments than these, the name counted.
fn expect(cx: &Ctx<'_>, args: Args<'_>, count: impl std::ops::RangeBounds<usize>) -> CmdResult {
    if count.contains(&args.len()) { Ok(()) } else { Err(wrong_number(cx)) }
}

fn wrong_number(cx: &Ctx<'_>) -> Error {
    Error::wrong_arity(&cx.row().name.to_ascii_uppercase())
}

/// A vector among the arguments, and the argument behind it.
struct Given {
    vector: Vec<f32>,
    next: usize,
}

/// Reads a vector whose form stands at an argument.
fn given(args: Args<'_>, at: usize) -> Result<Given, Error> {
    let (form, first) = (at, at + 1);
    if args.is(form, "fp32") {
        let (components, rest) = args.try_get(first).ok_or(INVALID_VECTOR)?.as_chunks();
        if components.is_empty() || components.len() > DIMENSION_MAX || !rest.is_empty() {
            return Err(INVALID_VECTOR);
        }
        let vector = components.iter().map(|component| f32::from_le_bytes(*component)).collect();
        return Ok(Given { vector, next: first + 1 });
    }
    if !args.is(form, "values") {
        return Err(INVALID_VECTOR);
    }
    let count = args.try_get(first).and_then(number::parse_i64).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| (1..=DIMENSION_MAX).contains(count)).ok_or(INVALID_VECTOR)?;
    let next = first + 1 + count;
    if next > args.len() {
        return Err(INVALID_VECTOR);
    }
    let component = |at| number::parse_f64(args.get(at)).map(|value| value as f32).ok_or(INVALID_VECTOR);
    Ok(Given { vector: (first + 1..next).map(component).collect::<Result<_, _>>()?, next })
}

/// What VADD is told.
struct Addition<'a> {
    vector: Vec<f32>,
    reduce: Option<usize>,
    element: &'a [u8],
    quantization: Quantization,
    ef: usize,
    m: usize,
    attributes: Option<&'a [u8]>,
}

#[derive(Clone, Copy)]
enum AddOption {
    Nothing,
    Form(Quantization),
    Ef,
    Attributes,
    M,
}

const ADD_OPTIONS: &[(&str, AddOption, usize)] = &[
    ("cas", AddOption::Nothing, 0),
    ("noquant", AddOption::Form(Quantization::None), 0),
    ("q8", AddOption::Form(Quantization::Int8), 0),
    ("bin", AddOption::Form(Quantization::Binary), 0),
    ("ef", AddOption::Ef, 1),
    ("setattr", AddOption::Attributes, 1),
    ("m", AddOption::M, 1),
];

fn addition<'a>(cx: &Ctx<'_>, args: Args<'a>) -> Result<Addition<'a>, Error> {
    let reduces = args.len() > 4 && args.is(2, "reduce");
    let reduce = match reduces {
        true => number::parse_i64(args.get(3)).and_then(|to| usize::try_from(to).ok()).filter(|to| *to > 0),
        false => None,
    };
    if reduces && reduce.is_none() {
        return Err(INVALID_VECTOR);
    }
    let Given { vector, next } = given(args, if reduces { 4 } else { 2 })?;
    if reduce.is_some_and(|to| to > vector.len()) {
        return Err(INVALID_VECTOR);
    }
    let element = args.try_get(next).ok_or_else(|| wrong_number(cx))?;
    let (quantization, attributes) = (Quantization::Int8, None);
    let mut addition = Addition { vector, reduce, element, quantization, ef: INSERT_EF, m: M_DEFAULT, attributes };
    let mut at = next + 1;
    while at < args.len() {
        let (option, behind) = args.option(at, ADD_OPTIONS).ok_or(Error::fixed("ERR invalid option after element"))?;
        match option {
            AddOption::Nothing => {}
            AddOption::Form(quantization) => addition.quantization = quantization,
            AddOption::Ef => {
                addition.ef = args.integer_in(at + 1, 1..=INSERT_EF_MAX, Error::fixed("ERR invalid EF"))? as usize;
            }
            AddOption::Attributes => addition.attributes = Some(args.get(at + 1)),
            AddOption::M => {
                addition.m = args.integer_in(at + 1, M_MIN..=M_MAX, Error::fixed("ERR invalid M"))? as usize;
            }
        }
        at = behind;
    }
    Ok(addition)
}

impl Addition<'_> {
    /// What a set is made with whose first element this is.
    fn shape(&self) -> Result<Shape, Error> {
        let projection = match self.reduce {
            Some(to) => Some(Projection::new(self.vector.len(), to).ok_or(INVALID_VECTOR)?),
            None => None,
        };
        let dimension = self.reduce.unwrap_or(self.vector.len());
        Ok(Shape { dimension, quantization: self.quantization, m: self.m, projection })
    }

    /// Whether it can be added to a set.
    fn check(&self, set: &VectorSet) -> CmdResult {
        if self.quantization != set.quantization() {
            return Err(Error::fixed("ERR asked quantization mismatch with existing vector set"));
        }
        if self.m != set.m() {
            return Err(Error::fixed("ERR asked M value mismatch with existing vector set"));
        }
        let given = self.vector.len();
        match set.projection() {
            None if given != set.dimension() => Err(other_dimension(given, set.dimension())),
            None if self.reduce.is_some() => {
                Err(Error::fixed("ERR cannot add projection to existing set without projection"))
            }
            Some(_) if self.reduce != Some(set.dimension()) => Err(other_dimension(given, set.dimension())),
            Some(projection) if projection.source_dimension() != given => {
                Err(other_input(given, projection.source_dimension()))
            }
            None | Some(_) => Ok(()),
        }
    }
}

fn other_dimension(given: usize, own: usize) -> Error {
    Error::text(format!("ERR Vector dimension mismatch - got {given} but set has {own}"))
}

fn other_input(given: usize, own: usize) -> Error {
    Error::text(format!("ERR Input dimension mismatch for projection - got {given} but projection expects {own}"))
}

/// Redis tells replicas and the log of new elements alone; here they hear of changed ones, too.
fn vadd(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 5..)?;
    let addition = addition(cx, args)?;
    let (key, seed) = (args.key(1), cx.server.random.next_u64());
    let is_new = match cx.db.bundled_mut::<VectorSet>(&key)? {
        Some(set) => {
            addition.check(set)?;
            set.insert(addition.element, addition.vector, addition.attributes, addition.ef)
        }
        None => {
            let mut set = VectorSet::new(addition.shape()?, seed);
            set.insert(addition.element, addition.vector, addition.attributes, addition.ef);
            cx.db.put_bundled(&key, set);
            true
        }
    };
    cx.changed_quietly(&key);
    cx.reply.boolean(is_new);
    Ok(())
}

fn vrem(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 3..=3)?;
    let key = args.key(1);
    let set = cx.db.bundled_mut::<VectorSet>(&key)?;
    let (removed, emptied) = set.map_or((false, false), |set| (set.remove(args.get(2)), set.is_empty()));
    if removed {
        if emptied {
            cx.db.delete(&key);
        }
        cx.changed_quietly(&key);
    }
    cx.reply.boolean(removed);
    Ok(())
}

fn vcard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 2..=2)?;
    let count = cx.db.bundled::<VectorSet>(&args.key(1))?.map_or(0, VectorSet::len);
    cx.reply.integer(count as i64);
    Ok(())
}

fn vdim(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 2..=2)?;
    let set = cx.db.bundled::<VectorSet>(&args.key(1))?;
    let dimension = set.map(VectorSet::dimension).ok_or(Error::fixed("ERR key does not exist"))?;
    cx.reply.integer(dimension as i64);
    Ok(())
}

fn vismember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 3..=3)?;
    let found = cx.db.bundled::<VectorSet>(&args.key(1))?.is_some_and(|set| set.contains(args.get(2)));
    cx.reply.boolean(found);
    Ok(())
}

fn vemb(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 3..)?;
    if (3..args.len()).any(|at| !args.is(at, "raw")) || args.len() > 4 {
        return Err(Error::fixed("ERR invalid option"));
    }
    let (raw, reply) = (args.len() == 4, &mut *cx.reply);
    let Some(set) = cx.db.bundled::<VectorSet>(&args.key(1))? else {
        reply.null();
        return Ok(());
    };
    if !raw {
        let Some(components) = set.components(args.get(2)) else {
            reply.null();
            return Ok(());
        };
        reply.array(components.len());
        components.iter().for_each(|component| reply.double((*component).into()));
        return Ok(());
    }
    let Some((view, length)) = set.vector(args.get(2)) else {
        reply.null();
        return Ok(());
    };
    reply.array(if view.range().is_some() { 4 } else { 3 });
    reply.simple(set.quantization().name());
    reply.bulk(&view.raw());
    reply.double(length.into());
    if let Some(range) = view.range() {
        reply.double(range.into());
    }
    Ok(())
}

fn vsetattr(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 4..=4)?;
    let key = args.key(1);
    let set = cx.db.bundled_mut::<VectorSet>(&key)?;
    let is_set = set.is_some_and(|set| set.set_attributes(args.get(2), args.get(3)));
    if is_set {
        cx.changed_quietly(&key);
    }
    cx.reply.boolean(is_set);
    Ok(())
}

fn vgetattr(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 3..=3)?;
    match cx.db.bundled::<VectorSet>(&args.key(1))?.and_then(|set| set.attributes(args.get(2))) {
        Some(attributes) => cx.reply.bulk(attributes),
        None => cx.reply.null(),
    }
    Ok(())
}

fn vlinks(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 3..=4)?;
    let with_scores = args.is(3, "withscores");
    if args.len() == 4 && !with_scores {
        return Err(wrong_number(cx));
    }
    let reply = &mut *cx.reply;
    let Some(levels) = cx.db.bundled::<VectorSet>(&args.key(1))?.and_then(|set| set.links(args.get(2))) else {
        reply.null();
        return Ok(());
    };
    reply.array(levels.len());
    for links in levels {
        if with_scores {
            reply.map(links.len());
        } else {
            reply.array(links.len());
        }
        for (name, distance) in links {
            reply.bulk(name);
            if with_scores {
                reply.double(link_score(distance));
            }
        }
    }
    Ok(())
}

fn vinfo(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 2..=2)?;
    let reply = &mut *cx.reply;
    let Some(set) = cx.db.bundled::<VectorSet>(&args.key(1))? else {
        reply.null_array();
        return Ok(());
    };
    reply.map(9);
    reply.simple("quant-type");
    reply.simple(set.quantization().name());
    let figures = [
        ("hnsw-m", set.m() as u64),
        ("vector-dim", set.dimension() as u64),
        ("projection-input-dim", set.projection().map_or(0, Projection::source_dimension) as u64),
        ("size", set.len() as u64),
        ("max-level", set.top_level() as u64),
        ("attributes-count", set.with_attributes() as u64),
        ("vset-uid", set.number()),
        ("hnsw-max-node-uid", set.last_id()),
    ];
    for (name, figure) in figures {
        reply.simple(name);
        reply.unsigned(figure);
    }
    Ok(())
}

fn vrandmember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 2..=3)?;
    let count = match args.try_get(2) {
        Some(count) => Some(number::parse_i64(count).ok_or(Error::fixed("ERR COUNT value is not an integer"))?),
        None => None,
    };
    let (reply, random) = (&mut *cx.reply, &mut cx.server.random);
    if count == Some(0) {
        reply.array(0);
        return Ok(());
    }
    let set = cx.db.bundled::<VectorSet>(&args.key(1))?;
    match (set, count) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.array(0),
        (Some(set), None) => reply.bulk(set.random_element(random)),
        (Some(set), Some(count)) if count < 0 => {
            reply.array(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX));
            for _ in 0..count.unsigned_abs() {
                reply.bulk(set.random_element(random));
                if reply.is_cut() {
                    break;
                }
            }
        }
        (Some(set), Some(count)) => {
            let sample = set.sample(usize::try_from(count).unwrap_or(usize::MAX), random);
            reply.array(sample.len());
            sample.into_iter().for_each(|name| reply.bulk(name));
        }
    }
    Ok(())
}

/// An end of a range of names.
#[derive(Clone, Copy)]
enum End<'a> {
    Lowest,
    Highest,
    With(&'a [u8]),
    Without(&'a [u8]),
}

impl<'a> End<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        match text.split_first()? {
            (b'-', []) => Some(Self::Lowest),
            (b'+', []) => Some(Self::Highest),
            (b'[', name) => Some(Self::With(name)),
            (b'(', name) => Some(Self::Without(name)),
            _ => None,
        }
    }

    /// Whether a name lies before a range that begins here.
    fn is_after(self, name: &[u8]) -> bool {
        match self {
            Self::Lowest => false,
            Self::Highest => true,
            Self::With(first) => name < first,
            Self::Without(first) => name <= first,
        }
    }

    /// Whether a name lies behind a range that ends here.
    fn is_before(self, name: &[u8]) -> bool {
        match self {
            Self::Lowest => true,
            Self::Highest => false,
            Self::With(last) => name > last,
            Self::Without(last) => name >= last,
        }
    }
}

fn vrange(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const INVALID: [Error; 2] =
        [Error::fixed("ERR invalid start range format"), Error::fixed("ERR invalid end range format")];
    expect(cx, args, 4..=5)?;
    let [invalid_start, invalid_end] = INVALID;
    let start = End::read(args.get(2)).ok_or(invalid_start)?;
    let end = End::read(args.get(3)).ok_or(invalid_end)?;
    let count = match args.try_get(4) {
        Some(count) => number::parse_i64(count).ok_or(Error::fixed("ERR invalid COUNT"))?,
        None => -1,
    };
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let reply = &mut *cx.reply;
    let Some(set) = cx.db.bundled::<VectorSet>(&args.key(1))? else {
        reply.array(0);
        return Ok(());
    };
    let (deferred, mut found) = (reply.defer(), 0);
    for name in set.names_from(|name| start.is_after(name)).take_while(|name| !end.is_before(name)).take(most) {
        reply.bulk(name);
        found += 1;
    }
    reply.finish_array(deferred, found);
    Ok(())
}

/// What VSIM is told behind the vector.
struct Options {
    with_scores: bool,
    with_attributes: bool,
    count: usize,
    epsilon: Option<f64>,
    ef: usize,
    filter: Option<Filter>,
    effort: Option<usize>,
    all: bool,
}

#[derive(Clone, Copy)]
enum SimOption {
    Nothing,
    WithScores,
    WithAttributes,
    All,
    Count,
    Epsilon,
    Ef,
    Filter,
    Effort,
}

const SIM_OPTIONS: &[(&str, SimOption, usize)] = &[
    ("withscores", SimOption::WithScores, 0),
    ("withattribs", SimOption::WithAttributes, 0),
    ("truth", SimOption::All, 0),
    ("nothread", SimOption::Nothing, 0),
    ("count", SimOption::Count, 1),
    ("epsilon", SimOption::Epsilon, 1),
    ("ef", SimOption::Ef, 1),
    ("filter", SimOption::Filter, 1),
    ("filter-ef", SimOption::Effort, 1),
];

impl Options {
    fn read(args: Args<'_>, from: usize) -> Result<Self, Error> {
        let mut options = Options {
            with_scores: false,
            with_attributes: false,
            count: COUNT_DEFAULT,
            epsilon: None,
            ef: SEARCH_EF,
            filter: None,
            effort: None,
            all: false,
        };
        let mut at = from;
        while at < args.len() {
            let (option, behind) =
                args.option(at, SIM_OPTIONS).ok_or(Error::fixed("ERR syntax error in VSIM command"))?;
            options.take(option, args, at + 1)?;
            at = behind;
        }
        Ok(options)
    }

    fn take(&mut self, option: SimOption, args: Args<'_>, at: usize) -> CmdResult {
        let positive = |error| args.integer_in(at, 1..=i64::MAX, error).map(|number| number as usize);
        match option {
            SimOption::Nothing => {}
            SimOption::WithScores => self.with_scores = true,
            SimOption::WithAttributes => self.with_attributes = true,
            SimOption::All => self.all = true,
            SimOption::Count => self.count = positive(Error::fixed("ERR invalid COUNT"))?,
            SimOption::Ef => self.ef = positive(Error::fixed("ERR invalid EF"))?,
            SimOption::Effort => self.effort = Some(positive(Error::fixed("ERR invalid FILTER-EF"))?),
            SimOption::Epsilon => {
                let epsilon = number::parse_f64(args.get(at)).filter(|epsilon| *epsilon > 0.0);
                self.epsilon = Some(epsilon.ok_or(Error::fixed("ERR invalid EPSILON"))?);
            }
            SimOption::Filter => {
                let expression = args.get(at);
                self.filter = Some(Filter::new(expression).map_err(|near| {
                    let line = [b"ERR syntax error in FILTER expression near: ", &expression[near..]];
                    Error::text(line.concat())
                })?);
            }
        }
        Ok(())
    }
}

/// The set is looked up first: where there is none, nothing else is looked at.
fn vsim(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    expect(cx, args, 4..)?;
    let reply = &mut *cx.reply;
    let Some(set) = cx.db.bundled::<VectorSet>(&args.key(1))? else {
        reply.array(0);
        return Ok(());
    };
    let (target, next) = if args.is(2, "ele") {
        (set.target_of(args.get(3)).ok_or(Error::fixed("ERR element not found in set"))?, 4)
    } else {
        let Given { vector, next } = given(args, 2)?;
        let from = set.projection().map(Projection::source_dimension);
        if vector.len() != set.dimension() && Some(vector.len()) != from {
            return Err(match from {
                Some(from) => other_input(vector.len(), from),
                None => other_dimension(vector.len(), set.dimension()),
            });
        }
        (set.target(vector), next)
    };
    let options = Options::read(args, next)?;
    let search = Search {
        count: options.count,
        ef: options.ef,
        filter: options.filter.as_ref(),
        effort: options.effort.unwrap_or(options.count.saturating_mul(EFFORT_PER_ELEMENT)),
        all: options.all,
    };
    // What has no distance is not too far.
    let is_near = |found: &Found<'_>| {
        let distance = f64::from(found.distance) / 2.0;
        options.epsilon.is_none_or(|epsilon| distance <= epsilon || distance.is_nan())
    };
    reply_found(reply, set.search(&target, &search).take_while(is_near).collect(), &options);
    Ok(())
}

fn reply_found(reply: &mut Reply, found: Vec<Found<'_>>, options: &Options) {
    let (scores, attributes) = (options.with_scores, options.with_attributes);
    let in_pairs = scores && attributes && reply.protocol() == Protocol::Resp3;
    match (scores, attributes) {
        (false, false) => reply.array(found.len()),
        (true, true) if !in_pairs => reply.array(found.len() * 3),
        _ => reply.map(found.len()),
    }
    for found in found {
        reply.bulk(found.name);
        if in_pairs {
            reply.array(2);
        }
        if scores {
            reply.double(score(found.distance));
        }
        match found.attributes {
            _ if !attributes => {}
            Some(attributes) => reply.bulk(attributes),
            None => reply.null(),
        }
    }
}
