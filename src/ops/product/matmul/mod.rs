//! Matrix product with all four transpose combinations, and what may follow it in the same pass.

mod cases;
mod cpu;
mod gpu;
mod parts;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::gemm::Task;
use super::tail::ProductTail;
use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Case, Cost, Epilogue, HalfForm, HostIo, HostKernel, Inputs, Lowering, Op,
    OpDef, Operand, Signature, Vjp, fit_bindings,
};
use crate::ops::SumRows;
use crate::ops::kit::of_dtype;
use crate::tensor::parallel::{for_each_chunk, map_indices};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y[m, n] = f(sum_k a[m, k] b[k, n] + bias[n] + residual[m, n])`; with a `derivative`,
/// `y[m, n] = (sum + bias[n] + residual[m, n]) g'`, where `value` `[m, n]` is what `g` gave.
///
/// Inputs: `a` `[m, k]` (`[k, m]` when `transpose_a`), `b` `[k, n]` (`[n, k]` when `transpose_b`),
/// and those of `bias`, `residual` and `value` that are set, in this order. Output: `[m, n]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matmul {
    /// `a` is stored as `[k, m]`.
    pub transpose_a: bool,
    /// `b` is stored as `[n, k]`.
    pub transpose_b: bool,
    /// A third input `[n]` is added.
    pub bias: bool,
    /// A further input `[m, n]` is added.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub residual: bool,
    /// Function applied to the sum.
    pub activation: Activation,
    /// The function `g`, whose value is the last input; such a product has no gradient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derivative: Option<Activation>,
}

/// Sizes of one product.
struct Sizes {
    m: usize,
    k: usize,
    n: usize,
}

impl Matmul {
    fn tail(&self) -> ProductTail {
        let &Self { bias, residual, activation, derivative, .. } = self;
        ProductTail { bias, residual, activation, derivative }
    }

    fn sizes(&self, inputs: &[TensorType]) -> Result<Sizes, ShapeError> {
        let [a, b] = self.tail().factors("matmul", inputs)?;
        of_dtype("matmul", ("a", a), DType::F32)?;
        of_dtype("matmul", ("b", b), DType::F32)?;
        let [a0, a1] = a.ranked("matmul", "a")?;
        let [b0, b1] = b.ranked("matmul", "b")?;
        let (m, k) = if self.transpose_a { (a1, a0) } else { (a0, a1) };
        let (k_of_b, n) = if self.transpose_b { (b1, b0) } else { (b0, b1) };
        if k != k_of_b {
            return Err(ShapeError::new(
                "matmul",
                format!("a {} sums over {k} elements, b {} over {k_of_b}", a.shape, b.shape),
            ));
        }
        self.tail().check("matmul", inputs, &[m, n])?;
        Ok(Sizes { m, k, n })
    }

    /// The product as the kernels of all products see it.
    pub(in crate::ops) fn task(&self, inputs: &[TensorType], caps: &Caps) -> Option<Task> {
        self.sizes(inputs).ok().map(|sizes| gpu::task(self, &sizes, caps))
    }
}

impl OpDef for Matmul {
    const NAME: &'static str = "matmul";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let Sizes { m, n, .. } = self.sizes(inputs)?;
        Ok(vec![TensorType::f32([m, n])])
    }

    /// The obvious loop nest, over rows in parallel.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (a, b) = (io.inputs.float(0), io.inputs.float(1));
        let tail = self.tail().operands(&io.inputs);
        let [rows_a, columns_a] = io.inputs.dims(0);
        let (m_count, k_count) =
            if self.transpose_a { (columns_a, rows_a) } else { (rows_a, columns_a) };
        let [_, n_count] = io.outputs.dims(0);
        for_each_chunk(io.outputs.float(0), n_count, &|m, row| {
            let mut sums = vec![0.0_f64; n_count];
            for k in 0..k_count {
                let a_mk =
                    if self.transpose_a { a[k * m_count + m] } else { a[m * k_count + k] }.to_f64();
                for (n, sum) in sums.iter_mut().enumerate() {
                    let b_kn =
                        if self.transpose_b { b[n * k_count + k] } else { b[k * n_count + n] };
                    *sum += a_mk * b_kn.to_f64();
                }
            }
            for (n, sum) in sums.into_iter().enumerate() {
                row[n] = tail.apply(sum, m * n_count + n, n);
            }
        });
    }

    fn reference_at(
        &self,
        inputs: &Inputs<'_, f32>,
        sig: &Signature,
        _output: usize,
        positions: &[usize],
    ) -> Option<Vec<f64>> {
        let Sizes { m: m_count, k: k_count, n: n_count } = self.sizes(&sig.inputs).ok()?;
        let (a, b) = (inputs.float(0), inputs.float(1));
        let tail = self.tail().operands(inputs);
        Some(map_indices(positions.len(), &|p| {
            let (m, n) = (positions[p] / n_count, positions[p] % n_count);
            let mut sum = 0.0_f64;
            for k in 0..k_count {
                let a_mk = if self.transpose_a { a[k * m_count + m] } else { a[m * k_count + k] };
                let b_kn = if self.transpose_b { b[n * k_count + k] } else { b[k * n_count + n] };
                sum += f64::from(a_mk) * f64::from(b_kn);
            }
            tail.apply_f64(sum, positions[p], n)
        }))
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        if fit_bindings(sig, caps) {
            gpu::lowerings(self, &sizes, caps)
        } else {
            parts::lowerings(self, &sizes, caps)
        }
    }

    fn lower_cooperative(
        &self,
        sig: &Signature,
        is_half: &dyn Fn(Operand) -> bool,
        caps: &Caps,
    ) -> Vec<Lowering> {
        let task = self.task(&sig.inputs, caps);
        task.map_or_else(Vec::new, |task| task.cooperative_lowerings(is_half, caps))
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        self.sizes(&sig.inputs).map_or_else(|_| Vec::new(), |sizes| cpu::kernels(self, &sizes))
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        // An activation times a parameter; then the gradient of a parameter, which is f32 as well,
        // and its own gradient.
        const FORMS: &[HalfForm] =
            &[HalfForm::new(&[0], &[0]), HalfForm::new(&[0, 1], &[]), HalfForm::new(&[1], &[])];
        let tail = self.tail();
        if tail == ProductTail::default() { FORMS } else { tail.half_forms() }
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let dz = self.tail().gradient("matmul", v, dy)?;
        let (a, b) = (v.x(0), v.x(1));
        let plain = |transpose_a, transpose_b| Self { transpose_a, transpose_b, ..Self::default() };
        if v.wants(0) {
            // y = a b: da = dz b^T; y = a^T b: da = b dz^T; and so on.
            let da = if self.transpose_a {
                v.push(plain(self.transpose_b, true), &[b, dz])?
            } else {
                v.push(plain(false, !self.transpose_b), &[dz, b])?
            };
            v.set(0, da);
        }
        if v.wants(1) {
            let db = if self.transpose_b {
                v.push(plain(true, self.transpose_a), &[dz, a])?
            } else {
                v.push(plain(!self.transpose_a, false), &[a, dz])?
            };
            v.set(1, db);
        }
        if self.bias && v.wants(2) {
            let dbias = v.push(SumRows {}, &[dz])?;
            v.set(2, dbias);
        }
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let k = self.sizes(&sig.inputs).map_or(1, |sizes| sizes.k);
        self.tail().tolerance(k + 1)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        let flop = self.sizes(&sig.inputs).map_or(0, |Sizes { m, k, n }| 2 * m * k * n);
        Cost::of(sig, flop)
    }

    fn fuse(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        let ProductTail { bias, residual, activation, derivative } = self.tail().with(epilogue)?;
        Some(Arc::new(Self { bias, residual, activation, derivative, ..self.clone() }))
    }

    fn cases() -> Vec<Case> {
        cases::cases()
    }
}
