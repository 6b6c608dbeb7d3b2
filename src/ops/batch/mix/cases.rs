//! Cases of mixed batches.

use super::MixBatch;
use super::decision::{Decision, Tables};
use crate::graph::{Case, Fill};
use crate::ops::IGNORED_LABEL;
use crate::ops::update::state::integer;
use crate::tensor::TensorType;

pub(super) fn cases() -> Vec<Case> {
    let none = MixBatch { mixup: 0.0, cutmix: 0.0, classes: 10, label_smoothing: 0.0, seed: 3 };
    let mixup = MixBatch { mixup: 0.2, ..none.clone() };
    let cutmix = MixBatch { cutmix: 1.0, ..none.clone() };
    let both = MixBatch { mixup: 0.8, label_smoothing: 0.1, ..cutmix.clone() };
    let case = |name: &str, op: &MixBatch, [batch, h, w, c]: [usize; 4], step: u32| {
        let classes = u32::try_from(op.classes).unwrap_or(u32::MAX);
        let (step_type, step) = integer(step);
        Case::new(name, op.clone())
            .normal([batch, h, w, c])
            .input(TensorType::u32([batch]), Fill::LabelsOrIgnored(classes))
            .input(step_type, step)
            .forward_only()
    };
    let mut cases = vec![
        case("none", &none, [3, 2, 2, 1], 0),
        case("one_row", &both, [1, 5, 4, 3], 1),
        case("largest_step", &both, [7, 5, 3, 2], u32::MAX),
        case("one_class", &MixBatch { classes: 1, ..mixup.clone() }, [5, 3, 3, 1], 2),
        case("many_workgroups", &both, [1025, 64, 64, 1], 5),
        case("many_rows", &cutmix, [4099, 2, 3, 1], 6),
    ];
    for step in 0..6 {
        for (name, op) in [("mixup", &mixup), ("cutmix", &cutmix), ("both", &both)] {
            cases.push(case(&format!("{name}_step_{step}"), op, [9, 11, 13, 3], step));
        }
    }
    // A side long enough to tell neighbors in the table of quantiles apart.
    for step in 0..6 {
        cases.push(case(&format!("long_box_step_{step}"), &cutmix, [2, 4093, 2, 1], step));
    }
    cases.push(case("equal_weights", &of_equal_weights(&cutmix), [9, 12, 12, 1], 0));
    cases.push(case("least_weight", &of_least_weight(&mixup), [9, 12, 12, 1], 0));
    let (step_type, step) = integer(4);
    cases.push(
        Case::new("box_over_nan", cutmix)
            .input(TensorType::f32([4, 6, 6, 1]), Fill::Special)
            .input(TensorType::u32([4]), Fill::Integers(vec![3, IGNORED_LABEL, 1, 3]))
            .input(step_type, step)
            .forward_only(),
    );
    cases.push(case("bench_128x32x32x3", &mixup, [128, 32, 32, 3], 1).bench());
    cases
}

/// With the first seed whose box takes half of a 12 x 12 image in step 0: both labels weigh the same.
fn of_equal_weights(op: &MixBatch) -> MixBatch {
    first_seed(op, |Decision { share: [own, all], .. }| 2 * own == all)
}

/// With the first seed whose own images weigh the least that is not nothing.
fn of_least_weight(op: &MixBatch) -> MixBatch {
    first_seed(op, |decision| decision.weight == 1)
}

/// With the first seed whose decision for nine images of 12 x 12 in step 0 is such.
fn first_seed(op: &MixBatch, is_such: impl Fn(Decision) -> bool) -> MixBatch {
    let tables = Tables::new(op);
    let mut seeds = (0..100_000).map(|seed| MixBatch { seed, ..op.clone() });
    seeds
        .find(|op| is_such(Decision::draw(op, &tables, 9, [12, 12], 0)))
        .unwrap_or_else(|| op.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_have_equal_and_least_weights() {
        let cutmix =
            MixBatch { mixup: 0.0, cutmix: 1.0, classes: 10, label_smoothing: 0.0, seed: 3 };
        let op = of_equal_weights(&cutmix);
        let share = Decision::draw(&op, &Tables::new(&op), 9, [12, 12], 0).share;
        assert_eq!(share, [72, 144]);
        let mixup = MixBatch { mixup: 0.2, cutmix: 0.0, ..cutmix };
        let op = of_least_weight(&mixup);
        assert_eq!(Decision::draw(&op, &Tables::new(&op), 9, [12, 12], 0).weight, 1);
    }
}
