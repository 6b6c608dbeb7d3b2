//! Seeded splits: which examples are held out of the training set.

use std::collections::BTreeMap;

use super::stream::{Purpose, Stream};
use super::{DataError, Dataset};

/// Deals the examples with `labels` `[n]` into `(kept, held_out)`: `fraction * n` (rounded) are held out,
/// in the proportions of the classes.
///
/// Of each class with two examples or more, at least one is on either side, so that small sets may give a
/// few more or less; the only example of a class is kept. Which are held out depends on labels, `fraction`
/// and `seed` alone; both lists are in ascending order, so that examples stay in the order of their file.
///
/// # Errors
///
/// If the fraction is not within `0..1`, or is above 0 and leaves either side empty.
pub fn hold_out(
    labels: &[u32],
    fraction: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    check_fraction(fraction)?;
    let n = labels.len();
    if fraction == 0.0 {
        return Ok(((0..n).collect(), Vec::new()));
    }
    let n_held_out = portion(n, fraction);
    let mut by_class: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, &label) in labels.iter().enumerate() {
        by_class.entry(label).or_default().push(i);
    }
    if n_held_out == 0 || n_held_out >= n || by_class.values().all(|class| class.len() < 2) {
        return Err(DataError::config(
            "validation",
            format!(
                "{fraction} of {n} training examples is {n_held_out}: expected at least one \
                 example on each side, and a class with two; change the fraction or use more examples"
            ),
        ));
    }
    let sizes: Vec<usize> = by_class.values().map(Vec::len).collect();
    let (mut kept, mut held_out) = (Vec::new(), Vec::new());
    for ((label, class), share) in by_class.iter().zip(apportioned(&sizes, n_held_out)) {
        let purpose = (Purpose::ValidationSplit, u64::from(*label));
        let (stay, leave) = deal(class.len(), share, seed, purpose);
        kept.extend(stay.into_iter().map(|i| class[i]));
        held_out.extend(leave.into_iter().map(|i| class[i]));
    }
    kept.sort_unstable();
    held_out.sort_unstable();
    Ok((kept, held_out))
}

/// Shares of `total` in proportion to `sizes`, by largest remainders; then such that each of two or more
/// leaves one and takes one.
fn apportioned(sizes: &[usize], total: usize) -> Vec<usize> {
    let n = sizes.iter().sum::<usize>().max(1);
    let mut shares: Vec<usize> = sizes.iter().map(|size| size * total / n).collect();
    let mut by_rest: Vec<usize> = (0..sizes.len()).collect();
    by_rest.sort_by_key(|&i| std::cmp::Reverse(sizes[i] * total % n));
    let left = total - shares.iter().sum::<usize>();
    by_rest.iter().take(left).for_each(|&i| shares[i] += 1);
    let bounded = |(&size, share): (&usize, usize)| {
        if size < 2 { 0 } else { share.clamp(1, size - 1) }
    };
    sizes.iter().zip(shares).map(bounded).collect()
}

/// Splits a training set into `(train, validation)`, every class in both parts as far as it can be; a
/// fraction of 0 gives no validation set.
///
/// # Errors
///
/// As [`hold_out`].
pub fn train_validation(
    dataset: Dataset,
    fraction: f64,
    seed: u64,
) -> Result<(Dataset, Option<Dataset>), DataError> {
    let (kept, held_out) = hold_out(&dataset.strata(), fraction, seed)?;
    if held_out.is_empty() {
        return Ok((dataset, None));
    }
    Ok((dataset.subset(&kept)?, Some(dataset.subset(&held_out)?)))
}

pub(super) fn check_fraction(fraction: f64) -> Result<(), DataError> {
    if (0.0..1.0).contains(&fraction) {
        return Ok(());
    }
    let problem = format!("{fraction} given: expected a fraction of the training set in 0..1");
    Err(DataError::config("validation", problem))
}

/// Deals `0..n` into two ascending lists, the second of `n_second` indices; `purpose` has a number of
/// its own for each list that is dealt.
pub(super) fn deal(
    n: usize,
    n_second: usize,
    seed: u64,
    (purpose, number): (Purpose, u64),
) -> (Vec<usize>, Vec<usize>) {
    let mut first: Vec<usize> = (0..n).collect();
    shuffle(&mut first, &mut Stream::new(seed, purpose, number));
    let mut second = first.split_off(n - n_second.min(n));
    first.sort_unstable();
    second.sort_unstable();
    (first, second)
}

/// Fisher-Yates; written out because the shuffle of the `rand` crate may change between versions.
pub(super) fn shuffle<T>(items: &mut [T], stream: &mut Stream) {
    for last in (1..items.len()).rev() {
        items.swap(last, stream.below(last + 1));
    }
}

/// `fraction * n`, rounded to the nearest count.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of examples are far below 2^53, where f64 is exact; the way back saturates"
)]
pub(super) fn portion(n: usize, fraction: f64) -> usize {
    (n as f64 * fraction).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_lands_on_exactly_one_side() {
        let (kept, held_out) = hold_out(&[0; 103], 0.1, 5).expect("the fraction is fine");
        assert_eq!((kept.len(), held_out.len()), (93, 10));
        assert!(kept.is_sorted() && held_out.is_sorted());
        let mut all = [kept, held_out].concat();
        all.sort_unstable();
        assert_eq!(all, (0..103).collect::<Vec<_>>());
    }

    #[test]
    fn the_seed_decides() {
        let held_out = |seed| hold_out(&[0; 1000], 0.2, seed).expect("the fraction is fine").1;
        assert_eq!(held_out(1), held_out(1));
        assert_ne!(held_out(1), held_out(2));
        assert_ne!(held_out(1), (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn the_split_of_a_seed_never_changes() {
        let (_, held_out) = hold_out(&[0; 20], 0.25, 0).expect("the fraction is fine");
        assert_eq!(held_out, [1, 5, 8, 11, 14]);
    }

    /// In proportion, whatever the order of the labels.
    #[test]
    fn every_class_is_on_both_sides() {
        let labels: Vec<u32> = (0..200).map(|i| [0, 0, 0, 1, 2][i % 5]).chain([3, 3, 4]).collect();
        let (kept, held_out) = hold_out(&labels, 0.1, 7).expect("the fraction is fine");
        let count = |side: &[usize], class| side.iter().filter(|&&i| labels[i] == class).count();
        let counts = |side: &[usize]| (0..5).map(|class| count(side, class)).collect::<Vec<_>>();
        assert_eq!(counts(&held_out), [12, 4, 4, 1, 0]);
        assert_eq!(counts(&kept), [108, 36, 36, 1, 1]);
        assert_eq!(apportioned(&[5, 5, 5], 1), [1, 1, 1]);
        assert_eq!(apportioned(&[2, 2], 4), [1, 1]);
        assert!(hold_out(&[0, 1, 2], 0.5, 0).is_err(), "no class has two examples");
    }

    #[test]
    fn fractions_that_leave_a_side_empty_are_refused() {
        for fraction in [-0.1, 1.0, f64::NAN] {
            assert!(hold_out(&[0; 10], fraction, 0).is_err(), "{fraction}");
        }
        let message = hold_out(&[0; 10], 0.01, 0).expect_err("no validation example").to_string();
        assert!(message.contains("0.01 of 10 training examples is 0"), "{message}");
        assert!(hold_out(&[0; 10], 0.99, 0).is_err());
        assert_eq!(hold_out(&[0; 3], 0.0, 0).expect("nothing held out").1, [0; 0]);
    }
}
