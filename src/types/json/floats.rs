//! Arrays of numbers as floats of a kind: what FPHA of JSON.SET asks for.
//!
//! Each number of an array that holds nothing else becomes the nearest float of the kind, and is kept as the number of
//! fewest digits that stands for that float: 0.1 stays 0.1, though as FP16 it stands for 0.0999755859375. The memory
//! that it takes is that of any other number.

use super::value::Json;

/// A kind of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Floats {
    Fp16,
    Bf16,
    Fp32,
    Fp64,
}

/// A number that is beyond the floats of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl Floats {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Floats::Fp16 => "FP16",
            Floats::Bf16 => "BF16",
            Floats::Fp32 => "FP32",
            Floats::Fp64 => "FP64",
        }
    }

    /// The kind of a name, in any case.
    pub fn of(name: &[u8]) -> Option<Floats> {
        let all = [Floats::Fp16, Floats::Bf16, Floats::Fp32, Floats::Fp64];
        all.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()))
    }

    /// How many binary digits a number has, the smallest exponent of one that has them all, and the largest number.
    fn limits(self) -> (i32, i32, f64) {
        match self {
            Floats::Fp16 => (11, -14, 65504.0),
            Floats::Bf16 => (8, -126, f64::from(f32::from_bits(0x7f7f_0000))),
            Floats::Fp32 => (24, -126, f64::from(f32::MAX)),
            Floats::Fp64 => (53, -1022, f64::MAX),
        }
    }

    /// The nearest float, of two that are as near the even one.
    fn nearest(self, value: f64) -> Result<f64, OutOfRange> {
        let (digits, exponent_min, most) = self.limits();
        if self == Floats::Fp64 || value == 0.0 {
            return Ok(value);
        }
        let exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
        let step = 2f64.powi(exponent.max(exponent_min) - (digits - 1));
        let nearest = (value / step).round_ties_even() * step;
        if nearest.abs() <= most { Ok(nearest) } else { Err(OutOfRange) }
    }

    /// The number of fewest decimal digits whose nearest float is that of a number.
    fn shortest(self, value: f64) -> Result<f64, OutOfRange> {
        const DIGITS_MAX: usize = 17;
        let nearest = self.nearest(value)?;
        if self == Floats::Fp64 {
            return Ok(nearest);
        }
        let candidates = (0..DIGITS_MAX).filter_map(|digits| format!("{nearest:.digits$e}").parse().ok());
        let mut fitting = candidates.filter(|candidate| self.nearest(*candidate) == Ok(nearest));
        Ok(fitting.next().unwrap_or(nearest))
    }

    /// Makes the numbers of all arrays that hold nothing else floats of the kind.
    ///
    /// # Errors
    /// If one of the numbers is beyond them; some of the others may have changed.
    pub fn apply(self, value: &mut Json) -> Result<(), OutOfRange> {
        match value {
            Json::Array(array) => {
                let is_of_numbers = array.0.iter().all(|value| value.number().is_some());
                array.0.iter_mut().try_for_each(|value| match value.number() {
                    Some(number) if is_of_numbers => {
                        *value = Json::Double(self.shortest(number)?);
                        Ok(())
                    }
                    _ => self.apply(value),
                })
            }
            Json::Object(object) => object.values_mut().try_for_each(|value| self.apply(value)),
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::Big(_) | Json::Double(_) | Json::Text(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read::read;
    use super::super::write;
    use super::*;

    fn applied(kind: Floats, text: &str) -> Result<String, OutOfRange> {
        let mut value = read(text.as_bytes()).expect("JSON");
        kind.apply(&mut value)?;
        Ok(String::from_utf8(write::text(&value)).expect("UTF-8"))
    }

    #[test]
    fn numbers_of_arrays_of_numbers_alone_become_floats() {
        let text = r#"{"n":3,"a":[1,2,4e3],"b":[1,"x",[0.1,-0.3]],"c":[[],{"d":[7]}]}"#;
        let expected = r#"{"n":3,"a":[1.0,2.0,4000.0],"b":[1,"x",[0.1,-0.3]],"c":[[],{"d":[7.0]}]}"#;
        for kind in [Floats::Fp16, Floats::Bf16, Floats::Fp32, Floats::Fp64] {
            assert_eq!(applied(kind, text), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn numbers_lose_the_digits_that_a_kind_has_no_room_for() {
        for (kind, text, expected) in [
            (Floats::Fp16, "[3.14159265,2049,1e-8,5.9e-8,65519]", "[3.14,2048.0,0.0,6e-8,65500.0]"),
            (Floats::Bf16, "[3.14159265,257,1e-45,3.3e38]", "[3.14,256.0,0.0,3.3e38]"),
            (Floats::Fp32, "[3.14159265,16777217,1e-46,1.5e-45]", "[3.1415927,16777216.0,0.0,1e-45]"),
            (Floats::Fp64, "[3.14159265,16777217,1e-46,-0.0]", "[3.14159265,16777217.0,1e-46,-0.0]"),
        ] {
            assert_eq!(applied(kind, text).as_deref(), Ok(expected), "{kind:?}");
        }
    }

    #[test]
    fn a_number_beyond_a_kind_is_out_of_its_range() {
        for (kind, text) in [
            (Floats::Fp16, "[65520]"),
            (Floats::Fp16, "[[1],[-7e4]]"),
            (Floats::Bf16, "[3.4e38]"),
            (Floats::Fp32, "[1e39]"),
        ] {
            assert_eq!(applied(kind, text), Err(OutOfRange), "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn floats_of_32_bits_are_those_of_the_processor(bits: u64) {
            let value = f64::from_bits(bits);
            let scaled = value % 1e30;
            for value in [value, scaled].into_iter().filter(|value| value.is_finite()) {
                let expected = value as f32;
                match Floats::Fp32.shortest(value) {
                    Ok(found) => {
                        prop_assert_eq!(found as f32, expected);
                        // Of two that are as short and as near either may be chosen.
                        let other: f64 = expected.to_string().parse().expect("a number");
                        let [far, other_far] = [found, other].map(|text| (text - f64::from(expected)).abs());
                        let digits = |value: f64| format!("{value:e}").len();
                        prop_assert!(far == other_far && digits(found) == digits(other), "{} or {}", found, other);
                    }
                    Err(OutOfRange) => prop_assert!(expected.is_infinite()),
                }
            }
        }

        #[test]
        fn what_is_a_float_of_a_kind_stays_as_it_is(bits: u16) {
            let value = f32::from_bits(u32::from(bits) << 16);
            if value.is_finite() {
                let shortest = Floats::Bf16.shortest(f64::from(value)).expect("a float");
                prop_assert_eq!(Floats::Bf16.nearest(shortest), Ok(f64::from(value)));
                prop_assert_eq!(Floats::Bf16.shortest(shortest), Ok(shortest));
            }
        }
    }
}
