//! The words of a filter expression.

use crate::util::number::parse_f64;

use super::value::{Operator, Value};

/// A word.
#[derive(Debug, PartialEq)]
pub enum Token {
    /// A number, a string, a list of those, or `null`.
    Value(Value),
    /// A field of the attributes, `.name`.
    Field(Vec<u8>),
    /// An operator.
    Operator(Operator),
    /// An opening parenthesis.
    Open,
    /// A closing parenthesis.
    Close,
}

/// What a run of letters or signs may begin with: the longest that fits is taken.
const SYMBOLS: &[(&[u8], Symbol)] = &[
    (b"not", Symbol::Operator(Operator::Not)),
    (b"and", Symbol::Operator(Operator::And)),
    (b"or", Symbol::Operator(Operator::Or)),
    (b"in", Symbol::Operator(Operator::In)),
    (b"**", Symbol::Operator(Operator::Power)),
    (b">=", Symbol::Operator(Operator::GreaterOrEqual)),
    (b"<=", Symbol::Operator(Operator::LessOrEqual)),
    (b"==", Symbol::Operator(Operator::Equal)),
    (b"!=", Symbol::Operator(Operator::NotEqual)),
    (b"&&", Symbol::Operator(Operator::And)),
    (b"||", Symbol::Operator(Operator::Or)),
    (b"!", Symbol::Operator(Operator::Not)),
    (b">", Symbol::Operator(Operator::Greater)),
    (b"<", Symbol::Operator(Operator::Less)),
    (b"+", Symbol::Operator(Operator::Add)),
    (b"-", Symbol::Operator(Operator::Subtract)),
    (b"*", Symbol::Operator(Operator::Multiply)),
    (b"/", Symbol::Operator(Operator::Divide)),
    (b"%", Symbol::Operator(Operator::Remainder)),
    (b"(", Symbol::Open),
    (b")", Symbol::Close),
];

#[derive(Clone, Copy)]
enum Symbol {
    Operator(Operator),
    Open,
    Close,
}

/// Cuts a text into words.
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether the word before is one that a minus sign would subtract from.
    after_operand: bool,
}

impl<'a> Tokens<'a> {
    /// The words of a text.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, after_operand: false }
    }

    /// The next word, or where the text has something that is none.
    pub fn next(&mut self) -> Result<Option<Token>, usize> {
        self.skip_space();
        let Some(first) = self.peek(0) else { return Ok(None) };
        let is_number = first.is_ascii_digit()
            || first == b'-' && !self.after_operand && self.peek(1).is_some_and(|next| next.is_ascii_digit());
        let token = match first {
            _ if is_number => Token::Value(self.number()?),
            b'"' | b'\'' => Token::Value(self.string(first)?),
            b'[' => Token::Value(self.list()?),
            b'.' => {
                if self.peek(1).is_some_and(|next| !is_of_name(next)) {
                    return Err(self.at);
                }
                self.at += 1;
                Token::Field(self.run(is_of_name).to_vec())
            }
            _ => self.symbol()?,
        };
        self.after_operand = !matches!(token, Token::Operator(_) | Token::Open);
        Ok(Some(token))
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn skip_space(&mut self) {
        self.run(is_space);
    }

    /// Goes on over bytes of a kind; gives them.
    fn run(&mut self, of_kind: fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| !of_kind(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn number(&mut self) -> Result<Value, usize> {
        let start = self.at;
        self.at += 1;
        self.run(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E'));
        number_of(&self.text[start..self.at]).map(Value::Number).ok_or_else(|| self.here())
    }

    /// Where something is wrong, if all that was read is. Where the text ends nothing is near: the whole of it is named.
    fn here(&self) -> usize {
        if self.at == self.text.len() { 0 } else { self.at }
    }

    fn string(&mut self, quote: u8) -> Result<Value, usize> {
        let (text, length) = unescape(&self.text[self.at + 1..], quote).ok_or(0_usize)?;
        self.at += 1 + length;
        Ok(Value::String(text))
    }

    fn list(&mut self) -> Result<Value, usize> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.peek(0) {
                None => return Err(0),
                Some(b']') => break,
                Some(quote @ (b'"' | b'\'')) => items.push(self.string(quote)?),
                Some(first) if first.is_ascii_digit() || first == b'-' => items.push(self.number()?),
                Some(_) => return Err(self.at),
            }
            self.skip_space();
            match self.peek(0) {
                None => return Err(0),
                Some(b',') => self.at += 1,
                Some(b']') => {}
                Some(_) => return Err(self.at),
            }
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    fn symbol(&mut self) -> Result<Token, usize> {
        let start = self.at;
        let run = self.run(|byte| byte.is_ascii_alphabetic() || b"+-*%/!()<>=|&".contains(&byte));
        // Redis takes it by itself alone: one with a parenthesis behind it is an error.
        if run == b"null" {
            return Ok(Token::Value(Value::Null));
        }
        let fitting = SYMBOLS.iter().filter(|(name, _)| run.starts_with(name)).max_by_key(|(name, _)| name.len());
        let Some((name, symbol)) = fitting else {
            return Err(self.here());
        };
        self.at = start + name.len();
        Ok(match symbol {
            Symbol::Operator(operator) => Token::Operator(*operator),
            Symbol::Open => Token::Open,
            Symbol::Close => Token::Close,
        })
    }
}

/// The text up to the closing quote, and its length with the quote. None if there is no such quote.
pub fn unescape(text: &[u8], quote: u8) -> Option<(Vec<u8>, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let special = memchr::memchr2(b'\\', quote, &text[at..])?;
        out.extend_from_slice(&text[at..at + special]);
        at += special;
        if text[at] == quote {
            return Some((out, at + 1));
        }
        out.push(match *text.get(at + 1)? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            other => other,
        });
        at += 2;
    }
}

/// The number a text is from its first byte that is no space to its last, as C reads numbers.
pub fn number_of(text: &[u8]) -> Option<f64> {
    let start = text.iter().position(|byte| !is_space(*byte))?;
    let text = &text[start..];
    // What is too large is infinite here, and what is too small is 0.
    parse_f64(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 11
}
