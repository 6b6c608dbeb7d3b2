//! Repeats elements along rows or columns: the gradient of sums and means.

use serde::{Deserialize, Serialize};

use super::reduce::{Over, Reduce, ReduceFunction};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use crate::ops::elementwise::scale::Scale;
use crate::ops::kit::{Repeat, Unit, of_dtype, operands, rows_of, scale};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, Shape, TensorType, Tolerance};

/// `y[r, c] = scale * x[c]` over rows, `scale * x[r]` over columns, `scale * x[0]` over all
/// elements: the transpose of a sum. Input: `[columns]`, `[rows]` or `[1]`. Output: `shape`, whose
/// last dimension is the columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// Shape of the result.
    pub shape: Shape,
    /// Along which elements of the result the input is repeated.
    #[serde(default)]
    pub over: Over,
    /// Factor.
    #[serde(default = "one")]
    pub scale: f64,
}

fn one() -> f64 {
    1.0
}

impl Broadcast {
    fn repeat(&self, y: &TensorType) -> Repeat {
        let (rows, columns) = y.rows_columns();
        match self.over {
            Over::Rows => Repeat { divide: 1, modulo: columns },
            Over::Columns => Repeat { divide: columns, modulo: rows },
            Over::All => Repeat { divide: rows * columns, modulo: 1 },
        }
    }
}

impl OpDef for Broadcast {
    const NAME: &'static str = "broadcast";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("x", x), DType::F32)?;
        let y = TensorType::f32(self.shape.clone());
        rows_of(Self::NAME, ("shape", &y))?;
        let expected = self.over.result(&y);
        if x.shape != expected {
            return Err(ShapeError::new(
                Self::NAME,
                format!(
                    "x must have shape {expected} to be repeated to {}, it has {}",
                    self.shape, x.shape
                ),
            ));
        }
        Ok(vec![y])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let (_, columns) = io.outputs.ty(0).rows_columns();
        for_each_block(io.outputs.float(0), &|start, y| {
            for (i, y) in (start..).zip(y) {
                let o = match self.over {
                    Over::Rows => i % columns,
                    Over::Columns => i / columns,
                    Over::All => 0,
                };
                *y = T::from_f64(self.scale * x[o].to_f64());
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let repeat = self.repeat(&sig.outputs[0]);
        let elements = sig.outputs[0].elements();
        let variants = repeat.units(elements).into_iter().map(|Unit { lanes, repeat, small }| {
            let kernel = lanes
                .declare(Kernel::new("broadcast"))
                .alias("X_FLOATS", small)
                .constant("X_DIVIDE", repeat.divide)
                .constant("X_MODULO", repeat.modulo)
                .constant_f32("SCALE", f32::from_f64(self.scale))
                .flat(elements / lanes.count(), 64, caps)
                .file(include_str!("../../../shaders/rows/broadcast.wgsl"))
                .read(Operand::Input(0))
                .write(Operand::Output(0));
            Lowering::single(&lanes.variant("one_per_thread"), kernel)
        });
        variants.collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        scale(f32::from_f64(self.scale), self.repeat(&sig.outputs[0]))
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let sum = v.push(Reduce { function: ReduceFunction::Sum, over: self.over }, &[dy])?;
        let dx = v.push(Scale { factor: self.scale }, &[sum])?;
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
        let case = |name: &str, dims: &[usize], over: Over, scale: f64| {
            let shape = Shape::from(dims);
            let x = over.result(&TensorType::f32(shape.clone()));
            Case::new(name, Broadcast { shape, over, scale }).normal(x)
        };
        vec![
            case("rows", &[5, 7], Over::Rows, 1.0),
            case("columns", &[2, 3, 7], Over::Columns, -0.25),
            case("all", &[5, 7], Over::All, 1.0 / 35.0),
            case("rows_of_vectors", &[3, 8], Over::Rows, 2.0),
            case("columns_of_vectors", &[3, 8], Over::Columns, 2.0),
            case("one", &[1, 1], Over::Columns, 1.0),
            case("many_workgroups", &[65_537, 65], Over::Rows, 0.5).forward_only(),
            case("bench_128x26x26x32", &[128, 26, 26, 32], Over::Rows, 1.0).bench(),
        ]
    }
}
