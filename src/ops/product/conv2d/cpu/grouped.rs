//! Grouped convolutions on the CPU: group by group, with the channels of a group copied side by
//! side, so that each is a convolution of its own.

use super::{Forward, InputGrad, WeightGrad, depthwise};
use crate::graph::{HostIo, HostKernel};
use crate::ops::product::conv2d::geometry::Sizes;
use crate::ops::product::conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, ConvGeometry};
use crate::tensor::parallel::for_each_chunk;

const VARIANT: &str = "group_blocks";
/// Rows of a tensor that are copied in one task.
const ROWS: usize = 256;

/// The columns of one group in a tensor whose rows hold all groups.
#[derive(Debug, Clone, Copy)]
struct Columns {
    first: usize,
    count: usize,
    /// Columns of all groups.
    all: usize,
}

impl Columns {
    /// Copies the columns out of a tensor.
    fn take(self, from: &[f32], to: &mut [f32]) {
        for_each_chunk(to, ROWS * self.count, &|block, to| {
            let from = from[block * ROWS * self.all..].chunks_exact(self.all);
            for (to, from) in to.chunks_exact_mut(self.count).zip(from) {
                to.copy_from_slice(&from[self.first..][..self.count]);
            }
        });
    }

    /// Copies the columns into a tensor.
    fn put(self, from: &[f32], to: &mut [f32]) {
        for_each_chunk(to, ROWS * self.all, &|block, to| {
            let from = from[block * ROWS * self.count..].chunks_exact(self.count);
            for (to, from) in to.chunks_exact_mut(self.all).zip(from) {
                to[self.first..][..self.count].copy_from_slice(from);
            }
        });
    }
}

/// A convolution of one group.
#[derive(Debug, Clone)]
struct Group {
    geometry: ConvGeometry,
    sizes: Sizes,
    count: usize,
}

impl Group {
    fn new(geometry: &ConvGeometry, all: Sizes) -> Self {
        let Sizes { group_c, group_oc, .. } = all;
        let count = geometry.groups;
        let geometry = ConvGeometry { groups: 1, ..geometry.clone() };
        Self { geometry, sizes: Sizes { c: group_c, oc: group_oc, ..all }, count }
    }

    fn inputs(&self, group: usize) -> Columns {
        let count = self.sizes.c;
        Columns { first: group * count, count, all: count * self.count }
    }

    /// Those of the outputs, and of the weights.
    fn outputs(&self, group: usize) -> Columns {
        let count = self.sizes.oc;
        Columns { first: group * count, count, all: count * self.count }
    }

    /// Elements of the input, the weights and the output of a group.
    fn lens(&self) -> [usize; 3] {
        let Sizes { c, oc, .. } = self.sizes;
        [self.sizes.in_pixels() * c, self.sizes.weights(), self.sizes.out_pixels() * oc]
    }

    /// Room for the tensors of a group, and the rest of the scratch memory.
    fn split<'a>(&self, scratch: &'a mut [f32]) -> ([&'a mut [f32]; 3], &'a mut [f32]) {
        let [x, weights, y] = self.lens();
        let (x, rest) = scratch.split_at_mut(x);
        let (weights, rest) = rest.split_at_mut(weights);
        let (y, rest) = rest.split_at_mut(y);
        ([x, weights, y], rest)
    }

    fn scratch(&self) -> usize {
        self.lens().iter().sum()
    }
}

pub(super) fn forward(op: &Conv2d, sizes: Sizes) -> Vec<HostKernel> {
    if depthwise::applies(&sizes) {
        return vec![depthwise::forward(op, sizes)];
    }
    let group = Group::new(&op.geometry, sizes);
    let plan = Forward::new(&group.geometry, group.sizes);
    let scratch = group.scratch() + plan.scratch();
    let tail = op.tail();
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let ([x, weights, y], rest) = group.split(scratch);
        for g in 0..group.count {
            group.inputs(g).take(io.inputs.float(0), x);
            group.outputs(g).take(io.inputs.float(1), weights);
            plan.run([x, weights], [y, rest], &|_, _| {});
            group.outputs(g).put(y, io.outputs.float(0));
        }
        let tail = tail.operands(&io.inputs);
        let len = ROWS * group.sizes.oc * group.count;
        for_each_chunk(io.outputs.float(0), len, &|block, y| tail.finish(block * len, y));
    };
    vec![HostKernel::new(VARIANT, run).with_scratch(scratch)]
}

pub(super) fn input_grad(op: &Conv2dInputGrad, sizes: Sizes) -> Vec<HostKernel> {
    if depthwise::applies(&sizes) {
        return vec![depthwise::input_grad(op, sizes)];
    }
    let group = Group::new(&op.geometry, sizes);
    let plan = InputGrad::new(&group.geometry, group.sizes);
    let tail = op.tail();
    let scratch = group.scratch() + plan.scratch();
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let ([dx, weights, dy], rest) = group.split(scratch);
        for g in 0..group.count {
            group.outputs(g).take(io.inputs.float(0), dy);
            group.outputs(g).take(io.inputs.float(1), weights);
            plan.run([dy, weights], [dx, rest], &|_, _| {});
            group.inputs(g).put(dx, io.outputs.float(0));
        }
        let tail = tail.operands(&io.inputs);
        let len = ROWS * group.sizes.c * group.count;
        for_each_chunk(io.outputs.float(0), len, &|block, dx| tail.finish(block * len, dx));
    };
    vec![HostKernel::new(VARIANT, run).with_scratch(scratch)]
}

pub(super) fn weight_grad(op: &Conv2dWeightGrad, sizes: Sizes) -> Vec<HostKernel> {
    if depthwise::applies(&sizes) {
        return vec![depthwise::weight_grad(op, sizes)];
    }
    let group = Group::new(&op.geometry, sizes);
    let plan = WeightGrad::new(&group.geometry, group.sizes);
    let scratch = group.scratch() + plan.scratch();
    let run = move |io: &mut HostIo<'_, f32>, scratch: &mut [f32]| {
        let ([x, dw, dy], rest) = group.split(scratch);
        for g in 0..group.count {
            group.inputs(g).take(io.inputs.float(0), x);
            group.outputs(g).take(io.inputs.float(1), dy);
            plan.run([x, dy], [dw, rest]);
            group.outputs(g).put(dw, io.outputs.float(0));
        }
    };
    vec![HostKernel::new(VARIANT, run).with_scratch(scratch)]
}
