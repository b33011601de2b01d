//! The generator behind `math.random`: the same numbers on every machine, those of Redis, which are those of the C
//! function `lrand48`.

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const LOWEST_BITS: u64 = 0x330E;
const MASK: u64 = (1 << 48) - 1;

/// The most it draws.
const MAX: i32 = i32::MAX;

/// Its state: 48 bits.
#[derive(Clone, Debug)]
pub struct Generator(u64);

impl Default for Generator {
    fn default() -> Generator {
        Generator(0x1234_ABCD << 16 | LOWEST_BITS)
    }
}

impl Generator {
    /// Begins anew from a seed.
    pub fn seed(&mut self, seed: i32) {
        self.0 = u64::from(seed as u32) << 16 | LOWEST_BITS;
    }

    /// Draws a number from 0 on.
    fn draw(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        (self.0 >> 17) as i32
    }

    /// Draws a number from 0 up to, but not including, 1.
    pub fn fraction(&mut self) -> f64 {
        f64::from(self.draw() % MAX) / f64::from(MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_of_lrand48() {
        let mut generator = Generator::default();
        generator.seed(0);
        assert_eq!([generator.draw(), generator.draw(), generator.draw()], [366_850_414, 1_610_402_240, 206_956_554]);
    }
}
