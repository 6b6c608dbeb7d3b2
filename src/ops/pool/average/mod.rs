//! Average over windows, and its gradient.

pub(super) mod cpu;

use serde::{Deserialize, Serialize};

use super::geometry::{PoolGeometry, bench_geometries, test_geometries};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand,
    Signature, Vjp,
};
use crate::ops::kit::{Lanes, operands};
use crate::tensor::parallel::for_each_chunk;
use crate::tensor::{Real, TensorType, Tolerance};

/// `y[n, oy, ox, c] = sum x[n, oy s - top + ky, ox s - left + kx, c] / count` over the window
/// `ky, kx`; padding counts as zero.
///
/// Input: `x` `[n, h, w, c]`. Output: `[n, oh, ow, c]`. Semantics of `torch.nn.AvgPool2d`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool2d {
    /// Windows.
    pub geometry: PoolGeometry,
    /// Whether the count is the size of the window (of its part within the padded input, where
    /// `ceil_mode` lets it reach beyond), else that of its part inside the input.
    pub count_include_pad: bool,
}

/// `dx[n, iy, ix, c] = sum dy[n, oy, ox, c] / count[oy, ox]` over the windows that hold `iy, ix`.
///
/// Input: `dy` `[n, oh, ow, c]`. Output: `[n, h, w, c]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool2dGrad {
    /// Windows.
    pub geometry: PoolGeometry,
    /// As in [`AvgPool2d`].
    pub count_include_pad: bool,
    /// Height and width of the input of the pooling.
    pub input: [usize; 2],
}

/// Positions `iy, ix` of window `oy, ox` inside an input of height and width `input`.
fn positions(
    geometry: &PoolGeometry,
    [oy, ox]: [usize; 2],
    input: [usize; 2],
) -> Vec<(usize, usize)> {
    let mut positions = Vec::new();
    for ky in 0..geometry.window[0] {
        let Some(iy) = geometry.position(0, oy, ky, input[0]) else { continue };
        for kx in 0..geometry.window[1] {
            let Some(ix) = geometry.position(1, ox, kx, input[1]) else { continue };
            positions.push((iy, ix));
        }
    }
    positions
}

/// By what a sum is divided: the elements inside the input, or within the padded one.
fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a window is no larger than a tensor"))
}

fn lowering(
    kernel: Kernel,
    op: (&PoolGeometry, bool),
    sizes: ([usize; 2], [usize; 2]),
    lanes: Lanes,
    wgsl: &str,
) -> Lowering {
    let ((geometry, count_include_pad), (input, output)) = (op, sizes);
    let mut kernel = lanes.declare(kernel).read(Operand::Input(0)).write(Operand::Output(0));
    let count = if geometry.ceil_mode && count_include_pad {
        kernel = kernel
            .constant("PADDING_BOTTOM", geometry.padding[1])
            .constant("PADDING_RIGHT", geometry.padding[3]);
        include_str!("../../../../shaders/common/pool_count_padded.wgsl")
    } else {
        kernel = kernel.constant("COUNT_INCLUDE_PAD", usize::from(count_include_pad));
        include_str!("../../../../shaders/common/pool_count.wgsl")
    };
    let kernel = geometry.declare(kernel, input, output).file(count).file(wgsl);
    Lowering::single(&lanes.variant("one_per_thread"), kernel)
}

impl OpDef for AvgPool2d {
    const NAME: &'static str = "avg_pool2d";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        Ok(vec![TensorType::f32(self.geometry.pooled(Self::NAME, x)?)])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let [_, h, w, c_count] = io.inputs.dims(0);
        let [_, oh, ow, _] = io.outputs.dims(0);
        for_each_chunk(io.outputs.float(0), c_count, &|row, y| {
            let (ox, oy, n) = (row % ow, row / ow % oh, row / (ow * oh));
            let positions = positions(&self.geometry, [oy, ox], [h, w]);
            let count = if self.count_include_pad {
                as_f64(self.geometry.padded_count([oy, ox], [h, w]))
            } else {
                as_f64(positions.len())
            };
            for (c, y) in y.iter_mut().enumerate() {
                let values = positions
                    .iter()
                    .map(|(iy, ix)| x[((n * h + iy) * w + ix) * c_count + c].to_f64());
                *y = T::from_f64(values.sum::<f64>() / count);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (&[_, h, w, c], &[_, oh, ow, _]) = (sig.inputs[0].dims(), sig.outputs[0].dims()) else {
            return Vec::new();
        };
        let lower = |&lanes: &Lanes| {
            let kernel = Kernel::new("avg_pool2d").constant("GROUPS", c / lanes.count()).flat(
                sig.outputs[0].elements() / lanes.count(),
                64,
                caps,
            );
            let op = (&self.geometry, self.count_include_pad);
            let wgsl = include_str!("../../../../shaders/pool/avg_pool2d.wgsl");
            lowering(kernel, op, ([h, w], [oh, ow]), lanes, wgsl)
        };
        Lanes::fitting(c).iter().map(lower).collect()
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::forward(self)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let [_, h, w, _] = v.ty(v.x(0)).ranked("avg_pool2d", "x")?;
        let op = AvgPool2dGrad {
            geometry: self.geometry.clone(),
            count_include_pad: self.count_include_pad,
            input: [h, w],
        };
        let dx = v.push(op, &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::sum_of(self.geometry.window.iter().product())
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements() * self.geometry.window.iter().product::<usize>())
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for (name, geometry, dims) in test_geometries() {
            for count_include_pad in [true, false] {
                let suffix = if count_include_pad { "_include_pad" } else { "" };
                let op = AvgPool2d { geometry: geometry.clone(), count_include_pad };
                cases.push(Case::new(format!("{name}{suffix}"), op).normal(dims));
            }
        }
        let three = PoolGeometry {
            stride: [2, 2],
            padding: [1; 4],
            ..PoolGeometry::non_overlapping([3, 3])
        };
        cases.push(
            Case::new("non_finite", AvgPool2d { geometry: three, count_include_pad: true })
                .input(TensorType::f32([2, 9, 9, 4]), Fill::Special)
                .forward_only(),
        );
        cases.extend(bench_geometries().into_iter().map(|(name, geometry, dims)| {
            Case::new(name, AvgPool2d { geometry, count_include_pad: true }).normal(dims).bench()
        }));
        cases
    }
}

impl OpDef for AvgPool2dGrad {
    const NAME: &'static str = "avg_pool2d_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [dy] = operands(Self::NAME, inputs)?;
        Ok(vec![TensorType::f32(self.geometry.unpooled(Self::NAME, dy, self.input)?)])
    }

    /// Spreads each element of `dy` over its window, image by image.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let dy = io.inputs.float(0);
        let [_, oh, ow, c_count] = io.inputs.dims(0);
        let [h, w] = self.input;
        for_each_chunk(io.outputs.float(0), h * w * c_count, &|n, dx| {
            let mut sums = vec![0.0_f64; dx.len()];
            for oy in 0..oh {
                for ox in 0..ow {
                    let positions = positions(&self.geometry, [oy, ox], [h, w]);
                    let count = if self.count_include_pad {
                        as_f64(self.geometry.padded_count([oy, ox], [h, w]))
                    } else {
                        as_f64(positions.len())
                    };
                    for (iy, ix) in positions {
                        for c in 0..c_count {
                            let share =
                                dy[((n * oh + oy) * ow + ox) * c_count + c].to_f64() / count;
                            sums[(iy * w + ix) * c_count + c] += share;
                        }
                    }
                }
            }
            for (dx, sum) in dx.iter_mut().zip(sums) {
                *dx = T::from_f64(sum);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let &[_, oh, ow, c] = sig.inputs[0].dims() else { return Vec::new() };
        let lower =
            |&lanes: &Lanes| {
                let kernel = Kernel::new("avg_pool2d_grad")
                    .constant("GROUPS", c / lanes.count())
                    .flat(sig.outputs[0].elements() / lanes.count(), 64, caps);
                let op = (&self.geometry, self.count_include_pad);
                let wgsl = include_str!("../../../../shaders/pool/avg_pool2d_grad.wgsl");
                lowering(kernel, op, (self.input, [oh, ow]), lanes, wgsl)
            };
        Lanes::fitting(c).iter().map(lower).collect()
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::gradient(self)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // As many windows as hold one element are summed.
        let PoolGeometry { window, stride, .. } = &self.geometry;
        Tolerance::sum_of(window[0].div_ceil(stride[0]) * window[1].div_ceil(stride[1]))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements() * self.geometry.window.iter().product::<usize>())
    }

    fn cases() -> Vec<Case> {
        let case = |name: String, geometry: PoolGeometry, count_include_pad, dims: [usize; 4]| {
            let [n, h, w, c] = dims;
            let [oh, ow] = geometry.output("avg_pool2d", [h, w]).unwrap_or([0, 0]);
            Case::new(name, AvgPool2dGrad { geometry, count_include_pad, input: [h, w] })
                .normal([n, oh, ow, c])
        };
        let mut cases = Vec::new();
        for (name, geometry, dims) in test_geometries() {
            for count_include_pad in [true, false] {
                let suffix = if count_include_pad { "_include_pad" } else { "" };
                let name = format!("{name}{suffix}");
                cases.push(case(name, geometry.clone(), count_include_pad, dims).forward_only());
            }
        }
        for (name, geometry, dims) in bench_geometries() {
            cases.push(case(name.to_owned(), geometry, true, dims).bench());
        }
        cases
    }
}
