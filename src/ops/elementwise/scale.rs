//! Multiplication by a constant.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Lowering, OpDef, Operand, Part,
    Signature, Vjp,
};
use crate::ops::kit::{Lanes, Repeat, of_dtype, operands, scale};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y = factor * x`, element by element. Input and output: any shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The factor.
    pub factor: f64,
}

impl Scale {
    /// `-x`
    pub const NEGATE: Self = Self { factor: -1.0 };
}

impl OpDef for Scale {
    const NAME: &'static str = "scale";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("x", x), DType::F32)?;
        if !self.factor.is_finite() {
            return Err(ShapeError::new(
                Self::NAME,
                format!("factor must be finite, it is {}", self.factor),
            ));
        }
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        for_each_block(io.outputs.float(0), &|start, y| {
            for (y, x) in y.iter_mut().zip(&x[start..]) {
                *y = T::from_f64(self.factor * x.to_f64());
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        Lanes::one_per_thread("scale", sig.outputs[0].elements(), caps, |kernel, _| {
            kernel
                .constant_f32("FACTOR", f32::from_f64(self.factor))
                .file(include_str!("../../../shaders/elementwise/scale.wgsl"))
                .read(Operand::Input(0))
                .write(Operand::Output(0))
        })
    }

    fn part(&self, _sig: &Signature, _part: Part) -> Option<Self> {
        Some(self.clone())
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let modulo = sig.outputs[0].elements().max(1);
        scale(f32::from_f64(self.factor), Repeat { divide: 1, modulo })
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let dx = v.push(self.clone(), &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // The kernel rounds the factor and the product, the reference its result.
        Tolerance::ulps(2.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        vec![
            Case::new("negate", Scale::NEGATE).normal([3, 7]),
            Case::new("one", Scale { factor: 0.1 }).normal([1]),
            Case::new("long", Scale { factor: -0.3 }).normal([19, 79]).forward_only(),
            Case::new("vectors", Scale { factor: 1e-3 }).normal([3, 8]),
            Case::new("non_finite", Scale { factor: 2.0 })
                .input(TensorType::f32([100]), Fill::Special)
                .forward_only(),
            Case::new("many_workgroups", Scale::NEGATE).normal([65_536 * 64 + 3]).forward_only(),
            Case::new("bench_128x26x26x32", Scale::NEGATE).normal([128, 26, 26, 32]).bench(),
        ]
    }
}
