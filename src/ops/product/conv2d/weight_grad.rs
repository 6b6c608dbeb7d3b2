//! The gradient of a convolution with respect to its weights.

use super::geometry::image;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, cpu, gpu, sampled, winograd};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, HalfForm, HostIo, HostKernel, Inputs, Lowering, OpDef, Operand, Signature,
    Vjp,
};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

impl OpDef for Conv2dWeightGrad {
    const NAME: &'static str = "conv2d_weight_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(vec![TensorType::f32(self.sizes(inputs)?.weight())])
    }

    /// The obvious loop nest, over kernel taps and input channels in parallel.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (x, dy) = (io.inputs.float(0), io.inputs.float(1));
        let [n_count, h, w, c] = io.inputs.dims(0);
        let [_, oh, ow, oc] = io.inputs.dims(1);
        let [_, kw, group_c, _] = io.outputs.dims(0);
        let group_oc = oc / self.geometry.groups;
        for_each_chunk(io.outputs.float(0), oc, &|row, dw| {
            let (ky, kx, ic) = (row / group_c / kw, row / group_c % kw, row % group_c);
            let mut sums = vec![0.0_f64; oc];
            for (n, oy) in (0..n_count).flat_map(|n| (0..oh).map(move |oy| (n, oy))) {
                let Some(iy) = self.geometry.tap(0, oy, ky, h) else { continue };
                for ox in 0..ow {
                    let Some(ix) = self.geometry.tap(1, ox, kx, w) else { continue };
                    let x = &x[((n * h + iy) * w + ix) * c..][..c];
                    let dy = &dy[((n * oh + oy) * ow + ox) * oc..][..oc];
                    let groups = sums.chunks_mut(group_oc).zip(dy.chunks(group_oc));
                    for (group, (sums, dy)) in groups.enumerate() {
                        let x = x[group * group_c + ic].to_f64();
                        for (sum, dy) in sums.iter_mut().zip(dy) {
                            *sum += x * dy.to_f64();
                        }
                    }
                }
            }
            for (dw, &sum) in dw.iter_mut().zip(&sums) {
                *dw = T::from_f64(sum);
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
        Some(sampled::weight_grad(self, &sizes, inputs, positions))
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        gpu::weight_grad(self, &sizes, caps)
    }

    fn lower_cooperative(
        &self,
        sig: &Signature,
        is_half: &dyn Fn(Operand) -> bool,
        caps: &Caps,
    ) -> Vec<Lowering> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        gpu::weight_grad_task(self, &sizes).cooperative_lowerings(is_half, caps)
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        let direct = cpu::weight_grad(self, sizes);
        cpu::winograd::beside_weight_grad(direct, self, &sizes)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        // The gradient of a parameter is f32, as the parameter is.
        const FORMS: &[HalfForm] = &[HalfForm::new(&[0, 1], &[])];
        FORMS
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        // The result is bilinear in x and dy; `ddw` is the gradient of the loss with respect to it.
        let Some(ddw) = v.dy(0) else { return Ok(()) };
        let (x, dy) = (v.x(0), v.x(1));
        let geometry = self.geometry.clone();
        if v.wants(0) {
            let [_, h, w, _] = image(Self::NAME, "x", &v.ty(x))?;
            let op = Conv2dInputGrad::new(geometry.clone(), [h, w]);
            let dx = v.push(op, &[dy, ddw])?;
            v.set(0, dx);
        }
        if v.wants(1) {
            let ddy = v.push(Conv2d::new(geometry), &[x, ddw])?;
            v.set(1, ddy);
        }
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        Tolerance::sum_of(self.sizes(&sig.inputs).map_or(1, |sizes| sizes.out_pixels()))
    }

    fn variant_tolerance(&self, sig: &Signature, variant: &str) -> Tolerance {
        let Some(filtering) = winograd::filtering_of(variant) else { return self.tolerance(sig) };
        let terms = self.sizes(&sig.inputs).map_or(1, |s| s.out_pixels());
        Tolerance::sum_of(filtering.terms_of_weight_grad(terms))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, self.sizes(&sig.inputs).map_or(0, |sizes| sizes.flop()))
    }

    fn cases() -> Vec<Case> {
        super::cases::weight_grad()
    }
}
