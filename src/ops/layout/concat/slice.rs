//! A part of a tensor along one dimension.

use serde::{Deserialize, Serialize};

use super::PadZeros;
use super::runs::{Along, Runs, resized};
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, HostKernel, Lowering, OpDef, Signature, Vjp};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::{Real, TensorType, Tolerance};

/// `len` steps of dimension `axis`, from `start` on.
///
/// Input: any shape, f32 or u32. Output: the same shape, but of size `len` in `axis`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The dimension that is cut.
    pub axis: usize,
    /// First step.
    pub start: usize,
    /// Number of steps, at least one.
    pub len: usize,
}

impl Slice {
    fn runs(&self, x: &TensorType) -> Runs {
        let x = Along::checked(x, self.axis);
        let run = self.len * x.inner;
        Runs { outer: x.outer, run, from: (x.pitch(), self.start * x.inner), to: (run, 0) }
    }
}

impl OpDef for Slice {
    const NAME: &'static str = "slice";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        let size = Along::new(Self::NAME, "x", x, self.axis)?.size;
        let inside = self.start.checked_add(self.len).is_some_and(|end| end <= size);
        if self.len == 0 || !inside {
            return Err(ShapeError::new(
                Self::NAME,
                format!(
                    "needs one or more steps inside dimension {} of x {}, {} from {} on were asked \
                     for",
                    self.axis, x.shape, self.len, self.start
                ),
            ));
        }
        Ok(vec![resized(x, self.axis, self.len)])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        self.runs(io.inputs.ty(0)).run_on_host(io, 0);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let runs = self.runs(&sig.inputs[0]);
        let lower = |&lanes: &Lanes| {
            Lowering::single(&lanes.variant("one_per_thread"), runs.kernel(0, lanes, caps))
        };
        runs.lanes().iter().map(lower).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let runs = self.runs(&sig.inputs[0]);
        vec![HostKernel::new("runs", move |io, _| runs.run_in_parallel(io, 0, false))]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let size = Along::new("slice", "x", &v.ty(v.x(0)), self.axis)?.size;
        let after = size - self.start - self.len;
        let dx = v.push(PadZeros { axis: self.axis, before: self.start, after }, &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Only the part that is copied is read.
        Cost { flop: 0, bytes: 2 * sig.outputs[0].bytes() as u64 }
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, axis: usize, start: usize, len: usize, dims: &[usize]| {
            Case::new(name, Slice { axis, start, len }).normal(dims)
        };
        vec![
            case("one_element", 0, 0, 1, &[1]),
            case("whole", 1, 0, 5, &[3, 5]),
            case("rows", 0, 1, 2, &[5, 7]),
            case("columns", 1, 3, 2, &[7, 11]),
            case("columns_vec4", 1, 4, 8, &[3, 16]),
            case("unaligned_start", 1, 1, 4, &[3, 8]),
            case("middle", 1, 1, 2, &[2, 4, 3]),
            case("channels", 3, 2, 3, &[2, 2, 3, 7]),
            Case::new("integers", Slice { axis: 0, start: 2, len: 3 })
                .input(TensorType::u32([7]), Fill::Labels(1000))
                .forward_only(),
            Case::new("non_finite", Slice { axis: 1, start: 2, len: 5 })
                .input(TensorType::f32([9, 8]), Fill::Special)
                .forward_only(),
            case("many_workgroups", 1, 1, 65, &[65_537, 67]).forward_only(),
            case("bench_64x16x16x192", 3, 64, 128, &[64, 16, 16, 192]).bench(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_outside_of_the_tensor_are_rejected() {
        for (start, len) in [(0, 0), (3, 2), (usize::MAX, 1)] {
            let error = Slice { axis: 1, start, len }
                .infer(&[TensorType::f32([2, 4])])
                .expect_err("the part does not lie inside");
            assert!(error.to_string().contains("inside dimension 1 of x [2, 4]"), "{error}");
        }
    }
}
