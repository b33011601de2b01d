//! The decimal digits of doubles, found as Redis finds them: by Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers
//! Quickly and Accurately with Integers", 2010).
//!
//! The digits read back to the same double, and for all but about one double in a thousand they are as few as can be.
//! For that one Redis shows a digit more (`3.5990668903908017e+5` where `3.599066890390802e+5` would do). Programs compare
//! texts of scores, and files and digests contain them: so here it is the same one. What decides are details that the
//! paper leaves open: which of two powers of ten scales the number, how a product is rounded, where rounding ends.
//!
//! A double `v` lies in an interval of numbers that all read back to it. With [`Scaled`] numbers of 64 bits the interval
//! is multiplied by a power of ten that brings its binary exponent into a narrow range, where the digits of its upper
//! end fall off one by one: above the binary point by division, below it by multiplication with ten. As soon as what
//! is left is less than the width of the interval the digits stand for a number in it, and the last one is lowered
//! while that leads closer to `v`.

/// Digits at most.
pub const DIGITS_MAX: usize = 17;

/// Stored bits of a double's significand, and the one that is not stored.
const FRACTION_BITS: u32 = 52;
const HIDDEN_BIT: u64 = 1 << FRACTION_BITS;
/// What is added to the binary exponent of the significand as an integer.
const EXPONENT_BIAS: i32 = 1023 + FRACTION_BITS as i32;

/// The decimal exponent of the first of [`POWERS`], and the steps between them.
const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;
/// Where the binary exponent of the scaled number has to lie.
const SCALED_EXPONENT: std::ops::RangeInclusive<i32> = -60..=-32;
const LOG10_OF_2: f64 = 0.301_029_995_663_981_14;

/// The upper 64 bits, rounded, of the powers of ten from 10^-348 on, each eighth.
#[rustfmt::skip]
const POWERS: [u64; 87] = [
    0xfa8fd5a0081c0288, 0xbaaee17fa23ebf76, 0x8b16fb203055ac76, 0xcf42894a5dce35ea, 0x9a6bb0aa55653b2d,
    0xe61acf033d1a45df, 0xab70fe17c79ac6ca, 0xff77b1fcbebcdc4f, 0xbe5691ef416bd60c, 0x8dd01fad907ffc3c,
    0xd3515c2831559a83, 0x9d71ac8fada6c9b5, 0xea9c227723ee8bcb, 0xaecc49914078536d, 0x823c12795db6ce57,
    0xc21094364dfb5637, 0x9096ea6f3848984f, 0xd77485cb25823ac7, 0xa086cfcd97bf97f4, 0xef340a98172aace5,
    0xb23867fb2a35b28e, 0x84c8d4dfd2c63f3b, 0xc5dd44271ad3cdba, 0x936b9fcebb25c996, 0xdbac6c247d62a584,
    0xa3ab66580d5fdaf6, 0xf3e2f893dec3f126, 0xb5b5ada8aaff80b8, 0x87625f056c7c4a8b, 0xc9bcff6034c13053,
    0x964e858c91ba2655, 0xdff9772470297ebd, 0xa6dfbd9fb8e5b88f, 0xf8a95fcf88747d94, 0xb94470938fa89bcf,
    0x8a08f0f8bf0f156b, 0xcdb02555653131b6, 0x993fe2c6d07b7fac, 0xe45c10c42a2b3b06, 0xaa242499697392d3,
    0xfd87b5f28300ca0e, 0xbce5086492111aeb, 0x8cbccc096f5088cc, 0xd1b71758e219652c, 0x9c40000000000000,
    0xe8d4a51000000000, 0xad78ebc5ac620000, 0x813f3978f8940984, 0xc097ce7bc90715b3, 0x8f7e32ce7bea5c70,
    0xd5d238a4abe98068, 0x9f4f2726179a2245, 0xed63a231d4c4fb27, 0xb0de65388cc8ada8, 0x83c7088e1aab65db,
    0xc45d1df942711d9a, 0x924d692ca61be758, 0xda01ee641a708dea, 0xa26da3999aef774a, 0xf209787bb47d6b85,
    0xb454e4a179dd1877, 0x865b86925b9bc5c2, 0xc83553c5c8965d3d, 0x952ab45cfa97a0b3, 0xde469fbd99a05fe3,
    0xa59bc234db398c25, 0xf6c69a72a3989f5c, 0xb7dcbf5354e9bece, 0x88fcf317f22241e2, 0xcc20ce9bd35c78a5,
    0x98165af37b2153df, 0xe2a0b5dc971f303a, 0xa8d9d1535ce3b396, 0xfb9b7cd9a4a7443c, 0xbb764c4ca7a44410,
    0x8bab8eefb6409c1a, 0xd01fef10a657842c, 0x9b10a4e5e9913129, 0xe7109bfba19c0c9d, 0xac2820d9623bf429,
    0x80444b5e7aa7cf85, 0xbf21e44003acdd2d, 0x8e679c2f5e44ff8f, 0xd433179d9c8cb841, 0x9e19db92b4e31ba9,
    0xeb96bf6ebadf77d9, 0xaf87023b9bf0ee6b,
];

/// A number: `significand · 2^exponent`.
#[derive(Clone, Copy)]
struct Scaled {
    significand: u64,
    exponent: i32,
}

impl Scaled {
    /// A finite double above zero.
    fn of(value: f64) -> Scaled {
        let bits = value.to_bits();
        let (fraction, exponent) = (bits & (HIDDEN_BIT - 1), (bits >> FRACTION_BITS) as i32 & 0x7ff);
        match exponent {
            0 => Scaled { significand: fraction, exponent: 1 - EXPONENT_BIAS },
            _ => Scaled { significand: fraction | HIDDEN_BIT, exponent: exponent - EXPONENT_BIAS },
        }
    }

    /// The same number with the highest bit set.
    fn normalized(self) -> Scaled {
        let shift = self.significand.leading_zeros();
        Scaled { significand: self.significand << shift, exponent: self.exponent - shift as i32 }
    }

    /// The ends of the interval that reads back to this number, with the exponent of the normalized upper one.
    fn neighbourhood(self) -> (Scaled, Scaled) {
        let upper = Scaled { significand: (self.significand << 1) + 1, exponent: self.exponent - 1 }.normalized();
        // Below a power of two doubles lie closer together.
        let shift = if self.significand == HIDDEN_BIT { 2 } else { 1 };
        let (significand, exponent) = ((self.significand << shift) - 1, self.exponent - shift);
        (Scaled { significand: significand << (exponent - upper.exponent), exponent: upper.exponent }, upper)
    }

    /// The upper 64 bits of the product, rounded.
    fn times(self, other: Scaled) -> Scaled {
        let product = u128::from(self.significand) * u128::from(other.significand) + (1 << 63);
        Scaled { significand: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }
}

/// A power of ten that brings a binary exponent into [`SCALED_EXPONENT`], and its decimal exponent.
fn scale_for(exponent: i32) -> (Scaled, i32) {
    // Often two powers would do. The estimate is that of Redis, cut off towards zero at each step.
    let estimate = (f64::from(-(exponent + POWERS.len() as i32)) * LOG10_OF_2) as i32;
    let mut index = (estimate - FIRST_POWER) / POWER_STEP;
    loop {
        let decimal = FIRST_POWER + index * POWER_STEP;
        // The binary logarithm of 10^decimal, cut off.
        let power_exponent = ((decimal * 217_706) >> 16) - 63;
        let scaled = exponent + power_exponent + 64;
        if scaled < *SCALED_EXPONENT.start() {
            index += 1;
        } else if scaled > *SCALED_EXPONENT.end() {
            index -= 1;
        } else {
            let significand = POWERS[index as usize];
            return (Scaled { significand, exponent: power_exponent }, decimal);
        }
    }
}

/// Digits that are being found.
struct Found<'d> {
    digits: &'d mut [u8; DIGITS_MAX],
    count: usize,
}

impl Found<'_> {
    /// Appends a digit, unless it is a zero in front.
    fn push(&mut self, digit: u64) {
        if (digit != 0 || self.count != 0)
            && let Some(slot) = self.digits.get_mut(self.count)
        {
            *slot = b'0' + digit as u8;
            self.count += 1;
        }
    }

    /// Lowers the last digit, worth `unit`, as long as the number stays in the interval of that `width` and comes closer
    /// to the wanted one. `left` is how far it is from the upper end, `wanted` how far the wanted one is.
    fn approach(&mut self, width: u64, mut left: u64, unit: u64, wanted: u64) {
        let Some(last) = self.count.checked_sub(1).and_then(|at| self.digits.get_mut(at)) else { return };
        while left < wanted && width - left >= unit && (left + unit < wanted || wanted - left > left + unit - wanted) {
            *last -= 1;
            left += unit;
        }
    }
}

/// Finds the digits of a finite double above zero: how many, and the exponent in `digits · 10^exponent`.
pub fn find(value: f64, digits: &mut [u8; DIGITS_MAX]) -> (usize, i32) {
    let number = Scaled::of(value);
    let (lower, upper) = number.neighbourhood();
    let (power, decimal) = scale_for(upper.exponent);
    let wanted = number.normalized().times(power).significand;
    let (lower, upper) = (lower.times(power), upper.times(power));
    // A product may be off by one: the interval is taken so much smaller.
    let top = upper.significand - 1;
    let width = top - (lower.significand + 1);
    let mut found = Found { digits, count: 0 };
    let exponent = generate(&mut found, top, -upper.exponent as u32, width, top - wanted);
    (found.count, exponent - decimal)
}

/// Takes digits off `top`, which has `point` bits behind the binary point, until what is left of it is less than `width`;
/// returns the decimal exponent of the last one. `wanted` is how far below `top` the number lies.
fn generate(found: &mut Found<'_>, top: u64, point: u32, mut width: u64, mut wanted: u64) -> i32 {
    let one = 1u64 << point;
    let (mut integer, mut fraction) = (top >> point, top & (one - 1));
    let mut unit = 1_000_000_000;
    for exponent in (0..10).rev() {
        found.push(integer / unit);
        integer %= unit;
        let left = (integer << point) + fraction;
        if left <= width {
            found.approach(width, left, unit << point, wanted);
            return exponent;
        }
        unit /= 10;
    }
    let mut exponent = 0;
    loop {
        fraction = fraction.wrapping_mul(10);
        width = width.wrapping_mul(10);
        wanted = wanted.wrapping_mul(10);
        exponent -= 1;
        found.push(fraction >> point);
        fraction &= one - 1;
        if fraction < width {
            found.approach(width, fraction, one, wanted);
            return exponent;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::util::natural::Natural;

    fn text(value: f64) -> String {
        let mut digits = [0; DIGITS_MAX];
        let (count, exponent) = find(value, &mut digits);
        format!("{}e{exponent}", String::from_utf8_lossy(&digits[..count]))
    }

    /// `number · 10^power · 2^shift`, which is natural.
    fn natural(number: u128, power: i32, shift: i32) -> Natural {
        let mut natural = Natural::from(number);
        natural.multiply_power_of_ten(power as u64);
        natural.shift_left(shift as u32);
        natural
    }

    #[test]
    fn powers_of_ten_are_rounded_to_the_nearest() {
        for (power, significand) in (FIRST_POWER..).step_by(POWER_STEP as usize).zip(POWERS) {
            let exponent = ((power * 217_706) >> 16) - 63;
            // Twice the power, and the middles to the neighbouring significands, all times what makes them natural.
            let mut twice = natural(2, power.max(0), (-exponent).max(0));
            let [below, above] = [2 * u128::from(significand) - 1, 2 * u128::from(significand) + 1]
                .map(|middle| natural(middle, (-power).max(0), exponent.max(0)));
            let mut above = above;
            assert!(above.subtract_if_not_less(&twice), "10^{power}");
            assert!(twice.subtract_if_not_less(&below), "10^{power}");
        }
    }

    #[test]
    fn digits_are_those_of_redis_where_fewer_would_do() {
        for (value, digits) in [
            (359906.6890390802, "35990668903908017e-11"),
            (5569.43705, "55694370500000005e-13"),
            (73.71230671, "7371230670999999e-14"),
            (6.273918489577493e-230, "62739184895774935e-246"),
            (2.112570053836334e69, "21125700538363342e53"),
            (1e23, "9999999999999999e7"),
        ] {
            assert_eq!(text(value), digits, "{value:e}");
        }
    }

    #[test]
    fn few_digits_stay_few() {
        for (value, digits) in [
            (0.1, "1e-1"),
            (1.0, "1e0"),
            (5e-324, "5e-324"),
            (f64::MAX, "17976931348623157e292"),
            (f64::MIN_POSITIVE, "22250738585072014e-324"),
            (123456.0, "123456e0"),
        ] {
            assert_eq!(text(value), digits);
        }
    }

    proptest! {
        #[test]
        fn digits_read_back_to_the_number(bits in 1u64..0x7ff0_0000_0000_0000) {
            let value = f64::from_bits(bits);
            prop_assert_eq!(text(value).parse::<f64>().map(f64::to_bits), Ok(bits));
        }
    }
}
