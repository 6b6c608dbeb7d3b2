//! The gradient of a convolution with respect to its input: a transposed convolution.

use std::sync::Arc;

use super::geometry::image;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, cpu, gpu, sampled, winograd};
use crate::error::ShapeError;
use crate::graph::{
    Activation, Caps, Case, Cost, Epilogue, HalfForm, HostIo, HostKernel, Inputs, Lowering, Op,
    OpDef, Operand, Signature, Vjp,
};
use crate::ops::product::tail::ProductTail;
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

impl OpDef for Conv2dInputGrad {
    const NAME: &'static str = "conv2d_input_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(vec![TensorType::f32(self.sizes(inputs)?.x())])
    }

    /// The obvious loop nest, over rows of the result in parallel.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (dy, weight) = (io.inputs.float(0), io.inputs.float(1));
        let tail = self.tail().operands(&io.inputs);
        let [_, oh, ow, oc] = io.inputs.dims(0);
        let [kh, kw, group_c, _] = io.inputs.dims(1);
        let [_, h, w, c] = io.outputs.dims(0);
        let group_oc = oc / self.geometry.groups;
        for_each_chunk(io.outputs.float(0), w * c, &|row, dx| {
            let (n, iy) = (row / h, row % h);
            let mut sums = vec![0.0_f64; c];
            for (ix, dx) in dx.chunks_mut(c).enumerate() {
                sums.fill(0.0);
                for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
                    let Some(oy) = self.geometry.window_of(0, iy, ky, oh) else { continue };
                    let Some(ox) = self.geometry.window_of(1, ix, kx, ow) else { continue };
                    let pixel = &dy[((n * oh + oy) * ow + ox) * oc..][..oc];
                    let taps = &weight[(ky * kw + kx) * group_c * oc..][..group_c * oc];
                    for (ic, sum) in sums.iter_mut().enumerate() {
                        let first = ic / group_c * group_oc;
                        let taps = &taps[ic % group_c * oc + first..][..group_oc];
                        let products = pixel[first..].iter().zip(taps);
                        *sum += products.map(|(dy, tap)| dy.to_f64() * tap.to_f64()).sum::<f64>();
                    }
                }
                for (ic, (dx, &sum)) in dx.iter_mut().zip(&sums).enumerate() {
                    *dx = tail.apply(sum, (row * w + ix) * c + ic, ic);
                }
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
        let sizes = self.sizes(&sig.inputs).ok()?;
        Some(sampled::input_grad(self, &sizes, inputs, positions))
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        gpu::input_grad(self, &sizes, caps)
    }

    fn lower_cooperative(
        &self,
        sig: &Signature,
        is_half: &dyn Fn(Operand) -> bool,
        caps: &Caps,
    ) -> Vec<Lowering> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        gpu::cooperative_input_grad(self, &sizes, is_half, caps)
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        let direct = cpu::input_grad(self, sizes);
        cpu::winograd::beside_input_grad(direct, self, &sizes)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        self.tail().half_forms()
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        // The result is bilinear in dy and w; `ddx` is the gradient of the loss with respect to it.
        let Some(ddx) = v.dy(0) else { return Ok(()) };
        let ddx = self.tail().gradient(Self::NAME, v, ddx)?;
        let (dy, weight) = (v.x(0), v.x(1));
        let geometry = self.geometry.clone();
        if v.wants(0) {
            let ddy = v.push(Conv2d::new(geometry.clone()), &[ddx, weight])?;
            v.set(0, ddy);
        }
        if v.wants(1) {
            let [kh, kw, _, _] = image(Self::NAME, "weight", &v.ty(weight))?;
            let dweight = v.push(Conv2dWeightGrad { geometry, kernel: [kh, kw] }, &[ddx, dy])?;
            v.set(1, dweight);
        }
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let terms = self.sizes(&sig.inputs).map_or(1, |s| s.kh * s.kw * s.group_oc);
        self.tail().tolerance(terms)
    }

    fn variant_tolerance(&self, sig: &Signature, variant: &str) -> Tolerance {
        let Some(filtering) = winograd::filtering_of(variant) else {
            return OpDef::tolerance(self, sig);
        };
        let terms = self.sizes(&sig.inputs).map_or(1, |s| s.kh * s.kw * s.group_oc);
        self.tail().tolerance(filtering.terms_of_outputs(terms))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, self.sizes(&sig.inputs).map_or(0, |sizes| sizes.flop()))
    }

    fn fuse(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        let tail = self.tail().with(epilogue)?;
        if tail.bias || tail.activation != Activation::Identity {
            return None;
        }
        let ProductTail { residual, derivative, .. } = tail;
        Some(Arc::new(Self { residual, derivative, ..self.clone() }))
    }

    fn cases() -> Vec<Case> {
        super::cases::input_grad()
    }
}
