//! Normalization by the statistics of the batch itself, for training.

use std::sync::Arc;

use super::channels::{Sizes, joined};
use super::{BatchNorm, BatchNormGrad, NormTail, cpu};
use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Case, Cost, Epilogue, Fill, HalfForm, HostIo, HostKernel, Lowering, Op,
    OpDef, Operand, Signature, Vjp,
};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::parallel::{for_each_chunk, map_indices};
use crate::tensor::{Real, TensorType, Tolerance};

/// The reference of the statistics of `y`, whose last dimension are the channels.
pub(super) fn channel_statistics<T: Real>([y, mean, variance]: [&mut [T]; 3]) {
    let channels = mean.len();
    for (c, (mean, variance)) in mean.iter_mut().zip(variance).enumerate() {
        let statistics = mean_and_variance(y, c, channels);
        (*mean, *variance) = (T::from_f64(statistics.0), T::from_f64(statistics.1));
    }
}

/// Mean and biased variance of one channel, in two passes.
fn mean_and_variance<T: Real>(x: &[T], c: usize, channels: usize) -> (f64, f64) {
    let values = || x.iter().skip(c).step_by(channels).map(|x| x.to_f64());
    let rows = f64::from(u32::try_from(x.len() / channels).expect("shapes fit 32 bits"));
    let mean = values().sum::<f64>() / rows;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
    (mean, variance)
}

impl OpDef for BatchNorm {
    const NAME: &'static str = "batch_norm";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let inputs = self.tail.split(Self::NAME, inputs)?;
        let [x, gamma, beta] = operands(Self::NAME, inputs)?;
        let vectors = [("gamma", gamma), ("beta", beta)];
        let sizes = Sizes::check(Self::NAME, self.epsilon, x, &vectors)?;
        sizes.demand_batch(Self::NAME, x)?;
        Ok(vec![x.clone(), gamma.clone(), gamma.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (x, gamma, beta) = (io.inputs.float(0), io.inputs.float(1), io.inputs.float(2));
        let (_, channels) = io.inputs.ty(0).rows_columns();
        let statistics = map_indices(channels, &|c| mean_and_variance(x, c, channels));
        let epsilon = f64::from(self.epsilon);
        let residual = self.tail.residual.then(|| io.inputs.float(3));
        let [y, mean, variance] = io.outputs.floats();
        for_each_chunk(y, channels, &|row, y| {
            let x = &x[row * channels..][..channels];
            for (c, (y, x)) in y.iter_mut().zip(x).enumerate() {
                let (mean, variance) = statistics[c];
                let normalized = (x.to_f64() - mean) / (variance + epsilon).sqrt();
                let scaled = normalized * gamma[c].to_f64() + beta[c].to_f64();
                *y = self.tail.apply(scaled, residual.map(|r| r[row * channels + c]));
            }
        });
        for (c, (channel_mean, channel_variance)) in statistics.into_iter().enumerate() {
            mean[c] = T::from_f64(channel_mean);
            variance[c] = T::from_f64(channel_variance);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let sizes = Sizes::of(&sig.inputs[0]);
        let (x, gamma, beta) = (Operand::Input(0), Operand::Input(1), Operand::Input(2));
        let vectors = [gamma, beta, Operand::Output(1), Operand::Output(2)];
        let lower = |&lanes: &Lanes| {
            let mut kernels =
                sizes.statistics(x, [0, 1].map(Operand::Scratch), lanes, caps).to_vec();
            kernels.push(self.tail.apply_kernel(sig, self.epsilon, lanes, vectors, caps));
            let variant = lanes.variant("two_stages");
            Lowering { variant, scratch: vec![sizes.partial_bytes(); 2], kernels }
        };
        Lanes::fitting(sizes.channels).iter().map(lower).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        cpu::forward(self, sig)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const WITH_RESIDUAL: &[HalfForm] = &[HalfForm::new(&[0, 3], &[0])];
        if self.tail.residual { WITH_RESIDUAL } else { HalfForm::FIRST }
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        if v.dy(1).is_some() || v.dy(2).is_some() {
            return Err(ShapeError::new(
                "batch_norm",
                "the loss must not depend on mean or variance, only on y",
            ));
        }
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let dz = self.tail.gradient(v, dy)?;
        let op = BatchNormGrad { epsilon: self.epsilon };
        let operands = [v.x(0), v.x(1), v.y(1), v.y(2), dz];
        let gradients: [_; 3] = v.push_multi(op, &operands)?;
        for (i, gradient) in gradients.into_iter().enumerate() {
            v.set(i, gradient);
        }
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // Square root and divisions have 2.5 ulp each. A mean near zero, or the distance of a value
        // from it, is a difference of numbers of the size of x, whose rounding does not shrink
        // with it; x of the cases is of the size of one (at most a few deviations). The activation
        // function comes last.
        let activation = self.tail.activation;
        Tolerance::sum_of(Sizes::of(&sig.inputs[0]).rows)
            .plus_ulps(8.0 + activation.ulps())
            .plus_absolute_ulps(16.0 + activation.absolute_ulps())
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Subtract, square and two sums for the statistics; subtract, multiply, add for y.
        let tail = usize::from(self.tail.residual);
        Cost::of(sig, (7 + tail) * sig.inputs[0].elements())
    }

    fn fuse(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        let tail = self.tail.with(epilogue)?;
        Some(Arc::new(Self { tail, ..self.clone() }))
    }

    fn cases() -> Vec<Case> {
        let op = BatchNorm { epsilon: 1e-5, tail: NormTail::default() };
        let case = |name: String, op: &BatchNorm, dims: &[usize], fill: Fill| {
            let channels = dims.last().copied().unwrap_or(1);
            Case::new(name, op.clone())
                .input(TensorType::f32(dims), fill)
                .normal([channels])
                .normal([channels])
        };
        let mut cases: Vec<Case> =
            [&[2, 1][..], &[3, 4], &[17, 5], &[31, 8], &[2, 3, 4, 3], &[5, 3, 2, 4]]
                .into_iter()
                .map(|dims| case(joined(dims), &op, dims, Fill::Normal))
                .collect();
        cases.push(case(
            "large_epsilon".to_owned(),
            &BatchNorm { epsilon: 0.1, ..op.clone() },
            &[7, 3],
            Fill::Normal,
        ));
        for (residual, activation) in [
            (true, Activation::Identity),
            (false, Activation::Relu),
            (true, Activation::Relu),
            (true, Activation::Tanh),
        ] {
            for dims in [[2, 3, 5, 3], [2, 3, 5, 8]] {
                let tail = NormTail { residual, activation };
                let name =
                    format!("tail_{residual}_{activation:?}_{}", joined(&dims)).to_lowercase();
                let op = BatchNorm { tail, ..op.clone() };
                let non_finite = format!("non_finite_{name}");
                // One that is not finite makes its whole channel so; a residual, one element.
                let fill = if residual { Fill::Normal } else { Fill::Special };
                let spoiled = case(non_finite, &op, &dims, fill);
                let added = (TensorType::f32(dims), Fill::Special);
                let spoiled = if residual { spoiled.input(added.0, added.1) } else { spoiled };
                cases.push(spoiled.forward_only());
                let case = case(name, &op, &dims, Fill::Normal);
                cases.push(if residual { case.normal(dims) } else { case });
            }
        }
        for dims in [&[1009, 3][..], &[1009, 4], &[20_011, 7], &[16_411, 8], &[3, 401, 13, 12]] {
            cases.push(
                case(format!("chunks_{}", joined(dims)), &op, dims, Fill::Normal).forward_only(),
            );
        }
        // E[x^2] - E[x]^2 fails here.
        for (name, dims) in [("offset", [601, 5]), ("offset_vec4", [601, 8])] {
            cases.push(case(name.to_owned(), &op, &dims, Fill::Uniform(9.0, 11.0)).forward_only());
        }
        cases.push(
            case("large_offset".to_owned(), &op, &[4099, 4], Fill::Uniform(99.0, 101.0))
                .forward_only(),
        );
        let one = Fill::Floats(vec![1.5; 21]);
        cases.push(case("constant_x".to_owned(), &op, &[7, 3], one).forward_only());
        for (name, dims) in [("non_finite", [5, 9]), ("non_finite_vec4", [5, 12])] {
            cases.push(case(name.to_owned(), &op, &dims, Fill::Special).forward_only());
        }
        for dims in [&[128, 26, 26, 32][..], &[64, 16, 16, 192], &[64, 8, 8, 256], &[128, 128]] {
            cases.push(case(format!("bench_{}", joined(dims)), &op, dims, Fill::Normal).bench());
        }
        cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(epsilon: f32, x: &[usize], gamma: &[usize]) -> String {
        let [x, gamma] = [x, gamma].map(TensorType::f32);
        let beta = gamma.clone();
        OpDef::infer(&BatchNorm { epsilon, tail: NormTail::default() }, &[x, gamma, beta])
            .expect_err("these operands are wrong")
            .to_string()
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert!(rejected(1e-5, &[1, 4], &[4]).contains("need at least two"));
        assert!(rejected(1e-5, &[8, 4], &[3]).contains("gamma must be f32[4]"));
        assert!(rejected(-1.0, &[8, 4], &[4]).contains("epsilon must be at least 0"));
        assert!(rejected(1e-5, &[8], &[8]).contains("two or more dimensions"));
    }
}
