//! Normalization of each channel by its neighbors, and its gradient.

mod cpu;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand, Signature, Vjp,
};
use crate::ops::kit::{of_dtype, operands, same_type};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y[r, c] = x[r, c] / s[r, c]^beta` with the base `s[r, c] = k + alpha / size sum_j x[r, j]^2`,
/// where `j` runs over the channels from `c - size / 2` to `c + (size - 1) / 2` that exist.
///
/// Input: any shape, whose last dimension is the channels. Output: the same shape. Semantics of
/// `torch.nn.LocalResponseNorm`. Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification
/// with Deep Convolutional Neural Networks", 2012, section 3.3 (which has no division by `size`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalResponseNorm {
    /// Number of channels in a window.
    pub size: usize,
    /// Factor of the mean square of a window.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Added to the mean square; above zero.
    pub k: f32,
}

/// `dx[r, c] = dy[r, c] s[r, c]^-beta - 2 alpha beta / size x[r, c] sum_j dy[r, j] x[r, j]
/// s[r, j]^(-beta - 1)`, where `j` runs over the channels whose window holds `c`.
///
/// Inputs: `x` and `dy` of one shape. Output: the same shape. Attributes and `s` as in
/// [`LocalResponseNorm`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalResponseNormGrad {
    /// Number of channels in a window.
    pub size: usize,
    /// Factor of the mean square of a window.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Added to the mean square; above zero.
    pub k: f32,
}

impl LocalResponseNorm {
    /// Factor of the sum of squares of a window.
    pub(in crate::ops) fn slope(&self) -> f64 {
        let size = u32::try_from(self.size).expect("infer has checked that a window fits 32 bits");
        f64::from(self.alpha) / f64::from(size)
    }

    fn check(&self, op: &str, x: &TensorType) -> Result<(), ShapeError> {
        of_dtype(op, ("x", x), DType::F32)?;
        if x.shape.rank() == 0 || x.elements() == 0 {
            return Err(ShapeError::new(op, format!("x must have elements, it is {x}")));
        }
        // Twice the channels hold every window that differs from a larger one.
        let largest = u32::MAX as usize / 4;
        if self.size == 0 || self.size > largest {
            return Err(ShapeError::new(
                op,
                format!("size must lie in [1, {largest}], it is {}", self.size),
            ));
        }
        let finite = self.alpha.is_finite() && self.beta.is_finite() && self.k.is_finite();
        if !finite || self.alpha < 0.0 || self.k <= 0.0 {
            return Err(ShapeError::new(
                op,
                format!(
                    "alpha must be at least 0, k above 0 and all finite, so that no base is \
                     negative: alpha is {}, beta {}, k {}",
                    self.alpha, self.beta, self.k
                ),
            ));
        }
        Ok(())
    }

    /// Channels that normalize channel `c`.
    fn window(&self, c: usize, channels: usize) -> Range<usize> {
        c.saturating_sub(self.size / 2)..(c + (self.size - 1) / 2 + 1).min(channels)
    }

    /// The base `s` of each channel of a row.
    fn bases<T: Real>(&self, x: &[T]) -> Vec<f64> {
        let base = |c| {
            let window = &x[self.window(c, x.len())];
            f64::from(self.k)
                + self.slope() * window.iter().map(|x| x.to_f64().powi(2)).sum::<f64>()
        };
        (0..x.len()).map(base).collect()
    }

    /// A kernel with the constants and helpers of all stages.
    fn kernel(&self, name: &str, sig: &Signature, caps: &Caps) -> Kernel {
        let (rows, channels) = sig.inputs[0].rows_columns();
        Kernel::new(name)
            .constant("CHANNELS", channels)
            .constant("SIZE", self.size)
            .constant_f32("SLOPE", f32::from_f64(self.slope()))
            .constant_f32("BETA", self.beta)
            .constant_f32("K", self.k)
            .flat(rows * channels, 64, caps)
            .file(include_str!("../../../../shaders/common/float_bits.wgsl"))
            .file(include_str!("../../../../shaders/common/channel_window.wgsl"))
    }

    fn gradient(&self) -> LocalResponseNormGrad {
        let Self { size, alpha, beta, k } = *self;
        LocalResponseNormGrad { size, alpha, beta, k }
    }
}

impl OpDef for LocalResponseNorm {
    const NAME: &'static str = "local_response_norm";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        self.check(Self::NAME, x)?;
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let (_, channels) = io.inputs.ty(0).rows_columns();
        for_each_chunk(io.outputs.float(0), channels, &|row, y| {
            let x = &x[row * channels..][..channels];
            for (c, base) in self.bases(x).into_iter().enumerate() {
                y[c] = T::from_f64(x[c].to_f64() / base.powf(f64::from(self.beta)));
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let kernel = self
            .kernel("local_response_norm", sig, caps)
            .file(include_str!("../../../../shaders/norm/local_response_norm.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(0));
        vec![Lowering::single("one_per_thread", kernel)]
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::forward(self)
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let x = v.x(0);
        let dx = v.push(self.gradient(), &[x, dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::sum_of(self.size).plus_ulps(POWER_ULPS)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, (2 * self.size + 4) * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = shared_cases()
            .into_iter()
            .map(|(name, op, dims)| Case::new(name, op).normal(dims))
            .collect();
        let alexnet = LocalResponseNorm { size: 5, alpha: 5e-4, beta: 0.75, k: 2.0 };
        cases.push(
            Case::new("non_finite", alexnet.clone())
                .input(TensorType::f32([7, 9]), Fill::Special)
                .forward_only(),
        );
        cases.push(
            Case::new("many_workgroups", alexnet.clone()).normal([65_536, 65]).forward_only(),
        );
        cases.push(Case::new("bench_64x16x16x192", alexnet).normal([64, 16, 16, 192]).bench());
        cases
    }
}

/// Error of `pow`: WebGPU defines it as `exp2(y log2(x))` and grants `log2` an absolute error of
/// 2^-21 (6 ulp of the result for an exponent of 1.5) and `exp2` of `t` `3 + 2 |t|` ulp; bases of
/// the cases stay below 2^3, so that `|t|` is below 5.
const POWER_ULPS: f64 = 20.0;

impl LocalResponseNormGrad {
    pub(in crate::ops) fn forward_op(&self) -> LocalResponseNorm {
        let Self { size, alpha, beta, k } = *self;
        LocalResponseNorm { size, alpha, beta, k }
    }
}

impl OpDef for LocalResponseNormGrad {
    const NAME: &'static str = "local_response_norm_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, dy] = operands(Self::NAME, inputs)?;
        self.forward_op().check(Self::NAME, x)?;
        same_type(Self::NAME, ("x", x), ("dy", dy))?;
        Ok(vec![x.clone()])
    }

    /// Differentiates each `y[c]` by all channels of its window, row by row.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let op = self.forward_op();
        let beta = f64::from(self.beta);
        let (x, dy) = (io.inputs.float(0), io.inputs.float(1));
        let (_, channels) = io.inputs.ty(0).rows_columns();
        for_each_chunk(io.outputs.float(0), channels, &|row, dx| {
            let (x, dy) = (&x[row * channels..][..channels], &dy[row * channels..][..channels]);
            let mut sums = vec![0.0_f64; channels];
            for (c, base) in op.bases(x).into_iter().enumerate() {
                let (x_c, dy_c) = (x[c].to_f64(), dy[c].to_f64());
                sums[c] += dy_c * base.powf(-beta);
                for j in op.window(c, channels) {
                    let dbase = 2.0 * op.slope() * x[j].to_f64();
                    sums[j] -= dy_c * x_c * beta * base.powf(-beta - 1.0) * dbase;
                }
            }
            for (dx, sum) in dx.iter_mut().zip(sums) {
                *dx = T::from_f64(sum);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let op = self.forward_op();
        let (x, dy, dx) = (Operand::Input(0), Operand::Input(1), Operand::Output(0));
        let terms = Operand::Scratch(0);
        let first = op
            .kernel("local_response_norm_grad_terms", sig, caps)
            .file(include_str!("../../../../shaders/norm/local_response_norm_grad_terms.wgsl"))
            .read(x)
            .read(dy)
            .write(terms)
            .write(dx);
        let second = op
            .kernel("local_response_norm_grad", sig, caps)
            .file(include_str!("../../../../shaders/norm/local_response_norm_grad.wgsl"))
            .read(x)
            .read(terms)
            .write(dx);
        vec![Lowering {
            variant: "two_stages".to_owned(),
            scratch: vec![sig.inputs[0].bytes()],
            kernels: vec![first, second],
        }]
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        cpu::gradient(self, sig)
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // The difference of two terms rounds relative to them, which are of the size of one in the
        // cases, at most a few.
        Tolerance::sum_of(self.size).plus_ulps(POWER_ULPS).plus_absolute_ulps(2.0 * POWER_ULPS)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, (3 * self.size + 10) * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = shared_cases()
            .into_iter()
            .map(|(name, op, dims)| {
                Case::new(name, op.gradient()).normal(dims.clone()).normal(dims).forward_only()
            })
            .collect();
        let alexnet = LocalResponseNormGrad { size: 5, alpha: 5e-4, beta: 0.75, k: 2.0 };
        for (name, fills) in [
            ("non_finite_x", [Fill::Special, Fill::Normal]),
            ("non_finite_dy", [Fill::Normal, Fill::Special]),
        ] {
            let case = Case::new(name, alexnet.clone());
            let with = |case: Case, fill| case.input(TensorType::f32([7, 9]), fill);
            cases.push(fills.into_iter().fold(case, with).forward_only());
        }
        let dims = [64, 16, 16, 192];
        cases.push(Case::new("bench_64x16x16x192", alexnet).normal(dims).normal(dims).bench());
        cases
    }
}

/// Names, attributes and shapes that the cases of both ops share.
fn shared_cases() -> Vec<(&'static str, LocalResponseNorm, Vec<usize>)> {
    let op = |size, alpha, beta, k| LocalResponseNorm { size, alpha, beta, k };
    vec![
        ("one_element", op(1, 1.0, 0.75, 1.0), vec![1]),
        ("size_1", op(1, 1.0, 0.5, 2.0), vec![3, 5]),
        ("size_2", op(2, 0.5, 0.75, 1.0), vec![3, 7]),
        ("size_4", op(4, 1.0, 1.5, 1.0), vec![5, 11]),
        ("size_5", op(5, 0.5, 0.75, 2.0), vec![2, 3, 2, 13]),
        ("size_exceeds_channels", op(9, 1.0, 0.75, 1.0), vec![4, 3]),
        ("small_alpha", op(5, 1e-4, 0.75, 1.0), vec![3, 17]),
        ("beta_0", op(3, 1.0, 0.0, 1.0), vec![2, 6]),
        ("beta_1", op(3, 0.5, 1.0, 1.0), vec![2, 6]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_is_wrong() {
        let op = LocalResponseNorm { size: 5, alpha: 1.0, beta: 0.75, k: 1.0 };
        let rejected = |op: LocalResponseNorm| {
            op.infer(&[TensorType::f32([2, 3])]).expect_err("the attributes are wrong").to_string()
        };
        assert!(rejected(LocalResponseNorm { size: 0, ..op.clone() }).contains("size must lie in"));
        assert!(rejected(LocalResponseNorm { k: 0.0, ..op.clone() }).contains("k above 0"));
        assert!(rejected(LocalResponseNorm { beta: f32::NAN, ..op }).contains("beta NaN"));
    }

    /// `torch.nn.LocalResponseNorm(2, alpha=2.0, beta=1.0, k=1.0)` of [1, 2, 3]: the window of a
    /// channel is the channel before and itself.
    #[test]
    fn even_windows_reach_further_back() {
        let op = LocalResponseNorm { size: 2, alpha: 2.0, beta: 1.0, k: 1.0 };
        assert_eq!(op.bases(&[1.0_f64, 2.0, 3.0]), [2.0, 6.0, 14.0]);
    }
}
