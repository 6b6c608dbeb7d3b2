//! Gradient of batch normalization, through the statistics of the batch.

use super::channels::{Sizes, joined};
use super::{BatchNormGrad, cpu};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering, Op, OpDef, Operand,
    Signature,
};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::parallel::{for_each_chunk, map_indices};
use crate::tensor::{Real, TensorType, Tolerance};

/// Numbers of one channel.
#[derive(Clone, Default)]
pub(super) struct ChannelGradient {
    /// `1 / sqrt(variance + epsilon)`.
    pub inverse_deviation: f64,
    pub gamma: f64,
    pub mean: f64,
    pub dgamma: f64,
    pub dbeta: f64,
}

/// The sums of each channel, from the operands `x gamma mean variance dy`.
pub(super) fn channel_gradients<T: Real>(io: &HostIo<'_, T>, epsilon: f32) -> Vec<ChannelGradient> {
    let [x, gamma, mean, variance, dy] = [0, 1, 2, 3, 4].map(|i| io.inputs.float(i));
    let (_, channels) = io.inputs.ty(0).rows_columns();
    let gradient = |c: usize| {
        let mean = mean[c].to_f64();
        let inverse_deviation = 1.0 / (variance[c].to_f64() + f64::from(epsilon)).sqrt();
        let (mut dgamma, mut dbeta) = (0.0, 0.0);
        for (x, dy) in x.iter().zip(dy).skip(c).step_by(channels) {
            dbeta += dy.to_f64();
            dgamma += dy.to_f64() * (x.to_f64() - mean) * inverse_deviation;
        }
        ChannelGradient { inverse_deviation, gamma: gamma[c].to_f64(), mean, dgamma, dbeta }
    };
    map_indices(channels, &gradient)
}

impl BatchNormGrad {
    /// The variant whose workgroups share rows, and of which those that write `dx` combine the sums.
    fn shared(&self, sizes: Sizes, lanes: Lanes, caps: &Caps) -> Lowering {
        let sums = sizes
            .per_shared_chunk("batch_norm_grad_chunks", lanes, caps)
            .file(include_str!("../../../../shaders/norm/batch_norm_grad_chunks.wgsl"))
            .read(Operand::Input(0))
            .read(Operand::Input(2))
            .read(Operand::Input(4))
            .write(Operand::Scratch(0));
        let rows = sizes
            .per_shared_chunk("batch_norm_grad_rows", lanes, caps)
            .constant_f32("EPSILON", self.epsilon)
            .file(include_str!("../../../../shaders/norm/batch_norm_grad_rows.wgsl"));
        let inputs = [0, 1, 2, 3, 4].map(Operand::Input);
        let rows = inputs.into_iter().fold(rows, Kernel::read).read(Operand::Scratch(0));
        let rows = [0, 1, 2].map(Operand::Output).into_iter().fold(rows, Kernel::write);
        Lowering {
            variant: lanes.variant("shared_rows"),
            scratch: vec![sizes.shared_bytes()],
            kernels: vec![sums, rows],
        }
    }
}

impl OpDef for BatchNormGrad {
    const NAME: &'static str = "batch_norm_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, gamma, mean, variance, dy] = operands(Self::NAME, inputs)?;
        let operands = [x, gamma, mean, variance, dy];
        let sizes = Sizes::check_gradient(Self::NAME, self.epsilon, operands)?;
        sizes.demand_batch(Self::NAME, x)?;
        Ok(vec![x.clone(), gamma.clone(), gamma.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (x, dy) = (io.inputs.float(0), io.inputs.float(4));
        let (rows, channels) = io.inputs.ty(0).rows_columns();
        let n = f64::from(u32::try_from(rows).expect("shapes fit 32 bits"));
        let gradients = channel_gradients(io, self.epsilon);
        let [dx, dgamma, dbeta] = io.outputs.floats();
        for_each_chunk(dx, channels, &|row, dx| {
            let (x, dy) = (&x[row * channels..][..channels], &dy[row * channels..][..channels]);
            for (c, g) in gradients.iter().enumerate() {
                let z = (x[c].to_f64() - g.mean) * g.inverse_deviation;
                let centered = dy[c].to_f64() - g.dbeta / n - z * g.dgamma / n;
                dx[c] = T::from_f64(g.gamma * g.inverse_deviation * centered);
            }
        });
        for (c, g) in gradients.iter().enumerate() {
            dgamma[c] = T::from_f64(g.dgamma);
            dbeta[c] = T::from_f64(g.dbeta);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        /// Buffers that the variant binds whose workgroups share rows.
        const BUFFERS: u32 = 9;
        let sizes = Sizes::of(&sig.inputs[0]);
        let lower = |&lanes: &Lanes| {
            let [sums, combine] = sizes.gradient_sums(self.epsilon, lanes, caps);
            let apply = sizes
                .per_block("batch_norm_grad_apply", lanes, caps)
                .constant_f32("EPSILON", self.epsilon)
                .file(include_str!("../../../../shaders/norm/batch_norm_grad_apply.wgsl"));
            let inputs = [0, 1, 2, 3, 4].map(Operand::Input);
            let apply = inputs
                .into_iter()
                .fold(apply, |kernel, input| kernel.read(input))
                .read(Operand::Output(1))
                .read(Operand::Output(2))
                .write(Operand::Output(0));
            Lowering {
                variant: lanes.variant("two_stages"),
                scratch: vec![sizes.partial_bytes(); 2],
                kernels: vec![sums, combine, apply],
            }
        };
        let all = Lanes::fitting(sizes.channels);
        let stages = all.iter().map(lower);
        // One dispatch and one barrier fewer, and more invocations.
        if caps.max_storage_buffers < BUFFERS {
            return stages.collect();
        }
        let shared = all.iter().map(|&lanes| self.shared(sizes, lanes, caps));
        if caps.prefers_loops() {
            stages.chain(shared).collect()
        } else {
            shared.chain(stages).collect()
        }
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        cpu::gradient(self, sig)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const FORMS: &[HalfForm] = &[HalfForm::new(&[0, 4], &[0])];
        FORMS
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        gradient_tolerance(sig)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Subtract, multiply and two sums; then two subtractions, a difference and two products.
        Cost::of(sig, 9 * sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let op = || BatchNormGrad { epsilon: 1e-5 };
        let mut cases = Vec::new();
        for dims in [&[2, 1][..], &[3, 4], &[17, 5], &[31, 8], &[2, 3, 4, 3], &[5, 3, 2, 4]] {
            cases.push(gradient_case(joined(dims), op(), dims, Fill::Normal));
        }
        for dims in [&[1009, 3][..], &[1009, 4], &[20_011, 7], &[16_411, 8], &[3, 401, 13, 12]] {
            cases.push(gradient_case(format!("chunks_{}", joined(dims)), op(), dims, Fill::Normal));
        }
        let large_epsilon = BatchNormGrad { epsilon: 0.1 };
        cases.push(gradient_case("large_epsilon".to_owned(), large_epsilon, &[7, 3], Fill::Normal));
        for (name, dims) in [("non_finite", [5, 9]), ("non_finite_vec4", [5, 12])] {
            cases.push(gradient_case(name.to_owned(), op(), &dims, Fill::Special));
        }
        for dims in [&[128, 26, 26, 32][..], &[64, 16, 16, 192], &[64, 8, 8, 256], &[128, 128]] {
            cases.push(
                gradient_case(format!("bench_{}", joined(dims)), op(), dims, Fill::Normal).bench(),
            );
        }
        cases
    }
}

/// Sums over the rows; square root and divisions of 2.5 ulp each. Sums of both signs and the
/// differences of dx cancel, so that their rounding is relative to their terms, which are of the
/// size of one in the cases.
pub(super) fn gradient_tolerance(sig: &Signature) -> Tolerance {
    Tolerance::sum_of(Sizes::of(&sig.inputs[0]).rows).plus_ulps(10.0).plus_absolute_ulps(16.0)
}

/// A case of a gradient, with the operands `x gamma mean variance dy`.
pub(super) fn gradient_case(name: String, op: impl Op, dims: &[usize], x: Fill) -> Case {
    let channels = dims.last().copied().unwrap_or(1);
    Case::new(name, op)
        .input(TensorType::f32(dims), x)
        .normal([channels])
        .input(TensorType::f32([channels]), Fill::Uniform(-0.5, 0.5))
        .input(TensorType::f32([channels]), Fill::Uniform(0.5, 2.0))
        .normal(dims)
        .forward_only()
}
