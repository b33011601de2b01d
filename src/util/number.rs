//! Numbers as Redis reads and writes them in text.
//!
//! Redis is strict where it reads: an integer is exactly the text it would print (`07`, `+7`, `-0` and
//! ` 7` are strings), because a value that is an integer may be stored as one and must read back the
//! same. Floats follow C's `strtod` without its blanks and without NaN.
//!
//! Doubles are written as Redis 7.2 and later do: digits that read back to the same double, as few as
//! can be but for rare ones (see `digits`), integers up to 2^62 without a point, small exponents spelt
//! out.

use super::digits;
use super::long_double::{hexadecimal_digits, round, scan_hexadecimal, split_sign};

/// Reads a signed integer in its one canonical form.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    // Nineteen digits are below 2^64, so the sum needs no check on its way.
    let mut magnitude = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// The number that digits begin with, eight of them at a time, and the bytes that follow, of which not all of the next eight
/// are digits.
#[inline]
fn leading_eights(digits: &[u8]) -> (u64, &[u8]) {
    let (mut value, mut rest) = (0u64, digits);
    while let Some((chunk, behind)) = rest.split_first_chunk()
        && let Some(eight) = eight_digits(u64::from_le_bytes(*chunk))
    {
        value = value.wrapping_mul(100_000_000).wrapping_add(eight);
        rest = behind;
    }
    (value, rest)
}

/// The number of eight digits, the first of them in the lowest byte of a word; `None` if not all are.
#[inline(always)]
fn eight_digits(word: u64) -> Option<u64> {
    const HIGH_HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // From ':' on the low half of a byte goes over when six is added.
    let raised = word.wrapping_add(0x0606_0606_0606_0606);
    if word & HIGH_HALVES != ZEROS || raised & HIGH_HALVES != ZEROS {
        return None;
    }
    let ones = word - ZEROS;
    // Two, four and eight digits at the places of the last of them.
    let twos = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// Reads an unsigned integer. Leading zeros and a plus sign are allowed here, as in the parts of a stream ID.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads a double: decimal, hexadecimal (`0x1.8p3`), or an infinity in any case.
///
/// Refused: blanks, NaN, and finite texts that would read as infinity or zero.
#[inline]
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    short_decimal(text).or_else(|| parse_i64(text).map(|integer| integer as f64)).or_else(|| parse_any_f64(text))
}

/// Integers of so many digits are exact as doubles.
pub const EXACT_DIGITS: usize = 15;

/// Powers of ten that are, too.
pub const EXACT_POWERS: [f64; EXACT_DIGITS + 1] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A decimal of up to fifteen digits, with or without a point and a minus sign, as most are. Its digits are exact as a
/// double, and so is the power of ten they are divided by; the quotient is rounded once, as it should be.
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > EXACT_DIGITS {
        return None;
    }
    let ((mut value, rest), mut point) = (leading_eights(digits), None);
    for (place, &byte) in (digits.len() - rest.len()..).zip(rest) {
        match byte {
            b'0'..=b'9' => value = value * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() && digits.len() > 1 => point = Some(place),
            _ => return None,
        }
    }
    let magnitude = match point {
        None => value as f64,
        Some(place) => value as f64 / EXACT_POWERS[digits.len() - 1 - place],
    };
    Some(if negative { -magnitude } else { magnitude })
}

#[inline(never)]
fn parse_any_f64(text: &[u8]) -> Option<f64> {
    let (negative, magnitude) = split_sign(text);
    if let Some(digits) = hexadecimal_digits(magnitude) {
        let value = hexadecimal_f64(digits)?;
        return Some(if negative { -value } else { value });
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let refused = value.is_nan()
        || value.is_infinite() && magnitude.iter().any(u8::is_ascii_digit)
        || value == 0.0 && mantissa_has_digit_above_zero(magnitude);
    (!refused).then_some(value)
}

fn mantissa_has_digit_above_zero(magnitude: &[u8]) -> bool {
    magnitude.iter().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| matches!(byte, b'1'..=b'9'))
}

fn hexadecimal_f64(digits: &[u8]) -> Option<f64> {
    let (significand, exponent) = scan_hexadecimal(digits)?;
    let (mantissa, exponent) = round(significand, exponent, 53, -1074);
    if mantissa == 0 {
        return (significand == 0).then_some(0.0);
    }
    if exponent > 971 {
        return None;
    }
    // In two exact steps, because 2^exponent alone may lie below the normal doubles.
    let half = exponent / 2;
    Some(mantissa as f64 * 2f64.powi(half) * 2f64.powi(exponent - half))
}

/// Appends a signed integer in decimal.
#[inline]
pub fn append_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a double as replies print it; NaN is `nan`.
pub fn append_f64(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        out.extend_from_slice(b"inf");
    } else if magnitude <= (1u64 << 62) as f64 && magnitude.fract() == 0.0 {
        out.extend_from_slice(itoa::Buffer::new().format(magnitude as u64).as_bytes());
    } else {
        append_shortest(out, magnitude);
    }
}

/// Appends a double as digests take it in: like [`append_f64`], but large integers have an exponent if that is shorter.
pub fn append_f64_of_digest(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 || !value.is_finite() {
        return append_f64(out, value);
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    append_shortest(out, value.abs());
}

fn append_shortest(out: &mut Vec<u8>, magnitude: f64) {
    let mut room = [0; digits::DIGITS_MAX];
    let (count, exponent) = digits::find(magnitude, &mut room);
    append_decimal(out, room.get(..count).unwrap_or_default(), exponent);
}

/// Chooses between `123000`, `0.00123` and `1.23e+25` by the rules of Redis's printer.
fn append_decimal(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let count = digits.len() as i32;
    let power = exponent + count - 1;
    if exponent >= 0 && power.abs() < count + 7 {
        out.extend_from_slice(digits);
        out.resize(out.len() + exponent.unsigned_abs() as usize, b'0');
    } else if exponent < 0 && (exponent > -7 || power.abs() < 4) {
        let point = count + exponent;
        let (integer, fraction) = digits.split_at_checked(point.max(0) as usize).unwrap_or((digits, b""));
        out.extend_from_slice(if integer.is_empty() { b"0" } else { integer });
        out.push(b'.');
        out.resize(out.len() + (-point).max(0) as usize, b'0');
        out.extend_from_slice(fraction);
    } else {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, b""));
        out.extend_from_slice(first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
        out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
        append_i64(out, i64::from(power.abs()));
    }
}

/// Reads an amount of memory in bytes: digits and an optional unit in any case.
///
/// `k`, `m`, `g` are powers of 1000, `kb`, `mb`, `gb` powers of 1024, `b` is one byte. No digits mean
/// zero, as in Redis; more than a `u64` can hold is refused.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at_checked(digits)?;
    let unit: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1_000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if digits.is_empty() {
        return Some(0);
    }
    parse_u64(digits)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn short_decimals_are_read_as_all_others(text in "-?[0-9]{0,12}[.]?[0-9]{0,12}|[-+.0-9e]{0,6}|-?[0-9]{15,20}") {
            let (short, any) = (parse_f64(text.as_bytes()), parse_any_f64(text.as_bytes()));
            prop_assert_eq!(short.map(f64::to_bits), any.map(f64::to_bits), "{:?}", text);
        }
    }

    proptest! {
        #[test]
        fn digits_are_read_eight_at_a_time_as_one_by_one(text in "[0-9]{0,20}|[0-9]{0,9}[ -~][0-9]{0,9}|[ -~]{8}") {
            let (value, rest) = leading_eights(text.as_bytes());
            let read = text.len() - rest.len();
            let digits = text[..read].bytes();
            prop_assert_eq!(value, digits.fold(0u64, |value, byte| {
                value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'))
            }));
            prop_assert!(read.is_multiple_of(8));
            prop_assert!(rest.len() < 8 || !rest[..8].iter().all(u8::is_ascii_digit));
        }
    }

    fn i64_text(value: i64) -> Vec<u8> {
        let mut text = Vec::new();
        append_i64(&mut text, value);
        text
    }

    fn f64_text(value: f64) -> Vec<u8> {
        let mut text = Vec::new();
        append_f64(&mut text, value);
        text
    }

    fn printed(value: f64) -> String {
        String::from_utf8(f64_text(value)).expect("numbers are ASCII")
    }

    #[test]
    fn integers_have_one_form() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("-7", -7),
            ("1234567890", 1_234_567_890),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value));
            assert_eq!(i64_text(value), text.as_bytes());
        }
        for text in [
            "",
            "-",
            "+7",
            "-0",
            "00",
            "07",
            "-07",
            " 7",
            "7 ",
            "7a",
            "a",
            "0x7",
            "1e3",
            "7.0",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "7\0",
            "--7",
            ":1",
            "/",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn unsigned_integers_may_have_leading_zeros() {
        for (text, value) in [("0", 0), ("007", 7), ("+7", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(parse_u64(text.as_bytes()), Some(value));
        }
        for text in ["", "+", "-1", "18446744073709551616", " 1", "1 ", "a", "++1"] {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn floats_are_read_as_by_strtod() {
        for (text, value) in [
            ("3.0e3", 3000.0),
            ("+1", 1.0),
            ("-0", 0.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1E+5", 1e5),
            ("0e-999", 0.0),
            ("inf", f64::INFINITY),
            ("+Infinity", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("5e-324", 5e-324),
            ("0x1.8p3", 12.0),
            ("-0XFF", -255.0),
            ("0x.8", 0.5),
            ("0x0p999999999999", 0.0),
            ("0x1p-1074", 5e-324),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1.00000000000008", 1.0),
            ("0x1.00000000000008000000000000000000000000000000000001", 1.0000000000000002),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            "+",
            ".",
            "1e",
            "e1",
            " 1",
            "1 ",
            "nan",
            "-NaN",
            "1e400",
            "-1e400",
            "1e-400",
            "0x",
            "0x1p",
            "0x1p1024",
            "0x1p-1075",
            "0x1p-99999999999999",
            "1.2.3",
            "1\0",
            "infinit",
            "0x-1",
            "1_0",
            "\u{ff11}",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
    }

    /// Scores that Redis 8.2 prints for `ZADD key score member`, `ZSCORE key member`.
    #[test]
    fn doubles_print_as_in_redis() {
        for (value, expected) in [
            (3.25, "3.25"),
            (1e20, "1e+20"),
            (1e17, "100000000000000000"),
            (4e18, "4000000000000000000"),
            (5e18, "5e+18"),
            (1.5e19, "1.5e+19"),
            (123456789012345678901.0, "123456789012345680000"),
            (12345678901234567890.0, "12345678901234567000"),
            (4611686018427387904.0, "4611686018427387904"),
            (-4611686018427387904.0, "-4611686018427387904"),
            (4611686018427389000.0, "4611686018427389000"),
            (9007199254740993.0, "9007199254740992"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (2.5e-5, "0.000025"),
            (0.00001234, "1.234e-5"),
            (0.00000123456, "1.23456e-6"),
            (9.5367431640625e-7, "9.5367431640625e-7"),
            (1.2345e-10, "1.2345e-10"),
            (-1.5e-9, "-1.5e-9"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (1e100, "1e+100"),
            (6.02214076e23, "6.02214076e+23"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (100.5, "100.5"),
            (12345678.9, "12345678.9"),
            (0.0, "0"),
            (-0.0, "-0"),
            (-1.0, "-1"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(printed(value), expected);
        }
    }

    /// Texts that `printf` of glibc gives.
    #[test]
    fn memory_sizes_have_two_families_of_units() {
        for (text, bytes) in [
            ("0", 0),
            ("100", 100),
            ("5b", 5),
            ("1k", 1_000),
            ("1KB", 1_024),
            ("2m", 2_000_000),
            ("2mb", 2 << 20),
            ("1g", 1_000_000_000),
            ("1Gb", 1 << 30),
            ("", 0),
            ("kb", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_memory(text.as_bytes()), Some(bytes), "{text:?}");
        }
        for text in ["-1", "1t", "1 kb", "1.5mb", "k1", "18446744073709551616", "18446744073709551615kb", "50%"] {
            assert_eq!(parse_memory(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn integers_round_trip(value: i64) {
            prop_assert_eq!(parse_i64(&i64_text(value)), Some(value));
        }

        #[test]
        fn an_integer_is_the_text_it_prints(text in "[-+ 0]?[0-9]{0,21}") {
            if let Some(value) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(i64_text(value), text.as_bytes());
            }
        }

        #[test]
        fn doubles_round_trip(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_f64(&f64_text(value)).map(f64::to_bits), Some(value.to_bits()));
        }

        #[test]
        fn everyday_doubles_round_trip(integer in -1_000_000_000i64..1_000_000_000, scale in 0i32..25) {
            let value = integer as f64 / 10f64.powi(scale);
            prop_assert_eq!(parse_f64(&f64_text(value)), Some(value));
        }

        #[test]
        fn hexadecimal_doubles_are_exact(mantissa in 0u64..(1 << 53), exponent in -1000i32..900) {
            let text = format!("0x{mantissa:x}p{exponent}");
            prop_assert_eq!(parse_f64(text.as_bytes()), Some(mantissa as f64 * 2f64.powi(exponent)));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = (parse_i64(&text), parse_u64(&text), parse_f64(&text), parse_memory(&text));
        }
    }
}
