//! The arguments of a command given on the command line: quoted ones read, one taken from standard input.

use std::io::{self, Read};

use oxidis::quote::split_args;

use crate::failure::Failure;
use crate::options::StandardInput;
use crate::transport::reason;

/// The words that quoted arguments stand for; `None` where one is not a quoted word.
pub fn unquoted(args: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let word = |arg: &Vec<u8>| {
        let mut words = split_args(arg).ok()?.into_iter();
        words.next().filter(|_| words.next().is_none())
    };
    args.iter().map(word).collect()
}

/// The command as it is to be sent.
///
/// # Errors
/// When standard input can't be read, or there is nothing for it to take the place of.
pub fn with_input(
    mut args: Vec<Vec<u8>>,
    input: Option<&StandardInput>,
    stream: &mut impl Read,
) -> Result<Vec<Vec<u8>>, Failure> {
    match input {
        None => {}
        Some(StandardInput::Last) => args.push(read(stream)?),
        Some(StandardInput::Tag(tag)) => {
            let place = args.iter_mut().find(|arg| *arg == tag);
            *place.ok_or(Failure::new("Using -X option but stdin tag not match."))? = read(stream)?;
        }
    }
    Ok(args)
}

fn read(stream: &mut impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::new(format!("Reading from standard input: {}", reason(&error)))),
    }
}

/// The EVAL of a script in a file, with keys in front of a comma and other arguments behind it.
///
/// # Errors
/// When the file can't be read.
pub fn eval(file: &str, args: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
    let script =
        std::fs::read(file).map_err(|error| Failure::new(format!("Can't open file '{file}': {}", reason(&error))))?;
    let keys = args.iter().position(|arg| arg == b",").unwrap_or(args.len());
    let (keys, rest) = args.split_at(keys);
    let mut command = vec![b"EVAL".to_vec(), script, keys.len().to_string().into_bytes()];
    command.extend(keys.iter().chain(rest.iter().skip(1)).cloned());
    Ok(command)
}

/// Reads a line of standard input without its end; `None` where that ends.
///
/// # Errors
/// When it can't be read.
pub fn line(stream: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    while line.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn standard_input_takes_the_place_it_is_given() {
        let last = with_input(words("set key"), Some(&StandardInput::Last), &mut &b"value\n"[..]);
        assert_eq!(last, Ok(vec![b"set".to_vec(), b"key".to_vec(), b"value\n".to_vec()]));
        let tag = StandardInput::Tag(b"TAG".to_vec());
        let tagged = with_input(words("set TAG TAG"), Some(&tag), &mut &b"k"[..]);
        assert_eq!(tagged, Ok(words("set k TAG")));
        assert!(with_input(words("set key"), Some(&tag), &mut &b"k"[..]).is_err());
    }

    #[test]
    fn quoted_arguments_are_one_word_each() {
        let args = vec![b"get".to_vec(), br#""\x00 b""#.to_vec()];
        assert_eq!(unquoted(&args), Some(vec![b"get".to_vec(), b"\0 b".to_vec()]));
        for wrong in [&b"\"a"[..], b"a b", b""] {
            assert_eq!(unquoted(&[wrong.to_vec()]), None);
        }
    }

    #[test]
    fn scripts_get_keys_and_arguments_apart() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "return 1").expect("a script");
        let path = file.path().to_str().expect("a path");
        assert_eq!(
            eval(path, &words("a b , c")),
            Ok([&words("EVAL")[..], &[b"return 1".to_vec()], &words("2 a b c")].concat())
        );
        assert_eq!(eval(path, &[]).map(|args| args.len()), Ok(3));
        assert!(eval("/nowhere/at/all", &[]).is_err());
    }
}
