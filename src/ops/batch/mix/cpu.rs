//! A mixed batch on the CPU: row by row, in runs of equal weight.

use super::decision::{Decision, Tables, WEIGHT_ONE};
use super::{IGNORED_LABEL, MixBatch};
use crate::graph::{HostIo, HostKernel};
use crate::tensor::Real;
use crate::tensor::parallel::for_each_chunk;

pub(super) fn kernel(op: &MixBatch) -> HostKernel {
    let (op, tables) = (op.clone(), Tables::new(op));
    HostKernel::new("runs", move |io, _| run(&op, &tables, io))
}

fn run(op: &MixBatch, tables: &Tables, io: &mut HostIo<'_, f32>) {
    let [batch, height, width, channels] = io.inputs.dims(0);
    let (x, labels, step) = (io.inputs.float(0), io.inputs.u32(1), io.inputs.u32(2)[0]);
    let decision = Decision::draw(op, tables, batch, [height, width], step);
    let partner_of = |i: usize| {
        let partner = (i + decision.shift) % batch;
        let labeled = labels[i] != IGNORED_LABEL && labels[partner] != IGNORED_LABEL;
        if labeled { partner } else { i }
    };
    let image = height * width * channels;
    let weight = f32::from_f64(f64::from(decision.weight) / f64::from(WEIGHT_ONE));
    for_each_chunk(io.outputs.float(0), image, &|i, y| {
        let partner = partner_of(i);
        let own = &x[i * image..][..image];
        let other = &x[partner * image..][..image];
        if partner == i || decision.weight == WEIGHT_ONE {
            y.copy_from_slice(own);
        } else if decision.weight == 0 {
            y.copy_from_slice(other);
        } else {
            for ((y, own), other) in y.iter_mut().zip(own).zip(other) {
                *y = weight * own + (1.0 - weight) * other;
            }
        }
        let columns = decision.columns[0] * channels..decision.columns[1] * channels;
        for row in decision.rows[0]..decision.rows[1] {
            let run = row * width * channels + columns.start..row * width * channels + columns.end;
            y[run.clone()].copy_from_slice(&other[run]);
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a count, far below 2^24")]
    let off_target = op.label_smoothing / op.classes as f32;
    let on_target = 1.0 - op.label_smoothing;
    let share = f32::from_f64(f64::from(decision.share[0]) / f64::from(decision.share[1]));
    let targets = io.outputs.float(1).chunks_exact_mut(op.classes);
    for (i, targets) in targets.enumerate() {
        if labels[i] == IGNORED_LABEL {
            targets.fill(0.0);
            continue;
        }
        targets.fill(off_target);
        for (label, share) in [(labels[i], share), (labels[partner_of(i)], 1.0 - share)] {
            if let Some(target) = targets.get_mut(label as usize) {
                *target += on_target * share;
            }
        }
    }
    for (i, dominant) in io.outputs.u32(2).iter_mut().enumerate() {
        *dominant = labels[if decision.own_dominates() { i } else { partner_of(i) }];
    }
}
