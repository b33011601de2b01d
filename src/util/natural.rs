//! Natural numbers of any size, as far as exact decimal conversion needs them.
//!
//! Sizes stay in the hundreds of limbs, so every operation is the schoolbook one, in place.

use std::cmp::Ordering;

const TEN_TO_19: u128 = 10_000_000_000_000_000_000;

/// An unbounded natural number: 64-bit limbs, lowest first, no zero limb at the top.
pub struct Natural {
    limbs: Vec<u64>,
}

impl From<u128> for Natural {
    fn from(value: u128) -> Natural {
        let mut natural = Natural { limbs: vec![value as u64, (value >> 64) as u64] };
        natural.trim();
        natural
    }
}

impl Natural {
    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The bits up to the highest one; none for zero.
    pub fn bits(&self) -> usize {
        self.limbs.last().map_or(0, |top| self.limbs.len() * 64 - top.leading_zeros() as usize)
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    /// Becomes `self · factor + summand`.
    pub fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = summand;
        for limb in &mut self.limbs {
            let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
    }

    /// Becomes `self · 10^power`.
    pub fn multiply_power_of_ten(&mut self, mut power: u64) {
        while power > 0 {
            let step = power.min(19);
            self.multiply_add(10u64.pow(step as u32), 0);
            power -= step;
        }
    }

    /// Becomes `self · 2^shift`.
    pub fn shift_left(&mut self, shift: u32) {
        let bits = shift % 64;
        if bits != 0 {
            self.multiply_add(1 << bits, 0);
        }
        if shift >= 64 && !self.is_zero() {
            self.limbs.splice(0..0, std::iter::repeat_n(0, (shift / 64) as usize));
        }
    }

    fn is_less(&self, other: &Natural) -> bool {
        match self.limbs.len().cmp(&other.limbs.len()) {
            Ordering::Equal => self.limbs.iter().rev().lt(other.limbs.iter().rev()),
            unequal => unequal.is_lt(),
        }
    }

    /// Takes `other` off if that leaves a natural number; whether it did.
    pub fn subtract_if_not_less(&mut self, other: &Natural) -> bool {
        if self.is_less(other) {
            return false;
        }
        let mut borrow = false;
        let others = other.limbs.iter().copied().chain(std::iter::repeat(0));
        for (limb, subtrahend) in self.limbs.iter_mut().zip(others) {
            let (first, under) = limb.overflowing_sub(subtrahend);
            let (second, under_again) = first.overflowing_sub(u64::from(borrow));
            *limb = second;
            borrow = under || under_again;
        }
        self.trim();
        true
    }

    /// The decimal digits.
    pub fn into_decimal(mut self) -> Vec<u8> {
        let mut groups = Vec::new();
        while !self.is_zero() {
            let mut remainder = 0u64;
            for limb in self.limbs.iter_mut().rev() {
                let dividend = u128::from(remainder) << 64 | u128::from(*limb);
                *limb = (dividend / TEN_TO_19) as u64;
                remainder = (dividend % TEN_TO_19) as u64;
            }
            self.trim();
            groups.push(remainder);
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:019}"));
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(natural: Natural) -> String {
        String::from_utf8(natural.into_decimal()).expect("digits are ASCII")
    }

    #[test]
    fn powers_print_exactly() {
        let mut natural = Natural::from(1);
        natural.multiply_power_of_ten(45);
        assert_eq!(text(natural), format!("1{}", "0".repeat(45)));
        let mut natural = Natural::from(1);
        natural.shift_left(200);
        assert_eq!(natural.bits(), 201);
        assert_eq!(text(natural), "1606938044258990275541962092341162602522202993782792835301376");
        assert_eq!(text(Natural::from(0)), "0");
    }

    proptest! {
        #[test]
        fn arithmetic_equals_that_of_machine_words(one in 0..u128::MAX >> 70, two in 0..u128::MAX >> 70, factor: u64, shift in 0u32..70) {
            let mut product = Natural::from(one);
            product.multiply_add(factor, 7);
            prop_assert_eq!(text(product), (one * u128::from(factor) + 7).to_string());
            let mut shifted = Natural::from(one);
            shifted.shift_left(shift);
            prop_assert_eq!(text(shifted), (one << shift).to_string());
            let mut difference = Natural::from(one);
            prop_assert_eq!(difference.subtract_if_not_less(&Natural::from(two)), one >= two);
            prop_assert_eq!(text(difference), one.checked_sub(two).unwrap_or(one).to_string());
        }
    }
}
