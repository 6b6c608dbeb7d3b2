//! Chains on the CPU: the host code of the members, one after the other over chunks that stay in the
//! cache.

use super::{ElementwiseChain, Link, MAX_LINKS, Member, Source};
use crate::graph::{HostKernel, Inputs, Signature};
use crate::ops::BinaryFunction;
use crate::ops::elementwise::dropout::drop_elements;
use crate::ops::kit::{
    Repeat, activate, combine, combine_one, combine_repeated, multiply_by_derivative,
};
use crate::tensor::Real;
use crate::tensor::parallel::for_each_block;

/// Elements of a chunk: whole draws of dropout; the results of all members take 16 KiB.
const CHUNK: usize = 512;

pub(super) fn kernels(chain: &ElementwiseChain, sig: &Signature) -> Vec<HostKernel> {
    let members = chain.members(sig).into_iter();
    let members: Vec<(Link, Repeat)> =
        members.map(|(link, sig)| (link.clone(), link.member.repeat(1, &sig.inputs))).collect();
    vec![HostKernel::new("chunks", move |io, _| {
        let inputs = &io.inputs;
        for_each_block(io.outputs.float(0), &|block, y| {
            let mut results = [[0.0; CHUNK]; MAX_LINKS];
            for (start, y) in (block..).step_by(CHUNK).zip(y.chunks_mut(CHUNK)) {
                for (number, (link, repeat)) in members.iter().enumerate() {
                    let (before, own) = results.split_at_mut(number);
                    let own = &mut own[0][..y.len()];
                    Chunk { inputs, before, start, repeat: *repeat }.run(link, own);
                }
                y.copy_from_slice(&results[members.len() - 1][..y.len()]);
            }
        });
    })]
}

/// One chunk of the operands of a member.
struct Chunk<'a> {
    inputs: &'a Inputs<'a, f32>,
    /// Results of the members before it.
    before: &'a [[f32; CHUNK]],
    /// First element.
    start: usize,
    /// How its second operand is repeated.
    repeat: Repeat,
}

impl Chunk<'_> {
    /// The elements of an operand that is not repeated.
    fn slice(&self, source: Source, len: usize) -> &[f32] {
        match source {
            Source::Input(input) => &self.inputs.float(input)[self.start..][..len],
            Source::Link(link) => &self.before[link][..len],
        }
    }

    fn run(&self, link: &Link, y: &mut [f32]) {
        let operand = |position: usize| self.slice(link.operands[position], y.len());
        match &link.member {
            Member::Activate(op) => {
                y.copy_from_slice(operand(0));
                activate(op.function, y);
            }
            Member::ActivateGrad(op) => {
                y.copy_from_slice(operand(1));
                multiply_by_derivative(op.function, self.slice(link.operands[0], y.len()), y);
            }
            Member::Scale(op) => {
                combine_one(BinaryFunction::Multiply, operand(0), f32::from_f64(op.factor), y);
            }
            Member::Dropout(op) => {
                let Source::Input(step) = link.operands[1] else {
                    unreachable!("results of members are floats, and the step is an integer")
                };
                drop_elements(op, self.inputs.u32(step)[0], self.start, operand(0), y);
            }
            Member::Binary(op) => match link.operands[1] {
                Source::Input(input) => {
                    let b = self.inputs.float(input);
                    combine_repeated(op.function, self.repeat, self.start, operand(0), b, y);
                }
                between => combine(op.function, operand(0), self.slice(between, y.len()), y),
            },
        }
    }
}
