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

    /// Whether it is below zero, or minus infinity.
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// The integer that is left without what stands behind the point, if it has 64 bits.
    pub fn truncated(self) -> Option<i64> {
        if self.is_infinite() {
            return None;
        }
        let magnitude = match self.exponent {
            0.. if self.mantissa == 0 => 0,
            1.. => return None,
            exponent => self.mantissa.checked_shr(exponent.unsigned_abs()).unwrap_or(0),
        };
        if self.negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
    }

    /// The number with at most 17 significant digits, as C's `%.17Lg` prints it.
    pub fn to_text_17_digits(self) -> Vec<u8> {
        if self.is_infinite() || self.mantissa == 0 {
            return self.to_text();
        }
        let mut integer = Natural::from(u128::from(self.mantissa));
        // A negative power of two is one of five with the point moved.
        let decimals = self.exponent.min(0).unsigned_abs();
        integer.shift_left(self.exponent.max(0).unsigned_abs());
        (0..decimals / 27).for_each(|_| integer.multiply_add(5u64.pow(27), 0));
        integer.multiply_add(5u64.pow(decimals % 27), 0);
        let (digits, power) = round_digits(integer.into_decimal(), decimals as i32);
        let mut text = Vec::with_capacity(24);
        if self.negative {
            text.push(b'-');
        }
        append_digits(&mut text, &digits, power);
        text
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

impl PartialOrd for LongDouble {
    fn partial_cmp(&self, other: &LongDouble) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LongDouble {
    fn cmp(&self, other: &LongDouble) -> Ordering {
        // Among numbers of one sign the exponents decide: all but the smallest have a mantissa of full length.
        let magnitude = |number: &LongDouble| match number.mantissa {
            0 => (i32::MIN, 0),
            mantissa => (number.exponent, mantissa),
        };
        let below = |number: &LongDouble| number.negative && number.mantissa != 0;
        match (below(self), below(other)) {
            (false, false) => magnitude(self).cmp(&magnitude(other)),
            (true, true) => magnitude(other).cmp(&magnitude(self)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
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

/// Rounds digits of which some stand behind the point to 17, without zeros at the end; the power of ten of the first.
fn round_digits(mut digits: Vec<u8>, decimals: i32) -> (Vec<u8>, i32) {
    let mut power = digits.len() as i32 - 1 - decimals;
    if digits.len() > FRACTION_DIGITS {
        let (kept, lost) = digits.split_at(FRACTION_DIGITS);
        let tie = lost[0] == b'5' && lost[1..].iter().all(|digit| *digit == b'0');
        let up = if tie { kept[FRACTION_DIGITS - 1] % 2 == 1 } else { lost[0] >= b'5' };
        digits.truncate(FRACTION_DIGITS);
        if up {
            let nines = digits.iter().rev().take_while(|digit| **digit == b'9').count();
            digits.truncate(FRACTION_DIGITS - nines);
            match digits.last_mut() {
                Some(digit) => *digit += 1,
                None => {
                    digits.push(b'1');
                    power += 1;
                }
            }
        }
    }
    let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    digits.truncate(kept);
    (digits, power)
}

/// Writes digits as C's `%g` with a precision of 17 does.
fn append_digits(text: &mut Vec<u8>, digits: &[u8], power: i32) {
    let (first, rest) = digits.split_at(1);
    match power {
        0..17 => {
            let whole = power as usize + 1;
            text.extend_from_slice(&digits[..whole.min(digits.len())]);
            text.resize(text.len() + whole.saturating_sub(digits.len()), b'0');
            if digits.len() > whole {
                text.push(b'.');
                text.extend_from_slice(&digits[whole..]);
            }
        }
        -4..0 => {
            text.extend_from_slice(b"0.");
            text.resize(text.len() + power.unsigned_abs() as usize - 1, b'0');
            text.extend_from_slice(digits);
        }
        _ => {
            text.extend_from_slice(first);
            if !rest.is_empty() {
                text.push(b'.');
                text.extend_from_slice(rest);
            }
            text.extend_from_slice(
                format!("e{}{:02}", if power < 0 { '-' } else { '+' }, power.unsigned_abs()).as_bytes(),
            );
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
mod tests;
