//! Matrix product with all four transpose combinations, optional bias and activation.

mod cases;
mod host;
mod lowering;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::operands::of_dtype;
use super::registry::{OpEntry, attributes};
use super::{ActivateGrad, SumRows};
use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Cost, Epilogue, HalfForm, HostIo, HostKernel, Lowering, Op, Signature, Vjp,
};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{DType, Real, TensorType, Tolerance};

pub(super) const ENTRIES: &[OpEntry] = &[OpEntry::new::<Matmul>("matmul", cases::cases)];

/// `y[m, n] = f(sum_k a[m, k] b[k, n] + bias[n])`.
///
/// Inputs: `a` `[m, k]` (`[k, m]` when `transpose_a`), `b` `[k, n]` (`[n, k]` when `transpose_b`),
/// and `bias` `[n]` when `bias` is set. Output: `[m, n]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matmul {
    /// `a` is stored as `[k, m]`.
    pub transpose_a: bool,
    /// `b` is stored as `[n, k]`.
    pub transpose_b: bool,
    /// A third input `[n]` is added.
    pub bias: bool,
    /// Function applied to the sum.
    pub activation: Activation,
}

/// Sizes of one product.
struct Sizes {
    m: usize,
    k: usize,
    n: usize,
}

impl Matmul {
    fn sizes(&self, inputs: &[TensorType]) -> Result<Sizes, ShapeError> {
        let expected = if self.bias { 3 } else { 2 };
        if inputs.len() != expected {
            return Err(ShapeError::new(
                "matmul",
                format!("takes {expected} inputs, {} were given", inputs.len()),
            ));
        }
        for (name, ty) in ["a", "b", "bias"].into_iter().zip(inputs) {
            of_dtype("matmul", (name, ty), DType::F32)?;
        }
        let [a0, a1] = inputs[0].ranked("matmul", "a")?;
        let [b0, b1] = inputs[1].ranked("matmul", "b")?;
        let (m, k) = if self.transpose_a { (a1, a0) } else { (a0, a1) };
        let (k_of_b, n) = if self.transpose_b { (b1, b0) } else { (b0, b1) };
        if k != k_of_b {
            return Err(ShapeError::new(
                "matmul",
                format!(
                    "a {} sums over {k} elements, b {} over {k_of_b}",
                    inputs[0].shape, inputs[1].shape
                ),
            ));
        }
        if self.bias && inputs[2].dims() != [n] {
            return Err(ShapeError::new(
                "matmul",
                format!("bias must have shape [{n}], it has {}", inputs[2].shape),
            ));
        }
        Ok(Sizes { m, k, n })
    }

    /// The obvious loop nest, over rows in parallel.
    fn forward<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (a, b) = (io.inputs.float(0), io.inputs.float(1));
        let bias = if self.bias { Some(io.inputs.float(2)) } else { None };
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
                let z = sum + bias.map_or(0.0, |bias| bias[n].to_f64());
                row[n] = T::from_f64(self.activation.apply(z));
            }
        });
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn attributes(&self) -> serde_json::Value {
        attributes(self)
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let Sizes { m, n, .. } = self.sizes(inputs)?;
        Ok(vec![TensorType::f32([m, n])])
    }

    fn reference(&self, io: &mut HostIo<'_, f32>) {
        self.forward(io);
    }

    fn reference_f64(&self, io: &mut HostIo<'_, f64>) {
        self.forward(io);
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        lowering::lowerings(self, &sizes, caps)
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        self.sizes(&sig.inputs).map_or_else(|_| Vec::new(), |sizes| host::kernels(self, &sizes))
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        // An activation times a parameter; then the gradient of a parameter, which is f32 as well,
        // and its own gradient.
        const FORMS: &[HalfForm] =
            &[HalfForm::new(&[0], &[0]), HalfForm::new(&[0, 1], &[]), HalfForm::new(&[1], &[])];
        FORMS
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let dz = ActivateGrad::of_output(v, self.activation, dy)?;
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
        Tolerance::sum_of(k + 1).plus_ulps(self.activation.ulps())
    }

    fn cost(&self, sig: &Signature) -> Cost {
        let flop = self.sizes(&sig.inputs).map_or(0, |Sizes { m, k, n }| 2 * m * k * n);
        Cost::of(sig, flop)
    }

    fn fuse(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        if self.activation != Activation::Identity {
            return None;
        }
        match epilogue {
            Epilogue::Bias if !self.bias => Some(Arc::new(Self { bias: true, ..self.clone() })),
            Epilogue::Activation(activation) => Some(Arc::new(Self { activation, ..self.clone() })),
            Epilogue::Bias | Epilogue::Residual => None,
        }
    }
}
