//! GEOSEARCH and its kin.
//!
//! Arguments are read after the lookup, as in Redis: a wrong type is reported before anything else, a missing key
//! after all errors in the arguments. Then a member to search around can't be looked up, and need not be.

use super::{place, reply_distance, reply_place, unit};
use crate::command::args::shown;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::{Args, Error};
use crate::commands::sorted_set::limits;
use crate::db::Key;
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::Ctx;
use crate::types::geo::{Found, Outline, Place, Search};
use crate::types::listpack::IntText;
use crate::types::{Collection, SortedSet};
use crate::util::number::parse_f64;
use crate::util::partial_sort::sort_places;

/// Which of the commands is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// GEORADIUS; with `true`, one that may store.
    Radius(bool),
    /// GEORADIUSBYMEMBER; with `true`, one that may store.
    RadiusByMember(bool),
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

impl Form {
    /// The first option's argument.
    fn options(self) -> usize {
        match self {
            Form::Radius(_) => 6,
            Form::RadiusByMember(_) => 5,
            Form::Search => 2,
            Form::SearchStore => 3,
        }
    }

    /// Whether centre and outline are options.
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    /// Whether STORE and STOREDIST with a key are options.
    fn takes_store_key(self) -> bool {
        matches!(self, Form::Radius(true) | Form::RadiusByMember(true))
    }
}

/// Where a search begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Centre {
    Place(Place),
    /// A member; without a set its place is unknown.
    Member(Option<Place>),
}

/// Where results are kept.
#[derive(Clone, Copy, Debug)]
struct Destination {
    /// The argument that names the key.
    key: usize,
    /// Whether the scores are distances.
    distances: bool,
}

/// All that the arguments say.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    centre: Option<Centre>,
    outline: Option<Outline>,
    unit: f64,
    descending: Option<bool>,
    count: Option<usize>,
    any: bool,
    with_place: bool,
    with_distance: bool,
    with_score: bool,
    destination: Option<Destination>,
}

pub fn geosearch(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    search(cx, args, Form::Search)
}

pub fn geosearchstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    search(cx, args, Form::SearchStore)
}

pub fn georadius(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    search(cx, args, Form::Radius(true))
}

pub fn georadius_ro(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    search(cx, args, Form::Radius(false))
}

pub fn georadiusbymember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    search(cx, args, Form::RadiusByMember(true))
}

pub fn georadiusbymember_ro(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    search(cx, args, Form::RadiusByMember(false))
}

fn search(cx: &mut Ctx<'_>, args: Args<'_>, form: Form) -> CmdResult {
    let source = args.key(if form == Form::SearchStore { 2 } else { 1 });
    let limits = limits(&cx.server.config);
    let set = cx.db.collection::<SortedSet>(&source)?;
    let options = Options::read(&args, form, set)?;
    let found = match (set, options.search()) {
        (Some(set), Some(search)) => options.pick(search.run(set, options.limit())),
        _ => Vec::new(),
    };
    match options.destination {
        None => {
            options.reply(cx.reply, &found);
            Ok(())
        }
        Some(Destination { key, distances }) => {
            let score = |found: &Found<'_>| if distances { found.distance / options.unit } else { found.score };
            let results: Vec<_> = found.iter().map(|found| (found.member.to_vec(), score(found))).collect();
            let count = results.len();
            let results = (count > 0).then(|| SortedSet::from_entries(results, limits));
            store(cx, &args.key(key), results, form);
            cx.reply.integer(count as i64);
            Ok(())
        }
    }
}

/// Replaces the destination, or deletes it when there are no results.
fn store(cx: &mut Ctx<'_>, key: &Key<'_>, results: Option<SortedSet>, form: Form) {
    match results {
        Some(results) => {
            cx.db.dirty += results.len() as u64;
            cx.db.put_collection(key, results);
            let name = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
            cx.touched(key, Event::sorted_set(name));
        }
        None => {
            if cx.db.delete(key) {
                cx.changed(key, Event::generic("del"));
            }
        }
    }
}

/// Argument `index` as a length.
fn length(args: &Args<'_>, index: usize, no_number: &'static str) -> Result<f64, Error> {
    parse_f64(args.get(index)).ok_or(Error::fixed(no_number))
}

/// The place of the member at argument `index`.
fn member(args: &Args<'_>, index: usize, set: Option<&SortedSet>) -> Result<Centre, Error> {
    let Some(set) = set else { return Ok(Centre::Member(None)) };
    let score = set.score(args.get(index)).ok_or(Error::fixed("ERR could not decode requested zset member"))?;
    Ok(Centre::Member(Some(Place::of_score(score))))
}

impl Options {
    fn read(args: &Args<'_>, form: Form, set: Option<&SortedSet>) -> Result<Options, Error> {
        let mut options = Options::default();
        match form {
            Form::Radius(_) => {
                options.centre = Some(Centre::Place(place(args, 2)?));
                options.read_circle(args, 4)?;
            }
            Form::RadiusByMember(_) => {
                options.centre = Some(member(args, 2, set)?);
                if set.is_some() {
                    options.read_circle(args, 3)?;
                }
            }
            Form::Search => {}
            Form::SearchStore => options.destination = Some(Destination { key: 1, distances: false }),
        }
        let mut index = form.options();
        while index < args.len() {
            index += 1 + options.read_option(args, index, form, set)?;
        }
        options.check(args, form)?;
        Ok(options)
    }

    fn read_circle(&mut self, args: &Args<'_>, index: usize) -> CmdResult {
        let radius = length(args, index, "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(Error::fixed("ERR radius cannot be negative"));
        }
        self.unit = unit(args, index + 1)?;
        self.outline = Some(Outline::Circle { radius });
        Ok(())
    }

    fn read_box(&mut self, args: &Args<'_>, index: usize) -> CmdResult {
        let width = length(args, index, "ERR need numeric width")?;
        let height = length(args, index + 1, "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(Error::fixed("ERR height or width cannot be negative"));
        }
        self.unit = unit(args, index + 2)?;
        self.outline = Some(Outline::Box { width, height });
        Ok(())
    }

    /// Reads the option at argument `index` and returns how many arguments belong to it.
    fn read_option(
        &mut self,
        args: &Args<'_>,
        index: usize,
        form: Form,
        set: Option<&SortedSet>,
    ) -> Result<usize, Error> {
        let behind = args.len() - index - 1;
        if self.read_flag(args, index) {
            return Ok(0);
        }
        if behind >= 1 && args.is(index, "COUNT") {
            let count = usize::try_from(args.integer(index + 1)?).ok().filter(|count| *count > 0);
            self.count = Some(count.ok_or(Error::fixed("ERR COUNT must be > 0"))?);
            return Ok(1);
        }
        let distances = args.is(index, "STOREDIST");
        if form.takes_store_key() && behind >= 1 && (distances || args.is(index, "STORE")) {
            self.destination = Some(Destination { key: index + 1, distances });
            return Ok(1);
        }
        if form == Form::SearchStore && distances {
            self.destination = Some(Destination { key: 1, distances });
            return Ok(0);
        }
        if form.is_search() { self.read_where(args, index, behind, set) } else { Err(SYNTAX) }
    }

    /// Reads an option that is one word; whether it is one.
    fn read_flag(&mut self, args: &Args<'_>, index: usize) -> bool {
        match () {
            () if args.is(index, "WITHDIST") => self.with_distance = true,
            () if args.is(index, "WITHHASH") => self.with_score = true,
            () if args.is(index, "WITHCOORD") => self.with_place = true,
            () if args.is(index, "ANY") => self.any = true,
            () if args.is(index, "ASC") => self.descending = Some(false),
            () if args.is(index, "DESC") => self.descending = Some(true),
            () => return false,
        }
        true
    }

    /// Reads an option that says where to search. Of two that contradict each other the second is a syntax error.
    fn read_where(
        &mut self,
        args: &Args<'_>,
        index: usize,
        behind: usize,
        set: Option<&SortedSet>,
    ) -> Result<usize, Error> {
        let around_place = matches!(self.centre, Some(Centre::Place(_)));
        let around_member = matches!(self.centre, Some(Centre::Member(_)));
        if behind >= 1 && !around_place && args.is(index, "FROMMEMBER") {
            self.centre = Some(member(args, index + 1, set)?);
            Ok(1)
        } else if behind >= 2 && !around_member && args.is(index, "FROMLONLAT") {
            self.centre = Some(Centre::Place(place(args, index + 1)?));
            Ok(2)
        } else if behind >= 2 && !matches!(self.outline, Some(Outline::Box { .. })) && args.is(index, "BYRADIUS") {
            self.read_circle(args, index + 1)?;
            Ok(2)
        } else if behind >= 3 && !matches!(self.outline, Some(Outline::Circle { .. })) && args.is(index, "BYBOX") {
            self.read_box(args, index + 1)?;
            Ok(3)
        } else {
            Err(SYNTAX)
        }
    }

    /// Whether the options go together.
    fn check(&self, args: &Args<'_>, form: Form) -> CmdResult {
        if self.destination.is_some() && (self.with_place || self.with_distance || self.with_score) {
            let what = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            let line = format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
            return Err(Error::text(line));
        }
        let missing = |what: &str| {
            let line = format!("ERR exactly one of {what} can be specified for ");
            Error::text([line.as_bytes(), shown(args.get(0))].concat())
        };
        if form.is_search() && self.centre.is_none() {
            return Err(missing("FROMMEMBER or FROMLONLAT"));
        }
        if form.is_search() && self.outline.is_none() {
            return Err(missing("BYRADIUS and BYBOX"));
        }
        if self.any && self.count.is_none() {
            return Err(Error::fixed("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The search, if the place of its centre is known.
    fn search(&self) -> Option<Search> {
        let (Centre::Place(centre) | Centre::Member(Some(centre))) = self.centre? else { return None };
        Some(Search { centre, outline: self.outline?, unit: self.unit })
    }

    /// After how many elements the search may end.
    fn limit(&self) -> usize {
        self.count.filter(|_| self.any).unwrap_or(usize::MAX)
    }

    /// Sorts elements if that is asked for, and leaves no more than asked for. Those at the same distance stay in
    /// their order, unless some are left out.
    fn pick<'a>(&self, mut found: Vec<Found<'a>>) -> Vec<Found<'a>> {
        let count = self.count.unwrap_or(usize::MAX);
        let ascending = self.count.is_some() && !self.any;
        if let Some(descending) = self.descending.or(ascending.then_some(false)) {
            let order = |one: &Found<'a>, other: &Found<'a>| match descending {
                false => one.distance.total_cmp(&other.distance),
                true => other.distance.total_cmp(&one.distance),
            };
            if count < found.len() {
                sort_places(&mut found, 0..count, order);
            } else {
                found.sort_by(order);
            }
        }
        found.truncate(count);
        found
    }

    /// Members alone, or arrays of a member and what else was asked for.
    fn reply(&self, reply: &mut Reply, found: &[Found<'_>]) {
        let details = usize::from(self.with_distance) + usize::from(self.with_score) + usize::from(self.with_place);
        reply.array(found.len());
        let mut text = IntText::new();
        for one in found {
            if details > 0 {
                reply.array(details + 1);
            }
            reply.bulk(one.member.text(&mut text));
            if self.with_distance {
                reply_distance(reply, one.distance / self.unit);
            }
            if self.with_score {
                reply.integer(one.score as i64);
            }
            if self.with_place {
                reply_place(reply, one.place);
            }
        }
    }
}
