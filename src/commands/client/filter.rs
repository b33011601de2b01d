//! Which connections CLIENT LIST describes and CLIENT KILL closes: pairs of an option and what it asks for.
//!
//! All that is asked for must hold. Each option but those about age and about the asking client has a form with `NOT-`
//! before it, for those of which it does not hold.

use crate::client::Client;
use crate::client::acl::UserId;
use crate::client::class::Class;
use crate::command::args::shown;
use crate::command::error::SYNTAX;
use crate::command::{Args, Error};
use crate::net::ClientKey;
use crate::server::clients::describe;
use crate::server::execution::Ctx;
use crate::util::number;

/// All letters that may stand for a property of a client, those of properties that nobody has here included.
const FLAG_LETTERS: &[u8] = b"bcdeirtuxABEIMNOPRSTU";

/// What may hold of a client.
#[derive(Debug, PartialEq, Eq)]
enum Condition<'a> {
    Id(Vec<u64>),
    Class(Class),
    User(UserId),
    Address(&'a [u8]),
    LocalAddress(&'a [u8]),
    Ip(&'a [u8]),
    Flags(&'a [u8]),
    Name(&'a [u8]),
    LibName(&'a [u8]),
    LibVersion(&'a [u8]),
    Database(usize),
    Capabilities,
    AgeMin(i64),
    IdleMin(i64),
}

/// Which connections are meant.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    /// Each condition, and whether it must not hold.
    conditions: Vec<(Condition<'a>, bool)>,
    /// SKIPME, where it was given.
    pub skips_own: Option<bool>,
}

/// What differs between the two commands in what Redis says about wrong ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// CLIENT LIST.
    List,
    /// CLIENT KILL.
    Kill,
}

impl<'a> Filter<'a> {
    /// The connection from one address alone: the old form of CLIENT KILL.
    pub fn of_address(address: &'a [u8]) -> Filter<'a> {
        Filter { conditions: vec![(Condition::Address(address), false)], skips_own: None }
    }

    /// Reads the options from argument 2 on.
    ///
    /// # Errors
    /// An option is unknown, or lacks a value that makes sense.
    pub fn parse(cx: &Ctx<'_>, args: &Args<'a>, purpose: Purpose) -> Result<Filter<'a>, Error> {
        let mut filter = Filter::default();
        let mut index = 2;
        while index < args.len() {
            let value = args.try_get(index + 1).ok_or(SYNTAX)?;
            let word = args.get(index).to_ascii_lowercase();
            let (option, negated) = match word.strip_prefix(b"not-") {
                Some(option) => (option, true),
                None => (&word[..], false),
            };
            index += 2;
            let condition = match option {
                b"id" => {
                    let ids = ids(args, &mut index, purpose)?;
                    Condition::Id(ids)
                }
                b"type" => Condition::Class(class(value)?),
                b"user" => {
                    let unknown = || Error::text([b"ERR No such user '", shown(value), b"'"].concat());
                    Condition::User(cx.server.acl.find(value).ok_or_else(unknown)?)
                }
                b"addr" => Condition::Address(value),
                b"laddr" => Condition::LocalAddress(value),
                b"ip" => Condition::Ip(value),
                b"flags" => Condition::Flags(letters("flags", "FLAGS", value, FLAG_LETTERS, negated)?),
                b"capa" => {
                    letters("capa", "CAPA", value, b"r", negated)?;
                    Condition::Capabilities
                }
                b"name" => Condition::Name(value),
                b"lib-name" => Condition::LibName(value),
                b"lib-ver" => Condition::LibVersion(value),
                b"db" => Condition::Database(database(cx, value, if negated { "NOT-DB" } else { "DB" })?),
                b"maxage" if !negated => Condition::AgeMin(seconds(value, "maxage")?),
                b"idle" if !negated => Condition::IdleMin(seconds(value, "idle")?),
                b"skipme" if !negated && value.eq_ignore_ascii_case(b"yes") => {
                    filter.skips_own = Some(true);
                    continue;
                }
                b"skipme" if !negated && value.eq_ignore_ascii_case(b"no") => {
                    filter.skips_own = Some(false);
                    continue;
                }
                _ => return Err(SYNTAX),
            };
            filter.add(condition, negated);
        }
        Ok(filter)
    }

    /// Of an option that is given again the latter counts, but ids add up.
    fn add(&mut self, condition: Condition<'a>, negated: bool) {
        let same = |known: &&mut (Condition<'a>, bool)| {
            known.1 == negated && std::mem::discriminant(&known.0) == std::mem::discriminant(&condition)
        };
        match (self.conditions.iter_mut().find(same), condition) {
            (Some((Condition::Id(known), _)), Condition::Id(further)) => known.extend(further),
            (Some((known, _)), condition) => *known = condition,
            (None, condition) => self.conditions.push((condition, negated)),
        }
    }

    /// The clients that are meant: in the order of the ids that were asked for, else the oldest first.
    pub fn chosen(&self, cx: &Ctx<'_>) -> Vec<ClientKey> {
        let clients = &cx.server.clients;
        let listed = self.conditions.iter().find_map(|condition| match condition {
            (Condition::Id(ids), false) => Some(ids),
            _ => None,
        });
        let candidates = match listed {
            Some(ids) => ids.iter().filter_map(|id| clients.find_id(*id)).collect(),
            None => clients.in_order(),
        };
        let now_ms = cx.server.clock.unix_ms();
        let spares = |key: ClientKey| self.skips_own == Some(true) && key == cx.client;
        candidates.into_iter().filter(|key| !spares(*key) && self.matches(clients.at(*key), now_ms)).collect()
    }

    fn matches(&self, client: &Client, now_ms: i64) -> bool {
        self.conditions.iter().all(|(condition, negated)| condition.holds(client, now_ms) != *negated)
    }
}

impl Condition<'_> {
    fn holds(&self, client: &Client, now_ms: i64) -> bool {
        let connection = &client.connection;
        let is = |text: &Option<Box<[u8]>>, wanted: &[u8]| text.as_deref() == Some(wanted);
        match self {
            Condition::Id(ids) => ids.contains(&client.id),
            Condition::Class(class) => Class::of(client) == *class,
            Condition::User(user) => client.user == *user,
            Condition::Address(address) => connection.peer_name().as_bytes() == *address,
            Condition::LocalAddress(address) => connection.local_name().as_bytes() == *address,
            Condition::Ip(ip) => connection.peer_ip().is_some_and(|peer| peer.to_string().as_bytes() == *ip),
            Condition::Flags(letters) => {
                let flags = describe::flags(client);
                letters.iter().all(|letter| flags.as_bytes().contains(letter))
            }
            Condition::Name(name) => is(&client.name, name),
            Condition::LibName(name) => is(&client.lib_name, name),
            Condition::LibVersion(version) => is(&client.lib_version, version),
            Condition::Database(db) => client.db == *db,
            Condition::Capabilities => client.follows_redirects,
            Condition::AgeMin(seconds) => now_ms - client.created_ms >= seconds.saturating_mul(1000),
            Condition::IdleMin(seconds) => now_ms - client.active_ms >= seconds.saturating_mul(1000),
        }
    }
}

/// The ids up to the next option, of which the one at `index` - 1 is the first. CLIENT LIST finds nobody for a number
/// that is none's id, CLIENT KILL refuses it.
fn ids(args: &Args<'_>, index: &mut usize, purpose: Purpose) -> Result<Vec<u64>, Error> {
    const NO_ID: Error = Error::fixed("ERR client-id should be greater than 0");
    let mut ids = Vec::new();
    let mut position = *index - 1;
    while let Some(word) = args.try_get(position) {
        match (number::parse_i64(word), purpose) {
            (Some(id @ 1..), _) => ids.push(id as u64),
            (Some(_), Purpose::List) => {}
            (None, Purpose::List) if ids.is_empty() || !is_option(word) => {
                return Err(Error::fixed("ERR Invalid client ID"));
            }
            (None, Purpose::Kill) if ids.is_empty() => return Err(NO_ID),
            (None, Purpose::Kill) if !is_option(word) => return Err(SYNTAX),
            (Some(_), Purpose::Kill) => return Err(NO_ID),
            (None, _) => break,
        }
        position += 1;
    }
    *index = position;
    Ok(ids)
}

/// Whether a word may follow a list of ids.
fn is_option(word: &[u8]) -> bool {
    const OPTIONS: [&[u8]; 14] = [
        b"id",
        b"type",
        b"user",
        b"addr",
        b"laddr",
        b"ip",
        b"flags",
        b"capa",
        b"name",
        b"lib-name",
        b"lib-ver",
        b"db",
        b"maxage",
        b"idle",
    ];
    let word = word.to_ascii_lowercase();
    word == b"skipme" || OPTIONS.contains(&word.strip_prefix(b"not-").unwrap_or(&word))
}

/// Letters that are all known.
fn letters<'a>(what: &str, option: &str, given: &'a [u8], known: &[u8], negated: bool) -> Result<&'a [u8], Error> {
    if given.iter().all(|letter| known.contains(letter)) {
        return Ok(given);
    }
    let filter = if negated { format!("the NOT-{option}") } else { "the provided".to_owned() };
    Err(Error::text([format!("ERR Unknown {what} found in {filter} filter: ").as_bytes(), shown(given)].concat()))
}

fn database(cx: &Ctx<'_>, value: &[u8], option: &str) -> Result<usize, Error> {
    let no_number = || Error::text(format!("ERR {option} is not an integer or out of range"));
    let number = number::parse_i64(value).ok_or_else(no_number)?;
    let known = usize::try_from(number).ok().filter(|number| *number < cx.db.count());
    known.ok_or_else(|| Error::text(format!("ERR {option} number should be between 0 and {}", cx.db.count() - 1)))
}

fn seconds(value: &[u8], option: &str) -> Result<i64, Error> {
    let no_number = || Error::text(format!("ERR {option} is not an integer or out of range"));
    let seconds = number::parse_i64(value).ok_or_else(no_number)?;
    match seconds {
        1.. => Ok(seconds),
        _ => Err(Error::text(format!("ERR {option} should be greater than 0"))),
    }
}

fn class(name: &[u8]) -> Result<Class, Error> {
    let unknown = || Error::text(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(name)));
    Class::named(name).ok_or_else(unknown)
}
