//! Kernels as files that can be read: the text that the device compiles, below a header that says
//! what it computes and what calls it.

use std::fmt::Write as _;

use super::{BoundRegion, Dispatch, OperandAt, Program, Region, Step};
use crate::graph::Access;

/// A kernel of a program as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelFile {
    /// Name, from its first call: position of the step, layer, op, variant, and position among the
    /// kernels of the step, from 1.
    pub name: String,
    /// Header in comments, an empty line, and the text that the device compiles.
    pub text: String,
}

/// The kernels of a program as files, in the order in which they first run. A kernel that several
/// steps share is there once, and its header names them all.
pub fn kernel_files(program: &Program) -> Vec<KernelFile> {
    let calls = calls(program);
    let mut kernels: Vec<usize> = Vec::new();
    for call in &calls {
        if !kernels.contains(&call.dispatch.kernel) {
            kernels.push(call.dispatch.kernel);
        }
    }
    let file = |kernel: usize| {
        let calls: Vec<&Call<'_>> = calls.iter().filter(|c| c.dispatch.kernel == kernel).collect();
        let text = format!("{}\n{}", header(program, &calls), program.kernels[kernel].source);
        KernelFile { name: calls[0].file_name(), text }
    };
    kernels.into_iter().map(file).collect()
}

/// A table of everything that a run of a program dispatches, in order: for each dispatch the step,
/// the layer, op, variant, workgroups and the name of the kernel's file.
pub fn kernel_index(program: &Program) -> String {
    let calls = calls(program);
    let mut text = format!(
        "{}: {} dispatches of {} kernels\n\n{:>4} {:<24} {:<26} {:<36} {:>14}  file\n",
        program.name,
        calls.len(),
        program.kernels.len(),
        "step",
        "layer",
        "op",
        "variant",
        "workgroups",
    );
    for call in &calls {
        let first = calls.iter().find(|other| other.dispatch.kernel == call.dispatch.kernel);
        let Step { scope, op, variant, .. } = call.step;
        let _ = writeln!(
            text,
            "{:>4} {scope:<24} {:<26} {variant:<36} {:>14}  {}",
            call.index,
            op.title(),
            shown_workgroups(call.dispatch),
            first.unwrap_or(call).file_name(),
        );
    }
    text
}

/// One dispatch of a program.
struct Call<'a> {
    /// Position of the step.
    index: usize,
    step: &'a Step,
    dispatch: &'a Dispatch,
    /// Position among the dispatches of the step, from 1.
    number: usize,
}

fn calls(program: &Program) -> Vec<Call<'_>> {
    let steps = program.steps.iter().enumerate();
    let calls = steps.flat_map(|(index, step)| {
        let numbered = step.dispatches.iter().zip(1..);
        numbered.map(move |(dispatch, number)| Call { index, step, dispatch, number })
    });
    calls.collect()
}

impl Call<'_> {
    fn file_name(&self) -> String {
        /// Characters of each part: names of layers come from recipes and may have any length.
        const MOST: usize = 48;
        let part = |text: &str| -> String {
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            text.chars().take(MOST).map(|c| if allowed(c) { c } else { '_' }).collect()
        };
        let [scope, op, variant] =
            [&self.step.scope, self.step.op.name(), &self.step.variant].map(part);
        format!("{:03}-{scope}-{op}-{variant}-{}.wgsl", self.index, self.number)
    }

    /// What it does, but not for whom: equal for most calls of a kernel.
    fn described(&self, name: &str) -> String {
        let Self { step, dispatch, number, .. } = self;
        let mut text = format!(
            "// {}, variant {}, kernel {number} of {}: {name}\n",
            step.op.title(),
            step.variant,
            step.dispatches.len()
        );
        let mut line = |what: &str, is: String| {
            let _ = writeln!(text, "// {what:<12}{is}");
        };
        line("attributes", step.op.attributes().to_string());
        for (kind, operands) in [("input", &step.inputs), ("output", &step.outputs)] {
            for (i, operand) in operands.iter().enumerate() {
                line(&format!("{kind} {i}"), operand.ty.to_string());
            }
        }
        let cost = step.cost();
        line("whole op", format!("{} FLOP, {} bytes of operands", cost.flop, cost.bytes));
        line("workgroups", shown_workgroups(dispatch));
        for (i, bound) in dispatch.bindings.iter().enumerate() {
            let access = match bound.access {
                Access::Read => "read",
                Access::Write => "write",
                Access::Update => "update",
                Access::Texels => "read through a texture",
            };
            line(&format!("binding {i}"), format!("{}, {access}", bound_name(step, bound)));
        }
        text
    }
}

fn shown_workgroups(dispatch: &Dispatch) -> String {
    dispatch.workgroups.map(|n| n.to_string()).join(" x ")
}

/// What a kernel is and who calls it, as comments.
fn header(program: &Program, calls: &[&Call<'_>]) -> String {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    for call in calls {
        let described = call.described(&program.kernels[call.dispatch.kernel].name);
        let caller = format!("step {}, {}", call.index, call.step.scope);
        match blocks.iter_mut().find(|(block, _)| *block == described) {
            Some((_, callers)) => callers.push(caller),
            None => blocks.push((described, vec![caller])),
        }
    }
    let mut text = String::new();
    for (i, (described, callers)) in blocks.iter().enumerate() {
        // Another op, or other shapes, by the same text.
        let separator = if i == 0 { "" } else { "//\n" };
        let _ = write!(text, "{separator}{described}");
        for (i, caller) in callers.iter().enumerate() {
            let what = if i == 0 { "called by" } else { "" };
            let _ = writeln!(text, "// {what:<12}{caller}");
        }
    }
    text
}

/// What a binding holds that is a part of an operand.
fn part_name(step: &Step, region: &Region) -> Option<String> {
    let name = |kind: &str, operands: &[OperandAt]| {
        let i = operands.iter().position(|operand| within(region, &operand.region))?;
        let first = region.offset - operands[i].region.offset;
        let last = first + region.bytes - 1;
        Some(format!("{kind} {i}, bytes {first} to {last}"))
    };
    name("input", &step.inputs).or_else(|| name("output", &step.outputs))
}

/// Whether a region is a part of another.
fn within(part: &Region, whole: &Region) -> bool {
    let end = |region: &Region| region.offset + region.bytes;
    part.buffer == whole.buffer && part.offset >= whole.offset && end(part) <= end(whole)
}

/// What a binding holds: an operand of the step, or scratch memory.
fn bound_name(step: &Step, bound: &BoundRegion) -> String {
    let at = |region: &Region| (region.buffer, region.offset);
    let place = at(&bound.region);
    // Bindings may reach beyond an operand, but a smaller one is a part of it.
    let is_whole = |o: &OperandAt| at(&o.region) == place && bound.region.bytes >= o.region.bytes;
    let find = |operands: &[OperandAt]| operands.iter().position(is_whole);
    let (input, output) = (find(&step.inputs), find(&step.outputs));
    match (input, output) {
        (Some(i), Some(o)) => format!("output {o} in the place of input {i}"),
        (Some(i), None) => format!("input {i}"),
        (None, Some(o)) => format!("output {o}"),
        (None, None) => {
            if let Some(part) = part_name(step, &bound.region) {
                return part;
            }
            let is_operand = |region: &Region| {
                let mut operands = step.inputs.iter().chain(&step.outputs);
                operands.any(|o| at(&o.region) == at(region) || within(region, &o.region))
            };
            let mut scratch: Vec<(usize, usize)> = Vec::new();
            for other in step.dispatches.iter().flat_map(|dispatch| &dispatch.bindings) {
                let place = at(&other.region);
                if !is_operand(&other.region) && !scratch.contains(&place) {
                    scratch.push(place);
                }
            }
            let number = scratch.iter().position(|&other| other == place).unwrap_or_default();
            format!("scratch {number} of {} bytes", bound.region.bytes)
        }
    }
}
