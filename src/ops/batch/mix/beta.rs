//! Quantiles of the Beta distribution, by which uniform random words become weights.

/// Quantiles at multiples of `1 / INTERVALS`, both ends among them.
pub(super) const INTERVALS: usize = 256;

/// Points of the numeric integral.
const POINTS: u32 = 1 << 14;

/// Quantiles of Beta(alpha, alpha), rising from 0 to 1: `[INTERVALS + 1]`.
///
/// With `u = t^(1 / alpha)` the density's pole at zero goes away: the integral of
/// `u^(alpha - 1) (1 - u)^(alpha - 1)` up to `x <= 1/2` is `1 / alpha` times that of
/// `(1 - t^(1 / alpha))^(alpha - 1)` up to `x^alpha`. The upper half is the mirrored lower one.
pub(super) fn quantiles(alpha: f64) -> Vec<f64> {
    let end = 0.5_f64.powf(alpha);
    let step = end / f64::from(POINTS);
    let density = |t: f64| (1.0 - t.powf(1.0 / alpha)).powf(alpha - 1.0);
    // Areas by Simpson's rule; the last one is that of one half of the distribution.
    let mut areas = vec![0.0];
    let mut area = 0.0;
    for i in 0..POINTS {
        let t = f64::from(i) * step;
        area += (density(t) + 4.0 * density(t + step / 2.0) + density(t + step)) * step / 6.0;
        areas.push(area);
    }
    let half = INTERVALS / 2;
    let mut lower = vec![0.0];
    let mut at = 0;
    for i in (1_u32..).take(half - 1) {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let wanted = area * f64::from(i) / half as f64;
        while areas[at + 1] < wanted {
            at += 1;
        }
        let part = (wanted - areas[at]) / (areas[at + 1] - areas[at]);
        let t = (f64::from(u32::try_from(at).unwrap_or(0)) + part) * step;
        lower.push(t.powf(1.0 / alpha));
    }
    let upper: Vec<f64> = lower.iter().rev().map(|x| 1.0 - x).collect();
    lower.push(0.5);
    lower.extend(upper);
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_known_distributions() {
        for (alpha, exact) in [
            (1.0, (|p: f64| p) as fn(f64) -> f64),
            // The arcsine distribution.
            (0.5, |p: f64| (std::f64::consts::FRAC_PI_2 * p).sin().powi(2)),
        ] {
            let quantiles = quantiles(alpha);
            assert_eq!(quantiles.len(), INTERVALS + 1);
            for (i, got) in (0_u32..).zip(&quantiles) {
                let expected = exact(f64::from(i) / 256.0);
                assert!((got - expected).abs() < 1e-7, "Beta({alpha}) at {i}: {got}, {expected}");
            }
        }
        // Beta(2, 2) has the distribution function 3 x^2 - 2 x^3.
        for (i, x) in (0_u32..).zip(quantiles(2.0)) {
            assert!((3.0 * x * x - 2.0 * x * x * x - f64::from(i) / 256.0).abs() < 1e-7);
        }
        for alpha in [0.05, 0.2, 0.4, 20.0] {
            let quantiles = quantiles(alpha);
            assert!(quantiles.is_sorted() && quantiles.iter().all(|x| (0.0..=1.0).contains(x)));
        }
    }
}
