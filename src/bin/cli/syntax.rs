//! Arguments of commands: how they are written down, and how far a line has got with them.
//!
//! A line is matched word by word. Optional arguments may come in any order between two required ones; one that may be
//! repeated takes all it can get, but no word that announces an argument behind it. What is left of the arguments then
//! is the hint, and the words it may begin with are the completions.

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One word of any kind.
    Value,
    /// A word to be typed as it stands.
    Token,
    /// One of its arguments.
    OneOf,
    /// All of its arguments, in order.
    Block,
}

/// An argument of a command, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// What a value is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The word in front of it, or the word that it is.
    pub token: Option<String>,
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
    /// A value of this name.
    pub fn value(name: &str) -> Argument {
        let (token, arguments) = (None, Vec::new());
        let name = name.to_owned();
        Argument { name, kind: Kind::Value, token, optional: false, multiple: false, multiple_token: false, arguments }
    }

    fn is_token(&self, word: &str) -> bool {
        self.token.as_deref().is_some_and(|token| token.eq_ignore_ascii_case(word))
    }

    /// It without the token in front and without brackets.
    fn body(&self) -> String {
        match self.kind {
            Kind::Value if self.name.is_empty() => "\"\"".to_owned(),
            Kind::Value => self.name.clone(),
            Kind::Token => self.token.clone().unwrap_or_default(),
            Kind::OneOf => joined(&self.arguments, "|"),
            Kind::Block => joined(&self.arguments, " "),
        }
    }

    fn token_in_front(&self) -> String {
        match &self.token {
            Some(token) if self.kind != Kind::Token => format!("{token} "),
            _ => String::new(),
        }
    }

    /// The repetition that may follow it.
    fn repetition(&self) -> String {
        let token = if self.multiple_token { self.token_in_front() } else { String::new() };
        format!("[{token}{} ...]", self.body())
    }

    fn shown(&self) -> String {
        let mut text = self.token_in_front() + &self.body();
        if self.multiple {
            text = format!("{text} {}", self.repetition());
        }
        if self.optional { format!("[{text}]") } else { text }
    }
}

fn joined(arguments: &[Argument], separator: &str) -> String {
    arguments.iter().map(Argument::shown).collect::<Vec<_>>().join(separator)
}

/// The arguments as a line.
pub fn shown(arguments: &[Argument]) -> String {
    joined(arguments, " ")
}

/// What is left to be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rest {
    Whole(Argument),
    /// It is there and may be repeated.
    Again(Argument),
}

/// What is left of the arguments behind the words; `None` where the words don't fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remainder(Vec<Rest>);

impl Remainder {
    /// What is left of the arguments behind these words.
    pub fn of<W: AsRef<str>>(arguments: &[Argument], words: &[W]) -> Option<Remainder> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let (used, rest) = sequence(arguments, &words, &[]);
        (used == words.len()).then_some(Remainder(rest))
    }

    /// It as a line.
    pub fn shown(&self) -> String {
        let parts = self.0.iter().map(|rest| match rest {
            Rest::Whole(argument) => argument.shown(),
            Rest::Again(argument) => argument.repetition(),
        });
        parts.collect::<Vec<_>>().join(" ")
    }

    /// The tokens that the next word may be.
    pub fn tokens(&self) -> Vec<String> {
        let mut tokens = Vec::new();
        for rest in &self.0 {
            match rest {
                Rest::Whole(argument) => {
                    first_tokens(argument, &mut tokens);
                    if !argument.optional {
                        break;
                    }
                }
                Rest::Again(argument) if argument.multiple_token => first_tokens(argument, &mut tokens),
                Rest::Again(_) => {}
            }
        }
        tokens
    }
}

fn first_tokens(argument: &Argument, tokens: &mut Vec<String>) {
    if let Some(token) = &argument.token {
        tokens.push(token.clone());
        return;
    }
    match argument.kind {
        Kind::Value | Kind::Token => {}
        Kind::OneOf => argument.arguments.iter().for_each(|member| first_tokens(member, tokens)),
        Kind::Block => {
            for member in &argument.arguments {
                first_tokens(member, tokens);
                if !member.optional {
                    break;
                }
            }
        }
    }
}

/// Matches words with arguments in order; how many words fit, and what is left. Arguments that follow elsewhere have
/// their tokens respected.
fn sequence(arguments: &[Argument], words: &[&str], following: &[Argument]) -> (usize, Vec<Rest>) {
    let mut used = 0;
    // Arguments not matched yet, and what the last matched one may still take.
    let mut open: Vec<&Argument> = arguments.iter().collect();
    let mut unfinished = Vec::new();
    while used < words.len() {
        let later: Vec<Argument> = open.iter().skip(1).map(|open| (*open).clone()).chain(following.to_vec()).collect();
        let ahead = words.get(used..).unwrap_or_default();
        let Some((index, count, rest)) = candidates(&open).find_map(|(index, argument)| {
            let (count, rest) = repeated(argument, ahead, &later)?;
            Some((index, count, rest))
        }) else {
            break;
        };
        used += count;
        unfinished = rest;
        if open.get(index).is_some_and(|argument| argument.optional) {
            open.remove(index);
        } else {
            open.drain(..=index);
        }
    }
    unfinished.extend(open.into_iter().cloned().map(Rest::Whole));
    (used, unfinished)
}

/// The arguments that the next word may belong to: optional ones up to the first that is not.
fn candidates<'a>(open: &'a [&'a Argument]) -> impl Iterator<Item = (usize, &'a Argument)> {
    let required = open.iter().position(|argument| !argument.optional).unwrap_or(open.len());
    // Those that a token announces come before those that take any word.
    let range = || open.iter().enumerate().take(required + 1).map(|(index, argument)| (index, *argument));
    range().filter(|(_, argument)| announced(argument)).chain(range().filter(|(_, argument)| !announced(argument)))
}

fn announced(argument: &Argument) -> bool {
    argument.token.is_some() || (argument.kind == Kind::OneOf && argument.arguments.iter().all(announced))
}

/// Matches an argument and its repetitions; the words it took and what is left of it, or `None` when it doesn't fit.
fn repeated(argument: &Argument, words: &[&str], later: &[Argument]) -> Option<(usize, Vec<Rest>)> {
    let (mut used, mut rest) = single(argument, words, later)?;
    if !argument.multiple {
        return Some((used, rest));
    }
    let again = if argument.multiple_token { argument.clone() } else { Argument { token: None, ..argument.clone() } };
    let mut later_tokens = Vec::new();
    later.iter().for_each(|argument| first_tokens(argument, &mut later_tokens));
    while rest.is_empty()
        && let Some(word) = words.get(used)
        && !later_tokens.iter().any(|token| token.eq_ignore_ascii_case(word))
        && let Some((count, left)) = single(&again, words.get(used..).unwrap_or_default(), later)
    {
        used += count;
        rest = left;
    }
    rest.push(Rest::Again(argument.clone()));
    Some((used, rest))
}

/// Matches an argument once.
fn single(argument: &Argument, words: &[&str], later: &[Argument]) -> Option<(usize, Vec<Rest>)> {
    let (first, behind) = words.split_first()?;
    if argument.kind == Kind::Token {
        return argument.is_token(first).then(|| (1, Vec::new()));
    }
    if argument.token.is_some() {
        if !argument.is_token(first) {
            return None;
        }
        let body = Argument { token: None, optional: false, multiple: false, ..argument.clone() };
        if behind.is_empty() {
            return Some((1, vec![Rest::Whole(Argument { multiple: argument.multiple, ..body })]));
        }
        return single(&body, behind, later).map(|(count, rest)| (count + 1, rest));
    }
    match argument.kind {
        Kind::Value | Kind::Token => Some((1, Vec::new())),
        Kind::OneOf => {
            let fits = argument.arguments.iter().filter_map(|member| repeated(member, words, later));
            fits.max_by_key(|(count, _)| *count)
        }
        Kind::Block => {
            let (used, rest) = sequence(&argument.arguments, words, later);
            let complete = rest.iter().all(|rest| match rest {
                Rest::Whole(argument) => argument.optional,
                Rest::Again(_) => true,
            });
            (used == words.len() || (used > 0 && complete))
                .then_some((used, if used < words.len() { Vec::new() } else { rest }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    fn remainder(line: &str) -> Option<Remainder> {
        let catalog = Catalog::built_in();
        let words: Vec<&str> = line.split(' ').collect();
        let (entry, words) = catalog.find(&words)?;
        Remainder::of(&entry.arguments, words)
    }

    fn hint(line: &str) -> Option<String> {
        remainder(line).map(|remainder| remainder.shown())
    }

    #[test]
    fn what_is_left_of_the_arguments_is_shown() {
        for (line, rest) in [
            ("get", Some("key")),
            ("get a", Some("")),
            ("get a b", None),
            ("mset a", Some("value [key value ...]")),
            ("mset a 1", Some("[key value ...]")),
            ("mset a 1 b", Some("value [key value ...]")),
            ("lpop a", Some("[count]")),
            ("expire a", Some("seconds [NX|XX|GT|LT]")),
            ("expire a 10 nx", Some("")),
            ("expire a 10 yy", None),
            ("getex a ex", Some("seconds")),
            ("blpop a b", Some("[key ...] timeout")),
            ("zrangestore a b 1 2 rev", Some("[BYSCORE|BYLEX] [LIMIT offset count]")),
            ("zrangestore a b 1 2 limit 1", Some("count [BYSCORE|BYLEX] [REV]")),
            ("zunion 2 a b weights 1", Some("[weight ...] [AGGREGATE SUM|MIN|MAX|COUNT] [WITHSCORES]")),
        ] {
            assert_eq!(hint(line).as_deref(), rest, "{line}");
        }
    }

    #[test]
    fn tokens_that_may_come_next_are_known() {
        let tokens = |line| remainder(line).map(|remainder| remainder.tokens()).unwrap_or_default();
        assert_eq!(tokens("expire a 10"), ["NX", "XX", "GT", "LT"]);
        assert!(tokens("set a b nx").contains(&"EX".to_owned()), "{:?}", tokens("set a b nx"));
        assert!(!tokens("set a b nx").contains(&"XX".to_owned()));
        assert_eq!(tokens("zunion 1 a aggregate"), ["SUM", "MIN", "MAX", "COUNT"]);
        assert_eq!(tokens("get"), Vec::<String>::new());
    }
}
