//! Sums, texts and order of numbers, beside those of Redis and of exact arithmetic.

use super::*;
use proptest::prelude::*;

fn sum(current: &str, increment: &str) -> Result<String, FloatError> {
    add_decimal(current.as_bytes(), increment.as_bytes()).map(|text| String::from_utf8(text).expect("digits are ASCII"))
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

#[test]
fn seventeen_significant_digits_are_those_of_printf() {
    let printed = |text: &str| {
        String::from_utf8(LongDouble::parse(text.as_bytes()).expect("a number").to_text_17_digits()).expect("digits")
    };
    for (text, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("60.5", "60.5"),
        ("0.1", "0.1"),
        ("-1035.5", "-1035.5"),
        ("1e16", "10000000000000000"),
        ("1e17", "1e+17"),
        ("123456789012345678", "1.2345678901234568e+17"),
        ("99999999999999999", "99999999999999999"),
        ("999999999999999999", "1e+18"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1.5e-4000", "1.5e-4000"),
        ("0.99999999999999999999", "1"),
        ("1e400", "1e+400"),
        ("inf", "inf"),
        ("3.14159265358979", "3.14159265358979"),
    ] {
        assert_eq!(printed(text), expected, "{text}");
    }
}

#[test]
fn numbers_are_ordered_and_cut_off_at_the_point() {
    let number = |text: &str| LongDouble::parse(text.as_bytes()).expect("a number");
    let ordered = ["-inf", "-1e30", "-2", "-1.5", "-1e-400", "0", "1e-400", "0.5", "1", "1.25", "1e30", "inf"];
    for pair in ordered.windows(2) {
        assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
    }
    let truncated =
        ["-1.9", "1.9", "0.1", "-9223372036854775808", "9223372036854775807.5", "9223372036854775808", "inf"];
    let expected = [Some(-1), Some(1), Some(0), Some(i64::MIN), Some(i64::MAX), None, None];
    assert_eq!(truncated.map(|text| number(text).truncated()), expected);
    assert_eq!(number("-1e30").truncated(), None);
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
