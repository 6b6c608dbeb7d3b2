//! Cases of the learning rate: every schedule before, at and after the steps where it changes.

use super::{Anneal, LearningRate, Schedule};
use crate::graph::Case;
use crate::ops::update::state::integer;

pub(super) fn all() -> Vec<Case> {
    let constant = LearningRate { base: 0.1, warmup: 0, schedule: Schedule::Constant, total: 0 };
    let with =
        |schedule, warmup, total| LearningRate { schedule, warmup, total, ..constant.clone() };
    let warmup = with(Schedule::Constant, 7, 0);
    let stepped = with(Schedule::Step { every: 30, factor: 0.1 }, 7, 0);
    let milestones = vec![0, 5, 6, 100, 1_000_000];
    let multi_step = with(Schedule::MultiStep { milestones, factor: 0.3 }, 7, 0);
    let exponential = with(Schedule::Exponential { factor: 0.9999 }, 0, 0);
    let halving = with(Schedule::Exponential { factor: 0.5 }, 0, 0);
    let cosine = LearningRate {
        base: 3e-4,
        warmup: 100,
        schedule: Schedule::Cosine { final_factor: 0.0 },
        total: 100_000,
    };
    let cosine_to_tenth = LearningRate {
        warmup: 0,
        schedule: Schedule::Cosine { final_factor: 0.1 },
        total: 3,
        ..cosine.clone()
    };
    let cycle = |pct_start, div_factor, final_div_factor, anneal| Schedule::OneCycle {
        pct_start,
        div_factor,
        final_div_factor,
        anneal,
    };
    let one_cycle = with(cycle(0.3, 25.0, 1e4, Anneal::Cosine), 10, 100_010);
    let one_cycle_linear = with(cycle(0.25, 10.0, 100.0, Anneal::Linear), 0, 7);
    let one_cycle_falls = with(cycle(0.0, 4.0, 1e3, Anneal::Cosine), 0, 5);
    let one_cycle_of_one = with(cycle(0.5, 2.0, 0.5, Anneal::Cosine), 0, 1);
    let sets: [(&str, &LearningRate, &[u32]); 12] = [
        ("constant", &constant, &[0, u32::MAX]),
        ("warmup", &warmup, &[0, 5, 6, 7, 1000]),
        ("step", &stepped, &[3, 36, 37, 66, 67, 97]),
        ("multi_step", &multi_step, &[6, 7, 11, 12, 13, 106, 107, 1_000_006, 1_000_007, u32::MAX]),
        ("exponential", &exponential, &[0, 1, 65_535, 100_000]),
        // Far below the smallest float: zero.
        ("halving", &halving, &[20, 100_000, u32::MAX]),
        ("cosine", &cosine, &[0, 99, 100, 101, 50_050, 99_998, 99_999, 100_000, u32::MAX]),
        ("cosine_to_tenth", &cosine_to_tenth, &[0, 1, 2, 3, 4]),
        (
            "one_cycle",
            &one_cycle,
            &[0, 9, 10, 11, 15_000, 30_008, 30_009, 30_010, 99_999, 100_008, 100_009, u32::MAX],
        ),
        ("one_cycle_linear", &one_cycle_linear, &[0, 1, 2, 5, 6, 7]),
        ("one_cycle_falls", &one_cycle_falls, &[0, 1, 3, 4, 5]),
        ("one_cycle_of_one", &one_cycle_of_one, &[0, 1]),
    ];
    let case = |name: &str, op: &LearningRate, step: u32| {
        let (ty, fill) = integer(step);
        Case::new(format!("{name}_at_{step}"), op.clone()).input(ty, fill).forward_only()
    };
    sets.iter().flat_map(|(name, op, steps)| steps.iter().map(|&s| case(name, op, s))).collect()
}
