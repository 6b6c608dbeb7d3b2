//! The kernels of [`Histogram`].

use super::{BEYOND, Histogram};
use crate::graph::{Caps, Kernel, Lowering, Operand, Part, Signature, runs_of_rows};

/// Keys of magnitudes that are counted for each range.
const KEYS: usize = 1024;
/// Invocations of a workgroup.
const WORKGROUP_SIZE: usize = 256;
/// Workgroups that share a range at most.
const MAX_GROUPS: usize = 64;
/// Elements of a range for each of them, so that small ranges have few.
const ELEMENTS_PER_GROUP: usize = 4096;

impl Histogram {
    /// Four kernels: clear, count by magnitude, choose the bounds, count by bin. In steps without
    /// histogram, each returns at once. Those that read `x` are one for each part of it that can be bound.
    pub(super) fn lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let rows = self.ranges.len();
        let longest = self.ranges.iter().map(|[_, elements]| *elements).max().unwrap_or(1);
        let groups = longest.div_ceil(ELEMENTS_PER_GROUP).clamp(1, MAX_GROUPS);
        let grid = [groups, rows, 1].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let kernel = |name: &str| {
            Kernel::new(name)
                .constant("PERIOD", self.period as usize)
                .constant("BINS", self.bins)
                .constant("COLUMNS", Self::columns(self.bins))
                .constant("KEYS", KEYS)
        };
        let Some(parts) = runs_of_rows(sig.inputs[0].elements(), &[1], caps) else {
            return Vec::new();
        };
        // A kernel for each part of x that a binding can hold; counts of integers add up in any order.
        let by_range = |name: &str, finish: &dyn Fn(Kernel) -> Kernel| {
            let kernels = parts.iter().map(|part| {
                let kernel = kernel(name)
                    .constant("GROUPS", groups)
                    .constant("WORKGROUP_SIZE", WORKGROUP_SIZE)
                    .file(&self.range_function(*part));
                let mut kernel = finish(kernel).workgroups(grid);
                if parts.len() > 1 {
                    kernel.bindings[1] = kernel.bindings[1].part(*part);
                }
                kernel
            });
            kernels.collect::<Vec<_>>()
        };
        let clear = kernel("histogram_clear")
            .constant("COUNTS", sig.outputs[0].elements())
            .constant("ALL_KEYS", rows * KEYS)
            .flat(sig.outputs[0].elements().max(rows * KEYS), 64, caps)
            .file(include_str!("../../../../shaders/update/histogram_clear.wgsl"))
            .read(Operand::Input(2))
            .write(Operand::Output(0))
            .write(Operand::Scratch(0));
        let magnitudes = by_range("histogram_magnitudes", &|kernel| {
            kernel
                .file(include_str!("../../../../shaders/update/histogram_magnitudes.wgsl"))
                .read(Operand::Input(2))
                .read(Operand::Input(0))
                .write(Operand::Output(0))
                .write(Operand::Scratch(0))
        });
        let bounds = kernel("histogram_bounds")
            .constant("BEYOND", BEYOND)
            .flat(rows, 64, caps)
            .file(include_str!("../../../../shaders/update/histogram_bounds.wgsl"))
            .read(Operand::Input(2))
            .read(Operand::Scratch(0))
            .write(Operand::Output(0));
        let log_side = (self.bins / 2).trailing_zeros() as usize;
        let bins = by_range("histogram_bins", &|kernel| {
            kernel
                .constant("LOG_SIDE", log_side)
                .file(include_str!("../../../../shaders/update/histogram_bins.wgsl"))
                .read(Operand::Input(2))
                .read(Operand::Input(0))
                .write(Operand::Output(0))
        });
        vec![Lowering {
            variant: "workgroup_counts".to_owned(),
            scratch: vec![rows * KEYS * size_of::<u32>()],
            kernels: [vec![clear], magnitudes, vec![bounds], bins].concat(),
        }]
    }

    /// The function `range_of(row)`: first element in a part of `x`, and the one behind the last.
    fn range_function(&self, part: Part) -> String {
        let within = |at: usize| at.clamp(part.first, part.first + part.count) - part.first;
        let ranges: Vec<String> = self
            .ranges
            .iter()
            .map(|[first, elements]| [within(*first), within(first + elements)])
            .map(|[first, end]| format!("vec2<u32>({first}u, {end}u)"))
            .collect();
        format!(
            "const RANGES = array<vec2<u32>, {}>({});\n\
             fn range_of(row: u32) -> vec2<u32> {{\n  var ranges = RANGES;\n  return ranges[row];\n}}\n",
            ranges.len(),
            ranges.join(", ")
        )
    }
}
