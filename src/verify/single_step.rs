//! A lowering as a program: one step, each tensor in a buffer of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compile::{
    BoundRegion, Buffer, Dispatch, KernelText, OperandAt, Program, Region, Role, Step,
    place_in_textures,
};
use crate::graph::{Binding, Kernel, Lowering, Op, Operand, Signature};
use crate::tensor::TensorType;

/// A program that runs a lowering of an op. Its buffers are those of the inputs, in order, of the
/// outputs that take no input's place, and of the scratch memory. Before and behind each tensor
/// `margin` bytes are left, a multiple of the alignment of binding offsets; bindings reach over
/// those behind it.
pub fn single_step(
    name: &str,
    op: &Arc<dyn Op>,
    sig: &Signature,
    lowering: &Lowering,
    margin: usize,
) -> Program {
    let mut buffers = Vec::new();
    let mut place = |name: String, words: usize| {
        let bytes = words * 4;
        buffers.push(Buffer { name, bytes: bytes + 2 * margin, role: Role::State });
        Region { buffer: buffers.len() - 1, offset: margin, bytes }
    };
    let mut operand = |name: String, ty: &TensorType| OperandAt {
        region: place(name, ty.words()),
        ty: ty.clone(),
    };
    let inputs: Vec<OperandAt> =
        sig.inputs.iter().enumerate().map(|(i, ty)| operand(format!("input {i}"), ty)).collect();
    let taken = |output| op.aliases().iter().find(|&&(o, _)| o == output);
    let outputs: Vec<OperandAt> = sig
        .outputs
        .iter()
        .enumerate()
        .map(|(o, ty)| match taken(o) {
            Some(&(_, input)) => inputs[input].clone(),
            None => operand(format!("output {o}"), ty),
        })
        .collect();
    let scratch = lowering.scratch.iter().enumerate();
    let scratch: Vec<Region> =
        scratch.map(|(s, bytes)| place(format!("scratch {s}"), bytes.div_ceil(4))).collect();
    let bound = |binding: &Binding| {
        let region = match binding.operand {
            Operand::Input(i) => inputs[i].bound(binding.part),
            Operand::Output(o) => outputs[o].bound(binding.part),
            Operand::Scratch(s) => scratch[s],
        };
        Region { bytes: region.bytes + margin, ..region }
    };
    let dispatches = lowering.kernels.iter().enumerate().map(|(kernel, k)| {
        let bindings = k.bindings.iter();
        let bindings =
            bindings.map(|b| BoundRegion { region: bound(b), access: b.access }).collect();
        Dispatch { kernel, bindings, textures: Vec::new(), workgroups: k.workgroups }
    });
    let dispatches = dispatches.collect();
    let mut steps = vec![Step {
        scope: name.to_owned(),
        op: op.clone(),
        inputs,
        outputs,
        variant: lowering.variant.clone(),
        dispatches,
    }];
    Program {
        name: name.to_owned(),
        buffers,
        textures: place_in_textures(&mut steps),
        kernels: kernel_texts(lowering),
        steps,
        outputs: BTreeMap::new(),
    }
}

/// The kernels of a lowering, as a device compiles them.
pub fn kernel_texts(lowering: &Lowering) -> Vec<KernelText> {
    let text = |kernel: &Kernel| KernelText {
        name: kernel.name.clone(),
        source: kernel.source.clone(),
        accesses: kernel.bindings.iter().map(|binding| binding.access).collect(),
    };
    lowering.kernels.iter().map(text).collect()
}
