//! The convolution itself, and what may follow it in the same pass.

use std::sync::Arc;

use super::geometry::image;
use super::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad, cpu, gpu, sampled, winograd};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Epilogue, HalfForm, HostIo, HostKernel, Inputs, Lowering, Op, OpDef, Operand,
    Signature, Vjp,
};
use crate::ops::SumRows;
use crate::ops::product::gemm::Task;
use crate::ops::product::tail::ProductTail;
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

impl Conv2d {
    /// The product that the convolution is.
    pub(in crate::ops) fn task(&self, inputs: &[TensorType]) -> Option<Task> {
        self.sizes(inputs).ok().map(|sizes| gpu::forward_task(self, &sizes))
    }
}

impl OpDef for Conv2d {
    const NAME: &'static str = "conv2d";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(vec![TensorType::f32(self.sizes(inputs)?.y())])
    }

    /// The obvious loop nest, over rows of the output in parallel.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (x, weight) = (io.inputs.float(0), io.inputs.float(1));
        let tail = self.tail().operands(&io.inputs);
        let [_, h, w, c] = io.inputs.dims(0);
        let [kh, kw, group_c, oc] = io.inputs.dims(1);
        let [_, oh, ow, _] = io.outputs.dims(0);
        let group_oc = oc / self.geometry.groups;
        for_each_chunk(io.outputs.float(0), ow * oc, &|row, y| {
            let (n, oy) = (row / oh, row % oh);
            let mut sums = vec![0.0_f64; oc];
            for (ox, y) in y.chunks_mut(oc).enumerate() {
                sums.fill(0.0);
                for (ky, kx) in (0..kh).flat_map(|ky| (0..kw).map(move |kx| (ky, kx))) {
                    let Some(iy) = self.geometry.tap(0, oy, ky, h) else { continue };
                    let Some(ix) = self.geometry.tap(1, ox, kx, w) else { continue };
                    let pixel = &x[((n * h + iy) * w + ix) * c..][..c];
                    let taps = &weight[(ky * kw + kx) * group_c * oc..][..group_c * oc];
                    for (ic, taps) in taps.chunks(oc).enumerate() {
                        let groups = sums.chunks_mut(group_oc).zip(taps.chunks(group_oc));
                        for (group, (sums, taps)) in groups.enumerate() {
                            let x = pixel[group * group_c + ic].to_f64();
                            for (sum, tap) in sums.iter_mut().zip(taps) {
                                *sum += x * tap.to_f64();
                            }
                        }
                    }
                }
                for (k, (y, &sum)) in y.iter_mut().zip(&sums).enumerate() {
                    *y = tail.apply(sum, (row * ow + ox) * oc + k, k);
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
        Some(sampled::forward(self, &sizes, inputs, positions))
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        gpu::forward(self, &sizes, caps)
    }

    fn lower_cooperative(
        &self,
        sig: &Signature,
        is_half: &dyn Fn(Operand) -> bool,
        caps: &Caps,
    ) -> Vec<Lowering> {
        let task = self.task(&sig.inputs);
        task.map_or_else(Vec::new, |task| task.cooperative_lowerings(is_half, caps))
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let Ok(sizes) = self.sizes(&sig.inputs) else { return Vec::new() };
        let direct = cpu::forward(self, sizes);
        cpu::winograd::beside_forward(direct, self, &sizes)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        self.tail().half_forms()
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let dz = self.tail().gradient("conv2d", v, dy)?;
        let (x, weight) = (v.x(0), v.x(1));
        let [_, h, w, _] = image("conv2d", "x", &v.ty(x))?;
        let [kh, kw, _, _] = image("conv2d", "weight", &v.ty(weight))?;
        let geometry = self.geometry.clone();
        if v.wants(0) {
            let op = Conv2dInputGrad::new(geometry.clone(), [h, w]);
            let dx = v.push(op, &[dz, weight])?;
            v.set(0, dx);
        }
        if v.wants(1) {
            let dw = v.push(Conv2dWeightGrad { geometry, kernel: [kh, kw] }, &[x, dz])?;
            v.set(1, dw);
        }
        if self.bias && v.wants(2) {
            let dbias = v.push(SumRows {}, &[dz])?;
            v.set(2, dbias);
        }
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        let terms = self.sizes(&sig.inputs).map_or(1, |s| s.kh * s.kw * s.group_c);
        self.tail().tolerance(terms + 1)
    }

    fn variant_tolerance(&self, sig: &Signature, variant: &str) -> Tolerance {
        let Some(filtering) = winograd::filtering_of(variant) else {
            return OpDef::tolerance(self, sig);
        };
        let terms = self.sizes(&sig.inputs).map_or(1, |s| s.kh * s.kw * s.group_c);
        self.tail().tolerance(filtering.terms_of_outputs(terms) + 1)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, self.sizes(&sig.inputs).map_or(0, |sizes| sizes.flop()))
    }

    fn fuse(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        let tail = self.tail().with(epilogue).filter(|tail| tail.derivative.is_none())?;
        let ProductTail { bias, residual, activation, .. } = tail;
        Some(Arc::new(Self { bias, residual, activation, ..self.clone() }))
    }

    fn cases() -> Vec<Case> {
        super::cases::forward()
    }
}
