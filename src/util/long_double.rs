//! Numbers of INCRBYFLOAT: an 80-bit extended float in integer arithmetic.
//!
//! Redis keeps the sums of INCRBYFLOAT and HINCRBYFLOAT in C's `long double`, which on x86-64 has a
//! mantissa of 64 bits, and prints them with `%.17Lf`. Clients see every bit of that choice:
//! `123456789.123456789 + 0.000000001` is `123456789.12345678999554366`, which neither `f64` nor exact
//! decimal arithmetic gives. So this module does what the hardware does: text is rounded once to 64
//! bits, the sum is rounded once more, and the result is printed from its exact value. All rounding
//! is to nearest, ties to even. The answers are the same on every platform.
//!
//! A finite number is `± mantissa · 2^exponent`; normal numbers have the top bit of the mantissa set,
//! subnormal ones stand at the smallest exponent. Texts of [`TEXT_LEN_MAX`] bytes or more are refused,
//! as in Redis, which also bounds the work of the arbitrary-precision path.
//!
//! Own code: `rustc_apfloat` comes to the same sums, but takes 4 to 24 times as long, and what a text may be and how a
//! number is printed would still have to be told here.

use std::cmp::Ordering;
use std::fmt;

use super::natural::Natural;

/// Texts of at least this many bytes are not numbers.
pub const TEXT_LEN_MAX: usize = 5 * 1024;

const PRECISION: u32 = 64;
const EXPONENT_MIN: i32 = -16_445;
/// Values of 2^16384 and above are infinite.
const MAGNITUDE_MAX: i32 = 16_384;
const INFINITE: i32 = i32::MAX;
const FRACTION_DIGITS: usize = 17;
const TEN_TO_17: u128 = 100_000_000_000_000_000;

/// Why a float could not be incremented; prints as Redis's error text without its `ERR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatError {
    /// One of the texts is not a number.
    Invalid,
    /// The sum is no finite number.
    NotFinite,
}

impl fmt::Display for FloatError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FloatError::Invalid => "value is not a valid float",
            FloatError::NotFinite => "increment would produce NaN or Infinity",
        })
    }
}

impl std::error::Error for FloatError {}

/// The text of `current + increment`, as INCRBYFLOAT stores and replies it.
pub fn add_decimal(current: &[u8], increment: &[u8]) -> Result<Vec<u8>, FloatError> {
    let current = LongDouble::parse(current).ok_or(FloatError::Invalid)?;
    let increment = LongDouble::parse(increment).ok_or(FloatError::Invalid)?;
    let sum = current.checked_add(increment).ok_or(FloatError::NotFinite)?;
    Ok(sum.to_text())
}

/// An x87 extended-precision number; never NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl LongDouble {
    /// The largest finite number.
    pub const MAX: LongDouble =
        LongDouble { negative: false, mantissa: u64::MAX, exponent: MAGNITUDE_MAX - PRECISION as i32 };
    /// The smallest finite number.
    pub const MIN: LongDouble = LongDouble { negative: true, ..LongDouble::MAX };

    /// Reads a decimal or hexadecimal number or an infinity, as C's `strtold` does, but refuses
    /// blanks, trailing bytes, NaN, and numbers too large or too small to tell from infinity or zero.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.is_empty() || text.len() >= TEXT_LEN_MAX {
            return None;
        }
        let (negative, magnitude) = split_sign(text);
        if is_infinity(magnitude) {
            return Some(LongDouble { negative, mantissa: 1 << 63, exponent: INFINITE });
        }
        let (mantissa, exponent) = match hexadecimal_digits(magnitude) {
            Some(digits) => {
                let (significand, exponent) = scan_hexadecimal(digits)?;
                if significand == 0 {
                    return Some(LongDouble { negative, mantissa: 0, exponent: 0 });
                }
                (significand, exponent)
            }
            None => match scan_decimal(magnitude)? {
                Decimal { digits, .. } if digits.is_empty() => {
                    return Some(LongDouble { negative, mantissa: 0, exponent: 0 });
                }
                decimal => decimal.to_binary()?,
            },
        };
        let number = LongDouble::rounded(negative, mantissa, exponent);
        (number.mantissa != 0 && !number.is_infinite()).then_some(number)
    }

    /// Whether this is plus or minus infinity.
    pub fn is_infinite(self) -> bool {
        self.exponent == INFINITE
    }

    /// The same number with the other sign.
    pub fn negated(self) -> LongDouble {
        LongDouble { negative: !self.negative, ..self }
    }

    /// Whether this is less than another.
    pub fn is_below(self, other: LongDouble) -> bool {
        let sign = |number: LongDouble| match number {
            LongDouble { mantissa: 0, .. } => 0,
            LongDouble { negative, .. } => 1 - 2 * i32::from(negative),
        };
        // Numbers below the normal ones have the least exponent, so exponents come first for all.
        let magnitude = |number: LongDouble| (number.exponent, number.mantissa);
        match (sign(self), sign(other)) {
            (one, two) if one != two => one < two,
            (0, _) => false,
            (1, _) => magnitude(self) < magnitude(other),
            _ => magnitude(other) < magnitude(self),
        }
    }

    /// The rounded sum, or `None` where it would be infinite or not a number.
    pub fn checked_add(self, other: LongDouble) -> Option<LongDouble> {
        if self.is_infinite() || other.is_infinite() {
            return None;
        }
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // 62 bits below the higher mantissa: bits of the lower one are lost only when the sum keeps
        // at least 124 significant bits, so one sticky bit at the bottom rounds it rightly.
        let top = u128::from(high.mantissa) << 62;
        let bottom = shift_right_sticky(u128::from(low.mantissa) << 62, high.exponent.abs_diff(low.exponent));
        let (negative, sum) = if high.negative == low.negative {
            (high.negative, top + bottom)
        } else if top >= bottom {
            (high.negative, top - bottom)
        } else {
            (low.negative, bottom - top)
        };
        let sum = LongDouble::rounded(negative && sum != 0, sum, high.exponent - 62);
        (!sum.is_infinite()).then_some(sum)
    }

    /// The number with at most 17 decimals, without trailing zeros and without an exponent.
    pub fn to_text(self) -> Vec<u8> {
        if self.is_infinite() {
            return if self.negative { b"-inf".to_vec() } else { b"inf".to_vec() };
        }
        if self.mantissa == 0 {
            return b"0".to_vec();
        }
        let mut text = Vec::with_capacity(24);
        if self.exponent >= 0 {
            if self.negative {
                text.push(b'-');
            }
            let mut integer = Natural::from(u128::from(self.mantissa));
            integer.shift_left(self.exponent.unsigned_abs());
            text.extend_from_slice(&integer.into_decimal());
            return text;
        }
        let scaled = shift_right_even(u128::from(self.mantissa) * TEN_TO_17, self.exponent.unsigned_abs());
        if self.negative && scaled != 0 {
            text.push(b'-');
        }
        text.extend_from_slice((scaled / TEN_TO_17).to_string().as_bytes());
        let fraction = scaled % TEN_TO_17;
        if fraction != 0 {
            let digits = format!("{fraction:0FRACTION_DIGITS$}");
            text.push(b'.');
            text.extend_from_slice(digits.trim_end_matches('0').as_bytes());
        }
        text
    }

    fn rounded(negative: bool, significand: u128, exponent: i32) -> LongDouble {
        let (mantissa, exponent) = round(significand, exponent, PRECISION, EXPONENT_MIN);
        if mantissa != 0 && exponent + PRECISION as i32 - mantissa.leading_zeros() as i32 > MAGNITUDE_MAX {
            return LongDouble { negative, mantissa: 1 << 63, exponent: INFINITE };
        }
        LongDouble { negative, mantissa, exponent }
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> LongDouble {
        LongDouble::rounded(value < 0, u128::from(value.unsigned_abs()), 0)
    }
}

impl From<f64> for LongDouble {
    /// Exact; a NaN becomes an infinity.
    fn from(value: f64) -> LongDouble {
        let negative = value.is_sign_negative();
        if !value.is_finite() {
            return LongDouble { negative, mantissa: 1 << 63, exponent: INFINITE };
        }
        let bits = value.to_bits();
        let (fraction, power) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i32);
        match power {
            0 => LongDouble::rounded(negative, u128::from(fraction), -1074),
            _ => LongDouble::rounded(negative, u128::from(fraction | 1 << 52), power - 1075),
        }
    }
}

/// Rounds `significand · 2^exponent` to `precision` bits (at most 64), to nearest and ties to even,
/// with no result below `exponent_min`. The result is normalised except where that limit forbids it.
///
/// A caller that lost bits says so in the lowest bit of a significand of at least `precision + 2` bits.
pub fn round(significand: u128, exponent: i32, precision: u32, exponent_min: i32) -> (u64, i32) {
    if significand == 0 {
        return (0, 0);
    }
    let bits = 128 - significand.leading_zeros() as i32;
    let shift = (bits - precision as i32).max(exponent_min.saturating_sub(exponent));
    let exponent = exponent.saturating_add(shift);
    if shift <= 0 {
        return ((significand << shift.unsigned_abs()) as u64, exponent);
    }
    let mantissa = shift_right_even(significand, shift.unsigned_abs());
    if mantissa >> precision != 0 {
        return ((mantissa >> 1) as u64, exponent + 1);
    }
    (mantissa as u64, exponent)
}

fn shift_right_even(value: u128, shift: u32) -> u128 {
    match shift {
        0 => value,
        129.. => 0,
        128 => u128::from(value > 1 << 127),
        _ => {
            let kept = value >> shift;
            let lost = value & ((1 << shift) - 1);
            let half = 1 << (shift - 1);
            match lost.cmp(&half) {
                Ordering::Less => kept,
                Ordering::Equal => kept + (kept & 1),
                Ordering::Greater => kept + 1,
            }
        }
    }
}

fn shift_right_sticky(value: u128, shift: u32) -> u128 {
    match value.checked_shr(shift) {
        Some(kept) => kept | u128::from(kept << shift != value),
        None => u128::from(value != 0),
    }
}

/// Takes a leading sign off; true when it was a minus.
pub fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn is_infinity(magnitude: &[u8]) -> bool {
    magnitude.eq_ignore_ascii_case(b"inf") || magnitude.eq_ignore_ascii_case(b"infinity")
}

/// What follows `0x`, if the number begins so.
pub fn hexadecimal_digits(magnitude: &[u8]) -> Option<&[u8]> {
    match magnitude {
        [b'0', b'x' | b'X', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// Reads `h.hhh[p±d]` into a significand and a power of two; bits beyond 120 are kept as a sticky one.
pub fn scan_hexadecimal(text: &[u8]) -> Option<(u128, i32)> {
    let (digits, power) = match text.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(at) => (text.get(..at)?, scan_exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let (mut significand, mut exponent, mut seen, mut after_point) = (0u128, power, false, false);
    for &byte in digits {
        if byte == b'.' && !after_point {
            after_point = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        seen = true;
        if significand >> 116 == 0 {
            significand = significand << 4 | u128::from(digit);
            exponent -= if after_point { 4 } else { 0 };
        } else {
            significand |= u128::from(digit != 0);
            exponent += if after_point { 0 } else { 4 };
        }
    }
    seen.then_some((significand, exponent.clamp(-1_000_000, 1_000_000) as i32))
}

/// Reads the digits of an exponent with an optional sign; huge ones saturate.
fn scan_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000_000));
    Some(if negative { -value } else { value })
}

/// `digits · 10^exponent`, the digits without leading or trailing zeros; none at all for zero.
struct Decimal {
    digits: Vec<u8>,
    exponent: i64,
}

fn scan_decimal(text: &[u8]) -> Option<Decimal> {
    let (number, mut exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (text.get(..at)?, scan_exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let (mut digits, mut seen, mut after_point) = (Vec::with_capacity(number.len()), false, false);
    for &byte in number {
        match byte {
            b'.' if !after_point => after_point = true,
            b'0'..=b'9' => {
                seen = true;
                exponent -= i64::from(after_point);
                if byte != b'0' || !digits.is_empty() {
                    digits.push(byte - b'0');
                }
            }
            _ => return None,
        }
    }
    while digits.last() == Some(&0) {
        digits.pop();
        exponent += 1;
    }
    seen.then_some(Decimal { digits, exponent })
}

impl Decimal {
    /// At least 66 bits of the value and a sticky bit, or `None` far beyond any long double.
    fn to_binary(&self) -> Option<(u128, i32)> {
        let magnitude = self.exponent + self.digits.len() as i64;
        if !(-5_000..=5_000).contains(&magnitude) {
            return None;
        }
        if self.digits.len() <= 19 && (-18..=0).contains(&self.exponent) {
            let integer = self.digits.iter().fold(0u64, |value, digit| value * 10 + u64::from(*digit));
            let normalised = u128::from(integer) << (integer.leading_zeros() + 64);
            let divisor = 10u128.pow(self.exponent.unsigned_abs() as u32);
            let quotient = (normalised / divisor) | u128::from(normalised % divisor != 0);
            return Some((quotient, -64 - integer.leading_zeros() as i32));
        }
        let mut numerator = Natural::from(0);
        for chunk in self.digits.chunks(19) {
            let value = chunk.iter().fold(0, |value, digit| value * 10 + u64::from(*digit));
            numerator.multiply_add(10u64.pow(chunk.len() as u32), value);
        }
        let mut denominator = Natural::from(1);
        let scaled = if self.exponent >= 0 { &mut numerator } else { &mut denominator };
        scaled.multiply_power_of_ten(self.exponent.unsigned_abs());
        Some(divide(numerator, denominator))
    }
}

/// `numerator / denominator`, both above zero, as 66 or 67 bits and a sticky one below them.
fn divide(mut numerator: Natural, mut denominator: Natural) -> (u128, i32) {
    let exponent = numerator.bits() as i32 - denominator.bits() as i32;
    let shorter = if exponent < 0 { &mut numerator } else { &mut denominator };
    shorter.shift_left(exponent.unsigned_abs());
    let mut quotient = 0u128;
    for _ in 0..67 {
        quotient <<= 1;
        if numerator.subtract_if_not_less(&denominator) {
            quotient |= 1;
        }
        numerator.shift_left(1);
    }
    (quotient << 1 | u128::from(!numerator.is_zero()), exponent - 67)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(current: &str, increment: &str) -> Result<String, FloatError> {
        add_decimal(current.as_bytes(), increment.as_bytes())
            .map(|text| String::from_utf8(text).expect("digits are ASCII"))
    }

    /// `SET key current`, then `INCRBYFLOAT key increment`, on Redis 7.0.15 for x86-64.
    #[test]
    fn sums_are_those_of_redis() {
        for (current, increment, expected) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3.0e3", "1", "3001"),
            ("-1024.01", "0", "-1024.01000000000000001"),
            ("0.1", "0.2", "0.3"),
            ("0.3", "-0.1", "0.2"),
            ("1", "1e-17", "1.00000000000000001"),
            ("1", "1e-18", "1"),
            ("1e-17", "0", "0.00000000000000001"),
            ("5e-18", "0", "0"),
            ("5.1e-18", "0", "0.00000000000000001"),
            ("1.5e-17", "0", "0.00000000000000002"),
            ("2.5e-17", "0", "0.00000000000000002"),
            ("-1e-18", "0", "0"),
            ("0xff", "0x1.8p1", "258"),
            ("0x.8", "0", "0.5"),
            ("0X1P-3", "0", "0.125"),
            ("-0", "-0", "0"),
            ("-1", "1", "0"),
            ("1.1e0", "-1.1", "0"),
            ("+1", ".5", "1.5"),
            ("5.", "0", "5"),
            ("1e-4950", "1e-4950", "0"),
            ("1e20", "0.1", "100000000000000000000"),
            ("1e22", "0", "10000000000000000000000"),
            ("100000000000000000000000.5", "-1", "100000000000000000000000"),
            ("17179869184", "1.5", "17179869185.5"),
            ("123456789.123456789", "0.000000001", "123456789.12345678999554366"),
            ("3.14159265358979323846", "2.71828182845904523536", "5.85987448204883847"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("9223372036854775807", "0.5", "9223372036854775807.5"),
            (
                "1e300",
                "1",
                "1000000000000000000008997324079559193870523944273290747938260082321265646596180935755849\
                 1520837504971903503725086142748359035925561846729839130962605207486462873271356418436532\
                 9408425510760601678972665293237003055138294762099454029477278188962060617926761162709741\
                 0650567187386105690089424915104006144",
            ),
        ] {
            assert_eq!(sum(current, increment).as_deref(), Ok(expected), "{current} + {increment}");
        }
    }

    #[test]
    fn texts_that_are_no_numbers_are_refused() {
        let long = "1".repeat(TEXT_LEN_MAX);
        for text in [
            "",
            " 1",
            "1 ",
            "+",
            "-",
            ".",
            "1e",
            "1e+",
            "e5",
            "0x",
            "0x1p",
            "0x.",
            "0xg",
            "nan",
            "-nan",
            "1..2",
            "1.2.3",
            "--1",
            "infi",
            "1e-5000",
            "1e5000",
            "1e4933",
            "1e-99999999999999999999",
            "1_0",
            "1\0",
            &long,
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
            assert_eq!(sum(text, "1"), Err(FloatError::Invalid), "{text:?}");
            assert_eq!(sum("1", text), Err(FloatError::Invalid), "{text:?}");
        }
    }

    #[test]
    fn infinities_parse_but_never_add_up() {
        for (current, increment) in
            [("inf", "1"), ("1", "-Infinity"), ("INFINITY", "-inf"), ("1e4932", "1e4932"), ("-1e4932", "-1e4932")]
        {
            assert_eq!(sum(current, increment), Err(FloatError::NotFinite), "{current} + {increment}");
        }
        assert_eq!(LongDouble::parse(b"-inf").map(LongDouble::to_text), Some(b"-inf".to_vec()));
    }

    #[test]
    fn the_long_way_rounds_as_the_short_way() {
        let long_way = |digits: &str, exponent: i64| {
            let digits = digits.bytes().map(|byte| byte - b'0').collect::<Vec<_>>();
            let (numerator, mut denominator) =
                (digits.iter().fold(0u128, |value, digit| value * 10 + u128::from(*digit)), Natural::from(1));
            denominator.multiply_power_of_ten(exponent.unsigned_abs());
            let (significand, exponent) = divide(Natural::from(numerator), denominator);
            LongDouble::rounded(false, significand, exponent)
        };
        for digits in ["1", "3", "7", "123456789", "9999999999999999999", "9007199254740993", "18446744073709551"] {
            for exponent in -18..=0 {
                let text = format!("{digits}e{exponent}");
                assert_eq!(LongDouble::parse(text.as_bytes()), Some(long_way(digits, exponent)), "{text}");
            }
        }
    }

    #[test]
    fn the_largest_number_is_that_of_long_double() {
        let text = LongDouble::MAX.to_text();
        assert_eq!((&text[..10], text.len()), (&b"1189731495"[..], 4933));
        assert_eq!(LongDouble::parse(&LongDouble::MIN.to_text()), Some(LongDouble::MIN));
        assert!(LongDouble::MAX.checked_add(LongDouble::MAX).is_none());
    }

    proptest! {
        #[test]
        fn numbers_compare_like_doubles(one: f64, other: f64) {
            prop_assume!(!one.is_nan() && !other.is_nan());
            for (one, other) in [(one, other), (one, one), (one, -one), (0.0, -0.0), (other, 0.0)] {
                prop_assert_eq!(LongDouble::from(one).is_below(other.into()), one < other);
            }
        }

        #[test]
        fn doubles_convert_exactly(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let exact = LongDouble::from(value);
            let text = format!("{value:.30e}");
            prop_assert_eq!(LongDouble::parse(text.as_bytes()), Some(exact));
            if value.abs() >= 1e16 {
                prop_assert_eq!(String::from_utf8(exact.to_text()).expect("ASCII"), format!("{value:.0}"));
            }
        }

        #[test]
        fn small_decimals_come_back(integer in -127i64..128, cents in 0u32..100) {
            let text = format!("{integer}.{cents:02}");
            let expected = text.trim_end_matches('0').trim_end_matches('.').to_string();
            let expected = if expected == "-0" { "0".to_string() } else { expected };
            prop_assert_eq!(sum(&text, "0"), Ok(expected));
        }

        #[test]
        fn addition_commutes_and_cancels(one in "-?[0-9]{1,25}(\\.[0-9]{0,25})?(e-?[0-9]{1,3})?", two in "-?[0-9]{1,5}(\\.[0-9]{0,5})?") {
            prop_assert_eq!(sum(&one, &two), sum(&two, &one));
            let opposite = one.strip_prefix('-').map_or(format!("-{one}"), str::to_string);
            prop_assert_eq!(sum(&one, &opposite), Ok("0".to_string()));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = add_decimal(&text, b"1");
        }

        #[test]
        fn number_like_bytes_are_read_without_panic(text in "[-+]?(0x)?[0-9a-f]{0,30}\\.?[0-9a-f]{0,30}([ep][-+]?[0-9]{0,6})?") {
            if let Some(number) = LongDouble::parse(text.as_bytes()) {
                let _ = number.to_text();
            }
        }
    }
}
