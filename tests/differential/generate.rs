//! From the families' rows to a stream of units.
//!
//! A row is one command: its name, how often it is drawn among all rows, and its words as a line of [`Grammar`], or a
//! function that makes it. Some commands are spoilt on the way: a word too few, too many, or of the wrong sort.

use std::collections::HashSet;

use super::check::Check;
use super::draw::{ACTORS, Draw, Word};
use super::families::{FAMILIES, kind};
use super::grammar::Grammar;
use super::unit::{Cmd, Unit};

/// So many of a hundred commands are spoilt, where their row allows it.
const SPOILT_PERCENT: usize = 3;
/// COMMAND, GETKEYS, a name and an argument.
const SHORTEST_ABOUT_ANOTHER: usize = 4;
/// So many of a hundred units change the connection.
const SWITCH_PERCENT: usize = 2;

/// Makes commands that a line of grammar cannot.
pub type Maker = fn(&mut Draw) -> Vec<Cmd>;

/// How a row's commands come about.
#[derive(Clone, Copy, Debug)]
pub enum Recipe {
    /// A line of grammar: what follows the name.
    Line(&'static str),
    /// A function.
    Made(Maker),
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its lower-case name; a subcommand's after a bar.
    pub name: &'static str,
    weight: usize,
    recipe: Recipe,
    check: Check,
    is_spoilt: bool,
    asks_encoding: bool,
    is_about_another: bool,
    forerunner: &'static [&'static str],
    series: Option<Series>,
}

/// What the server is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// A Redis, the measure of all that it has.
    Redis,
    /// A Valkey, the measure of what that has alone.
    Valkey,
}

/// A row: the command's name, its weight among all, and the words that follow the name.
pub const fn row(name: &'static str, weight: usize, line: &'static str) -> Row {
    Row {
        name,
        weight,
        recipe: Recipe::Line(line),
        check: Check::Exact,
        is_spoilt: true,
        asks_encoding: false,
        is_about_another: false,
        forerunner: &[],
        series: None,
    }
}

/// [`row`], but compared with Redis only.
pub const fn row_of_redis(name: &'static str, weight: usize, line: &'static str) -> Row {
    row(name, weight, line).only(Series::Redis)
}

/// A row that a function makes.
pub const fn made(name: &'static str, weight: usize, make: Maker) -> Row {
    Row { recipe: Recipe::Made(make), is_spoilt: false, ..row(name, weight, "") }
}

impl Row {
    /// Replies that may differ somehow.
    pub const fn check(mut self, check: Check) -> Row {
        self.check = check;
        self.asks_encoding = matches!(check, Check::ByEncoding | Check::ByEncodingPairs);
        self
    }

    /// Steps of an iteration over the key that comes first: some encodings have an order.
    pub const fn scans_key(mut self) -> Row {
        self.check = Check::Scan;
        self.asks_encoding = true;
        self
    }

    /// Another command always goes before.
    pub const fn after(mut self, forerunner: &'static [&'static str]) -> Row {
        self.forerunner = forerunner;
        self
    }

    /// Only compared with that.
    pub const fn only(mut self, series: Series) -> Row {
        self.series = Some(series);
        self
    }

    /// What follows are the words of another row's command.
    pub const fn about_another(mut self) -> Row {
        self.is_about_another = true;
        self
    }

    /// Never spoilt: a word in the wrong place could make it wait, or depend on the clock or on chance.
    pub const fn whole(mut self) -> Row {
        self.is_spoilt = false;
        self
    }
}

/// A file of rows.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What `--family` takes.
    pub name: &'static str,
    /// The commands.
    pub rows: &'static [Row],
}

/// Draws units without an end.
#[derive(Debug)]
pub struct Generator {
    draw: Draw,
    rows: Vec<(Row, Grammar)>,
    total_weight: usize,
}

impl Generator {
    /// Of the commands of `families` (all, if it is empty) those that `known` has and that are compared by such a
    /// Redis.
    pub fn new(seed: u64, families: &[String], known: &HashSet<String>, series: Series) -> Generator {
        let chosen = FAMILIES.iter().filter(|family| families.is_empty() || families.iter().any(|f| f == family.name));
        let rows: Vec<(Row, Grammar)> = chosen
            .flat_map(|family| family.rows)
            .filter(|row| known.contains(row.name) && row.series.is_none_or(|only| only == series))
            .map(|row| (*row, grammar(row)))
            .collect();
        let total_weight = rows.iter().map(|(row, _)| row.weight).sum();
        Generator { draw: Draw::from_seed(seed), rows, total_weight }
    }

    /// True if there is nothing to draw from.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The next unit.
    pub fn unit(&mut self) -> Unit {
        if self.draw.chance(SWITCH_PERCENT) {
            self.draw.actor = self.draw.below(ACTORS);
        }
        let mut left = self.draw.below(self.total_weight);
        let at = self.rows.iter().position(|(row, _)| {
            let is_it = left < row.weight;
            left = left.saturating_sub(row.weight);
            is_it
        });
        let (row, grammar) = &self.rows[at.expect("weights add up")];
        let mut commands = commands_of(row, grammar, &mut self.draw);
        if row.is_about_another {
            let (other, grammar) = &self.rows[self.draw.below(self.rows.len())];
            let other = commands_of(other, grammar, &mut self.draw).pop();
            commands[0].words.extend(other.into_iter().flat_map(|command| command.words));
            // Of a call without arguments COMMAND GETKEYS speaks otherwise in Redis 7.0 than in 8.2.
            if commands[0].words.len() < SHORTEST_ABOUT_ANOTHER {
                commands[0].words.push("x".into());
            }
        }
        let is_open = &mut self.draw.in_transaction[self.draw.actor];
        for command in &commands {
            *is_open |= command.is("multi");
            *is_open &= !["exec", "discard", "reset"].iter().any(|name| command.is(name));
        }
        Unit::new(self.draw.actor, commands)
    }

    /// Starts over where the connections do: no transaction is open.
    pub fn forget_transactions(&mut self) {
        self.draw.in_transaction = [false; ACTORS];
    }
}

fn grammar(row: &Row) -> Grammar {
    match row.recipe {
        Recipe::Line(line) => Grammar::parse(line, &kind),
        Recipe::Made(_) => Grammar::default(),
    }
}

fn commands_of(row: &Row, grammar: &Grammar, draw: &mut Draw) -> Vec<Cmd> {
    if let Recipe::Made(make) = row.recipe {
        return make(draw);
    }
    let mut words: Vec<Word> = row.name.split('|').map(|name| name.to_uppercase().into()).collect();
    grammar.write(draw, &mut words);
    if row.is_spoilt && draw.chance(SPOILT_PERCENT) {
        spoil(draw, &mut words);
    }
    let mut commands = Vec::new();
    if !row.forerunner.is_empty() {
        commands.push(Cmd::exact(row.forerunner));
    }
    if row.asks_encoding && words.len() > 1 {
        commands.push(Cmd::new(&[&b"OBJECT"[..], b"ENCODING", &words[1]], Check::Encoding));
    }
    commands.push(Cmd { words, check: row.check });
    commands
}

/// Leaves the name, and changes something of what follows.
fn spoil(draw: &mut Draw, words: &mut Vec<Word>) {
    const STRANGE: &[&str] =
        &["", "abc", "-1", "0", "9223372036854775808", "1.5", "nan", "s1", "l1", "NX", "LIMIT", "z1"];
    // In Redis a sorted set that is sorted has another encoding from then on.
    let sorts = words.first().is_some_and(|name| name.to_ascii_lowercase().starts_with(b"sort"));
    let strange = &STRANGE[..STRANGE.len() - usize::from(sorts)];
    let at = 1 + draw.below(words.len());
    match draw.below(5) {
        0 => {
            words.pop();
        }
        1 => words.truncate(at),
        2 => words.insert(at.min(words.len()), draw.pick(strange).into()),
        3 => words.push(draw.pick(strange).into()),
        _ => {
            if let Some(word) = words.get_mut(at) {
                *word = draw.pick(strange).into();
            }
        }
    }
    if words.is_empty() {
        words.push("NOSUCHCOMMAND".into());
    }
}

#[test]
fn rows_make_the_commands_they_name() {
    for row in FAMILIES.iter().flat_map(|family| family.rows) {
        let mut draw = Draw::from_seed(7);
        let grammar = grammar(row);
        let names: Vec<&str> = row.name.split('|').collect();
        let is_it = |command: &Cmd| {
            names.iter().zip(&command.words).all(|(name, word)| word.eq_ignore_ascii_case(name.as_bytes()))
        };
        let row = Row { is_spoilt: false, ..*row };
        let made = (0..100).filter(|_| commands_of(&row, &grammar, &mut draw).iter().any(is_it)).count();
        assert!(made > 0, "{} never makes its command", row.name);
    }
}

#[test]
fn a_seed_determines_the_stream() {
    let known = FAMILIES.iter().flat_map(|family| family.rows).map(|row| row.name.to_owned()).collect();
    let stream = |seed| {
        let mut generator = Generator::new(seed, &[], &known, Series::Redis);
        let units: Vec<String> = (0..500).map(|_| format!("{:?}", generator.unit())).collect();
        units
    };
    assert_eq!(stream(3), stream(3));
    assert_ne!(stream(3), stream(4));
}
