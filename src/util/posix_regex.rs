//! Extended regular expressions of POSIX, over bytes, matched in linear time.
//!
//! The `regex` crate does the work; here its syntax is kept to what POSIX and the usual extensions mean. Within
//! brackets every byte stands for itself (`[\[&]`), there are no back references, and a letter is a byte: beyond ASCII
//! neither classes nor cases are known. What expressions may come to in memory is bounded.

use regex::bytes::{Regex, RegexBuilder};

/// What is wrong with an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It refers back to what a group has matched.
    BackReference,
    /// It makes no sense, or too much; in a few words.
    Invalid(&'static str),
}

/// The names of classes in brackets.
const CLASSES: [&[u8]; 12] = [
    b"alnum", b"alpha", b"blank", b"cntrl", b"digit", b"graph", b"lower", b"print", b"punct", b"space", b"upper",
    b"xdigit",
];
/// The memory that a lazily built automaton may take.
const CACHE_BYTES: usize = 1 << 20;

/// An expression that can be looked for.
#[derive(Debug)]
pub struct PosixRegex(Regex);

impl PosixRegex {
    /// Compiles an expression that comes to no more than `bytes_max` in memory.
    ///
    /// # Errors
    /// When it makes no sense, refers back, or comes to too much.
    pub fn compile(expression: &[u8], ignore_case: bool, bytes_max: usize) -> Result<PosixRegex, Fault> {
        let translated = Translation::of(expression)?;
        let built = RegexBuilder::new(&translated)
            .unicode(false)
            .case_insensitive(ignore_case)
            .dot_matches_new_line(true)
            .size_limit(bytes_max)
            .dfa_size_limit(CACHE_BYTES)
            .build();
        built.map(PosixRegex).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => Fault::Invalid("Out of memory"),
            regex::Error::Syntax(text) => Fault::Invalid(in_short(&text)),
            _ => Fault::Invalid("Invalid regexp"),
        })
    }

    /// Whether it matches somewhere in a text.
    #[inline]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

/// What the crate says at length.
fn in_short(text: &str) -> &'static str {
    const KNOWN: [(&str, &str); 4] = [
        ("group", "Missing ')'"),
        ("parenthesis", "Missing ')'"),
        ("counted repetition", "Invalid contents of {}"),
        ("repetition", "Invalid use of repetition operators"),
    ];
    KNOWN.iter().find(|(said, _)| text.contains(said)).map_or("Invalid regexp", |(_, short)| short)
}

/// An expression on its way into the syntax of the crate.
struct Translation<'a> {
    left: &'a [u8],
    out: String,
}

impl<'a> Translation<'a> {
    fn of(expression: &'a [u8]) -> Result<String, Fault> {
        let mut translation = Translation { left: expression, out: String::with_capacity(expression.len() * 2) };
        while let Some(byte) = translation.next() {
            match byte {
                b'\\' => translation.escape()?,
                b'[' => translation.brackets()?,
                b'.' | b'*' | b'+' | b'?' | b'{' | b'}' | b'|' | b'(' | b')' | b'^' | b'$' | b',' | b':' => {
                    translation.out.push(char::from(byte));
                }
                byte => translation.literal(byte),
            }
        }
        Ok(translation.out)
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, left) = self.left.split_first()?;
        self.left = left;
        Some(*byte)
    }

    fn literal(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() {
            return self.out.push(char::from(byte));
        }
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.out.push_str("\\x");
        self.out.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
    }

    /// What follows a backslash: a class, a place, a control character, or a byte that stands for itself.
    fn escape(&mut self) -> Result<(), Fault> {
        match self.next().ok_or(Fault::Invalid("Trailing backslash"))? {
            b'1'..=b'9' => return Err(Fault::BackReference),
            b'e' => self.literal(0x1b),
            byte @ (b'w' | b'W' | b's' | b'S' | b'd' | b'D' | b'b' | b'B' | b'<' | b'>' | b't' | b'n' | b'r' | b'f'
            | b'a' | b'x') => {
                self.out.push('\\');
                self.out.push(char::from(byte));
            }
            byte => self.literal(byte),
        }
        Ok(())
    }

    /// What stands in brackets, where only `]`, `-` and classes mean something, and `^` at the beginning.
    fn brackets(&mut self) -> Result<(), Fault> {
        const MISSING: Fault = Fault::Invalid("Missing ']'");
        self.out.push('[');
        if self.left.first() == Some(&b'^') {
            self.next();
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.next().ok_or(MISSING)? {
                b']' if !first => break,
                b'[' if self.left.first() == Some(&b':') => self.class()?,
                b'[' if matches!(self.left.first(), Some(b'.' | b'=')) => {
                    return Err(Fault::Invalid("Unknown collating element"));
                }
                from => {
                    self.literal(from);
                    if let [b'-', to, ..] = *self.left
                        && to != b']'
                    {
                        if to < from {
                            return Err(Fault::Invalid("Invalid character range"));
                        }
                        self.left = &self.left[2..];
                        self.out.push('-');
                        self.literal(to);
                    }
                }
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// A class like `[:alpha:]`, behind its bracket.
    fn class(&mut self) -> Result<(), Fault> {
        const UNKNOWN: Fault = Fault::Invalid("Unknown character class name");
        let inner = &self.left[1..];
        let name = CLASSES.iter().find(|name| inner.strip_prefix(**name).is_some_and(|rest| rest.starts_with(b":]")));
        let name = name.ok_or(UNKNOWN)?;
        self.left = &inner[name.len() + 2..];
        self.out.push_str("[:");
        self.out.extend(name.iter().map(|byte| char::from(*byte)));
        self.out.push_str(":]");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(expression: &[u8], text: &[u8]) -> bool {
        PosixRegex::compile(expression, false, 1 << 20).expect("an expression").is_match(text)
    }

    fn fault(expression: &[u8]) -> Fault {
        PosixRegex::compile(expression, false, 1 << 18).expect_err("no expression")
    }

    #[test]
    fn brackets_mean_what_they_mean_in_posix() {
        assert!(matches(b"^[]a]+$", b"]a]") && matches(b"^[^]a]$", b"\n"));
        assert!(matches(b"^[\\d]+$", b"d\\") && !matches(b"[\\d]", b"5"));
        assert!(matches(b"^[a&&b]+$", b"a&b") && matches(b"^[+--]+$", b"+,-") && matches(b"^[a-]+$", b"-a"));
        assert!(matches(b"^[[:digit:][:upper:]_]+$", b"A_1") && !matches(b"[[:digit:]]", b"x"));
        assert!(matches(b"^[[a]+$", b"[a["));
        assert!(matches(b"^[\x80-\xff]+$", b"\x80\xff") && !matches(b"[\x80-\xff]", b"abc"));
    }

    #[test]
    fn bytes_are_letters() {
        assert!(matches("^ü$".as_bytes(), "ü".as_bytes()));
        assert!(matches(b"^.$", b"\xff") && matches(b"^.$", b"\n") && !matches(b"^.$", "ü".as_bytes()));
        assert!(matches(b"\\bword\\b", b"a word") && matches(b"^\\w+\\.\\d{3}$", b"ab.123"));
        assert!(matches(b"^a b#-~c$", b"a b#-~c") && matches(b"^\\(\\)$", b"()"));
        let nocase = PosixRegex::compile(b"^(FOO|bar)$", true, 1 << 20).expect("an expression");
        assert!(nocase.is_match(b"foo") && nocase.is_match(b"BAR") && !nocase.is_match(b"foobar"));
    }

    #[test]
    fn faults_are_told_in_short() {
        assert_eq!(fault(b"(a)\\1"), Fault::BackReference);
        assert_eq!(fault(b"("), Fault::Invalid("Missing ')'"));
        assert_eq!(fault(b"a)"), Fault::Invalid("Missing ')'"));
        assert_eq!(fault(b"[a"), Fault::Invalid("Missing ']'"));
        assert_eq!(fault(b"[b-a]"), Fault::Invalid("Invalid character range"));
        assert_eq!(fault(b"[[:nothing:]]"), Fault::Invalid("Unknown character class name"));
        assert_eq!(fault(b"[[.a.]]"), Fault::Invalid("Unknown collating element"));
        assert_eq!(fault(b"a\\"), Fault::Invalid("Trailing backslash"));
        assert_eq!(fault(b"*"), Fault::Invalid("Invalid use of repetition operators"));
        assert_eq!(fault(b"((a{200}){200}){200}"), Fault::Invalid("Out of memory"));
        assert!(matches!(fault(b"\\x{1"), Fault::Invalid(_)));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_expression_or_a_fault(
            expression in prop::collection::vec(prop::sample::select(b"ab[]^-\\()*+?{}1,:.|$=x\xff ".as_slice()), 0..24),
            text: Vec<u8>,
        ) {
            if let Ok(regex) = PosixRegex::compile(&expression, true, 1 << 18) {
                regex.is_match(&text);
            }
        }

        #[test]
        fn bytes_that_mean_nothing_else_match_themselves(text in "[a-zA-Z0-9 _=#&~/@!%;'<>\"-]{1,40}") {
            prop_assert!(matches(text.as_bytes(), text.as_bytes()));
            let whole = [b"^", text.as_bytes(), b"$"].concat();
            let longer = format!("{text}x");
            prop_assert!(!matches(&whole, longer.as_bytes()));
        }
    }
}
