//! A compiled program as a listing, and as a graph.

use std::fmt::Write as _;

use crate::compile::{Launches, Program, Role};
use crate::report::format::{bytes, decimal};

/// Steps with their operands, buffers, and what they cost in all.
pub(in crate::cli) fn listing(program: &Program) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:>3} {:<22} {:<24} {:<26} {:>9} {:>10}",
        "", "layer", "op", "variant", "FLOP", "bytes"
    );
    for (index, step) in program.steps.iter().enumerate() {
        let cost = step.cost();
        let _ = writeln!(
            text,
            "{index:>3} {:<22} {:<24} {:<26} {:>9} {:>10}",
            step.scope,
            step.op.title(),
            format!("{} x{}", step.variant, step.dispatches.len()),
            decimal(cost.flop),
            bytes(usize::try_from(cost.bytes).unwrap_or(usize::MAX)),
        );
        for (kind, operands) in [("<-", &step.inputs), ("->", &step.outputs)] {
            for operand in operands {
                let buffer = &program.buffers[operand.region.buffer];
                let _ = writeln!(
                    text,
                    "      {kind} {:<22} {} + {}",
                    operand.ty.to_string(),
                    buffer.name,
                    operand.region.offset
                );
            }
        }
    }
    let _ = writeln!(text, "\nbuffers");
    for buffer in &program.buffers {
        let role = format!("{:?}", buffer.role).to_lowercase();
        let _ = writeln!(text, "  {:<28} {role:<8} {:>12}", buffer.name, bytes(buffer.bytes));
    }
    let cost = program.cost();
    let _ = writeln!(
        text,
        "\n{} steps, {} dispatches, {} kernels, {}FLOP and {} of operands per run",
        program.steps.len(),
        program.dispatch_count(),
        program.kernels.len(),
        decimal(cost.flop),
        bytes(usize::try_from(cost.bytes).unwrap_or(usize::MAX)),
    );
    let _ = writeln!(
        text,
        "memory: {} in all, of which states {}, gradients {}, activations {}",
        bytes(program.total_bytes()),
        bytes(program.bytes_of(Role::State)),
        bytes(program.bytes_of(Role::Arena)),
        bytes(program.bytes_of(Role::Slot) + program.bytes_of(Role::Output)),
    );
    if program.texture_bytes() > 0 {
        let _ = writeln!(text, "        textures {}", bytes(program.texture_bytes()));
    }
    text
}

/// A line for each program of a run: how often it makes the device start, and wait.
pub(in crate::cli) fn launches<'a>(programs: impl Iterator<Item = &'a Program>) -> String {
    let mut text = String::new();
    for program in programs {
        let Launches { dispatches, barriers } = program.launches();
        let name = &program.name;
        let _ = writeln!(text, "{name}: {dispatches} dispatches, {barriers} barriers per run");
    }
    text
}

/// Steps as nodes; an edge from the step that wrote a region last to each step that reads it.
pub(in crate::cli) fn dot(program: &Program) -> String {
    let mut text =
        String::from("digraph program {\n  node [shape=box, fontname=\"sans-serif\"];\n");
    let mut writer: std::collections::HashMap<(usize, usize), usize> =
        std::collections::HashMap::new();
    for (index, step) in program.steps.iter().enumerate() {
        let shape = step.outputs.first().map(|o| o.ty.to_string()).unwrap_or_default();
        let name = step.op.title();
        let _ = writeln!(text, "  s{index} [label=\"{name}\\n{}\\n{shape}\"];", step.scope);
        for operand in &step.inputs {
            let place = (operand.region.buffer, operand.region.offset);
            match writer.get(&place) {
                Some(from) => {
                    let _ = writeln!(text, "  s{from} -> s{index};");
                }
                None => {
                    let buffer = &program.buffers[operand.region.buffer].name;
                    let _ = writeln!(text, "  \"{buffer}\" [shape=ellipse];");
                    let _ = writeln!(text, "  \"{buffer}\" -> s{index};");
                }
            }
        }
        for operand in &step.outputs {
            writer.insert((operand.region.buffer, operand.region.offset), index);
        }
    }
    text.push_str("}\n");
    text
}
