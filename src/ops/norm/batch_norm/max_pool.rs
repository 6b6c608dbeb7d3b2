//! Normalization by given statistics, an activation function and a pooling in one pass.

use super::channels::{Sizes, joined};
use super::{BatchNormInference, BatchNormMaxPool2d, cpu};
use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering, Op, OpDef,
    Operand, Signature,
};
use crate::ops::MaxPool2d;
use crate::ops::kit::{Lanes, operands};
use crate::ops::pool::{PoolGeometry, first_maxima, test_geometries};
use crate::tensor::{Real, TensorType, Tolerance};

impl BatchNormMaxPool2d {
    /// Both ops in one, where `norm` is a [`BatchNormInference`] and `pool` a [`MaxPool2d`] that allow
    /// it.
    pub fn of(norm: &dyn Op, pool: &dyn Op) -> Option<Self> {
        let &BatchNormInference { epsilon, tail } = norm.downcast_ref()?;
        let MaxPool2d { geometry } = pool.downcast_ref::<MaxPool2d>()?.clone();
        let activation = tail.activation;
        let fits = !tail.residual && activation.is_monotonic();
        fits.then_some(Self { epsilon, activation, geometry })
    }
}

/// 1, -1, or 0.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

impl OpDef for BatchNormMaxPool2d {
    const NAME: &'static str = "batch_norm_max_pool2d";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, gamma, beta, mean, variance] = operands(Self::NAME, inputs)?;
        let vectors = [("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)];
        Sizes::check(Self::NAME, self.epsilon, x, &vectors)?;
        if !self.activation.is_monotonic() {
            let message =
                format!("{:?} falls somewhere, and cannot be pooled before", self.activation);
            return Err(ShapeError::new(Self::NAME, message));
        }
        let dims = self.geometry.pooled(Self::NAME, x)?;
        Ok(vec![TensorType::f32(dims), TensorType::u32(dims)])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let [x, gamma, beta, mean, variance] = [0, 1, 2, 3, 4].map(|i| io.inputs.float(i));
        let dims: [usize; 4] = io.inputs.dims(0);
        let c_count = dims[3];
        let output = io.outputs.dims(0);
        let key = |i: usize| x[i].to_f64() * sign(gamma[i % c_count].to_f64());
        let found = first_maxima(&self.geometry, dims, output, &key);
        let epsilon = f64::from(self.epsilon);
        for (y, &(i, _)) in io.outputs.float(0).iter_mut().zip(&found) {
            let c = i % c_count;
            let deviation = (variance[c].to_f64() + epsilon).sqrt();
            let normalized = (x[i].to_f64() - mean[c].to_f64()) / deviation;
            let scaled = normalized * gamma[c].to_f64() + beta[c].to_f64();
            *y = T::from_f64(self.activation.apply(scaled));
        }
        for (index, &(_, position)) in io.outputs.u32(1).iter_mut().zip(&found) {
            *index = position;
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (&[_, h, w, c], &[_, oh, ow, _]) = (sig.inputs[0].dims(), sig.outputs[0].dims()) else {
            return Vec::new();
        };
        let lower = |&lanes: &Lanes| {
            let kernel = Sizes::of(&sig.outputs[0])
                .per_block(Self::NAME, lanes, caps)
                .constant_f32("EPSILON", self.epsilon)
                .activation(self.activation)
                .file(lanes.activation_file());
            let kernel = self
                .geometry
                .declare(kernel, [h, w], [oh, ow])
                .file(include_str!("../../../../shaders/common/float_bits_each.wgsl"))
                .file(include_str!("../../../../shaders/common/window_maximum.wgsl"))
                .file(include_str!("../../../../shaders/norm/batch_norm_max_pool2d.wgsl"));
            let kernel = (0..5).map(Operand::Input).fold(kernel, Kernel::read);
            let kernel = kernel.write(Operand::Output(0)).write(Operand::Output(1));
            Lowering::single(&lanes.variant("rows_per_thread"), kernel)
        };
        Lanes::fitting(c).iter().map(lower).collect()
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        cpu::max_pool(self, sig)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let mut fills: Vec<Fill> = inputs.iter().map(Fill::any).collect();
        fills[4] = Fill::Uniform(0.5, 2.0);
        fills
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // As that of BatchNormInference.
        let activation = self.activation;
        Tolerance::ulps(8.0 + activation.ulps())
            .plus_absolute_ulps(16.0 + activation.absolute_ulps())
    }

    fn cost(&self, sig: &Signature) -> Cost {
        let window: usize = self.geometry.window.iter().product();
        Cost::of(sig, (window + 3) * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: String, op: BatchNormMaxPool2d, dims: [usize; 4], fills: [Fill; 2]| {
            let [x, gamma] = fills;
            let channels = TensorType::f32([dims[3]]);
            Case::new(name, op)
                .input(TensorType::f32(dims), x)
                .input(channels.clone(), gamma)
                .normal([dims[3]])
                .normal([dims[3]])
                .input(channels, Fill::Uniform(0.5, 2.0))
                .forward_only()
        };
        let op = |geometry: &PoolGeometry, activation| BatchNormMaxPool2d {
            epsilon: 1e-5,
            activation,
            geometry: geometry.clone(),
        };
        let mut cases = Vec::new();
        for (name, geometry, dims) in test_geometries() {
            for activation in [Activation::Identity, Activation::Relu, Activation::Tanh] {
                let name = format!("{name}_{activation:?}").to_lowercase();
                cases.push(case(
                    name,
                    op(&geometry, activation),
                    dims,
                    [Fill::Normal, Fill::Normal],
                ));
            }
        }
        let three = PoolGeometry {
            stride: [2, 2],
            padding: [1; 4],
            ..PoolGeometry::non_overlapping([3, 3])
        };
        for channels in [3, 4] {
            let dims = [2, 9, 9, channels];
            let gamma: Vec<f32> = [0.0, -1.5, -0.0, 2.0].into_iter().take(channels).collect();
            let fills = [Fill::Normal, Fill::Floats(gamma)];
            cases.push(case(
                format!("gamma_zero_{channels}"),
                op(&three, Activation::Relu),
                dims,
                fills,
            ));
            let ties = Fill::Floats([0.0, -0.0].repeat(81 * channels));
            let fills = [ties, Fill::Normal];
            cases.push(case(format!("ties_{channels}"), op(&three, Activation::Relu), dims, fills));
            let fills = [Fill::Special, Fill::Uniform(-2.0, -0.5)];
            let name = format!("non_finite_{channels}");
            cases.push(case(name, op(&three, Activation::Identity), dims, fills.clone()));
            for activation in [Activation::Relu, Activation::Relu6, Activation::Tanh] {
                let name = format!("non_finite_{activation:?}_{channels}").to_lowercase();
                cases.push(case(name, op(&three, activation), dims, fills.clone()));
            }
            let gamma: Vec<f32> =
                [f32::NAN, 1.5, f32::NAN, -2.0].into_iter().take(channels).collect();
            let name = format!("gamma_nan_{channels}");
            let fills = [Fill::Normal, Fill::Floats(gamma)];
            cases.push(case(name, op(&three, Activation::Relu), dims, fills));
        }
        let two = PoolGeometry::non_overlapping([2, 2]);
        for dims in [[128, 24, 24, 64], [64, 32, 32, 32], [64, 16, 16, 64]] {
            let fills = [Fill::Normal, Fill::Normal];
            let name = format!("bench_{}", joined(&dims));
            cases.push(case(name, op(&two, Activation::Relu), dims, fills).bench());
        }
        cases
    }
}
