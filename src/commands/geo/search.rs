//! GEOSEARCH and its kin.
//!
//! Arguments are read after the lookup, as in Redis: a wrong type is reported before anything else, a missing key
//! after all errors in the arguments. Then a member to search around can't be looked up, and need not be.

use super::{READS, STORED, place, reply_distance, reply_place, unit};
use crate::command::args::shown;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::FoundKey;
use crate::command::{Args, Error};
use crate::commands::sorted_set::limits;
use crate::db::Key;
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::Ctx;
use crate::types::geo::{Found, Outline, Place, Search, centroid};
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

/// A word among the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    WithDist,
    WithHash,
    WithCoord,
    Any,
    Asc,
    Desc,
    Count,
    Store,
    StoreDist,
    FromMember,
    FromLonLat,
    ByRadius,
    ByBox,
    ByPolygon,
}

impl Word {
    /// The words, each with how many arguments belong to it. GEOSEARCHSTORE has its key elsewhere: there none belongs
    /// to STOREDIST. To BYPOLYGON belongs what its number says, at least two.
    const ALL: [(&'static str, Word, usize); 14] = [
        ("WITHDIST", Word::WithDist, 0),
        ("WITHHASH", Word::WithHash, 0),
        ("WITHCOORD", Word::WithCoord, 0),
        ("ANY", Word::Any, 0),
        ("ASC", Word::Asc, 0),
        ("DESC", Word::Desc, 0),
        ("COUNT", Word::Count, 1),
        ("STORE", Word::Store, 1),
        ("STOREDIST", Word::StoreDist, 1),
        ("FROMMEMBER", Word::FromMember, 1),
        ("FROMLONLAT", Word::FromLonLat, 2),
        ("BYRADIUS", Word::ByRadius, 2),
        ("BYBOX", Word::ByBox, 3),
        ("BYPOLYGON", Word::ByPolygon, 2),
    ];

    /// The word at an argument if the form has it and what belongs to it is there, and the argument behind that.
    fn at(args: &Args<'_>, index: usize, form: Form) -> Option<(Word, usize)> {
        if form == Form::SearchStore && args.is(index, "STOREDIST") {
            return Some((Word::StoreDist, index + 1));
        }
        args.option(index, &Word::ALL).filter(|(word, _)| match word {
            Word::WithDist | Word::WithHash | Word::WithCoord | Word::Any => true,
            Word::Asc | Word::Desc | Word::Count => true,
            Word::Store | Word::StoreDist => form.takes_store_key(),
            Word::FromMember | Word::FromLonLat | Word::ByRadius | Word::ByBox | Word::ByPolygon => form.is_search(),
        })
    }
}

/// The set, and the key of the last STORE or STOREDIST. What is no option is passed over: the call will be refused.
fn radius_keys(args: &Args<'_>, form: Form) -> Vec<FoundKey> {
    let options = args.options(form.options(), |index| Word::at(args, index, form));
    let store = options.filter(|(_, word)| matches!(word, Word::Store | Word::StoreDist)).last();
    let store = store.map(|(index, _)| FoundKey { index: index + 1, access: STORED });
    [FoundKey { index: 1, access: READS }].into_iter().chain(store).collect()
}

/// The keys of GEORADIUS.
pub fn georadius_keys(args: Args<'_>) -> Option<Vec<FoundKey>> {
    Some(radius_keys(&args, Form::Radius(true)))
}

/// The keys of GEORADIUSBYMEMBER.
pub fn georadiusbymember_keys(args: Args<'_>) -> Option<Vec<FoundKey>> {
    Some(radius_keys(&args, Form::RadiusByMember(true)))
}

/// Where a search begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Centre {
    Place(Place),
    /// A member; without a set its place is unknown.
    Member(Option<Place>),
    /// That of a polygon.
    Polygon(Place),
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
#[derive(Clone, Debug, Default)]
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
            let (word, next) = Word::at(args, index, form).ok_or(SYNTAX)?;
            index = match word {
                Word::ByPolygon => options.read_polygon(args, index + 1)?,
                _ => {
                    options.read_option(args, index, word, form, set)?;
                    next
                }
            };
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

    /// Reads a polygon from its number of vertices on; the argument behind it. It is its own centre.
    fn read_polygon(&mut self, args: &Args<'_>, index: usize) -> Result<usize, Error> {
        const NO_NUMBER: Error = Error::fixed("ERR invalid number of vertices");
        const TOO_FEW: Error = Error::fixed("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
        if !matches!(self.centre, None | Some(Centre::Polygon(_)))
            || matches!(self.outline, Some(Outline::Circle { .. } | Outline::Box { .. }))
        {
            return Err(SYNTAX);
        }
        let count = args.integer_in(index, i32::MIN.into()..=i32::MAX.into(), NO_NUMBER)?;
        let count = usize::try_from(count).ok().filter(|count| *count >= 3).ok_or(TOO_FEW)?;
        let behind = index + 1 + 2 * count;
        if behind > args.len() {
            return Err(TOO_FEW);
        }
        let vertices = (index + 1..behind).step_by(2).map(|index| place(args, index)).collect::<Result<Vec<_>, _>>()?;
        self.centre = Some(Centre::Polygon(centroid(&vertices)));
        self.outline = Some(Outline::Polygon(vertices));
        self.unit = 1.0;
        Ok(behind)
    }

    /// Reads the option whose word is at argument `index`. Of two that say where to search, and contradict each other,
    /// the second is a syntax error.
    fn read_option(
        &mut self,
        args: &Args<'_>,
        index: usize,
        word: Word,
        form: Form,
        set: Option<&SortedSet>,
    ) -> CmdResult {
        let around_place = matches!(self.centre, Some(Centre::Place(_)));
        let around_member = matches!(self.centre, Some(Centre::Member(_)));
        let in_polygon = matches!(self.centre, Some(Centre::Polygon(_)));
        match word {
            Word::WithDist => self.with_distance = true,
            Word::WithHash => self.with_score = true,
            Word::WithCoord => self.with_place = true,
            Word::Any => self.any = true,
            Word::Asc => self.descending = Some(false),
            Word::Desc => self.descending = Some(true),
            Word::Count => {
                let count = usize::try_from(args.integer(index + 1)?).ok().filter(|count| *count > 0);
                self.count = Some(count.ok_or(Error::fixed("ERR COUNT must be > 0"))?);
            }
            Word::Store | Word::StoreDist => {
                let key = if form == Form::SearchStore { 1 } else { index + 1 };
                self.destination = Some(Destination { key, distances: word == Word::StoreDist });
            }
            Word::FromMember | Word::FromLonLat | Word::ByRadius | Word::ByBox if in_polygon => return Err(SYNTAX),
            Word::FromMember if !around_place => self.centre = Some(member(args, index + 1, set)?),
            Word::FromLonLat if !around_member => self.centre = Some(Centre::Place(place(args, index + 1)?)),
            Word::ByRadius if !matches!(self.outline, Some(Outline::Box { .. })) => {
                self.read_circle(args, index + 1)?
            }
            Word::ByBox if !matches!(self.outline, Some(Outline::Circle { .. })) => self.read_box(args, index + 1)?,
            Word::FromMember | Word::FromLonLat | Word::ByRadius | Word::ByBox | Word::ByPolygon => return Err(SYNTAX),
        }
        Ok(())
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
        let centre = match self.centre? {
            Centre::Place(centre) | Centre::Member(Some(centre)) | Centre::Polygon(centre) => centre,
            Centre::Member(None) => return None,
        };
        Some(Search { centre, outline: self.outline.clone()?, unit: self.unit })
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
