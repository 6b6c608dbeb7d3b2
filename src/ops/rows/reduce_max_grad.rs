//! The gradient of a maximum.

use serde::{Deserialize, Serialize};

use super::reduce::Over;
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{of_dtype, operands, row_lowerings, rows_of};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Gradient of [`crate::ops::Reduce`] with a maximum: `dy` at the first largest element (the first NaN,
/// where there is one), else 0. Inputs: `x` of any shape, `dy` of the shape of the maximum. Output:
/// the shape of `x`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceMaxGrad {
    /// Which elements became one.
    #[serde(default)]
    pub over: Over,
}

impl OpDef for ReduceMaxGrad {
    const NAME: &'static str = "reduce_max_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, dy] = operands(Self::NAME, inputs)?;
        rows_of(Self::NAME, ("x", x))?;
        of_dtype(Self::NAME, ("dy", dy), DType::F32)?;
        let expected = self.over.result(x);
        if dy.shape != expected {
            return Err(ShapeError::new(
                Self::NAME,
                format!("dy must have shape {expected} to go with x {x}, it has {}", dy.shape),
            ));
        }
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (x, dy) = (io.inputs.float(0), io.inputs.float(1));
        let (_, columns) = io.inputs.ty(0).rows_columns();
        let (over, outputs) = (self.over, dy.len());
        let output_of = |i: usize| match over {
            Over::Rows => i % columns,
            Over::Columns => i / columns,
            Over::All => 0,
        };
        let mut first: Vec<Option<usize>> = vec![None; outputs];
        for (i, x_i) in x.iter().enumerate() {
            let best = &mut first[output_of(i)];
            let larger = best.is_none_or(|best| {
                let (x_i, largest) = (x_i.to_f64(), x[best].to_f64());
                !largest.is_nan() && (x_i > largest || x_i.is_nan())
            });
            if larger {
                *best = Some(i);
            }
        }
        for_each_block(io.outputs.float(0), &|start, dx| {
            for (i, dx) in (start..).zip(dx) {
                let o = output_of(i);
                *dx = if first[o] == Some(i) { dy[o] } else { T::from_f64(0.0) };
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let span = self.over.span(&sig.inputs[0]);
        let (_, columns) = sig.inputs[0].rows_columns();
        let over = match self.over {
            Over::Rows => 0,
            Over::Columns => 1,
            Over::All => 2,
        };
        let argmax = Kernel::new("argmax")
            .constant("OUTER", span.outer)
            .constant("INNER", span.inner)
            .file(include_str!("../../../shaders/rows/argmax.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Scratch(0));
        let place = Kernel::new("reduce_max_grad")
            .constant("OVER", over)
            .constant("COLUMNS", columns)
            .flat(sig.inputs[0].elements(), 64, caps)
            .file(include_str!("../../../shaders/rows/reduce_max_grad.wgsl"))
            .read(Operand::Scratch(0))
            .read(Operand::Input(1))
            .write(Operand::Output(0));
        let mut lowerings = row_lowerings(&argmax, span.outputs, span.length, caps);
        for lowering in &mut lowerings {
            lowering.scratch.push(span.outputs * size_of::<u32>());
            lowering.kernels.push(place.clone());
        }
        lowerings
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for (name, over) in [("rows", Over::Rows), ("columns", Over::Columns), ("all", Over::All)] {
            for dims in [[1, 1], [5, 8], [13, 21], [71, 130]] {
                let x = TensorType::f32(dims);
                let dy = over.result(&x);
                // Few values, so that there are ties.
                let ties = (0..dims[0] * dims[1]).map(|i| f32::from(u8::from(i % 7 == 3)));
                cases.push(
                    Case::new(format!("{name}_{}x{}", dims[0], dims[1]), ReduceMaxGrad { over })
                        .input(x.clone(), Fill::Distinct)
                        .normal(dy.clone())
                        .forward_only(),
                );
                cases.push(
                    Case::new(
                        format!("{name}_{}x{}_ties", dims[0], dims[1]),
                        ReduceMaxGrad { over },
                    )
                    .input(x, Fill::Floats(ties.collect()))
                    .normal(dy)
                    .forward_only(),
                );
            }
        }
        cases
    }
}
