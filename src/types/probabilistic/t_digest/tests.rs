use super::{Centroid, Parts, TDigest, TooLarge};
use crate::types::probabilistic::Refused;
use crate::util::random::Random;

fn digest(compression: i64, values: impl Iterator<Item = f64>) -> TDigest {
    let mut digest = TDigest::new(compression).expect("a compression");
    values.for_each(|value| digest.add(value, 1).expect("few values"));
    digest
}

/// What RedisBloom 2.8.2 answers for the same values in the same order.
#[test]
fn answers_are_those_of_redisbloom() {
    let mut digest = digest(10, (0..200).map(|at| f64::from(at * at % 37)));
    let quantiles = [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0].map(|part| digest.quantile(part));
    assert_eq!(quantiles, [0.0, 0.0, 8.947_069_943_289_225, 17.563957151858848, 27.136_314_074_367_77, 36.0, 36.0]);
    let parts = [0.0, 0.5, 10.0, 20.5, 36.0].map(|value| digest.part_below(value));
    assert_eq!(parts, [0.0125, 0.032, 0.280_548_446_069_469_9, 0.582_552_679_297_192_7, 0.9925]);
    assert_eq!((digest.merged().len(), digest.merged_weight(), digest.compressions()), (9, 200, 4));
    assert_eq!((digest.capacity(), digest.size()), (70, 1128));
}

#[test]
fn quantiles_of_many_values_are_near_the_true_ones() {
    let mut random = Random::from_seed(1);
    let mut digest = digest(100, (0..100_000).map(|_| random.below(1_000_000) as f64));
    for part in [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999] {
        let value = digest.quantile(part);
        assert!((value / 1e6 - part).abs() < 0.01, "{part}: {value}");
        assert!((digest.part_below(value) - part).abs() < 1e-3, "{part}: {value}");
    }
    assert!((digest.trimmed_mean(0.1, 0.9) / 1e6 - 0.5).abs() < 0.01);
    assert!(digest.merged().len() <= 610);
}

#[test]
fn one_value_answers_everything_and_none_answers_nothing() {
    let mut none = digest(100, std::iter::empty());
    assert!(none.quantile(0.5).is_nan() && none.part_below(1.0).is_nan() && none.trimmed_mean(0.0, 1.0).is_nan());
    assert!(none.min().is_nan() && none.max().is_nan());
    let mut one = digest(100, std::iter::once(7.0));
    assert_eq!((one.quantile(0.0), one.quantile(1.0), one.value_of_rank(0.0)), (7.0, 7.0, 7.0));
    assert_eq!((one.part_below(7.0), one.trimmed_mean(0.0, 1.0)), (0.5, 7.0));
}

#[test]
fn a_merge_holds_all_values() {
    let (mut one, mut other) = (digest(50, (0..1000).map(f64::from)), digest(50, (1000..3000).map(f64::from)));
    let mut sum = TDigest::new(100).expect("a compression");
    sum.merge(&mut one).expect("few values");
    sum.merge(&mut other).expect("few values");
    assert_eq!((sum.weight(), sum.min(), sum.max()), (3000, 0.0, 2999.0));
    assert!((sum.quantile(0.5) - 1500.0).abs() < 30.0);
    sum.reset();
    assert_eq!((sum.weight(), sum.capacity()), (0, 610));
}

#[test]
fn compressions_beyond_what_can_be_counted_are_refused() {
    assert_eq!(TDigest::new(0), Err(TooLarge));
    assert_eq!(TDigest::new(-1), Err(TooLarge));
    assert_eq!(TDigest::new(i64::MAX), Err(TooLarge));
    assert_eq!(TDigest::new(357_913_940), Err(TooLarge));
    assert!(TDigest::new(357_913_939).is_ok());
    let mut full = TDigest::new(1).expect("a compression");
    assert!((0..1000).all(|_| full.add(1.0, i64::MAX / 2000).is_ok()));
    assert!((0..2000).any(|_| full.add(1.0, i64::MAX / 2000).is_err()));
}

#[test]
fn parts_make_the_same_digest_and_others_are_refused() {
    let mut whole = digest(20, (0..500).map(|at| f64::from(at % 91)));
    whole.compress().expect("few values");
    let (parts, centroids) = (whole.parts(), whole.merged().to_vec());
    assert_eq!(TDigest::from_parts(parts, centroids.clone()), Ok(whole));
    let refused = |parts, centroids| assert_eq!(TDigest::from_parts(parts, centroids), Err(Refused::Malformed));
    refused(Parts { compression: 0.0, ..parts }, centroids.clone());
    refused(Parts { compression: f64::NAN, ..parts }, centroids.clone());
    refused(Parts { compression: 20.5, ..parts }, centroids.clone());
    refused(Parts { capacity: 1 << 40, ..parts }, centroids.clone());
    refused(Parts { weight: 501.0, ..parts }, centroids.clone());
    refused(Parts { min: f64::NAN, ..parts }, centroids.clone());
    refused(Parts { merged: 1, ..parts }, centroids.clone());
    refused(parts, centroids.iter().rev().copied().collect());
    let mut wrong = centroids.clone();
    wrong[3] = Centroid { mean: f64::NAN, ..wrong[3] };
    refused(parts, wrong);
    let mut wrong = centroids;
    wrong[3] = Centroid { weight: -1, ..wrong[3] };
    refused(parts, wrong);
}
