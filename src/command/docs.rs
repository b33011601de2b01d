//! The argument tree of COMMAND DOCS, read off a row's syntax line.
//!
//! The line is in the notation of the Redis documentation:
//! ```text
//! key value [NX|XX] [GET] [EX seconds|PX milliseconds|KEEPTTL]      key [key ...] [COUNT count] <LEFT | RIGHT>
//! ```
//! A word without small letters is a token to be typed as it stands, any other names a value; a token in front of
//! values belongs to them. `[…]` is optional, `<…>` merely groups, `|` separates alternatives, and `[x ...]` behind
//! `x` says that `x` may be repeated. Alternatives written without blanks whose words are all tokens, or all names,
//! are taken as one item (`OVERFLOW WRAP|SAT|FAIL`); any other `|` divides all that stands in its brackets.
//!
//! What the line does not say follows from conventions: names of values tell their types (`seconds` is an integer,
//! `newkey` a key), and groups are called after their members.

use super::spec::{BLOCKING, Begin, Group, Keys, Spec};

/// The longest name made of the members' names, in bytes; longer ones help nobody.
const GROUP_NAME_MAX: usize = 32;

/// The token that has no letters.
const EMPTY: &str = "\"\"";

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A floating-point number.
    Double,
    /// The name of a key.
    Key,
    /// A glob pattern.
    Pattern,
    /// A point of time.
    UnixTime,
    /// A word to be typed as it stands.
    PureToken,
    /// One of its arguments.
    OneOf,
    /// All of its arguments, in order.
    Block,
}

impl Kind {
    /// Its name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }
}

/// One argument of a command, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The word in front of it.
    pub token: Option<String>,
    /// Which of the row's key rules finds it.
    pub key_rule: Option<usize>,
    /// It may be left out.
    pub optional: bool,
    /// It may be repeated.
    pub multiple: bool,
    /// Its token is repeated with it.
    pub multiple_token: bool,
    /// The members of a group.
    pub arguments: Vec<Argument>,
}

impl Argument {
    fn new(name: String, kind: Kind, arguments: Vec<Argument>) -> Argument {
        let (token, key_rule) = (None, None);
        Argument { name, kind, token, key_rule, optional: false, multiple: false, multiple_token: false, arguments }
    }

    fn pure_token(word: &str) -> Argument {
        if word == EMPTY {
            let empty = Argument::new("empty-string".into(), Kind::PureToken, Vec::new());
            return empty.with_token("");
        }
        Argument { token: Some(word.into()), ..Argument::new(word.to_lowercase(), Kind::PureToken, Vec::new()) }
    }

    fn group(kind: Kind, arguments: Vec<Argument>) -> Argument {
        let has = |names: &[&str]| arguments.iter().any(|member| names.contains(&member.name.as_str()));
        let name = match kind {
            Kind::OneOf if has(&["seconds", "milliseconds"]) => "expiration".into(),
            Kind::OneOf if has(&["nx", "xx"]) => "condition".into(),
            Kind::OneOf if has(&["asc", "desc"]) => "order".into(),
            Kind::OneOf if has(&["km", "mi"]) => "unit".into(),
            _ => {
                let joined = arguments.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join("_");
                match kind {
                    _ if joined.len() <= GROUP_NAME_MAX => joined,
                    Kind::OneOf => "operation".into(),
                    _ => "arguments".into(),
                }
            }
        };
        Argument::new(name, kind, arguments)
    }

    /// Several arguments as one; a single one is itself.
    fn block(mut arguments: Vec<Argument>) -> Argument {
        match arguments.len() {
            1 => arguments.remove(0),
            _ => Argument::group(Kind::Block, arguments),
        }
    }

    fn with_token(mut self, token: &str) -> Argument {
        self.token = Some(token.into());
        self
    }
}

/// A syntax line that breaks the notation; the offset says where it could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSyntax(pub usize);

/// The arguments of a command.
///
/// # Errors
/// When the brackets of its syntax line don't match; a test reads the lines of all rows.
pub fn arguments(row: &Spec) -> Result<Vec<Argument>, BadSyntax> {
    let items = split(row.syntax);
    let mut parser = Parser { items: &items, at: 0, row };
    let level = parser.level()?;
    if parser.at < items.len() || level.repeats {
        return Err(BadSyntax(items.get(parser.at).map_or(row.syntax.len(), |item| item.offset)));
    }
    let mut arguments = level.arguments;
    let mut keys_seen = 0;
    arguments.iter_mut().for_each(|argument| number_keys(argument, row.keys, &mut keys_seen));
    Ok(arguments)
}

/// Tells the keys their rules: one after the other, the last rule taking all that remain. Patterns that keys are made of
/// share the first rule that says of itself that it can tell nothing.
fn number_keys(argument: &mut Argument, rules: &[Keys], seen: &mut usize) {
    match argument.kind {
        Kind::Key if !rules.is_empty() => {
            argument.key_rule = Some((*seen).min(rules.len() - 1));
            *seen += 1;
        }
        Kind::Pattern => {
            argument.key_rule = rules.iter().position(|rule| rule.begin == Begin::Unknown);
            *seen = argument.key_rule.map_or(*seen, |rule| rule + 1);
        }
        _ => {}
    }
    argument.arguments.iter_mut().for_each(|member| number_keys(member, rules, seen));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign<'a> {
    Open(char),
    Close(char),
    Bar,
    Dots,
    Word(&'a str),
}

/// A sign of the notation, where it stands, and whether it touches what is before it.
#[derive(Clone, Copy, Debug)]
struct Item<'a> {
    sign: Sign<'a>,
    offset: usize,
    glued: bool,
}

fn split(line: &str) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let mut at = 0;
    let mut glued = false;
    while let Some(first) = line[at..].chars().next() {
        let is_sign = |character: char| matches!(character, '[' | ']' | '<' | '>' | '|');
        let (sign, length) = match first {
            ' ' => {
                glued = false;
                at += 1;
                continue;
            }
            '[' | '<' => (Sign::Open(first), 1),
            ']' | '>' => (Sign::Close(first), 1),
            '|' => (Sign::Bar, 1),
            _ => {
                let rest = &line[at..];
                let end = rest.find(|character| character == ' ' || is_sign(character)).unwrap_or(rest.len());
                (if &rest[..end] == "..." { Sign::Dots } else { Sign::Word(&rest[..end]) }, end)
            }
        };
        items.push(Item { sign, offset: at, glued });
        glued = true;
        at += length;
    }
    items
}

/// Whether a word is to be typed as it stands.
fn is_token(word: &str) -> bool {
    !word.contains(|character: char| character.is_ascii_lowercase())
}

/// What stands between two brackets.
struct Level {
    arguments: Vec<Argument>,
    /// It ended in dots.
    repeats: bool,
}

/// An item of a sequence, before tokens are joined with their values.
enum Part<'a> {
    Word(&'a str),
    Choice(Argument),
    Group(Level, bool),
}

struct Parser<'a> {
    items: &'a [Item<'a>],
    at: usize,
    row: &'a Spec,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Item<'a>> {
        self.items.get(self.at).copied()
    }

    /// Reads up to a closing bracket or the end.
    fn level(&mut self) -> Result<Level, BadSyntax> {
        let mut alternatives = Vec::new();
        let mut parts = Vec::new();
        let mut repeats = false;
        while let Some(item) = self.peek() {
            match item.sign {
                Sign::Close(_) => break,
                Sign::Dots => repeats = true,
                Sign::Bar => {
                    alternatives.push(self.join(std::mem::take(&mut parts)));
                }
                Sign::Open(open) => {
                    self.at += 1;
                    let level = self.level()?;
                    let close = if open == '[' { ']' } else { '>' };
                    if self.peek().map(|item| item.sign) != Some(Sign::Close(close)) {
                        return Err(BadSyntax(item.offset));
                    }
                    parts.push(Part::Group(level, open == '['));
                }
                Sign::Word(word) => match self.choice() {
                    Some(choice) => {
                        parts.push(Part::Choice(choice));
                        continue;
                    }
                    None => parts.push(Part::Word(word)),
                },
            }
            self.at += 1;
        }
        let mut arguments = self.join(parts);
        if !alternatives.is_empty() {
            alternatives.push(arguments);
            arguments = vec![Argument::group(Kind::OneOf, alternatives.into_iter().map(Argument::block).collect())];
        }
        Ok(Level { arguments, repeats })
    }

    /// Words of one kind with bars and no blanks between them, all at once.
    fn choice(&mut self) -> Option<Argument> {
        let mut words = Vec::new();
        let mut end = self.at;
        while let Some(Item { sign: Sign::Word(word), .. }) = self.items.get(end) {
            words.push(*word);
            end += 1;
            let glued = |at: usize, bar: bool| {
                self.items.get(at).is_some_and(|item| item.glued && (item.sign == Sign::Bar) == bar)
            };
            if !glued(end, true) {
                break;
            }
            if !glued(end + 1, false) {
                return None;
            }
            end += 1;
        }
        let tokens = words.iter().filter(|word| is_token(word)).count();
        let ends = !matches!(self.items.get(end - 1).map(|item| item.sign), Some(Sign::Bar));
        if words.len() < 2 || !ends || (tokens > 0 && tokens < words.len()) {
            return None;
        }
        self.at = end;
        Some(Argument::group(Kind::OneOf, words.iter().map(|word| self.word(word)).collect()))
    }

    fn word(&self, word: &str) -> Argument {
        match is_token(word) {
            true => Argument::pure_token(word),
            false => Argument::new(word.into(), kind_of(word, self.row), Vec::new()),
        }
    }

    /// Makes arguments of the parts of a sequence.
    fn join(&self, parts: Vec<Part<'a>>) -> Vec<Argument> {
        let mut arguments: Vec<Argument> = Vec::new();
        let mut parts = parts.into_iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Choice(choice) => arguments.push(choice),
                Part::Group(level, optional) => add_group(&mut arguments, level, optional),
                Part::Word(token) if is_token(token) => {
                    let mut values = Vec::new();
                    while let Some(Part::Word(word)) =
                        parts.next_if(|part| matches!(part, Part::Word(word) if !is_token(word)))
                    {
                        values.push(self.word(word));
                    }
                    let required = |part: &Part<'_>| matches!(part, Part::Choice(_) | Part::Group(_, false));
                    if values.is_empty()
                        && let Some(part) = parts.next_if(required)
                    {
                        match part {
                            Part::Choice(choice) => values.push(choice),
                            Part::Group(level, _) => values.extend(level.arguments),
                            Part::Word(_) => {}
                        }
                    }
                    arguments.push(match values.is_empty() {
                        true => Argument::pure_token(token),
                        false => Argument::block(values).with_token(token),
                    });
                }
                Part::Word(word) => arguments.push(self.word(word)),
            }
        }
        arguments
    }
}

/// Adds what stood in brackets: a repetition of what is in front of it, or an argument of its own.
fn add_group(arguments: &mut Vec<Argument>, level: Level, optional: bool) {
    let Level { arguments: members, repeats } = level;
    if members.is_empty() {
        return;
    }
    let first = arguments.len().checked_sub(members.len());
    if repeats && let Some(first) = first {
        let (ahead, member) = (&arguments[first..], &members[0]);
        let same = ahead == members;
        // `TOKEN x [x ...]` repeats the value alone.
        let same_value = members.len() == 1 && ahead[0].token.is_some() && {
            Argument { token: None, ..ahead[0].clone() } == *member
        };
        if same || same_value {
            let mut repeated = Argument::block(arguments.split_off(first));
            repeated.multiple = true;
            repeated.multiple_token = same && repeated.token.is_some();
            arguments.push(repeated);
            return;
        }
    }
    let mut argument = Argument::block(members);
    argument.optional |= optional;
    argument.multiple |= repeats;
    arguments.push(argument);
}

const KEYS: &[&str] = &["key", "key1", "key2", "newkey", "destkey", "sourcekey", "source", "destination", "src", "dst"];
const INTEGERS: &[&str] = &[
    "bit",
    "bits",
    "client-id",
    "cluster-bus-port",
    "config-epoch",
    "count",
    "cursor",
    "db",
    "decrement",
    "destination-db",
    "end",
    "end-slot",
    "entries_added",
    "entries_read",
    "frequency",
    "increment",
    "index",
    "index1",
    "index2",
    "len",
    "limit",
    "maxage",
    "milliseconds",
    "min-match-len",
    "ms",
    "num-matches",
    "numfields",
    "numids",
    "numkeys",
    "numlocal",
    "numreplicas",
    "offset",
    "port",
    "protover",
    "rank",
    "seconds",
    "slot",
    "start",
    "start-slot",
    "stop",
    "timeout",
    "ttl",
    "version",
    "weight",
];
const DOUBLES: &[&str] = &["height", "latitude", "longitude", "max", "min", "radius", "score", "width"];

/// The type of a value by its name.
fn kind_of(name: &str, row: &Spec) -> Kind {
    match name {
        "pattern" => Kind::Pattern,
        "increment" if row.name.ends_with("float") => Kind::Double,
        "value" if row.group == Group::Bitmap => Kind::Integer,
        // They are ids.
        "start" | "end" if row.group == Group::Stream => Kind::String,
        // Of a range by names, too.
        "min" | "max" | "start" | "stop" if row.name.contains("lex") || row.syntax.contains("BYLEX") => Kind::String,
        // Who waits for keys may wait for fractions of a second.
        "timeout" if row.flags.has(BLOCKING) && row.takes_keys() => Kind::Double,
        _ if name.starts_with("unix-time") => Kind::UnixTime,
        _ if KEYS.contains(&name) && row.takes_keys() => Kind::Key,
        _ if INTEGERS.contains(&name) => Kind::Integer,
        _ if DOUBLES.contains(&name) => Kind::Double,
        _ => Kind::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::spec::{Access, Arity, Keys};
    use proptest::prelude::*;

    fn row(syntax: &'static str) -> Spec {
        Spec::new("x", Arity::at_least(1))
            .keys(const { &[Keys::at(1, Access::RO), Keys::at(2, Access::RO)] })
            .docs("1.0.0", syntax, "")
    }

    /// A tree in short: `name:type`, a token in front, `?` optional, `+` multiple, `*` multiple with its token.
    fn short(argument: &Argument) -> String {
        let token = argument.token.as_ref().map(|token| format!("{token}=")).unwrap_or_default();
        let rule = argument.key_rule.map(|rule| rule.to_string()).unwrap_or_default();
        let mut text = format!("{token}{}:{}{rule}", argument.name, argument.kind.name());
        if !argument.arguments.is_empty() {
            let members: Vec<String> = argument.arguments.iter().map(short).collect();
            text += &format!("({})", members.join(" "));
        }
        text += if argument.optional { "?" } else { "" };
        text += if argument.multiple { "+" } else { "" };
        text + if argument.multiple_token { "*" } else { "" }
    }

    fn tree(syntax: &'static str) -> String {
        let arguments = arguments(&row(syntax)).expect("a syntax line that can be read");
        arguments.iter().map(short).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_are_values_or_tokens() {
        assert_eq!(tree(""), "");
        assert_eq!(tree("key value"), "key:key0 value:string");
        assert_eq!(
            tree("source destination [DB destination-db] [REPLACE]"),
            "source:key0 destination:key1 DB=destination-db:integer? REPLACE=replace:pure-token?"
        );
        assert_eq!(tree("key unix-time-seconds"), "key:key0 unix-time-seconds:unix-time");
        assert_eq!(tree("[AUTH username password]"), "AUTH=username_password:block(username:string password:string)?");
        assert_eq!(tree("[MATCH pattern]"), "MATCH=pattern:pattern?");
        assert_eq!(tree("key \"\""), "key:key0 =empty-string:pure-token");
    }

    #[test]
    fn bars_separate_alternatives() {
        assert_eq!(tree("[NX|XX]"), "condition:oneof(NX=nx:pure-token XX=xx:pure-token)?");
        assert_eq!(tree("<ON | OFF>"), "on_off:oneof(ON=on:pure-token OFF=off:pure-token)");
        assert_eq!(
            tree("[EX seconds|PX milliseconds|KEEPTTL]"),
            "expiration:oneof(EX=seconds:integer PX=milliseconds:integer KEEPTTL=keepttl:pure-token)?"
        );
        assert_eq!(
            tree("ON|OFF [REDIRECT client-id]"),
            "on_off:oneof(ON=on:pure-token OFF=off:pure-token) REDIRECT=client-id:integer?"
        );
        assert_eq!(
            tree("OVERFLOW WRAP|SAT key"),
            "OVERFLOW=wrap_sat:oneof(WRAP=wrap:pure-token SAT=sat:pure-token) key:key0"
        );
        assert_eq!(tree("TYPE <A | B>"), "TYPE=a_b:oneof(A=a:pure-token B=b:pure-token)");
        assert_eq!(tree("user|password"), "user_password:oneof(user:string password:string)");
        assert_eq!(
            tree("key [start [end [BYTE|BIT]]]"),
            "key:key0 start_end_byte_bit:block(start:integer end_byte_bit:block(end:integer \
             byte_bit:oneof(BYTE=byte:pure-token BIT=bit:pure-token)?)?)?"
        );
    }

    #[test]
    fn dots_repeat() {
        assert_eq!(tree("key [key ...]"), "key:key0+");
        assert_eq!(tree("[channel [channel ...]]"), "channel:string?+");
        assert_eq!(tree("[channel ...]"), "channel:string?+");
        assert_eq!(tree("key value [key value ...]"), "key_value:block(key:key0 value:string)+");
        assert_eq!(tree("[PREFIX prefix [PREFIX prefix ...]]"), "PREFIX=prefix:string?+*");
        assert_eq!(tree("[ID client-id [client-id ...]]"), "ID=client-id:integer?+");
        assert_eq!(
            tree("[GET encoding offset [GET encoding offset ...]]"),
            "GET=encoding_offset:block(encoding:string offset:integer)?+*"
        );
    }

    #[test]
    fn broken_lines_are_told() {
        assert_eq!(arguments(&row("key [")), Err(BadSyntax(4)));
        assert_eq!(arguments(&row("key ]")), Err(BadSyntax(4)));
        assert_eq!(arguments(&row("[key>")), Err(BadSyntax(0)));
        assert_eq!(arguments(&row("key ...")), Err(BadSyntax(7)));
    }

    #[test]
    fn every_row_has_a_readable_syntax_line() {
        let rows = crate::commands::FAMILIES.iter().flat_map(|family| family.iter());
        for row in rows.flat_map(|row| std::iter::once(row).chain(row.subcommands)) {
            let parsed = arguments(row).unwrap_or_else(|error| panic!("{}: {} {error:?}", row.name, row.syntax));
            assert_eq!(parsed.is_empty(), row.syntax.is_empty(), "{}", row.name);
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in "(key|TOKEN|count|\\.\\.\\.|[\\[\\]<>| ]){0,24}") {
            let _ = arguments(&row(line.leak()));
        }
    }
}
