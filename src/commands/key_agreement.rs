//! The keys found in a call are those its handler takes, whatever they are called.
//!
//! Calls of all commands are made up from their syntax lines. Keys, texts and names of options are drawn from one pool,
//! so that every word that can mean something stands where it means nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::FAMILIES;
use crate::command::docs::{self, Argument, Kind};
use crate::command::keys::find;
use crate::command::spec::Group;
use crate::command::{Args, CommandTable, Spec};
use crate::db::asked;
use crate::resp::request::OwnedRequest;
use crate::server::execution::row::Rows;
use crate::server::testbed::Testbed;
use crate::util::random::Random;

/// What may be a key or a text in any call, besides the words of its own command.
const WORDS: [&str; 8] = ["a", "b", "STORE", "by", "Streams", "KEYS", "count", "limit"];
const NUMBERS: [&str; 4] = ["1", "1", "2", "0"];
const IDS: [&str; 3] = ["0", ">", "1-1"];

/// Makes up a call, asking for a number whenever there is a choice.
struct Author<'a> {
    choices: &'a mut dyn Iterator<Item = u8>,
    pool: Vec<String>,
    words: Vec<String>,
}

impl Author<'_> {
    fn choose<T: Clone>(&mut self, from: &[T]) -> T {
        let choice = usize::from(self.choices.next().unwrap_or(0));
        from[choice % from.len()].clone()
    }

    fn push(&mut self, word: impl Into<String>) {
        self.words.push(word.into());
    }

    fn write(&mut self, argument: &Argument) {
        if argument.optional && self.choose(&[true, false]) {
            return;
        }
        let times = if argument.multiple { self.choose(&[1, 2, 3]) } else { 1 };
        for time in 0..times {
            if let Some(token) = &argument.token
                && (time == 0 || argument.multiple_token || argument.kind == Kind::PureToken)
            {
                self.push(token);
            }
            self.write_value(argument);
        }
    }

    fn write_value(&mut self, argument: &Argument) {
        match argument.kind {
            Kind::PureToken => {}
            Kind::OneOf => {
                let chosen = self.choose(&argument.arguments);
                self.write(&chosen);
            }
            Kind::Block => argument.arguments.iter().for_each(|member| self.write(member)),
            Kind::Integer | Kind::Double => self.push_one_of(&NUMBERS),
            Kind::UnixTime => self.push("99999999999"),
            Kind::String if argument.name.ends_with("id") => self.push_one_of(&IDS),
            Kind::String if is_number(&argument.name) => self.push_one_of(&NUMBERS),
            Kind::Key | Kind::String | Kind::Pattern => {
                let word = self.choose(&self.pool.clone());
                self.push(word);
            }
        }
    }

    fn push_one_of(&mut self, words: &[&str]) {
        let word = self.choose(words);
        self.push(word);
    }
}

fn is_number(name: &str) -> bool {
    ["score", "min", "max", "start", "end", "threshold", "timeout"].iter().any(|number| name.contains(number))
}

fn tokens(argument: &Argument, into: &mut Vec<String>) {
    into.extend(argument.token.iter().filter(|token| !token.is_empty()).cloned());
    argument.arguments.iter().for_each(|member| tokens(member, into));
}

/// A call of a command, and the words that may be keys in it.
fn call(full_name: &str, row: &Spec, choices: &mut dyn Iterator<Item = u8>) -> (Vec<String>, Vec<String>) {
    let arguments = docs::arguments(row).expect("a syntax line");
    let mut pool: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    arguments.iter().for_each(|argument| tokens(argument, &mut pool));
    let words = full_name.split('|').map(str::to_owned).collect();
    let mut author = Author { choices, pool, words };
    arguments.iter().for_each(|argument| author.write(argument));
    (author.words, author.pool)
}

/// Gives some keys values of the type that a command is for.
fn populate(bed: &mut Testbed, group: Group, keys: &BTreeSet<String>) {
    bed.run("FLUSHALL");
    for key in keys.iter().skip(1) {
        let words: &[&str] = match group {
            Group::Set => &["SADD", key, "a", "STORE"],
            Group::SortedSet | Group::Geo => &["GEOADD", key, "1", "1", "a"],
            Group::Stream => &["XGROUP", "CREATE", key, "a", "0", "MKSTREAM"],
            Group::Hash => &["HSET", key, "a", "1"],
            Group::Hyperloglog => &["PFADD", key, "a"],
            Group::String | Group::Bitmap => &["SET", key, "5"],
            Group::PathHash => &["PHSET", key, "a", "FIELDS", "1", "a", "1"],
            Group::Array => &["ARSET", key, "0", "a", "1"],
            Group::Json => &["JSON.SET", key, "$", "[1]"],
            _ => &["RPUSH", key, "1", "2"],
        };
        bed.run_words(words);
    }
}

fn check(bed: &mut Testbed, full_name: &str, row: &Spec, choices: &mut dyn Iterator<Item = u8>) {
    let (words, pool) = call(full_name, row, choices);
    if !row.arity.allows(words.len()) {
        return;
    }
    // What MIGRATE finds it would send.
    let present = if row.name == "migrate" { BTreeSet::new() } else { pool.into_iter().collect() };
    populate(bed, row.group, &present);
    let request = OwnedRequest::of(&words);
    let args = Args::from(request.view());
    let found: BTreeSet<Vec<u8>> = find(row, args).iter().map(|key| args.get(key.index).to_vec()).collect();
    let mut reply = String::new();
    let asked = asked::during(|| reply = bed.run_words(&words));
    assert!(asked.is_subset(&found), "{words:?} asks for {asked:?}, found are {found:?}: {reply}");
    if row.has_no_other_key() {
        let indexes: Vec<usize> = find(row, args).iter().map(|key| key.index).collect();
        assert_eq!(indexes, [usize::from(row.first_key())], "{words:?}");
    }
    if row.find_keys.is_some() && !reply.starts_with('-') {
        assert_eq!(asked, found, "{words:?}: {reply}");
    }
    bed.run("UNWATCH");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_handler_takes_no_key_that_is_not_found_in_its_call(seed in any::<u64>()) {
        let table = Rows::new(FAMILIES).0;
        let mut bed = Testbed::new();
        // Nothing waits in a transaction.
        bed.server.in_exec = true;
        let mut random = Random::from_seed(seed);
        let mut choices = std::iter::from_fn(|| Some(random.below(256) as u8));
        for id in table.ids() {
            let entry = table.entry(id);
            if entry.row.takes_keys() {
                check(&mut bed, &entry.full_name, entry.row, &mut choices);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn keys_among_options_are_those_the_handler_takes(choices in proptest::collection::vec(any::<u8>(), 24)) {
        thread_local! {
            static BED: std::cell::RefCell<(CommandTable, Testbed)> =
                std::cell::RefCell::new((Rows::new(FAMILIES).0, Testbed::new()));
        }
        BED.with_borrow_mut(|(table, bed)| {
            bed.server.in_exec = true;
            for id in table.ids().filter(|id| table.entry(*id).row.find_keys.is_some()) {
                let entry = table.entry(id);
                check(bed, &entry.full_name, entry.row, &mut choices.iter().copied());
            }
        });
    }
}

#[test]
fn words_of_options_may_be_keys() {
    let cases = [
        ("SORT k STORE by STORE secret", "k secret"),
        ("SORT k BY store LIMIT 0 1 STORE store", "k store"),
        ("SORT k GET STORE STORE d", "k d"),
        ("GEORADIUS k 1 1 1 m STORE ok STORE secret", "k secret"),
        ("GEORADIUS k 1 1 1 m STOREDIST ok STORE secret", "k secret"),
        ("GEORADIUS k 1 1 1 m STORE STOREDIST COUNT 1", "k STOREDIST"),
        ("GEORADIUSBYMEMBER k STORE 1 m STORE ok STOREDIST secret", "k secret"),
        ("XREADGROUP GROUP streams streams STREAMS secret >", "secret"),
        ("XREADGROUP NOACK GROUP g streams STREAMS secret >", "secret"),
        ("XREADGROUP NOACK COUNT 1 GROUP streams c STREAMS a b > >", "a b"),
        ("XREAD BLOCK 1 STREAMS streams count 0 0", "streams count"),
        ("MIGRATE h 1 k 0 10 AUTH keys", "k"),
        ("MIGRATE h 1  0 10 AUTH2 keys keys KEYS keys auth", "keys auth"),
        // Calls that will be refused.
        ("SORT k foo STORE d", "k d"),
        ("XREAD foo STREAMS a 0", "a"),
        ("XREAD STREAMS a b 0", "a"),
        ("XREAD COUNT 1 BLOCK 1", ""),
        ("GEORADIUS k 1 1 1 m STORE a STORE", "k a"),
        ("MIGRATE h 1 k 0 10 KEYS a b", ""),
    ];
    let table = Rows::new(FAMILIES).0;
    for (call, keys) in cases {
        let words: Vec<&str> = call.split(' ').collect();
        let request = OwnedRequest::of(&words);
        let args = Args::from(request.view());
        let row = table.entry(table.resolve(&args).expect("a command")).row;
        let found: Vec<_> = find(row, args).iter().map(|key| words[key.index]).collect();
        assert_eq!(found.join(" "), keys, "{call}");
    }
}
