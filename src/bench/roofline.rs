//! What binds each op of a step: computing, moving data, or being started.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::DevicePeaks;
use super::peaks::billions;
use super::timing::median;
use super::units::{duration, rate};
use crate::compile::{Program, Step};
use crate::exec::{Clock, RunProfile};

/// What an op cannot be faster than.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Its floating-point operations, at the device's peak.
    Compute,
    /// The bytes of its operands, at the device's bandwidth.
    Memory,
    /// Starting its dispatches.
    Overhead,
}

impl Bound {
    /// Its name, as in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Memory => "memory",
            Self::Overhead => "overhead",
        }
    }
}

/// Equal executions of an op in one run of a program: same op, shapes and lowering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RooflineRow {
    /// Name of the op.
    pub op: String,
    /// Shapes of inputs and outputs: `2x3,3x4->2x4`.
    pub shapes: String,
    /// Name of the lowering; `cpu` on the CPU.
    pub variant: String,
    /// Executions in one run.
    pub calls: usize,
    /// Dispatches in one run.
    pub dispatches: usize,
    /// Floating-point operations in one run.
    pub flop: u64,
    /// Bytes that must at least be moved in one run.
    pub bytes: u64,
    /// Time in one run, in seconds: the sum over executions of the medians over runs.
    pub seconds: f64,
    /// Part of the time of the whole run, from 0 to 1.
    pub share: f64,
    /// Floating-point operations per second, in units of 10^9.
    pub gigaflops: f64,
    /// Bytes per second, in units of 10^9.
    pub gigabytes_per_second: f64,
    /// The time that the measured peaks allow, divided by the time taken: near 1, nothing is left
    /// to gain. Above 1 where data lie in a cache.
    pub share_of_peak: f64,
    /// What the time that the peaks allow consists of.
    pub bound: Bound,
}

/// Rows of a program that was profiled in `runs`, slowest first. See Williams, Waterman, Patterson:
/// Roofline, CACM 52 (4), 2009.
pub fn roofline(program: &Program, runs: &[RunProfile], peaks: &DevicePeaks) -> Vec<RooflineRow> {
    let per_run: Vec<Vec<f64>> =
        runs.iter().map(|run| run.step_seconds(program.steps.len())).collect();
    let on_host = runs.iter().any(|run| run.clock == Clock::Host);
    let mut rows: Vec<RooflineRow> = Vec::new();
    for (index, step) in program.steps.iter().enumerate() {
        let seconds = median(per_run.iter().map(|run| run[index]).collect());
        let cost = step.cost();
        let (title, shapes) = (step.op.title(), shapes(step));
        // The CPU runs each step as one, whatever its lowering for a GPU.
        let (variant, dispatches) =
            if on_host { ("cpu", 1) } else { (step.variant.as_str(), step.dispatches.len()) };
        let same = |row: &&mut RooflineRow| {
            row.op == title && row.variant == variant && row.shapes == shapes
        };
        if let Some(row) = rows.iter_mut().find(same) {
            row.calls += 1;
            row.dispatches += dispatches;
            row.flop += cost.flop;
            row.bytes += cost.bytes;
            row.seconds += seconds;
        } else {
            rows.push(RooflineRow {
                op: title,
                shapes,
                variant: variant.to_owned(),
                calls: 1,
                dispatches,
                flop: cost.flop,
                bytes: cost.bytes,
                seconds,
                share: 0.0,
                gigaflops: 0.0,
                gigabytes_per_second: 0.0,
                share_of_peak: 0.0,
                bound: Bound::Overhead,
            });
        }
    }
    let total: f64 = rows.iter().map(|row| row.seconds).sum();
    rows.iter_mut().for_each(|row| row.derive(total, peaks));
    rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    rows
}

impl RooflineRow {
    /// Fills in what follows from the counts and the time.
    fn derive(&mut self, total: f64, peaks: &DevicePeaks) {
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        let (gigaflop, gigabytes) = (billions(self.flop), billions(self.bytes));
        self.share = self.seconds / total.max(f64::MIN_POSITIVE);
        self.gigaflops = gigaflop / seconds;
        self.gigabytes_per_second = gigabytes / seconds;
        #[expect(clippy::cast_precision_loss, reason = "a number of dispatches")]
        let dispatches = self.dispatches as f64;
        let floors = [
            (gigaflop / peaks.gigaflops, Bound::Compute),
            (gigabytes / peaks.gigabytes_per_second, Bound::Memory),
            (dispatches * peaks.seconds_per_dispatch, Bound::Overhead),
        ];
        for (floor, bound) in floors {
            if floor / seconds > self.share_of_peak {
                self.share_of_peak = floor / seconds;
                self.bound = bound;
            }
        }
    }
}

fn shapes(step: &Step) -> String {
    let list = |operands: &[crate::compile::OperandAt]| {
        let shapes = operands.iter().map(|operand| {
            let dims: Vec<String> =
                operand.ty.shape.dims().iter().map(ToString::to_string).collect();
            dims.join("x")
        });
        shapes.collect::<Vec<_>>().join(",")
    };
    format!("{}->{}", list(&step.inputs), list(&step.outputs))
}

/// A line for each row; the lowering and the shapes come last, since they can be long.
pub fn roofline_table(peaks: &DevicePeaks, rows: &[RooflineRow]) -> String {
    let mut text = format!(
        "peaks: {} GFLOP/s multiply-add, {} GB/s copy, {} to start a dispatch\n\n",
        rate(peaks.gigaflops),
        rate(peaks.gigabytes_per_second),
        duration(peaks.seconds_per_dispatch)
    );
    let _ = writeln!(
        text,
        "{:<28}{:>6}{:>11}{:>7}{:>9}{:>9}{:>9}{:>8}{:>6}  {:<9} variant, shapes",
        "op", "calls", "time", "share", "MFLOP", "MB", "GFLOP/s", "GB/s", "peak", "bound"
    );
    for row in rows {
        let _ = writeln!(
            text,
            "{:<28}{:>6}{:>11}{:>6.1}%{:>9}{:>9}{:>9}{:>8}{:>5.0}%  {:<9} {} {}",
            row.op,
            row.calls,
            duration(row.seconds),
            100.0 * row.share,
            rate(1e3 * billions(row.flop)),
            rate(1e3 * billions(row.bytes)),
            rate(row.gigaflops),
            rate(row.gigabytes_per_second),
            100.0 * row.share_of_peak,
            row.bound.name(),
            row.variant,
            row.shapes
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile_unfused;
    use crate::exec::{DeviceInfo, DeviceSpan};
    use crate::graph::{Activation, Caps, Graph};
    use crate::ops::Activate;
    use crate::tensor::TensorType;

    #[test]
    fn equal_steps_are_merged_and_bound_by_the_largest_floor() {
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([1000]));
        let relu = Activate { function: Activation::Relu };
        let once = graph.push(relu.clone(), &[x]).expect("valid");
        let twice = graph.push(relu, &[once]).expect("valid");
        graph.output("y", twice);
        let program = compile_unfused("test", &graph, &Caps::webgpu_default(), &|_, _, _| 0);
        let program = program.expect("valid");
        let span = |step, seconds| DeviceSpan { step, dispatch: 0, start: 0.0, seconds };
        let run = |seconds| RunProfile {
            clock: Clock::Timestamps,
            host: Vec::new(),
            device: vec![span(0, seconds), span(1, 2.0 * seconds)],
        };
        // 8,000 bytes each: 8 µs at 1 GB/s, of 10 µs and 20 µs that they took in the median.
        let peaks = DevicePeaks {
            device: DeviceInfo::cpu(),
            gigabytes_per_second: 1.0,
            gigaflops: 1.0,
            seconds_per_dispatch: 1e-6,
        };
        let runs = [run(10e-6), run(500e-6), run(10e-6)];
        let rows = roofline(&program, &runs, &peaks);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].calls, rows[0].bytes, rows[0].bound), (2, 16_000, Bound::Memory));
        assert!((rows[0].seconds - 30e-6).abs() < 1e-12);
        assert!((rows[0].share_of_peak - 16.0 / 30.0).abs() < 1e-9);
        let slow_start = DevicePeaks { seconds_per_dispatch: 9e-6, ..peaks.clone() };
        assert_eq!(roofline(&program, &runs, &slow_start)[0].bound, Bound::Overhead);
        let table = roofline_table(&peaks, &rows);
        assert!(table.contains("memory") && table.contains("1000->1000"), "{table}");
    }
}
