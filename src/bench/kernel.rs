//! Speed of every lowering of every benchmark case of the registry.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::peaks::billions;
use super::timing::time_program;
use super::{BenchError, DevicePeaks, Timing};
use crate::compile::{Program, compile};
use crate::exec::Executor;
use crate::graph::{Caps, Case, Cost, Graph, Lowering};
use crate::ops::{Matmul, entries};
use crate::tensor::{DType, HostTensor, TensorType};
use crate::verify::{lowerings, make_inputs};

/// What [`measure_kernels`] measures.
#[derive(Debug, Clone, Default)]
pub struct KernelOptions {
    /// Only ops whose name contains this text.
    pub filter: String,
    /// Only cases whose names contain this text.
    pub cases: String,
    /// Instead of the registry's, matrix products of these sizes, `[m, k, n]`, in f32 and, where the
    /// device has them, in 16 bits.
    pub products: Vec<[usize; 3]>,
    /// Only the lowering that comes first: what is used without tuning.
    pub first_only: bool,
}

/// Speed of one lowering on one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelRow {
    /// Name of the device.
    pub device: String,
    /// Name of the op.
    pub op: String,
    /// Name of the case.
    pub case: String,
    /// Name of the lowering.
    pub variant: String,
    /// Floating-point operations of one run.
    pub flop: u64,
    /// Bytes that one run must at least move.
    pub bytes: u64,
    /// Time of one run; absent where the lowering could not be run.
    pub timing: Option<Timing>,
    /// Floating-point operations per second, in units of 10^9.
    pub gigaflops: f64,
    /// Bytes per second, in units of 10^9.
    pub gigabytes_per_second: f64,
    /// The larger of the shares of the two measured peaks, from 0 to 1: near 1, no kernel can be
    /// much faster. Above 1 where the data lie in a cache.
    pub share_of_peak: f64,
    /// Whether no other lowering of the case is faster.
    pub fastest: bool,
    /// Why the lowering could not be run.
    pub error: Option<String>,
}

/// Measures the benchmark cases of the registry. `progress` is told the row that was just measured.
/// A lowering that fails gives a row that says why.
///
/// # Errors
/// When a case has wrong shapes, or the device is the CPU executor.
pub fn measure_kernels(
    executor: &mut dyn Executor,
    peaks: &DevicePeaks,
    options: &KernelOptions,
    progress: &mut dyn FnMut(&KernelRow),
) -> Result<Vec<KernelRow>, BenchError> {
    if executor.info().kind == "cpu" {
        return Err(BenchError::NoGpu);
    }
    let mut rows = Vec::new();
    let sizes = options.products.iter();
    let of_products: Vec<Case> = sizes.flat_map(|&size| products(size, executor.caps())).collect();
    for case in of_products {
        let mut of_case = measure_case(executor, peaks, &case, options, progress)?;
        mark_fastest(&mut of_case);
        rows.append(&mut of_case);
    }
    if !options.products.is_empty() {
        return Ok(rows);
    }
    for entry in entries().filter(|entry| entry.name.contains(&options.filter)) {
        let wanted = |case: &Case| case.bench && case.name.contains(&options.cases);
        for case in (entry.cases)().into_iter().filter(wanted) {
            let mut of_case = measure_case(executor, peaks, &case, options, progress)?;
            mark_fastest(&mut of_case);
            rows.append(&mut of_case);
        }
    }
    Ok(rows)
}

/// Matrix products of one size: of f32, and of the forms in 16 bits that a device with `caps` has.
fn products([m, k, n]: [usize; 3], caps: &Caps) -> Vec<Case> {
    let case = |name: &str, halves: &[usize]| {
        let op = Arc::new(Matmul::default());
        let ty = |i: usize, dims: [usize; 2]| {
            let dtype = if halves.contains(&i) { DType::F16 } else { DType::F32 };
            TensorType::new(dtype, dims)
        };
        Case::of_model(&format!("{m}x{k}x{n}{name}"), op, &[ty(0, [m, k]), ty(1, [k, n])])
    };
    let mut cases = vec![case("", &[])];
    if caps.f16 {
        cases.extend([case("_f16_left", &[0]), case("_f16_both", &[0, 1])]);
    }
    cases
}

fn measure_case(
    executor: &mut dyn Executor,
    peaks: &DevicePeaks,
    case: &Case,
    options: &KernelOptions,
    progress: &mut dyn FnMut(&KernelRow),
) -> Result<Vec<KernelRow>, BenchError> {
    let (sig, lowerings) = lowerings(case, executor.caps())?;
    let cost = case.op.cost(&sig);
    let inputs = make_inputs(case);
    let count = if options.first_only { 1 } else { lowerings.len() };
    let mut rows = Vec::new();
    for lowering in lowerings.iter().take(count) {
        let timing = time_lowering(executor, case, &inputs, lowering);
        let row = KernelRow::new(executor, peaks, case, &lowering.variant, cost, timing);
        progress(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// Times one lowering of a case on given inputs.
///
/// # Errors
/// When it does not fit the device, or the device reports an error.
pub fn time_lowering(
    executor: &mut dyn Executor,
    case: &Case,
    inputs: &[HostTensor],
    lowering: &Lowering,
) -> Result<Timing, BenchError> {
    let program = one_op_program(case, &lowering.variant, executor.caps())?;
    executor.unload_all();
    let id = executor.load(Arc::new(program))?;
    for (i, tensor) in inputs.iter().enumerate() {
        executor.write(&input_name(i), 0, tensor.bytes())?;
    }
    let timing = time_program(executor, id);
    executor.unload_all();
    Ok(timing?)
}

/// A program that runs the op of a case once, by the lowering called `variant`.
fn one_op_program(case: &Case, variant: &str, caps: &Caps) -> Result<Program, BenchError> {
    let mut graph = Graph::default();
    let inputs = case.inputs.iter().enumerate();
    let inputs: Vec<_> =
        inputs.map(|(i, input)| graph.source(&input_name(i), input.ty.clone())).collect();
    let outputs = graph.push_node(case.op.clone(), &inputs)?;
    for (o, &output) in outputs.iter().enumerate() {
        // What is changed in place is kept in any case.
        if case.op.aliases().iter().all(|&(aliased, _)| aliased != o) {
            graph.output(&format!("output{o}"), output);
        }
    }
    let program = compile("bench", &graph, caps, &|_, _, lowerings| {
        lowerings.iter().position(|lowering| lowering.variant == variant).unwrap_or_default()
    })?;
    Ok(program)
}

fn input_name(i: usize) -> String {
    format!("input{i}")
}

impl KernelRow {
    fn new(
        executor: &dyn Executor,
        peaks: &DevicePeaks,
        case: &Case,
        variant: &str,
        cost: Cost,
        timing: Result<Timing, BenchError>,
    ) -> Self {
        let (timing, error) = match timing {
            Ok(timing) => (Some(timing), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let rate = |count| timing.map_or(0.0, |timing| billions(count) / timing.seconds);
        let (gigaflops, gigabytes_per_second) = (rate(cost.flop), rate(cost.bytes));
        let share_of_peak =
            (gigaflops / peaks.gigaflops).max(gigabytes_per_second / peaks.gigabytes_per_second);
        Self {
            device: executor.info().name.clone(),
            op: case.op.name().to_owned(),
            case: case.name.clone(),
            variant: variant.to_owned(),
            flop: cost.flop,
            bytes: cost.bytes,
            timing,
            gigaflops,
            gigabytes_per_second,
            share_of_peak,
            fastest: false,
            error,
        }
    }

    /// Time of one run in seconds; infinite where the lowering could not be run.
    pub fn seconds(&self) -> f64 {
        self.timing.map_or(f64::INFINITY, |timing| timing.seconds)
    }
}

fn mark_fastest(rows: &mut [KernelRow]) {
    let fastest = rows.iter_mut().min_by(|a, b| a.seconds().total_cmp(&b.seconds()));
    if let Some(row) = fastest.filter(|row| row.timing.is_some()) {
        row.fastest = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every benchmark case becomes a program of its one op, by the lowering that is asked for.
    #[test]
    fn benchmark_cases_become_programs() {
        let caps = Caps::webgpu_default();
        let mut programs = 0;
        for case in entries().flat_map(|entry| (entry.cases)()).filter(|case| case.bench) {
            let (_, lowerings) = lowerings(&case, &caps).expect("cases have valid shapes");
            for Lowering { variant, .. } in lowerings {
                let program = one_op_program(&case, &variant, &caps);
                let program = program.unwrap_or_else(|error| panic!("{}: {error}", case.name));
                assert_eq!(program.steps.len(), 1, "{}", case.name);
                assert_eq!(program.steps[0].variant, variant, "{}", case.name);
                programs += 1;
            }
        }
        assert!(programs > 0);
    }
}
