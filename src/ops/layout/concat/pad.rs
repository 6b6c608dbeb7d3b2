//! Zeros before and behind a tensor along one dimension.

use serde::{Deserialize, Serialize};

use super::Slice;
use super::runs::{Along, Runs, resized};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `before` steps of zeros, the input, and `after` steps of zeros along dimension `axis`.
///
/// Input: any shape, f32 or u32. Output: the same shape, with `before + after` added to `axis`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadZeros {
    /// The dimension that grows.
    pub axis: usize,
    /// Steps of zeros before the input.
    pub before: usize,
    /// Steps of zeros behind the input.
    pub after: usize,
}

impl PadZeros {
    fn runs(&self, x: &TensorType) -> Runs {
        let x = Along::checked(x, self.axis);
        let pitch = x.pitch() + (self.before + self.after) * x.inner;
        let to = (pitch, self.before * x.inner);
        Runs { outer: x.outer, run: x.pitch(), from: (x.pitch(), 0), to }
    }
}

impl OpDef for PadZeros {
    const NAME: &'static str = "pad_zeros";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        let size = Along::new(Self::NAME, "x", x, self.axis)?.size;
        let padded = size.checked_add(self.before).and_then(|sum| sum.checked_add(self.after));
        let Some(padded) = padded else {
            return Err(ShapeError::new(
                Self::NAME,
                format!("{} and {} steps of zeros are too many", self.before, self.after),
            ));
        };
        Ok(vec![resized(x, self.axis, padded)])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        match io.outputs.ty(0).dtype {
            DType::U32 => io.outputs.u32(0).fill(0),
            _ => io.outputs.float(0).fill(T::from_f64(0.0)),
        }
        self.runs(io.inputs.ty(0)).run_on_host(io, 0);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let runs = self.runs(&sig.inputs[0]);
        let (pitch, before) = runs.to;
        let lower = |&lanes: &Lanes| {
            let kernel = lanes
                .declare(Kernel::new("pad_zeros"))
                .constant("RUN", runs.run / lanes.count())
                .constant("Y_PITCH", pitch / lanes.count())
                .constant("BEFORE", before / lanes.count())
                .flat(runs.outer * pitch / lanes.count(), 64, caps)
                .file(include_str!("../../../../shaders/layout/pad_zeros.wgsl"))
                .read(Operand::Input(0))
                .write(Operand::Output(0));
            Lowering::single(&lanes.variant("one_per_thread"), kernel)
        };
        runs.lanes().iter().map(lower).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let runs = self.runs(&sig.inputs[0]);
        vec![HostKernel::new("runs", move |io, _| runs.run_in_parallel(io, 0, true))]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let len = Along::new("pad_zeros", "x", &v.ty(v.x(0)), self.axis)?.size;
        let dx = v.push(Slice { axis: self.axis, start: self.before, len }, &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 0)
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, axis: usize, before: usize, after: usize, dims: &[usize]| {
            Case::new(name, PadZeros { axis, before, after }).normal(dims)
        };
        vec![
            case("one_element", 0, 0, 0, &[1]),
            case("rows", 0, 1, 2, &[5, 7]),
            case("columns", 1, 3, 2, &[7, 11]),
            case("columns_vec4", 1, 4, 8, &[3, 16]),
            case("only_before", 1, 1, 0, &[3, 8]),
            case("only_behind", 1, 0, 5, &[3, 8]),
            case("middle", 1, 1, 2, &[2, 4, 3]),
            case("channels", 3, 2, 3, &[2, 2, 3, 7]),
            Case::new("integers", PadZeros { axis: 0, before: 2, after: 3 })
                .input(TensorType::u32([7]), Fill::Labels(1000))
                .forward_only(),
            Case::new("non_finite", PadZeros { axis: 1, before: 2, after: 5 })
                .input(TensorType::f32([9, 8]), Fill::Special)
                .forward_only(),
            case("many_workgroups", 1, 1, 2, &[65_537, 63]).forward_only(),
            case("bench_64x16x16x192", 3, 64, 0, &[64, 16, 16, 128]).bench(),
        ]
    }
}
