//! The arithmetic of weights, in whole millionths: the same on every machine. An exponential, the
//! scale on which an equal voice is one, and the limit on what a few may hold together.

/// An equal voice.
pub(crate) const MILLION: u64 = 1_000_000;
/// Rounding may cost a millionth per agent and step; the limit keeps this much per agent clear.
const SLACK: i64 = 4;
/// The largest exponent, millionths: e to it is about 11, more than any cap.
const EXPONENT_MAX: i64 = 2_400_000;
/// The inner scale of the exponential.
const UNIT: i128 = 1_000_000_000_000_000_000;

/// e to the power of `exponent`, both millionths, rounded to the nearest; by its series.
pub(crate) fn exponential_millionths(exponent: i64) -> u64 {
    const FINER: i128 = UNIT / MILLION as i128;
    let exponent = i128::from(exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX)) * FINER;
    let (mut sum, mut term, mut place) = (UNIT, UNIT, 1_i128);
    while term != 0 {
        term = term * exponent / (UNIT * place);
        sum += term;
        place += 1;
    }
    u64::try_from((sum + FINER / 2) / FINER).unwrap_or(0)
}

/// `value` × `part` millionths, towards 0, so that both signs are treated alike.
pub(crate) fn part_of(value: i64, part: i64) -> i64 {
    let product = i128::from(value) * i128::from(part) / i128::from(MILLION);
    i64::try_from(product).unwrap_or(0)
}

/// Scales weights so that their mean is an equal voice.
pub(crate) fn scale(weights: &mut [u64]) {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let voices = weights.len() as u128 * u128::from(MILLION);
    if total == 0 {
        weights.fill(MILLION);
        return;
    }
    for weight in weights {
        *weight = u64::try_from(u128::from(*weight) * voices / total).unwrap_or(MILLION);
    }
}

/// Draws all weights, whose mean is an equal voice, towards it, just so far that the `few`
/// strongest hold less than half. `few` is less than half of them.
pub(crate) fn limit(weights: &mut [u64], few: usize) {
    let count = i64::try_from(weights.len()).unwrap_or(i64::MAX);
    let one = i64::try_from(MILLION).unwrap_or(i64::MAX);
    let signed = |weight: u64| i64::try_from(weight).unwrap_or(i64::MAX);
    let mut ordered: Vec<i64> = weights.iter().map(|weight| signed(*weight)).collect();
    ordered.sort_unstable_by(|a, b| b.cmp(a));
    let total: i64 = ordered.iter().sum();
    let strongest: i64 = ordered.iter().take(few).sum();
    if few == 0 || 2 * (strongest + SLACK * count) < total {
        return;
    }
    let equal = i64::try_from(few).unwrap_or(i64::MAX) * one;
    let over = strongest - equal;
    let allowed = (count * one / 2 - equal - SLACK * count).max(0);
    if over <= allowed {
        return;
    }
    for weight in weights {
        let distance = i128::from(signed(*weight) - one) * i128::from(allowed) / i128::from(over);
        let distance = i64::try_from(distance).unwrap_or(0);
        *weight = u64::try_from(one + distance).unwrap_or(MILLION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_exponential_is_the_exponential() {
        for exponent in (-2_300_000..=2_300_000).step_by(12_345) {
            let expected = (exponent as f64 / 1e6).exp() * 1e6;
            let found = exponential_millionths(exponent) as f64;
            assert!((found - expected).abs() < 0.6, "{exponent}: {found}");
        }
        assert_eq!(exponential_millionths(0), MILLION);
    }

    proptest! {
        #[test]
        fn a_few_never_hold_half_and_the_order_stays(
            raw in prop::collection::vec(100_000_u64..10_000_000, 3..30),
            part in 0_usize..=100,
        ) {
            let few = (raw.len() - 1) / 2 * part / 100;
            let mut weights = raw.clone();
            scale(&mut weights);
            limit(&mut weights, few);
            let mut ordered = weights.clone();
            ordered.sort_unstable_by(|a, b| b.cmp(a));
            let strongest: u64 = ordered.iter().take(few).sum();
            let total: u64 = ordered.iter().sum();
            prop_assert!(few == 0 || 2 * strongest < total, "{strongest} of {total}");
            prop_assert!(total <= raw.len() as u64 * (MILLION + 1));
            for (a, b) in raw.iter().zip(&weights) {
                for (c, d) in raw.iter().zip(&weights) {
                    prop_assert!(a < c || b + 1 >= *d, "the order of weights stays");
                }
            }
        }
    }
}
