//! A command's words as a line of grammar, like the syntax line of its documentation.
//!
//! | written | stands for |
//! |---|---|
//! | `NX` | the word itself, sometimes in another case |
//! | `<key>` | a word, or several, drawn by the kind of that name |
//! | `(a \| b)` | one of them |
//! | `(a b)+` | several times |
//! | `[a]` | a, or nothing |
//! | `{a; b \| c; d}` | some of these options in any order, now and then one twice |

use super::draw::{Draw, Word};

/// Draws a word or several and appends them.
pub type Kind = fn(&mut Draw, &mut Vec<Word>);

/// A parsed line.
#[derive(Clone, Debug, Default)]
pub struct Grammar(Vec<Node>);

#[derive(Clone, Debug)]
enum Node {
    Word(&'static str),
    Drawn(Kind),
    OneOf(Vec<Grammar>),
    Several(Vec<Grammar>),
    Maybe(Vec<Grammar>),
    Options(Vec<Vec<Grammar>>),
}

const OPTION_PERCENT: usize = 30;
const TWICE_PERCENT: usize = 3;
const OTHER_CASE_PERCENT: usize = 5;

impl Grammar {
    /// Parses a line; `kind` finds kinds by name.
    ///
    /// # Panics
    /// If the line is not written as above, or names an unknown kind.
    pub fn parse(line: &'static str, kind: &dyn Fn(&str) -> Option<Kind>) -> Grammar {
        let mut parser = Parser { line, rest: line, kind };
        let mut parsed = parser.alternatives();
        assert!(parser.rest.is_empty() && parsed.len() == 1, "{line:?} ends early, before {:?}", parser.rest);
        parsed.remove(0)
    }

    /// Appends the words of one way to write this.
    pub fn write(&self, draw: &mut Draw, words: &mut Vec<Word>) {
        for node in &self.0 {
            match node {
                Node::Word(word) => words.push(in_some_case(draw, word)),
                Node::Drawn(kind) => kind(draw, words),
                Node::OneOf(choices) => one_of(choices, draw).write(draw, words),
                Node::Several(choices) => {
                    for _ in 0..draw.several() {
                        one_of(choices, draw).write(draw, words);
                    }
                }
                Node::Maybe(choices) => {
                    if draw.chance(50) {
                        one_of(choices, draw).write(draw, words);
                    }
                }
                Node::Options(options) => write_options(options, draw, words),
            }
        }
    }
}

fn one_of<'g>(choices: &'g [Grammar], draw: &mut Draw) -> &'g Grammar {
    &choices[draw.below(choices.len())]
}

fn write_options(options: &[Vec<Grammar>], draw: &mut Draw, words: &mut Vec<Word>) {
    let mut chosen: Vec<&[Grammar]> = Vec::new();
    for option in options {
        for percent in [OPTION_PERCENT, TWICE_PERCENT] {
            if draw.chance(percent) {
                chosen.push(option);
            }
        }
    }
    while !chosen.is_empty() {
        let next = draw.below(chosen.len());
        one_of(chosen.swap_remove(next), draw).write(draw, words);
    }
}

fn in_some_case(draw: &mut Draw, word: &str) -> Word {
    if !draw.chance(OTHER_CASE_PERCENT) {
        return word.into();
    }
    word.bytes().map(|byte| if draw.chance(50) { byte.to_ascii_lowercase() } else { byte }).collect()
}

struct Parser<'k> {
    line: &'static str,
    rest: &'static str,
    kind: &'k dyn Fn(&str) -> Option<Kind>,
}

impl Parser<'_> {
    /// Sequences between `|`, up to what closes the group or the option.
    fn alternatives(&mut self) -> Vec<Grammar> {
        let mut found = vec![Grammar::default()];
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.chars().next() {
                None | Some(')' | ']' | '}' | ';') => return found,
                Some('|') => {
                    self.skip(1);
                    found.push(Grammar::default());
                }
                Some(_) => {
                    let node = self.node();
                    found.last_mut().expect("never empty").0.push(node);
                }
            }
        }
    }

    fn node(&mut self) -> Node {
        match self.rest.as_bytes()[0] {
            b'(' => {
                let choices = self.group(')');
                if self.rest.starts_with('+') {
                    self.skip(1);
                    return Node::Several(choices);
                }
                Node::OneOf(choices)
            }
            b'[' => Node::Maybe(self.group(']')),
            b'{' => {
                let mut options = Vec::new();
                while !self.rest.starts_with('}') {
                    self.skip(1);
                    options.push(self.alternatives());
                    assert!(self.rest.starts_with([';', '}']), "{:?} lacks a }}", self.line);
                }
                self.skip(1);
                Node::Options(options)
            }
            b'<' => {
                let end = self.rest.find('>').unwrap_or_else(|| panic!("{:?} lacks a >", self.line));
                let name = &self.rest[1..end];
                self.skip(end + 1);
                Node::Drawn((self.kind)(name).unwrap_or_else(|| panic!("{:?} names unknown kind {name:?}", self.line)))
            }
            _ => {
                let is_end = |c: char| c.is_whitespace() || "()[]{}|;<".contains(c);
                let end = self.rest.find(is_end).unwrap_or(self.rest.len());
                let word = &self.rest[..end];
                self.skip(end);
                Node::Word(word)
            }
        }
    }

    fn group(&mut self, close: char) -> Vec<Grammar> {
        self.skip(1);
        let inside = self.alternatives();
        assert!(self.rest.starts_with(close), "{:?} lacks a {close}", self.line);
        self.skip(1);
        inside
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }
}

#[test]
fn a_line_is_written_in_all_its_ways() {
    let kind = |name: &str| (name == "k").then_some((|_, words: &mut Vec<Word>| words.push(b"key".to_vec())) as Kind);
    let grammar = Grammar::parse("<k> (a|b c) [d] {X 1|Y; Z} (e)+", &kind);
    let mut draw = Draw::from_seed(1);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20_000 {
        let mut words = Vec::new();
        grammar.write(&mut draw, &mut words);
        seen.insert(String::from_utf8(words.join(&b' ')).unwrap());
    }
    for wanted in ["key a e", "key b c d e", "key a X 1 Z e", "key a Z Y e e", "key a d X 1 e"] {
        assert!(seen.contains(wanted), "never written: {wanted}");
    }
}
