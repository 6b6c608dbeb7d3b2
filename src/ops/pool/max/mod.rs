//! Maximum over windows, and its gradient.

mod cpu;

pub(in crate::ops) use cpu::{for_each_tap, keep_larger};

use serde::{Deserialize, Serialize};

use super::geometry::{PoolGeometry, bench_geometries, test_geometries};
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand,
    Signature, Vjp,
};
use crate::ops::kit::{Lanes, of_dtype, operands};
use crate::tensor::parallel::{for_each_chunk, map_indices};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y[n, oy, ox, c] = max x[n, oy s - top + ky, ox s - left + kx, c]` over the window `ky, kx`.
///
/// Input: `x` `[n, h, w, c]`. Outputs: `y` `[n, oh, ow, c]`, and `index` u32 of the same shape: the
/// position `ky kw + kx` of the first maximum in its window. Padding never wins; the first NaN of
/// a window wins.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2d {
    /// Windows.
    pub geometry: PoolGeometry,
}

/// `dx[n, iy, ix, c]` = sum of `dy` over the windows whose maximum is at `iy, ix`.
///
/// Inputs: `index` u32 and `dy`, `[n, oh, ow, c]`, as [`MaxPool2d`] makes them. Output:
/// `[n, h, w, c]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2dGrad {
    /// Windows.
    pub geometry: PoolGeometry,
    /// Height and width of the input of the pooling.
    pub input: [usize; 2],
}

/// The first maximum of each window of an image of `dims`, whose elements have the given values: its
/// element and its position in the window. The first NaN of a window wins.
pub fn first_maxima(
    geometry: &PoolGeometry,
    [_, h, w, c_count]: [usize; 4],
    output @ [_, oh, ow, _]: [usize; 4],
    value: &(dyn Fn(usize) -> f64 + Sync),
) -> Vec<(usize, u32)> {
    let [kh, kw] = geometry.window;
    let largest = |i: usize| {
        let (c, ox, oy) = (i % c_count, i / c_count % ow, i / (c_count * ow) % oh);
        let n = i / (c_count * ow * oh);
        let mut best: Option<(f64, usize, usize)> = None;
        for ky in 0..kh {
            let Some(iy) = geometry.position(0, oy, ky, h) else { continue };
            for kx in 0..kw {
                let Some(ix) = geometry.position(1, ox, kx, w) else { continue };
                let element = ((n * h + iy) * w + ix) * c_count + c;
                let value = value(element);
                let wins = best
                    .is_none_or(|(best, ..)| value > best || (value.is_nan() && !best.is_nan()));
                if wins {
                    best = Some((value, element, ky * kw + kx));
                }
            }
        }
        let (_, element, position) =
            best.expect("infer has checked that each window holds an element");
        (element, u32::try_from(position).expect("a window is no larger than a tensor"))
    };
    map_indices(output.iter().product(), &largest)
}

impl OpDef for MaxPool2d {
    const NAME: &'static str = "max_pool2d";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        let dims = self.geometry.pooled(Self::NAME, x)?;
        Ok(vec![TensorType::f32(dims), TensorType::u32(dims)])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let dims = io.inputs.dims(0);
        let found =
            first_maxima(&self.geometry, dims, io.outputs.dims(0), &|i: usize| x[i].to_f64());
        for (y, &(element, _)) in io.outputs.float(0).iter_mut().zip(&found) {
            *y = x[element];
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
            let kernel = lanes
                .declare(Kernel::new("max_pool2d"))
                .constant("GROUPS", c / lanes.count())
                .flat(sig.outputs[0].elements() / lanes.count(), 64, caps)
                .read(Operand::Input(0))
                .write(Operand::Output(0))
                .write(Operand::Output(1));
            let kernel = self
                .geometry
                .declare(kernel, [h, w], [oh, ow])
                .file(include_str!("../../../../shaders/common/float_bits_each.wgsl"))
                .file(include_str!("../../../../shaders/common/window_maximum.wgsl"))
                .file(include_str!("../../../../shaders/pool/max_pool2d.wgsl"));
            Lowering::single(&lanes.variant("one_per_thread"), kernel)
        };
        Lanes::fitting(c).iter().map(lower).collect()
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::forward(&self.geometry)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let [_, h, w, _] = v.ty(v.x(0)).ranked("max_pool2d", "x")?;
        let op = MaxPool2dGrad { geometry: self.geometry.clone(), input: [h, w] };
        let dx = v.push(op, &[v.y(1), dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements() * self.geometry.window.iter().product::<usize>())
    }

    fn cases() -> Vec<Case> {
        // A finite difference must not change which element is largest.
        let mut cases: Vec<Case> = test_geometries()
            .into_iter()
            .map(|(name, geometry, dims)| {
                Case::new(name, MaxPool2d { geometry }).input(TensorType::f32(dims), Fill::Distinct)
            })
            .collect();
        let three = PoolGeometry {
            stride: [2, 2],
            padding: [1; 4],
            ..PoolGeometry::non_overlapping([3, 3])
        };
        let two = PoolGeometry::non_overlapping([2, 2]);
        cases.push(
            Case::new("ties", MaxPool2d { geometry: three.clone() })
                .input(TensorType::f32([1, 5, 5, 4]), Fill::Floats([0.0, -0.0].repeat(50)))
                .forward_only(),
        );
        cases.push(
            Case::new("minus_infinity", MaxPool2d { geometry: two.clone() })
                .input(TensorType::f32([1, 2, 2, 3]), Fill::Floats(vec![f32::NEG_INFINITY; 12]))
                .forward_only(),
        );
        for (name, dims) in [("non_finite", [2, 9, 9, 3]), ("non_finite_vec4", [2, 9, 9, 4])] {
            cases.push(
                Case::new(name, MaxPool2d { geometry: three.clone() })
                    .input(TensorType::f32(dims), Fill::Special)
                    .forward_only(),
            );
        }
        cases.push(
            Case::new(
                "many_workgroups",
                MaxPool2d { geometry: PoolGeometry::non_overlapping([1, 1]) },
            )
            .normal([1, 2048, 2049, 1])
            .forward_only(),
        );
        cases.extend(bench_geometries().into_iter().map(|(name, geometry, dims)| {
            Case::new(name, MaxPool2d { geometry }).normal(dims).bench()
        }));
        cases
    }
}

impl MaxPool2dGrad {
    fn gather(&self, sig: &Signature, lanes: Lanes, caps: &Caps) -> Option<Lowering> {
        let &[_, oh, ow, c] = sig.inputs[1].dims() else { return None };
        let kernel = lanes
            .declare(bind(Kernel::new("max_pool2d_grad")))
            .constant("GROUPS", c / lanes.count())
            .flat(sig.outputs[0].elements() / lanes.count(), 64, caps);
        let kernel = self
            .geometry
            .declare(kernel, self.input, [oh, ow])
            .file(include_str!("../../../../shaders/pool/max_pool2d_grad.wgsl"));
        Some(Lowering::single(&lanes.variant("one_per_thread"), kernel))
    }

    /// One invocation per window, where each element belongs to one window at most.
    fn windows(&self, sig: &Signature, lanes: Lanes, caps: &Caps) -> Option<Lowering> {
        let PoolGeometry { window, stride, padding: [top, _, left, _], .. } = self.geometry;
        let &[n, oh, ow, c] = sig.inputs[1].dims() else { return None };
        if window != stride {
            return None;
        }
        let [h, w] = self.input;
        // Windows that hold every element, also those that the output leaves out.
        let tiles = [(h + top).div_ceil(window[0]), (w + left).div_ceil(window[1])];
        let groups = c / lanes.count();
        let kernel = lanes
            .declare(bind(Kernel::new("max_pool2d_grad_windows")))
            .constant("GROUPS", groups)
            .constant("TILES_H", tiles[0])
            .constant("TILES_W", tiles[1])
            .flat(n * tiles[0] * tiles[1] * groups, 64, caps);
        let kernel = self
            .geometry
            .declare(kernel, self.input, [oh, ow])
            .file(include_str!("../../../../shaders/pool/max_pool2d_grad_windows.wgsl"));
        Some(Lowering::single(&lanes.variant("one_window_per_thread"), kernel))
    }
}

fn bind(kernel: Kernel) -> Kernel {
    kernel.read(Operand::Input(0)).read(Operand::Input(1)).write(Operand::Output(0))
}

impl OpDef for MaxPool2dGrad {
    const NAME: &'static str = "max_pool2d_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [index, dy] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("index", index), DType::U32)?;
        let dims = self.geometry.unpooled(Self::NAME, dy, self.input)?;
        if index.shape != dy.shape {
            return Err(ShapeError::new(
                Self::NAME,
                format!("index {} and dy {} must have one shape", index.shape, dy.shape),
            ));
        }
        Ok(vec![TensorType::f32(dims)])
    }

    /// Hands each element of `dy` to the element that was largest, image by image.
    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (index, dy) = (io.inputs.u32(0), io.inputs.float(1));
        let [_, oh, ow, c_count] = io.inputs.dims(1);
        let [h, w] = self.input;
        let kw = self.geometry.window[1];
        for_each_chunk(io.outputs.float(0), h * w * c_count, &|n, dx| {
            let mut sums = vec![0.0_f64; dx.len()];
            for oy in 0..oh {
                for ox in 0..ow {
                    for c in 0..c_count {
                        let o = ((n * oh + oy) * ow + ox) * c_count + c;
                        let k = index[o] as usize;
                        let Some(iy) = self.geometry.position(0, oy, k / kw, h) else { continue };
                        let Some(ix) = self.geometry.position(1, ox, k % kw, w) else { continue };
                        sums[(iy * w + ix) * c_count + c] += dy[o].to_f64();
                    }
                }
            }
            for (dx, sum) in dx.iter_mut().zip(sums) {
                *dx = T::from_f64(sum);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let &[_, _, _, c] = sig.outputs[0].dims() else { return Vec::new() };
        let lanes = Lanes::fitting(c);
        let windows = lanes.iter().filter_map(|&lanes| self.windows(sig, lanes, caps));
        let gather = lanes.iter().filter_map(|&lanes| self.gather(sig, lanes, caps));
        windows.chain(gather).collect()
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::gradient(&self.geometry, self.input)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        const FORMS: &[HalfForm] = &[HalfForm::new(&[1], &[0])];
        FORMS
    }

    fn scatters_selection(&self) -> bool {
        true
    }

    fn sample_inputs(&self, _inputs: &[TensorType]) -> Vec<Fill> {
        let window = self.geometry.window[0] * self.geometry.window[1];
        vec![Fill::Labels(u32::try_from(window).unwrap_or(u32::MAX)), Fill::Normal]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // As many windows as hold one element are summed.
        let PoolGeometry { window, stride, .. } = &self.geometry;
        Tolerance::sum_of(window[0].div_ceil(stride[0]) * window[1].div_ceil(stride[1]))
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[1].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, geometry: PoolGeometry, dims: [usize; 4]| {
            let [n, h, w, c] = dims;
            let [oh, ow] = geometry.output("max_pool2d", [h, w]).unwrap_or([0, 0]);
            let window = geometry.window[0] * geometry.window[1];
            let bound = u32::try_from(window).unwrap_or(u32::MAX);
            Case::new(name, MaxPool2dGrad { geometry, input: [h, w] })
                .input(TensorType::u32([n, oh, ow, c]), Fill::Labels(bound))
                .normal([n, oh, ow, c])
        };
        let tests = test_geometries().into_iter().map(|(n, g, d)| case(n, g, d).forward_only());
        let non_finite = test_geometries().into_iter().map(|(n, g, d)| {
            let mut case = case(&format!("non_finite_{n}"), g, d).forward_only();
            case.inputs[1].fill = Fill::Special;
            case
        });
        let benches = bench_geometries().into_iter().map(|(n, g, d)| case(n, g, d).bench());
        tests.chain(non_finite).chain(benches).collect()
    }
}
