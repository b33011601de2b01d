//! t-digests: TDIGEST.*.
//!
//! Most questions merge centroids in the digest itself before they answer, so they look it up to be changed. That is no
//! change to those who read it, and nothing follows from it.

use super::{INSERTS, READS, UPDATES, double, integer, word};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::probabilistic::t_digest::TDigest;

const COMPRESSION_DEFAULT: i64 = 100;
/// Arguments of TDIGEST.MERGE before its sources.
const SOURCES: usize = 3;

const NO_KEY: Error = Error::fixed("ERR T-Digest: key does not exist");
const WRONG_KEYWORD: Error = Error::fixed("ERR T-Digest: wrong keyword");
const OVERFLOW: Error = Error::fixed("ERR T-Digest: overflow detected");

const MERGES: &[Keys] = &[
    Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::INSERT)),
    Keys {
        begin: Begin::Index(2),
        find: Find::Count { count: 0, first: 1, step: 1 },
        access: Access::RO.and(Access::ACCESS),
    },
];

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("tdigest.add", Arity::at_least(3), add, &[WRITE, DENYOOM], UPDATES).docs(
        "2.4.0",
        "key value [value ...]",
        "Adds values to a t-digest.",
    ),
    row("tdigest.byrank", Arity::at_least(3), byrank, &[READONLY], READS).docs(
        "2.4.0",
        "key rank [rank ...]",
        "Estimates the values that have these ranks, from the least value on.",
    ),
    row("tdigest.byrevrank", Arity::at_least(3), byrevrank, &[READONLY], READS).docs(
        "2.4.0",
        "key reverse_rank [reverse_rank ...]",
        "Estimates the values that have these ranks, from the greatest value on.",
    ),
    row("tdigest.cdf", Arity::at_least(3), cdf, &[READONLY], READS).docs(
        "2.4.0",
        "key value [value ...]",
        "Estimates which parts of the values are not above these.",
    ),
    row("tdigest.create", Arity::at_least(2), create, &[WRITE, DENYOOM], INSERTS).docs(
        "2.4.0",
        "key [COMPRESSION compression]",
        "Makes a t-digest.",
    ),
    row("tdigest.info", Arity::exactly(2), info, &[READONLY], READS).docs(
        "2.4.0",
        "key",
        "Returns figures of a t-digest.",
    ),
    row("tdigest.max", Arity::exactly(2), max, &[READONLY], READS).docs(
        "2.4.0",
        "key",
        "Returns the greatest value of a t-digest.",
    ),
    row("tdigest.merge", Arity::at_least(4), merge, &[WRITE, DENYOOM], MERGES).docs(
        "2.4.0",
        "destination-key numkeys source-key [source-key ...] [COMPRESSION compression] [OVERRIDE]",
        "Merges t-digests into one, which is made if need be.",
    ),
    row("tdigest.min", Arity::exactly(2), min, &[READONLY], READS).docs(
        "2.4.0",
        "key",
        "Returns the least value of a t-digest.",
    ),
    row("tdigest.quantile", Arity::at_least(3), quantile, &[READONLY], READS).docs(
        "2.4.0",
        "key quantile [quantile ...]",
        "Estimates the values that these parts of the values are not above.",
    ),
    row("tdigest.rank", Arity::at_least(3), rank, &[READONLY], READS).docs(
        "2.4.0",
        "key value [value ...]",
        "Estimates how many values are below these, and half of those equal to them.",
    ),
    row("tdigest.reset", Arity::exactly(2), reset, &[WRITE, DENYOOM], UPDATES).docs(
        "2.4.0",
        "key",
        "Has a t-digest forget its values.",
    ),
    row("tdigest.revrank", Arity::at_least(3), revrank, &[READONLY], READS).docs(
        "2.4.0",
        "key value [value ...]",
        "Estimates how many values are above these, and half of those equal to them.",
    ),
    row("tdigest.trimmed_mean", Arity::exactly(4), trimmed_mean, &[READONLY], READS).docs(
        "2.4.0",
        "key low_cut_quantile high_cut_quantile",
        "Estimates the mean of the values between two quantiles.",
    ),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::TDigest).flags(flags).keys(keys)
}

/// The digest, to be asked.
fn digest<'c>(cx: &'c mut Ctx<'_>, args: Args<'_>, at: usize) -> Result<&'c mut TDigest, Error> {
    let key = args.key(at);
    cx.db.bundled::<TDigest>(&key)?.ok_or(NO_KEY)?;
    cx.db.bundled_mut::<TDigest>(&key)?.ok_or(NO_KEY)
}

fn compression(args: Args<'_>, at: usize) -> Result<i64, Error> {
    let compression = integer(args, at, Error::fixed("ERR T-Digest: error parsing compression parameter"))?;
    match compression > 0 {
        true => Ok(compression),
        false => Err(Error::fixed("ERR T-Digest: compression parameter needs to be a positive integer")),
    }
}

fn create(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() != 2 && args.len() != 4 {
        return Err(Error::wrong_arity("tdigest.create"));
    }
    let key = args.key(1);
    if cx.db.bundled::<TDigest>(&key)?.is_some() {
        return Err(Error::fixed("ERR T-Digest: key already exists"));
    }
    let compression = match args.len() {
        2 => COMPRESSION_DEFAULT,
        _ if word(args, 2, "compression").is_none() => return Err(WRONG_KEYWORD),
        _ => compression(args, 3)?,
    };
    let made = TDigest::new(compression).map_err(|_| Error::fixed("ERR T-Digest: allocation failed"))?;
    cx.db.put_bundled(&key, made);
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

fn reset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    cx.db.bundled_mut::<TDigest>(&key)?.ok_or(NO_KEY)?.reset();
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

fn add(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let digest = cx.db.bundled_mut::<TDigest>(&key)?.ok_or(NO_KEY)?;
    let value = |at| {
        let value = double(args, at, Error::fixed("ERR T-Digest: error parsing val parameter"))?;
        match value.is_finite() {
            true => Ok(value),
            false => Err(Error::fixed("ERR T-Digest: val parameter needs to be a finite number")),
        }
    };
    let added = match args.len() {
        3 => {
            let value = value(2)?;
            digest.add(value, 1)
        }
        _ => {
            let values = (2..args.len()).map(value).collect::<Result<Vec<f64>, Error>>()?;
            values.into_iter().try_for_each(|value| digest.add(value, 1))
        }
    };
    cx.changed_quietly(&key);
    added.map_err(|_| OVERFLOW)?;
    cx.reply.ok();
    Ok(())
}

/// What stands behind the sources of TDIGEST.MERGE.
struct Merge {
    sources: usize,
    /// The compression, if it is told.
    compression: Option<i64>,
    /// The destination's values are not kept.
    overrides: bool,
}

impl Merge {
    fn read(args: Args<'_>) -> Result<Merge, Error> {
        let sources = integer(args, 2, Error::fixed("ERR T-Digest: error parsing numkeys"))?;
        if sources <= 0 {
            return Err(Error::fixed("ERR T-Digest: numkeys needs to be a positive integer"));
        }
        let wrong_arity = || Error::wrong_arity("tdigest.merge");
        let sources = usize::try_from(sources).ok().filter(|sources| *sources <= args.len() - SOURCES);
        let sources = sources.ok_or_else(wrong_arity)?;
        let rest = SOURCES + sources;
        let told = word(args, rest, "compression");
        let compression = match told {
            Some(at) if at + 1 >= args.len() => return Err(wrong_arity()),
            Some(at) => Some(compression(args, at + 1)?),
            None => None,
        };
        let overrides = word(args, rest, "override").is_some();
        if rest < args.len() && told.is_none() && !overrides {
            return Err(WRONG_KEYWORD);
        }
        Ok(Merge { sources, compression, overrides })
    }
}

fn merge(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    // Which arguments are keys follows from their number, so that is looked at before any key is.
    let Merge { sources, compression, overrides } = Merge::read(args)?;
    let key = args.key(1);
    let kept = cx.db.bundled::<TDigest>(&key)?.map(TDigest::compression);
    let sources = SOURCES..SOURCES + sources;
    let mut greatest = 0;
    for at in sources.clone() {
        greatest = greatest.max(digest(cx, args, at)?.compression());
    }
    let compression = compression.or(kept.filter(|_| !overrides)).unwrap_or(greatest);
    let made = TDigest::new(compression);
    let mut merged = made.map_err(|_| Error::fixed("ERR T-Digest: allocation of destination digest failed"))?;
    if kept.is_some() && !overrides {
        merged.merge(digest(cx, args, 1)?).map_err(|_| OVERFLOW)?;
    }
    for at in sources {
        merged.merge(digest(cx, args, at)?).map_err(|_| OVERFLOW)?;
    }
    cx.db.put_bundled(&key, merged);
    cx.changed_quietly(&key);
    cx.reply.ok();
    Ok(())
}

fn min(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let min = cx.db.bundled::<TDigest>(&args.key(1))?.ok_or(NO_KEY)?.min();
    cx.reply.double(min);
    Ok(())
}

fn max(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let max = cx.db.bundled::<TDigest>(&args.key(1))?.ok_or(NO_KEY)?.max();
    cx.reply.double(max);
    Ok(())
}

/// Answers each number from argument 2 on by a number; all are read before the first is answered.
fn answer_doubles<N>(
    cx: &mut Ctx<'_>,
    args: Args<'_>,
    read: impl Fn(usize) -> Result<N, Error>,
    answer: impl Fn(&mut TDigest, N) -> f64,
) -> CmdResult {
    let digest = digest(cx, args, 1)?;
    let numbers = (2..args.len()).map(read).collect::<Result<Vec<N>, Error>>()?;
    let answers: Vec<f64> = numbers.into_iter().map(|number| answer(digest, number)).collect();
    cx.reply.array(answers.len());
    answers.into_iter().for_each(|answer| cx.reply.double(answer));
    Ok(())
}

fn quantile(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let read = |at| {
        let part = double(args, at, Error::fixed("ERR T-Digest: error parsing quantile"))?;
        match (0.0..=1.0).contains(&part) {
            true => Ok(part),
            false => Err(Error::fixed("ERR T-Digest: quantile should be in [0,1]")),
        }
    };
    answer_doubles(cx, args, read, TDigest::quantile)
}

fn cdf(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let read = |at| double(args, at, Error::fixed("ERR T-Digest: error parsing cdf"));
    answer_doubles(cx, args, read, TDigest::part_below)
}

fn trimmed_mean(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let digest = digest(cx, args, 1)?;
    let low = double(args, 2, Error::fixed("ERR T-Digest: error parsing low_cut_percentile"))?;
    let high = double(args, 3, Error::fixed("ERR T-Digest: error parsing high_cut_percentile"))?;
    if ![low, high].iter().all(|cut| (0.0..=1.0).contains(cut)) {
        return Err(Error::fixed("ERR T-Digest: low_cut_percentile and high_cut_percentile should be in [0,1]"));
    }
    if low >= high {
        return Err(Error::fixed("ERR T-Digest: low_cut_percentile should be lower than high_cut_percentile"));
    }
    let mean = digest.trimmed_mean(low, high);
    cx.reply.double(mean);
    Ok(())
}

fn byrank(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    answer_doubles(
        cx,
        args,
        |at| rank_argument(args, at),
        |digest, rank| match rank {
            _ if digest.weight() == 0 => f64::NAN,
            0 => digest.min(),
            rank if rank as f64 >= digest.weight() as f64 => f64::INFINITY,
            rank => digest.value_of_rank(rank as f64),
        },
    )
}

fn byrevrank(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    answer_doubles(
        cx,
        args,
        |at| rank_argument(args, at),
        |digest, rank| match rank {
            _ if digest.weight() == 0 => f64::NAN,
            0 => digest.max(),
            rank if rank as f64 >= digest.weight() as f64 => f64::NEG_INFINITY,
            rank => digest.value_of_rank(digest.weight() as f64 - rank as f64 - 1.0),
        },
    )
}

fn rank_argument(args: Args<'_>, at: usize) -> Result<i64, Error> {
    let rank = integer(args, at, Error::fixed("ERR T-Digest: error parsing rank"))?;
    match rank >= 0 {
        true => Ok(rank),
        false => Err(Error::fixed("ERR T-Digest: rank needs to be non negative")),
    }
}

fn rank(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    answer_ranks(
        cx,
        args,
        |below, size| match below * size {
            rank if rank.fract() <= 0.5 => rank.trunc(),
            rank => rank.trunc() + 1.0,
        },
        |size| (-1.0, size),
    )
}

fn revrank(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    answer_ranks(cx, args, |below, size| (size - (below * size).round()).round(), |size| (size, -1.0))
}

/// The ranks of values: of one within by the part below it, of one before all or behind all by the number of values.
fn answer_ranks(
    cx: &mut Ctx<'_>,
    args: Args<'_>,
    within: impl Fn(f64, f64) -> f64,
    outside: impl Fn(f64) -> (f64, f64),
) -> CmdResult {
    const OF_NONE: f64 = -2.0;
    let digest = digest(cx, args, 1)?;
    let read = |at| double(args, at, Error::fixed("ERR T-Digest: error parsing value"));
    let values = (2..args.len()).map(read).collect::<Result<Vec<f64>, Error>>()?;
    let size = digest.weight() as f64;
    let (before_all, behind_all) = outside(size);
    let rank = |value| match value {
        _ if size == 0.0 => OF_NONE,
        value if value < digest.min() => before_all,
        value if value > digest.max() => behind_all,
        value => within(digest.part_below(value), size),
    };
    let ranks: Vec<f64> = values.into_iter().map(rank).collect();
    cx.reply.array(ranks.len());
    ranks.into_iter().for_each(|rank| cx.reply.integer(rank as i64));
    Ok(())
}

fn info(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let digest = cx.db.bundled::<TDigest>(&args.key(1))?.ok_or(NO_KEY)?;
    let fields = [
        ("Compression", digest.compression()),
        ("Capacity", digest.capacity() as i64),
        ("Merged nodes", digest.merged().len() as i64),
        ("Unmerged nodes", digest.unmerged_len() as i64),
        ("Merged weight", digest.merged_weight()),
        ("Unmerged weight", digest.unmerged_weight()),
        ("Observations", digest.weight()),
        ("Total compressions", digest.compressions()),
        ("Memory usage", digest.size() as i64),
    ];
    cx.reply.map(fields.len());
    for (name, figure) in fields {
        cx.reply.simple(name);
        cx.reply.integer(figure);
    }
    Ok(())
}
