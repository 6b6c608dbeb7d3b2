//! Stratified folds of a training set, of which one is held out: for cross-validation.

use std::collections::BTreeMap;

use super::split::shuffle;
use super::stream::{Purpose, Stream};
use super::{DataError, Dataset};

/// Deals the examples with `labels` `[n]` to `folds` folds, as many to each as can be, also of every
/// class, and gives `(kept, held_out)`: fold `fold`, counted from one, is held out.
///
/// Who is in which fold depends on labels, `folds` and `seed` alone. Both lists are in ascending order.
///
/// # Errors
///
/// If there are fewer than two folds or more than examples, or no fold of this number.
pub fn hold_out_fold(
    labels: &[u32],
    folds: usize,
    fold: usize,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    check_fold(folds, fold)?;
    let n = labels.len();
    if folds > n {
        let problem = format!("{folds} given: expected no more folds than {n} training examples");
        return Err(DataError::config("folds", problem));
    }
    let mut by_class: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, &label) in labels.iter().enumerate() {
        by_class.entry(label).or_default().push(i);
    }
    let mut dealt = Vec::with_capacity(n);
    for (label, mut class) in by_class {
        shuffle(&mut class, &mut Stream::new(seed, Purpose::Folds, u64::from(label)));
        dealt.extend(class);
    }
    // One after the other, also from class to class: no fold gets the larger part of every class.
    let (mut kept, mut held_out) = (Vec::new(), Vec::new());
    for (at, example) in dealt.into_iter().enumerate() {
        let side = if at % folds == fold - 1 { &mut held_out } else { &mut kept };
        side.push(example);
    }
    kept.sort_unstable();
    held_out.sort_unstable();
    Ok((kept, held_out))
}

/// Splits a training set into `(train, validation)`: the fold is the validation set.
///
/// # Errors
///
/// As [`hold_out_fold`].
pub(super) fn train_validation(
    dataset: &Dataset,
    folds: usize,
    fold: usize,
    seed: u64,
) -> Result<(Dataset, Option<Dataset>), DataError> {
    let (kept, held_out) = hold_out_fold(&dataset.strata(), folds, fold, seed)?;
    Ok((dataset.subset(&kept)?, Some(dataset.subset(&held_out)?)))
}

/// Checks a number of folds and that of one of them.
pub(super) fn check_fold(folds: usize, fold: usize) -> Result<(), DataError> {
    if folds < 2 {
        let problem = format!("{folds} given: expected at least 2, of which one is held out");
        return Err(DataError::config("folds", problem));
    }
    if !(1..=folds).contains(&fold) {
        let problem = format!("{fold} given: expected 1 to folds = {folds}");
        return Err(DataError::config("fold", problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataConfig, load};

    #[test]
    fn every_example_is_held_out_once_and_classes_are_even() {
        let labels: Vec<u32> = (0..103).map(|i| [0, 0, 0, 1, 2][i % 5]).collect();
        let mut seen = vec![0; labels.len()];
        for fold in 1..=4 {
            let (kept, held_out) = hold_out_fold(&labels, 4, fold, 7).expect("there are four");
            assert!(kept.is_sorted() && held_out.is_sorted());
            assert_eq!(kept.len() + held_out.len(), labels.len());
            assert!(kept.iter().all(|i| !held_out.contains(i)));
            assert!((25..=26).contains(&held_out.len()), "{}", held_out.len());
            for (class, of_class) in [(0, 63), (1, 20), (2, 20)] {
                let n = held_out.iter().filter(|&&i| labels[i] == class).count();
                let (least, most) = (of_class / 4, of_class / 4 + 1);
                assert!((least..=most).contains(&n), "fold {fold}, class {class}: {n}");
            }
            held_out.into_iter().for_each(|i| seen[i] += 1);
        }
        assert!(seen.iter().all(|&times| times == 1));
        let of_seed = |seed| hold_out_fold(&labels, 4, 1, seed).expect("there are four").1;
        assert_eq!(of_seed(1), of_seed(1));
        assert_ne!(of_seed(1), of_seed(2));
    }

    #[test]
    fn the_folds_of_a_seed_never_change() {
        let (_, held_out) = hold_out_fold(&[0; 20], 4, 2, 0).expect("there are four");
        assert_eq!(held_out, [3, 4, 5, 6, 18]);
    }

    #[test]
    fn folds_that_cannot_be_are_refused() {
        for (folds, fold, part) in [
            (1, 1, "at least 2"),
            (3, 0, "1 to folds = 3"),
            (3, 4, "4 given"),
            (11, 1, "no more folds"),
        ] {
            let error = hold_out_fold(&[0; 10], folds, fold, 0).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
        let small =
            DataConfig { train_size: Some(40), test_size: Some(10), ..DataConfig::default() };
        let one = DataConfig { folds: Some(5), ..small.clone() };
        assert!(load(&one, None).expect_err("no fold").to_string().contains("fold"));
        let both = DataConfig { folds: Some(5), fold: Some(1), validation: 0.1, ..small.clone() };
        assert!(load(&both, None).expect_err("two").to_string().contains("validation"));
        let fold = DataConfig { folds: Some(5), fold: Some(5), ..small };
        assert!(fold.has_validation());
        let splits = load(&fold, None).expect("nothing can be missing");
        assert_eq!((splits.train.len(), splits.validation.map(|set| set.len())), (32, Some(8)));
    }
}
