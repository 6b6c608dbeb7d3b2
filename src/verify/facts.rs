//! What a device does where WGSL leaves it a choice: asked by tiny kernels, told by `doctor`.

use std::error::Error;
use std::sync::Arc;

use bytemuck::{cast_slice, pod_collect_to_vec};
use serde::{Deserialize, Serialize};

use super::probe::{PROBE_INPUT, PROBE_OUTPUT, probe_program};
use crate::exec::Executor;
use crate::graph::{Kernel, Operand};
use crate::tensor::TensorType;

/// One property of a device, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What was asked.
    pub name: String,
    /// What the device does.
    pub value: String,
    /// Whether a kernel written without knowing this would compute wrong results.
    pub hazard: bool,
}

/// Asks a device. Empty for the CPU executor, which runs no kernels.
///
/// A question that the device cannot answer gives a fact that says why.
pub fn device_facts(executor: &mut dyn Executor) -> Vec<Fact> {
    if executor.info().kind == "cpu" {
        return Vec::new();
    }
    let questions: [(&str, Question); 3] =
        [("loops", loop_limit), ("float operations", numerics), ("subgroup size", subgroup_size)];
    let mut facts = Vec::new();
    for (name, question) in questions {
        match question(executor) {
            Ok(found) => facts.extend(found),
            Err(error) => facts.push(fact(name, format!("could not be asked: {error}"), true)),
        }
    }
    executor.unload_all();
    facts
}

type Question = fn(&mut dyn Executor) -> Result<Vec<Fact>, Box<dyn Error>>;

fn fact(name: &str, value: impl Into<String>, hazard: bool) -> Fact {
    Fact { name: name.to_owned(), value: value.into(), hazard }
}

/// Runs a kernel on the words `x`, with two bindings; gives the `y_words` words that it writes.
fn ask(
    executor: &mut dyn Executor,
    kernel: Kernel,
    x: &[u32],
    y_words: usize,
) -> Result<Vec<u32>, Box<dyn Error>> {
    let kernel = kernel.read(Operand::Input(0)).write(Operand::Output(0));
    let (input, output) = (TensorType::u32([x.len()]), TensorType::u32([y_words]));
    let program = probe_program(kernel, input, output, executor.caps())?;
    executor.unload_all();
    let id = executor.load(Arc::new(program))?;
    executor.write(PROBE_INPUT, 0, cast_slice(x))?;
    executor.run(id, 1)?;
    Ok(pod_collect_to_vec(&executor.read_now(PROBE_OUTPUT)?))
}

/// Iterations of the loop that is tried: some software devices stop loops after 65,535.
const LOOP_ITERATIONS: u32 = 200_000;

fn loop_limit(executor: &mut dyn Executor) -> Result<Vec<Fact>, Box<dyn Error>> {
    let kernel =
        Kernel::new("loop_limit").file(include_str!("../../shaders/probe/loop_limit.wgsl"));
    let answer = ask(executor, kernel, &[LOOP_ITERATIONS], 2)?;
    let state = (0..LOOP_ITERATIONS)
        .fold(0_u32, |state, _| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let found = if answer == [LOOP_ITERATIONS, state] {
        fact("loops", format!("run at least {LOOP_ITERATIONS} iterations"), false)
    } else {
        let count = answer.first().copied().unwrap_or_default();
        fact("loops", format!("stop after {count} iterations, without an error"), true)
    };
    Ok(vec![found])
}

/// A question of the kernel `numerics`: name, the answer that IEEE 754 gives, in words, and the
/// words for another answer.
struct Answer {
    name: &'static str,
    is_ieee: fn(u32) -> bool,
    ieee: &'static str,
    other: &'static str,
    hazard: bool,
}

const fn is_nan(bits: u32) -> bool {
    bits & 0x7fff_ffff > 0x7f80_0000
}

/// In the order of the words that `shaders/probe/numerics.wgsl` writes.
const ANSWERS: [Answer; 8] = [
    Answer {
        name: "max(NaN, 0)",
        // IEEE 754-2019 maximum; the older maxNum drops the NaN.
        is_ieee: is_nan,
        ieee: "NaN",
        other: "an ordinary number: hides a NaN",
        hazard: true,
    },
    Answer {
        name: "clamp(NaN, -1, 1)",
        is_ieee: is_nan,
        ieee: "NaN",
        other: "a bound: hides a NaN",
        hazard: true,
    },
    Answer {
        name: "NaN != NaN",
        is_ieee: |bits| bits == 1,
        ieee: "true",
        other: "false: only its bits tell a NaN",
        hazard: true,
    },
    Answer {
        name: "infinity * 0",
        is_ieee: is_nan,
        ieee: "NaN",
        other: "an ordinary number",
        hazard: true,
    },
    Answer {
        name: "subnormal numbers",
        is_ieee: |bits| bits == SUBNORMAL,
        ieee: "kept",
        other: "flushed to zero",
        hazard: false,
    },
    Answer {
        name: "fma(a, b, c)",
        is_ieee: |bits| bits == ROUNDING_ERROR,
        ieee: "one rounding",
        other: "two roundings",
        hazard: false,
    },
    Answer {
        name: "a * b + c",
        is_ieee: |bits| bits & 0x7fff_ffff == 0,
        ieee: "two roundings",
        other: "contracted to one rounding",
        hazard: false,
    },
    Answer {
        name: "(1e8 + 1) - 1e8",
        is_ieee: |bits| bits & 0x7fff_ffff == 0,
        ieee: "0, as written",
        other: "1: sums are reordered, compensated sums fail",
        hazard: true,
    },
];

const SUBNORMAL: u32 = 0x0000_1234;
/// 1 + 2^-12, whose square rounds to 1 + 2^-11.
const FACTOR: u32 = 0x3f80_0800;
const MINUS_ROUNDED_SQUARE: u32 = 0xbf80_1000;
/// 2^-24, what the rounding of the square loses.
const ROUNDING_ERROR: u32 = 0x3380_0000;

fn numerics(executor: &mut dyn Executor) -> Result<Vec<Fact>, Box<dyn Error>> {
    let kernel = Kernel::new("numerics").file(include_str!("../../shaders/probe/numerics.wgsl"));
    let x = [
        f32::NAN.to_bits(),
        f32::INFINITY.to_bits(),
        SUBNORMAL,
        FACTOR,
        MINUS_ROUNDED_SQUARE,
        1e8_f32.to_bits(),
        1_f32.to_bits(),
        0_f32.to_bits(),
    ];
    let words = ask(executor, kernel, &x, ANSWERS.len())?;
    let facts = ANSWERS.iter().zip(words).map(|(answer, word)| {
        if (answer.is_ieee)(word) {
            fact(answer.name, answer.ieee, false)
        } else {
            fact(answer.name, answer.other, answer.hazard)
        }
    });
    Ok(facts.collect())
}

/// Invocations of the workgroup in which subgroup sizes are counted: WebGPU's default limit.
const SUBGROUP_PROBE_SIZE: usize = 256;

fn subgroup_size(executor: &mut dyn Executor) -> Result<Vec<Fact>, Box<dyn Error>> {
    let Some(stated) = executor.caps().subgroup_size else {
        return Ok(vec![fact("subgroup size", "not fixed, or no subgroup operations", false)]);
    };
    let kernel = Kernel::new("subgroup_size")
        .constant("WORKGROUP_SIZE", SUBGROUP_PROBE_SIZE)
        .file(include_str!("../../shaders/probe/subgroup_size.wgsl"));
    let answer = ask(executor, kernel, &[0], 2)?;
    let found = if answer == [stated, stated] {
        fact("subgroup size", format!("{stated}, as the driver states"), false)
    } else {
        let seen = format!("{answer:?} seen, the driver states {stated}");
        fact("subgroup size", seen, true)
    };
    Ok(vec![found])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_of_fused_operations_tells_them_apart() {
        let (a, c) = (f32::from_bits(FACTOR), f32::from_bits(MINUS_ROUNDED_SQUARE));
        assert_eq!(a.mul_add(a, c).to_bits(), ROUNDING_ERROR);
        assert_eq!(a * a + c, 0.0);
        assert!(f32::from_bits(SUBNORMAL).is_subnormal());
    }

    #[test]
    fn kernels_of_probes_are_valid() {
        let caps =
            crate::graph::Caps { subgroup_size: Some(32), ..crate::graph::Caps::webgpu_default() };
        let texts = [
            include_str!("../../shaders/probe/loop_limit.wgsl"),
            include_str!("../../shaders/probe/numerics.wgsl"),
            include_str!("../../shaders/probe/subgroup_size.wgsl"),
        ];
        for text in texts {
            let kernel = Kernel::new("probe")
                .constant("WORKGROUP_SIZE", SUBGROUP_PROBE_SIZE)
                .file(text)
                .read(Operand::Input(0))
                .write(Operand::Output(0));
            crate::compile::check_kernel(&kernel, &caps).expect("the kernel is valid");
        }
    }
}
