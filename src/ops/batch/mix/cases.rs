//! Cases of mixed batches.

use super::MixBatch;
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
