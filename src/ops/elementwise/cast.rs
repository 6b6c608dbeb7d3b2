//! Conversion between floats of 16 and of 32 bits.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, Lowering, OpDef, Operand, Part, Signature, Vjp,
};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y = x`, stored as another type of float. Input and output: any shape, f32 or f16. What is too
/// large for f16 becomes infinite.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// Element type of the output.
    pub to: DType,
}

impl OpDef for Cast {
    const NAME: &'static str = "cast";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        if !x.dtype.is_float() || !self.to.is_float() {
            let message = format!("converts floats to floats, not {x} to {}", self.to);
            return Err(ShapeError::new(Self::NAME, message));
        }
        Ok(vec![x.with_dtype(self.to)])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        for_each_block(io.outputs.float(0), &|start, y| {
            y.copy_from_slice(&x[start..start + y.len()]);
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        Lanes::one_per_thread("cast", sig.outputs[0].elements(), caps, |kernel, _| {
            kernel
                .file(include_str!("../../../shaders/elementwise/cast.wgsl"))
                .read(Operand::Input(0))
                .write(Operand::Output(0))
        })
    }

    fn part(&self, _sig: &Signature, _part: Part) -> Option<Self> {
        Some(self.clone())
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const FORMS: &[HalfForm] = &[HalfForm::new(&[0], &[])];
        FORMS
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let to = v.stored(v.x(0));
        let dx = v.push(Self { to }, &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // Nothing is computed; storing rounds.
        Tolerance::ulps(0.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 0)
    }

    fn cases() -> Vec<Case> {
        let to_half = || Cast { to: DType::F16 };
        let largest = vec![65_504.0, 65_519.0, 65_521.0, -65_536.0, 1e30, f32::NAN, 6e-5, 1e-9];
        vec![
            Case::new("to_f32", Cast { to: DType::F32 }).normal([3, 7]),
            Case::new("to_f16", to_half()).normal([3, 7]),
            Case::new("vectors_to_f16", to_half()).normal([3, 8]),
            Case::new("long_to_f16", to_half()).normal([19, 79]).forward_only(),
            Case::new("one_to_f16", to_half()).normal([1]),
            Case::new("range", to_half())
                .input(TensorType::f32([largest.len()]), Fill::Floats(largest))
                .forward_only(),
            Case::new("non_finite", to_half())
                .input(TensorType::f32([101]), Fill::Special)
                .forward_only(),
            Case::new("non_finite_to_f32", Cast { to: DType::F32 })
                .input(TensorType::f32([101]), Fill::Special)
                .forward_only(),
            Case::new("many_workgroups", to_half()).normal([65_536 * 64 + 3]).forward_only(),
            Case::new("bench_128x26x26x32", to_half()).normal([128, 26, 26, 32]).bench(),
        ]
    }
}
