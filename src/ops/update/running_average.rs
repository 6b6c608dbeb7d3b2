//! Exponential average of the statistics of batches, for evaluation.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Part, Signature,
};
use crate::ops::kit::{of_dtype, operands, same_type};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `running' = (1 - momentum) running + momentum scale value`, in place.
///
/// Inputs: `running` and `value`, of one shape. Output: `running'`, in the memory of `running`.
/// With `scale = n / (n - 1)` a biased variance over `n` values becomes the unbiased one, as
/// `torch.nn.BatchNorm2d` keeps it. Statistics of many layers that lie side by side are one tensor with
/// `ranges`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningAverage {
    /// Weight of the new value, from 0 to 1.
    pub momentum: f32,
    /// Factor of the new value.
    pub scale: f32,
    /// Ranges of elements with other numbers, in order; those above hold behind the last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<AverageRange>,
}

/// The numbers of a range of elements, which begins where the range before ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AverageRange {
    /// The element after the last one.
    pub end: usize,
    /// Weight of the new value, from 0 to 1.
    pub momentum: f32,
    /// Factor of the new value.
    pub scale: f32,
}

impl RunningAverage {
    /// The same numbers for all elements.
    pub fn of_all(momentum: f32, scale: f32) -> Self {
        Self { momentum, scale, ranges: Vec::new() }
    }

    /// All ranges of a tensor of some elements: their ends, and factors of the old and of the new
    /// value.
    fn weights(&self, elements: usize) -> Vec<(usize, [f64; 2])> {
        let last = AverageRange { end: elements, momentum: self.momentum, scale: self.scale };
        let weights = |range: &AverageRange| {
            let momentum = f64::from(range.momentum);
            (range.end, [1.0 - momentum, momentum * f64::from(range.scale)])
        };
        self.ranges.iter().chain([&last]).map(weights).collect()
    }

    /// Adds the function `weights(i)`.
    fn declare(&self, kernel: Kernel, elements: usize) -> Kernel {
        let mut text = "// Factors of the old and of the new value of element `i`.\n\
                        fn weights(i: u32) -> vec2<f32> {\n"
            .to_owned();
        let weights = self.weights(elements);
        for (position, (end, weights)) in weights.iter().enumerate() {
            let [keep, add] = weights.map(f32::from_f64);
            let pair = format!("vec2<f32>(f32({keep:?}), f32({add:?}))");
            let line = if position < self.ranges.len() {
                format!("  if i < {end}u {{ return {pair}; }}\n")
            } else {
                format!("  return {pair};\n")
            };
            text.push_str(&line);
        }
        text.push_str("}\n");
        kernel.file(&text)
    }
}

impl OpDef for RunningAverage {
    const NAME: &'static str = "running_average";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [running, value] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("running", running), DType::F32)?;
        same_type(Self::NAME, ("running", running), ("value", value))?;
        let own = AverageRange { end: usize::MAX, momentum: self.momentum, scale: self.scale };
        let mut start = 0;
        for &AverageRange { end, momentum, scale } in self.ranges.iter().chain([&own]) {
            if !(0.0..=1.0).contains(&momentum) || !scale.is_finite() {
                return Err(ShapeError::new(
                    Self::NAME,
                    format!(
                        "momentum must lie in [0, 1] and scale be finite, they are {momentum} and \
                         {scale}"
                    ),
                ));
            }
            if end <= start {
                let message = format!("a range from {start} to {end} is empty");
                return Err(ShapeError::new(Self::NAME, message));
            }
            start = end;
        }
        Ok(vec![running.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let value = io.inputs.float(1);
        for (i, (running, value)) in io.outputs.float(0).iter_mut().zip(value).enumerate() {
            let of_range = self.ranges.iter().find(|range| i < range.end);
            let (momentum, scale) =
                of_range.map_or((self.momentum, self.scale), |range| (range.momentum, range.scale));
            let (momentum, scale) = (f64::from(momentum), f64::from(scale));
            let new = (1.0 - momentum) * running.to_f64() + momentum * scale * value.to_f64();
            *running = T::from_f64(new);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let elements = sig.outputs[0].elements();
        let kernel = self
            .declare(Kernel::new("running_average"), elements)
            .flat(elements, 64, caps)
            .file(include_str!("../../../shaders/update/running_average.wgsl"))
            .read(Operand::Input(1))
            .write(Operand::Output(0));
        vec![Lowering::single("one_per_thread", kernel)]
    }

    fn part(&self, _sig: &Signature, part: Part) -> Option<Self> {
        let moved = |range: &AverageRange| {
            let end = range.end.checked_sub(part.first).filter(|&end| end > 0)?;
            Some(AverageRange { end, ..*range })
        };
        Some(Self { ranges: self.ranges.iter().filter_map(moved).collect(), ..self.clone() })
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let elements = sig.outputs[0].elements();
        let weights = self.weights(elements);
        vec![HostKernel::new("loop", move |io, _| {
            let (running, value) = (io.outputs.float(0), io.inputs.float(1));
            let mut start = 0;
            for &(end, weights) in &weights {
                let [keep, add] = weights.map(f32::from_f64);
                let range = start..end.min(elements).max(start);
                for (running, value) in running[range.clone()].iter_mut().zip(&value[range]) {
                    *running = keep * *running + add * value;
                }
                start = end.min(elements);
            }
        })]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // Two rounded weights, two products and a sum of both signs, of terms of the size of one.
        Tolerance::ulps(3.0).plus_absolute_ulps(8.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 3 * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let ranges = [(64, 0.1, 1.0), (70, 0.0, 1.0), (128, 0.1, 1.5), (129, 1.0, -2.0)]
            .map(|(end, momentum, scale)| AverageRange { end, momentum, scale })
            .to_vec();
        let case = |name: &str, momentum: f32, scale: f32, dims: &[usize]| {
            Case::new(name, RunningAverage::of_all(momentum, scale))
                .normal(dims)
                .normal(dims)
                .forward_only()
        };
        vec![
            case("one_element", 0.1, 1.0, &[1]),
            case("tail", 0.1, 1.0, &[67]),
            Case::new("non_finite", RunningAverage::of_all(0.1, 1.0))
                .normal([41])
                .input(TensorType::f32([41]), Fill::Special)
                .forward_only(),
            case("unbiased", 0.1, 128.0 / 127.0, &[32]),
            case("momentum_0", 0.0, 1.0, &[5]),
            case("momentum_1", 1.0, 2.0, &[5]),
            Case::new(
                "in_ranges_long",
                RunningAverage { ranges: ranges.clone(), ..RunningAverage::of_all(0.3, 1.0) },
            )
            .normal([1501])
            .normal([1501])
            .forward_only(),
            Case::new("in_ranges", RunningAverage { ranges, ..RunningAverage::of_all(0.3, 1.0) })
                .normal([150])
                .normal([150])
                .forward_only(),
        ]
    }
}
