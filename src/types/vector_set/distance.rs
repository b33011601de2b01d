//! Sums over pairs of vectors: what every comparison of two vectors comes down to.
//!
//! Each has a plain form in safe Rust, which any processor runs and compilers turn into the vector instructions every
//! processor of its family has, and forms for x86-64 with AVX2 and with AVX-512, of which the best the processor has is
//! chosen on the first call, and for ARM with NEON, which every 64-bit one has. Sums of integers and bits are the same in
//! every form; sums of floats are added up in another order and may differ in the last bits.

// Vector instructions are intrinsics, which Rust counts as unsafe.
#![allow(unsafe_code)]

/// The longest run of bytes whose products surely fit into 32 bits when added up: 2^16 × 128 × 128 is 2^30.
const RUN_MAX: usize = 1 << 16;

/// The sum of the products of two vectors of bytes of the same length.
#[inline]
pub fn dot_i8(a: &[i8], b: &[i8]) -> i64 {
    let length = a.len().min(b.len());
    let (a, b) = (&a[..length], &b[..length]);
    if length <= RUN_MAX {
        return i64::from(short_dot_i8(a, b));
    }
    a.chunks(RUN_MAX).zip(b.chunks(RUN_MAX)).map(|(a, b)| i64::from(short_dot_i8(a, b))).sum()
}

#[inline]
fn short_dot_i8(a: &[i8], b: &[i8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    match x86::level() {
        // SAFETY: the level is only named where the processor was found to have those instructions.
        x86::Level::Avx512 => return unsafe { x86::dot_i8_avx512(a, b) },
        // SAFETY: as above.
        x86::Level::Avx2 => return unsafe { x86::dot_i8_avx2(a, b) },
        x86::Level::Plain => {}
    }
    // SAFETY: every processor of this family has NEON.
    #[cfg(target_arch = "aarch64")]
    return unsafe { arm::dot_i8(a, b) };
    #[cfg(not(target_arch = "aarch64"))]
    plain_dot_i8(a, b)
}

/// The sum of the products of two vectors of floats of the same length.
#[inline]
pub fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let (a, b) = (&a[..length], &b[..length]);
    #[cfg(target_arch = "x86_64")]
    match x86::level() {
        // SAFETY: the level is only named where the processor was found to have those instructions.
        x86::Level::Avx512 => return unsafe { x86::dot_f32_avx512(a, b) },
        // SAFETY: as above.
        x86::Level::Avx2 => return unsafe { x86::dot_f32_avx2(a, b) },
        x86::Level::Plain => {}
    }
    // SAFETY: every processor of this family has NEON.
    #[cfg(target_arch = "aarch64")]
    return unsafe { arm::dot_f32(a, b) };
    #[cfg(not(target_arch = "aarch64"))]
    plain_dot_f32(a, b)
}

/// In how many bits two vectors of bits of the same length differ.
#[inline]
pub fn differing_bits(a: &[u64], b: &[u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    match x86::level() {
        // SAFETY: both levels ask for the instruction that counts bits.
        x86::Level::Avx512 | x86::Level::Avx2 => return unsafe { x86::differing_bits(a, b) },
        x86::Level::Plain => {}
    }
    plain_differing_bits(a, b)
}

fn plain_dot_i8(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// Sixteen sums side by side, which a compiler keeps in vector registers; one sum it may not reorder.
fn plain_dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (a_runs, b_runs) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a_runs.remainder().iter().zip(b_runs.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_runs.zip(b_runs) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[inline(always)]
fn plain_differing_bits(a: &[u64], b: &[u64]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// What the processor has.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Level {
        Plain,
        Avx2,
        Avx512,
    }

    /// 0 until it was looked at, then one more than the level.
    static LEVEL: AtomicU8 = AtomicU8::new(0);

    #[inline]
    pub fn level() -> Level {
        match LEVEL.load(Ordering::Relaxed) {
            0 => look(),
            1 => Level::Plain,
            2 => Level::Avx2,
            _ => Level::Avx512,
        }
    }

    #[cold]
    fn look() -> Level {
        let avx2 =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("popcnt");
        let level = match avx2 {
            true if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") => Level::Avx512,
            true => Level::Avx2,
            false => Level::Plain,
        };
        LEVEL.store(level as u8 + 1, Ordering::Relaxed);
        level
    }

    /// Sixteen bytes of each become sixteen words; words are multiplied and added in pairs into eight sums.
    #[target_feature(enable = "avx2")]
    pub fn dot_i8_avx2(a: &[i8], b: &[i8]) -> i32 {
        let (a_runs, b_runs) = (a.chunks_exact(16), b.chunks_exact(16));
        let rest = crate::types::vector_set::distance::plain_dot_i8(a_runs.remainder(), b_runs.remainder());
        let mut sums = _mm256_setzero_si256();
        for (a, b) in a_runs.zip(b_runs) {
            // SAFETY: a run has sixteen bytes, and the load needs no alignment.
            let (a, b) = unsafe { (_mm_loadu_si128(a.as_ptr().cast()), _mm_loadu_si128(b.as_ptr().cast())) };
            let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(a), _mm256_cvtepi8_epi16(b));
            sums = _mm256_add_epi32(sums, products);
        }
        let half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let pair = _mm_add_epi32(half, _mm_shuffle_epi32::<0b0100_1110>(half));
        _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32::<0b1011_0001>(pair))) + rest
    }

    #[target_feature(enable = "avx512f,avx512bw,avx2")]
    pub fn dot_i8_avx512(a: &[i8], b: &[i8]) -> i32 {
        let (a_runs, b_runs) = (a.chunks_exact(32), b.chunks_exact(32));
        let rest = dot_i8_avx2(a_runs.remainder(), b_runs.remainder());
        let mut sums = _mm512_setzero_si512();
        for (a, b) in a_runs.zip(b_runs) {
            // SAFETY: a run has 32 bytes, and the load needs no alignment.
            let (a, b) = unsafe { (_mm256_loadu_si256(a.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().cast())) };
            let products = _mm512_madd_epi16(_mm512_cvtepi8_epi16(a), _mm512_cvtepi8_epi16(b));
            sums = _mm512_add_epi32(sums, products);
        }
        _mm512_reduce_add_epi32(sums) + rest
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn dot_f32_avx2(a: &[f32], b: &[f32]) -> f32 {
        let (a_runs, b_runs) = (a.chunks_exact(16), b.chunks_exact(16));
        let rest = crate::types::vector_set::distance::plain_dot_f32(a_runs.remainder(), b_runs.remainder());
        let mut sums = [_mm256_setzero_ps(); 2];
        for (a, b) in a_runs.zip(b_runs) {
            for (half, sum) in sums.iter_mut().enumerate() {
                let (a, b) = (&a[half * 8..half * 8 + 8], &b[half * 8..half * 8 + 8]);
                // SAFETY: both slices have eight floats, and the load needs no alignment.
                let (a, b) = unsafe { (_mm256_loadu_ps(a.as_ptr()), _mm256_loadu_ps(b.as_ptr())) };
                *sum = _mm256_fmadd_ps(a, b, *sum);
            }
        }
        let sums = _mm256_add_ps(sums[0], sums[1]);
        let half = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
        let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
        _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair))) + rest
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub fn dot_f32_avx512(a: &[f32], b: &[f32]) -> f32 {
        let (a_runs, b_runs) = (a.chunks_exact(32), b.chunks_exact(32));
        let rest = dot_f32_avx2(a_runs.remainder(), b_runs.remainder());
        let mut sums = [_mm512_setzero_ps(); 2];
        for (a, b) in a_runs.zip(b_runs) {
            for (half, sum) in sums.iter_mut().enumerate() {
                let (a, b) = (&a[half * 16..half * 16 + 16], &b[half * 16..half * 16 + 16]);
                // SAFETY: both slices have sixteen floats, and the load needs no alignment.
                let (a, b) = unsafe { (_mm512_loadu_ps(a.as_ptr()), _mm512_loadu_ps(b.as_ptr())) };
                *sum = _mm512_fmadd_ps(a, b, *sum);
            }
        }
        _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1])) + rest
    }

    #[target_feature(enable = "popcnt")]
    pub fn differing_bits(a: &[u64], b: &[u64]) -> u64 {
        crate::types::vector_set::distance::plain_differing_bits(a, b)
    }
}

/// Bits are counted by NEON in the plain form, too: compilers see to that.
#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    /// Products of bytes fit into words; neighboring words are added to four sums, those of either half to their own.
    #[target_feature(enable = "neon")]
    pub fn dot_i8(a: &[i8], b: &[i8]) -> i32 {
        let (a_runs, b_runs) = (a.chunks_exact(16), b.chunks_exact(16));
        let rest = crate::types::vector_set::distance::plain_dot_i8(a_runs.remainder(), b_runs.remainder());
        let mut sums = [vdupq_n_s32(0); 2];
        for (a, b) in a_runs.zip(b_runs) {
            // SAFETY: a run has sixteen bytes, and the load needs no alignment.
            let (a, b) = unsafe { (vld1q_s8(a.as_ptr()), vld1q_s8(b.as_ptr())) };
            sums[0] = vpadalq_s16(sums[0], vmull_s8(vget_low_s8(a), vget_low_s8(b)));
            sums[1] = vpadalq_s16(sums[1], vmull_high_s8(a, b));
        }
        vaddvq_s32(vaddq_s32(sums[0], sums[1])) + rest
    }

    #[target_feature(enable = "neon")]
    pub fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
        let (a_runs, b_runs) = (a.chunks_exact(16), b.chunks_exact(16));
        let rest = crate::types::vector_set::distance::plain_dot_f32(a_runs.remainder(), b_runs.remainder());
        let mut sums = [vdupq_n_f32(0.0); 4];
        for (a, b) in a_runs.zip(b_runs) {
            for (quarter, sum) in sums.iter_mut().enumerate() {
                let (a, b) = (&a[quarter * 4..quarter * 4 + 4], &b[quarter * 4..quarter * 4 + 4]);
                // SAFETY: both slices have four floats, and the load needs no alignment.
                let (a, b) = unsafe { (vld1q_f32(a.as_ptr()), vld1q_f32(b.as_ptr())) };
                *sum = vfmaq_f32(*sum, a, b);
            }
        }
        vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3]))) + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::random::Random;

    fn bytes(random: &mut Random, length: usize) -> Vec<i8> {
        (0..length).map(|_| random.below(256) as u8 as i8).collect()
    }

    fn floats(random: &mut Random, length: usize) -> Vec<f32> {
        (0..length).map(|_| random.below(2_000_001) as f32 / 1_000_000.0 - 1.0).collect()
    }

    /// Every form this processor can run, with its results.
    fn all_dots_i8(a: &[i8], b: &[i8]) -> Vec<i32> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut found = vec![short_dot_i8(a, b)];
        #[cfg(target_arch = "x86_64")]
        {
            if x86::level() != x86::Level::Plain {
                // SAFETY: the processor has AVX2.
                found.push(unsafe { x86::dot_i8_avx2(a, b) });
            }
            if x86::level() == x86::Level::Avx512 {
                // SAFETY: the processor has AVX-512.
                found.push(unsafe { x86::dot_i8_avx512(a, b) });
            }
        }
        found
    }

    fn all_dots_f32(a: &[f32], b: &[f32]) -> Vec<f32> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut found = vec![dot_f32(a, b), plain_dot_f32(a, b)];
        #[cfg(target_arch = "x86_64")]
        {
            if x86::level() != x86::Level::Plain {
                // SAFETY: the processor has AVX2 and FMA.
                found.push(unsafe { x86::dot_f32_avx2(a, b) });
            }
            if x86::level() == x86::Level::Avx512 {
                // SAFETY: the processor has AVX-512.
                found.push(unsafe { x86::dot_f32_avx512(a, b) });
            }
        }
        found
    }

    #[test]
    fn every_form_of_a_sum_gives_what_the_plain_one_gives() {
        let mut random = Random::from_seed(11);
        for length in (0..150).chain([300, 767, 1536]) {
            let (a, b) = (bytes(&mut random, length), bytes(&mut random, length));
            let plain = plain_dot_i8(&a, &b);
            assert!(all_dots_i8(&a, &b).iter().all(|found| *found == plain), "{length} bytes");

            let (a, b) = (floats(&mut random, length), floats(&mut random, length));
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let close = |found: &f32| (f64::from(*found) - exact).abs() < 1e-4;
            assert!(all_dots_f32(&a, &b).iter().all(close), "{length} floats");

            let (a, b): (Vec<u64>, Vec<u64>) = (0..length).map(|_| (random.next_u64(), random.next_u64())).unzip();
            assert_eq!(differing_bits(&a, &b), plain_differing_bits(&a, &b), "{length} words");
        }
    }

    #[test]
    fn sums_of_bytes_do_not_overflow_however_long_the_vectors_are() {
        let lowest = vec![-128_i8; 300_000];
        assert_eq!(dot_i8(&lowest, &lowest), 300_000 * 128 * 128);
    }
}
