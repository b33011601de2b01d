//! The check tool's own look at a log: stricter than the server's, which trusts what it wrote, and with the offset and
//! the line of what is wrong.

use std::io::{self, BufRead};

/// The longest line that announces a number, in bytes.
const NUMBER_LINE_MAX: usize = 127;
/// The longest note, in bytes.
const NOTE_MAX: usize = 1024;
/// What is kept of a command's name.
const NAME_MAX: i64 = 16;

/// What is wrong.
pub type Fault = String;

/// A walk through a log.
#[derive(Debug)]
pub struct Scan<R> {
    input: R,
    offset: u64,
    line: u64,
    element_at: u64,
}

impl<R: BufRead> Scan<R> {
    /// Begins at an offset.
    pub fn new(input: R, offset: u64) -> Scan<R> {
        Scan { input, offset, line: 1, element_at: offset }
    }

    /// The offset of what comes next.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The offset of the number or text that was read last.
    pub fn element_at(&self) -> u64 {
        self.element_at
    }

    /// The line, from 1; notes do not count.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next byte.
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    /// Reads a note: a line that begins with `#`.
    pub fn note(&mut self) -> io::Result<Vec<u8>> {
        self.element_at = self.offset;
        self.text_line(NOTE_MAX)
    }

    /// Reads a command; its name, as far as names are long.
    pub fn command(&mut self) -> io::Result<Result<Vec<u8>, Fault>> {
        let count = match self.number(b'*')? {
            Ok(count) => count,
            Err(fault) => return Ok(Err(fault)),
        };
        let mut name = Vec::new();
        for index in 0..count {
            match self.argument(index == 0)? {
                Ok(text) if index == 0 => name = text,
                Ok(_) => {}
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(name))
    }

    fn text_line(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        io::Read::take(&mut self.input, most as u64).read_until(b'\n', &mut line)?;
        self.offset += line.len() as u64;
        Ok(line)
    }

    fn number(&mut self, prefix: u8) -> io::Result<Result<i64, Fault>> {
        self.element_at = self.offset;
        let line = self.text_line(NUMBER_LINE_MAX)?;
        let Some((first, rest)) = line.split_first() else {
            return Ok(Err("Unexpected end of file within a command".to_owned()));
        };
        if *first != prefix {
            let (wanted, found) = (prefix as char, first.escape_ascii());
            return Ok(Err(format!("Expected prefix '{wanted}', got: '{found}'")));
        }
        let length =
            rest.iter().enumerate().take_while(|(at, byte)| byte.is_ascii_digit() || *at == 0 && **byte == b'-');
        let (digits, end) = rest.split_at(length.count());
        if let Err(fault) = self.newline(end) {
            return Ok(Err(fault));
        }
        // What is no number counts as none, and what follows shows that.
        Ok(Ok(std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)))
    }

    fn argument(&mut self, is_name: bool) -> io::Result<Result<Vec<u8>, Fault>> {
        let length = match self.number(b'$')? {
            Ok(length) => length,
            Err(fault) => return Ok(Err(fault)),
        };
        let Some(whole) = u64::try_from(length).ok().filter(|_| length < i64::MAX - 2).map(|length| length + 2) else {
            let fault = format!("Expected to read string of {length} bytes, which is not in the suitable range");
            return Ok(Err(fault));
        };
        self.element_at = self.offset;
        let mut text = Vec::new();
        let kept = if is_name { length.min(NAME_MAX) as u64 } else { 0 };
        let mut read = io::Read::read_to_end(&mut io::Read::take(&mut self.input, kept), &mut text)? as u64;
        if read == kept {
            let skipped = length as u64 - kept;
            read += io::copy(&mut io::Read::take(&mut self.input, skipped), &mut io::sink())?;
        }
        let mut end = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(&mut self.input, whole - read), &mut end)?;
        read += end.len() as u64;
        self.offset += read;
        if read < whole {
            return Ok(Err(format!("Expected to read {whole} bytes, got {read} bytes")));
        }
        Ok(self.newline(&end).map(|()| text))
    }

    fn newline(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.starts_with(b"\r\n") {
            self.line += 1;
            return Ok(());
        }
        let byte = |at| bytes.get(at).copied().unwrap_or(0);
        Err(format!("Expected \\r\\n, got: {:02x}{:02x}", byte(0), byte(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of the first command or what is wrong with it, where, and the line.
    fn scan(text: &[u8]) -> (Result<String, Fault>, u64, u64) {
        let mut scan = Scan::new(text, 0);
        let result = scan.command().expect("memory is readable");
        (result.map(|name| String::from_utf8_lossy(&name).into_owned()), scan.element_at(), scan.line())
    }

    #[test]
    fn a_whole_command_has_a_name_and_lines() {
        let (name, _, line) = scan(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        assert_eq!((name.as_deref(), line), (Ok("GET"), 6));
        let long = format!("*1\r\n$30\r\n{}\r\n", "x".repeat(30));
        assert_eq!(scan(long.as_bytes()).0.map(|name| name.len()), Ok(16));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases: [(&[u8], &str, u64); 7] = [
            (b"*1\r\n:3\r\nGET\r\n", "Expected prefix '$', got: ':'", 4),
            (b"*1\r\n$3x\r\nGET\r\n", "Expected \\r\\n, got: 780d", 4),
            (b"*1\r\n$3\r\nGETX\r\n", "Expected \\r\\n, got: 580d", 8),
            (b"*1\r\n$3\r\nG", "Expected to read 5 bytes, got 1 bytes", 8),
            (b"*1\r\n$9223372036854775807\r\nG", "Expected to read string of 9223372036854775807 bytes", 4),
            (b"*1\r\n$-1\r\n", "Expected to read string of -1 bytes", 4),
            (b"*1\r\n", "Unexpected end of file within a command", 4),
        ];
        for (text, fault, at) in cases {
            let (found, place, _) = scan(text);
            let found = found.expect_err("a fault");
            assert!(found.starts_with(fault), "{found}");
            assert_eq!(place, at, "{found}");
        }
    }
}
