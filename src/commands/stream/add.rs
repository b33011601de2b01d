//! XADD, XTRIM and XSETID.
//!
//! The id that an entry gets, and what rough trimming comes to, depend on the moment and on this server's blocks: both
//! are propagated as they turned out.

use super::delete::references;
use super::idempotent::{self, Origin};
use super::shared::{INVALID_ID, id};
use crate::command::error::{CmdResult, NO_SUCH_KEY, SYNTAX};
use crate::command::{Args, Error};
use crate::server::effects::Event;
use crate::server::execution::Ctx;
use crate::types::Stream;
use crate::types::stream::{BlockLimits, IdText, Keep, NewId, References, Refusal, StreamId, Trim, Trimmed};

const EXHAUSTED: Error = Error::fixed("ERR The stream has exhausted the last possible ID, unable to add more items");
const NOT_GREATER: Error =
    Error::fixed("ERR The ID specified in XADD is equal or smaller than the target stream top item");
const TOO_LARGE: Error = Error::fixed("ERR Elements are too large to be stored");

const TRIMMED: Event = Event::stream("xtrim");

/// At most this many blocks are trimmed away at once where nothing is said of a limit.
const BLOCKS_TRIMMED_MAX: u64 = 100;
/// At most this many entries, whatever a block may hold.
const TRIMMED_MAX: u64 = 1_000_000;
/// At most this many entries, if a block may hold any number.
const TRIMMED_MAX_UNBOUNDED: u64 = 10_000;

/// The options in front of XADD's id, or behind XTRIM's key.
#[derive(Debug, Default)]
struct Options {
    keep: Option<Keep>,
    /// The argument that says how much is kept.
    threshold_at: usize,
    roughly: bool,
    limit: Option<u64>,
    references: Option<References>,
    no_create: bool,
    /// What the entry comes from.
    origin: Option<Origin>,
    /// The argument that ended them.
    end: usize,
}

impl Options {
    /// Reads them up to the first argument that is none.
    fn parse(args: &Args<'_>, is_add: bool) -> Result<Options, Error> {
        let mut options = Options { end: 2, ..Options::default() };
        while options.end < args.len() {
            let (at, word) = (options.end, args.get(options.end));
            let has_more = at + 1 < args.len();
            if is_add && word == b"*" {
                break;
            } else if has_more && (args.is(at, "maxlen") || args.is(at, "minid")) {
                options.read_threshold(args)?;
            } else if has_more && args.is(at, "limit") {
                let limit = args.integer(at + 1)?;
                let limit = u64::try_from(limit).map_err(|_| Error::fixed("ERR The LIMIT argument must be >= 0."))?;
                options.limit = Some(limit);
                options.end += 2;
            } else if is_add && args.is(at, "nomkstream") {
                options.no_create = true;
                options.end += 1;
            } else if is_add && let Some((origin, taken)) = Origin::parse(args, at, options.origin)? {
                options.origin = Some(origin);
                options.end += taken;
            } else if let Some(references) = references(word)
                && options.references.is_none()
            {
                options.references = Some(references);
                options.end += 1;
            } else {
                break;
            }
        }
        Ok(options)
    }

    fn read_threshold(&mut self, args: &Args<'_>) -> Result<(), Error> {
        const TWICE: Error =
            Error::fixed("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
        if self.keep.is_some() {
            return Err(TWICE);
        }
        let mut at = self.end + 1;
        let has_more = at + 1 < args.len();
        if has_more && matches!(args.get(at), b"~" | b"=") {
            self.roughly = args.get(at) == b"~";
            at += 1;
        }
        self.keep = Some(if args.is(self.end, "maxlen") {
            let count = u64::try_from(args.integer(at)?);
            Keep::Latest(count.map_err(|_| Error::fixed("ERR The MAXLEN argument must be >= 0."))?)
        } else {
            Keep::From(id(args, at)?)
        });
        self.threshold_at = at;
        self.end = at + 1;
        Ok(())
    }

    /// How to trim, if that is asked for. What happened elsewhere (`must_obey`) is repeated to the full: a limit has
    /// its part in the threshold already.
    fn trim(&self, limits: BlockLimits, is_add: bool, must_obey: bool) -> Result<Option<Trim>, Error> {
        let Some(keep) = self.keep else {
            if self.limit.is_some_and(|limit| limit > 0) {
                return Err(Error::fixed(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                ));
            }
            if !is_add {
                return Err(Error::fixed("ERR syntax error, XTRIM must be called with a trimming strategy"));
            }
            return if self.limit.is_some() { Err(LIMIT_WITHOUT_ROUGHLY) } else { Ok(None) };
        };
        let limit = match self.limit {
            _ if must_obey => 0,
            Some(_) if !self.roughly => return Err(LIMIT_WITHOUT_ROUGHLY),
            Some(limit) => limit,
            None if !self.roughly => 0,
            None if limits.entries == 0 => TRIMMED_MAX_UNBOUNDED,
            None => limits.entries.saturating_mul(BLOCKS_TRIMMED_MAX).min(TRIMMED_MAX),
        };
        Ok(Some(Trim { keep, roughly: self.roughly, limit }))
    }
}

const LIMIT_WITHOUT_ROUGHLY: Error =
    Error::fixed("ERR syntax error, LIMIT cannot be used without the special ~ option");

#[inline]
fn block_limits(cx: &Ctx<'_>) -> BlockLimits {
    let config = &cx.server.config;
    BlockLimits { bytes: config.stream_node_max_bytes, entries: config.stream_node_max_entries }
}

pub fn xadd(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let limits = block_limits(cx);
    let options = Options::parse(&args, true)?;
    let wanted = match args.try_get(options.end) {
        Some(b"*") => NewId::Now(cx.clock_ms() as u64),
        Some(text) => new_id(text)?,
        None => return Err(Error::wrong_arity("xadd")),
    };
    if options.origin.is_some() && !matches!(wanted, NewId::Now(_)) && !cx.must_obey() {
        return Err(Error::fixed("ERR IDMP/IDMPAUTO can be used only with auto-generated IDs"));
    }
    let trim = options.trim(limits, true, cx.must_obey())?;
    let first = options.end + 1;
    if args.len() < first + 2 || !(args.len() - first).is_multiple_of(2) {
        return Err(Error::wrong_arity("xadd"));
    }
    if wanted == NewId::Exactly(StreamId::MIN) {
        return Err(Error::fixed("ERR The ID specified in XADD must be greater than 0-0"));
    }

    let (settings, now_ms, must_obey) = (idempotent::default_settings(cx), cx.clock_ms(), cx.must_obey());
    let origin = options.origin.map(|origin| (origin.producer(&args), origin.name(&args, first)));
    let key = args.key(1);
    let stream = match options.no_create {
        false => cx.db.collection_or_new::<Stream>(&key)?,
        true => match cx.db.collection_mut::<Stream>(&key)? {
            Some(stream) => stream,
            None => {
                cx.reply.null();
                return Ok(());
            }
        },
    };
    let mut room = IdText::default();
    if let Some((producer, name)) = &origin
        && let Some(id) = idempotent::find_duplicate(stream, (producer, name), now_ms, must_obey)
    {
        cx.reply.bulk(id.text(&mut room));
        return Ok(());
    }
    let log = stream.log_mut();
    let added = log.new_id(wanted).and_then(|id| {
        log.push(id, (first..args.len()).map(|index| args.get(index)), limits)?;
        Ok(id)
    });
    let id = match added {
        Ok(id) => id,
        Err(refusal) => {
            // A stream that was made for it goes with it.
            if log.last_id == StreamId::MIN && stream.groups().len() == 0 {
                cx.db.delete(&key);
            }
            return Err(refused(refusal));
        }
    };
    match &origin {
        Some((producer, name)) => stream.producers_or_new(settings).record(producer, name, id, now_ms),
        None => stream.producers_mut().into_iter().for_each(|producers| producers.age(id, now_ms)),
    }
    let id_text = id.text(&mut room);
    cx.reply.bulk(id_text);

    let trimmed = trim.map(|trim| stream.trim(trim, options.references.unwrap_or_default())).unwrap_or_default();
    let depends = options.roughly || wanted != NewId::Exactly(id);
    if depends && cx.server.observers.propagates() {
        let threshold = options.roughly.then(|| exact_threshold(stream, &options, trimmed));
        let name = origin.as_ref().map(|(_, name)| &name[..]);
        propagate_exactly(cx, &args, &options, threshold, Some((id_text, name)));
    }
    cx.changed(&key, Event::stream("xadd"));
    if trimmed.count > 0 {
        cx.touched(&key, TRIMMED);
    }
    Ok(())
}

fn new_id(text: &[u8]) -> Result<NewId, Error> {
    match StreamId::parse_partial(text) {
        Some(ms) => Ok(NewId::Within(ms)),
        None => StreamId::parse(text, 0).map(NewId::Exactly).ok_or(INVALID_ID),
    }
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Exhausted => EXHAUSTED,
        Refusal::NotGreater => NOT_GREATER,
        Refusal::TooLarge => TOO_LARGE,
    }
}

/// The threshold with which exact trimming leaves what rough trimming has left.
fn exact_threshold(stream: &Stream, options: &Options, trimmed: Trimmed) -> Vec<u8> {
    let log = stream.log();
    match options.keep {
        Some(Keep::Latest(_)) | None => log.len().to_string().into_bytes(),
        // What somebody needs may stand before what was removed.
        Some(Keep::From(_)) if options.references == Some(References::Respect) => match trimmed.count {
            0 => StreamId::MIN.to_vec(),
            _ => trimmed.last.next().unwrap_or(StreamId::MAX).to_vec(),
        },
        Some(Keep::From(_)) if log.len() == 0 => StreamId::MAX.to_vec(),
        Some(Keep::From(_)) => log.first_id().to_vec(),
    }
}

/// Has the command propagated with the threshold, the id and the name of the entry that it came to.
fn propagate_exactly(
    cx: &mut Ctx<'_>,
    args: &Args<'_>,
    options: &Options,
    threshold: Option<Vec<u8>>,
    entry: Option<(&[u8], Option<&[u8]>)>,
) {
    let mut words: Vec<&[u8]> = args.rest(0).collect();
    if let Some(threshold) = &threshold {
        words[options.threshold_at - 1] = b"=";
        words[options.threshold_at] = threshold;
    }
    if let Some((id, name)) = entry {
        words[options.end] = id;
        if let Some((origin, name)) = options.origin.zip(name) {
            origin.write_out(&mut words, name);
        }
    }
    cx.propagate_instead(&words);
}

pub fn xtrim(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let options = Options::parse(&args, false)?;
    if options.end < args.len() {
        return Err(SYNTAX);
    }
    let trim = options.trim(block_limits(cx), false, cx.must_obey())?;
    let key = args.key(1);
    let (Some(stream), Some(trim)) = (cx.db.collection_mut::<Stream>(&key)?, trim) else {
        cx.reply.integer(0);
        return Ok(());
    };
    let trimmed = stream.trim(trim, options.references.unwrap_or_default());
    cx.reply.integer(trimmed.count as i64);
    if trimmed.count > 0 {
        if options.roughly {
            let threshold = exact_threshold(stream, &options, trimmed);
            propagate_exactly(cx, &args, &options, Some(threshold), None);
        }
        cx.db.dirty += trimmed.count;
        cx.touched(&key, TRIMMED);
    }
    Ok(())
}

pub fn xsetid(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let last_id = id(&args, 2)?;
    let (mut entries_added, mut max_deleted_id) = (None, None);
    for index in (3..args.len()).step_by(2) {
        if index + 1 >= args.len() {
            return Err(SYNTAX);
        } else if args.is(index, "entriesadded") {
            let added = u64::try_from(args.integer(index + 1)?);
            entries_added = Some(added.map_err(|_| Error::fixed("ERR entries_added must be positive"))?);
        } else if args.is(index, "maxdeletedid") {
            let deleted = id(&args, index + 1)?;
            if last_id < deleted {
                return Err(Error::fixed(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted_id = Some(deleted).filter(|deleted| *deleted != StreamId::MIN);
        } else {
            return Err(SYNTAX);
        }
    }
    let key = args.key(1);
    let stream = cx.db.collection_mut::<Stream>(&key)?.ok_or(NO_SUCH_KEY)?;
    let log = stream.log_mut();
    if last_id < log.max_deleted_id {
        return Err(Error::fixed("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"));
    }
    if log.last_live_id().is_some_and(|live| last_id < live) {
        return Err(Error::fixed("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if log.len() > 0 && entries_added.is_some_and(|added| log.len() > added) {
        return Err(Error::fixed("ERR The entries_added specified in XSETID is smaller than the target stream length"));
    }
    log.last_id = last_id;
    log.entries_added = entries_added.unwrap_or(log.entries_added);
    log.max_deleted_id = max_deleted_id.unwrap_or(log.max_deleted_id);
    if let Some(added) = entries_added {
        stream.groups_mut().0.limit_entries_read(added);
    }
    cx.reply.ok();
    cx.db.dirty += 1;
    cx.notify(key.bytes(), Event::stream("xsetid"));
    Ok(())
}
