//! Batches on the CPU: bytes become floats by table.

use super::{FIRST_SHARD, GatherBatch, NO_EXAMPLE, WHITE};
use crate::graph::{HostIo, HostKernel};
use crate::ops::kit::IGNORED_LABEL;
use crate::tensor::Real;
use crate::tensor::parallel::for_each_chunk;

/// The float of each byte, for one channel.
type Table = [f32; 256];

pub(in crate::ops) fn kernels(op: &GatherBatch) -> Vec<HostKernel> {
    let tables: Vec<Table> = op.mean.iter().zip(&op.std).map(|(&m, &s)| table(m, s)).collect();
    let op = op.clone();
    vec![HostKernel::new("tables", move |io, _| gather(&op, &tables, io))]
}

fn table(mean: f32, std: f32) -> Table {
    let mut table = [0.0; 256];
    for (byte, entry) in (0_u8..=255).zip(&mut table) {
        let pixel = f64::from(byte) / WHITE;
        *entry = f32::from_f64((pixel - f64::from(mean)) / f64::from(std));
    }
    table
}

fn gather(op: &GatherBatch, tables: &[Table], io: &mut HostIo<'_, f32>) {
    let (labels, order) = (io.inputs.u32(0), io.inputs.u32(1));
    let first = (io.inputs.u32(2)[0] as usize % op.steps_per_epoch) * op.batch;
    let batch = order.get(first..).unwrap_or_default();
    let example_of = |row: usize| {
        let example = *batch.get(row)?;
        let place = match op.windowed {
            true if example == NO_EXAMPLE => return None,
            true => first + row,
            false => example as usize,
        };
        labels.get(place).map(|&label| (place, label))
    };
    for (row, y) in io.outputs.u32(1).iter_mut().enumerate() {
        *y = example_of(row).map_or(IGNORED_LABEL, |(_, label)| label);
    }
    let inputs = &io.inputs;
    let image = io.outputs.ty(0).elements() / op.batch;
    for_each_chunk(io.outputs.float(0), image, &|row, x| {
        let Some((example, _)) = example_of(row) else { return x.fill(0.0) };
        let shard = inputs.u8(FIRST_SHARD + example / op.shard_len);
        let bytes = &shard[example % op.shard_len * image..][..image];
        if let [table] = tables {
            for (x, &byte) in x.iter_mut().zip(bytes) {
                *x = table[usize::from(byte)];
            }
            return;
        }
        let pixels = x.chunks_exact_mut(tables.len()).zip(bytes.chunks_exact(tables.len()));
        for (x, bytes) in pixels {
            for ((x, &byte), table) in x.iter_mut().zip(bytes).zip(tables) {
                *x = table[usize::from(byte)];
            }
        }
    });
}
