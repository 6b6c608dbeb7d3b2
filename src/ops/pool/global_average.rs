//! Average over whole images, and its gradient.

use serde::{Deserialize, Serialize};

use super::average::cpu;
use super::geometry::images;
use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand,
    Signature, Vjp,
};
use crate::ops::kit::{Lanes, of_dtype, operands};
use crate::tensor::parallel::{for_each_chunk, for_each_element};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Images of at most this many positions are averaged in one stage, larger ones in chunks of the
/// square root of their size.
const ONE_STAGE_ROWS: usize = 256;

/// `y[n, c] = sum x[n, y, x, c] / (h w)` over all positions. Input: `[n, h, w, c]`. Output: `[n, c]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool2d {}

/// `dx[n, y, x, c] = dy[n, c] / (h w)`. Input: `dy` `[n, c]`. Output: `[n, h, w, c]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool2dGrad {
    /// Height and width of the input of the pooling.
    pub input: [usize; 2],
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("shapes fit 32 bits"))
}

/// Sizes of one stage of the average.
struct Stage {
    images: usize,
    rows: usize,
    chunk_rows: usize,
    channels: usize,
    /// By what the sums are divided.
    divisor: usize,
}

impl Stage {
    fn kernel(&self, lanes: Lanes, from: Operand, to: Operand, caps: &Caps) -> Kernel {
        let chunks = self.rows.div_ceil(self.chunk_rows);
        let groups = self.channels / lanes.count();
        lanes
            .declare(Kernel::new("global_avg_pool2d"))
            .constant("GROUPS", groups)
            .constant("ROWS", self.rows)
            .constant("CHUNKS", chunks)
            .constant("CHUNK_ROWS", self.chunk_rows)
            .constant("DIVISOR", self.divisor)
            .flat(self.images * chunks * groups, 64, caps)
            .file(include_str!("../../../shaders/pool/global_avg_pool2d.wgsl"))
            .read(from)
            .write(to)
    }
}

impl OpDef for GlobalAvgPool2d {
    const NAME: &'static str = "global_avg_pool2d";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        let [n, _, _, c] = images(Self::NAME, ("x", x))?;
        Ok(vec![TensorType::f32([n, c])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let [_, h, w, c_count] = io.inputs.dims(0);
        for_each_element(io.outputs.float(0), &|i, y| {
            let (n, c) = (i / c_count, i % c_count);
            let image = &x[n * h * w * c_count..(n + 1) * h * w * c_count];
            let sum: f64 = image.iter().skip(c).step_by(c_count).map(|x| x.to_f64()).sum();
            *y = T::from_f64(sum / as_f64(h * w));
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let &[images, h, w, channels] = sig.inputs[0].dims() else { return Vec::new() };
        let (rows, x, y) = (h * w, Operand::Input(0), Operand::Output(0));
        let one_stage = |&lanes: &Lanes| {
            let stage = Stage { images, rows, chunk_rows: rows, channels, divisor: rows };
            Lowering::single(&lanes.variant("one_per_thread"), stage.kernel(lanes, x, y, caps))
        };
        let two_stages = |&lanes: &Lanes| {
            let chunk_rows = rows.isqrt();
            let chunks = rows.div_ceil(chunk_rows);
            let sums = Stage { images, rows, chunk_rows, channels, divisor: 1 };
            let mean = Stage { images, rows: chunks, chunk_rows: chunks, channels, divisor: rows };
            Lowering {
                variant: lanes.variant("two_stages"),
                scratch: vec![TensorType::f32([images, chunks, channels]).bytes()],
                kernels: vec![
                    sums.kernel(lanes, x, Operand::Scratch(0), caps),
                    mean.kernel(lanes, Operand::Scratch(0), y, caps),
                ],
            }
        };
        let lanes = Lanes::fitting(channels).iter();
        if rows > ONE_STAGE_ROWS {
            lanes.map(two_stages).collect()
        } else {
            lanes.map(one_stage).collect()
        }
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::global()
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let [_, h, w, _] = v.ty(v.x(0)).ranked("global_avg_pool2d", "x")?;
        let dx = v.push(GlobalAvgPool2dGrad { input: [h, w] }, &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        match sig.inputs[0].dims() {
            &[_, h, w, _] => Tolerance::sum_of(h * w),
            _ => Tolerance::EXACT,
        }
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = [[1, 1, 1, 1], [3, 1, 1, 5], [2, 7, 5, 3], [2, 4, 3, 8]]
            .into_iter()
            .map(|dims: [usize; 4]| {
                let [n, h, w, c] = dims;
                Case::new(format!("{n}x{h}x{w}x{c}"), GlobalAvgPool2d {}).normal(dims)
            })
            .collect();
        // The last ones with a common factor of channels and chunks.
        for dims in [[2, 17, 19, 3], [1, 16, 17, 4], [2, 18, 18, 6], [2, 18, 18, 12]] {
            let [n, h, w, c] = dims;
            let name = format!("two_stages_{n}x{h}x{w}x{c}");
            cases.push(Case::new(name, GlobalAvgPool2d {}).normal(dims).forward_only());
        }
        cases.push(
            Case::new("non_finite", GlobalAvgPool2d {})
                .input(TensorType::f32([3, 2, 2, 7]), Fill::Special)
                .forward_only(),
        );
        cases.push(
            Case::new("bench_64x8x8x256", GlobalAvgPool2d {}).normal([64, 8, 8, 256]).bench(),
        );
        cases.push(
            Case::new("bench_16x112x112x64", GlobalAvgPool2d {}).normal([16, 112, 112, 64]).bench(),
        );
        cases
    }
}

impl OpDef for GlobalAvgPool2dGrad {
    const NAME: &'static str = "global_avg_pool2d_grad";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [dy] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("dy", dy), DType::F32)?;
        let [n, c] = dy.ranked(Self::NAME, "dy")?;
        let [h, w] = self.input;
        let dx = TensorType::f32([n, h, w, c]);
        images(Self::NAME, ("dx", &dx))?;
        Ok(vec![dx])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let dy = io.inputs.float(0);
        let [_, c_count] = io.inputs.dims(0);
        let rows = self.input[0] * self.input[1];
        for_each_chunk(io.outputs.float(0), rows * c_count, &|n, dx| {
            for (i, dx) in dx.iter_mut().enumerate() {
                *dx = T::from_f64(dy[n * c_count + i % c_count].to_f64() / as_f64(rows));
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let &[_, h, w, c] = sig.outputs[0].dims() else { return Vec::new() };
        let lower = |&lanes: &Lanes| {
            let kernel = lanes
                .declare(Kernel::new("global_avg_pool2d_grad"))
                .constant("GROUPS", c / lanes.count())
                .constant("ROWS", h * w)
                .flat(sig.outputs[0].elements() / lanes.count(), 64, caps)
                .file(include_str!("../../../shaders/pool/global_avg_pool2d_grad.wgsl"))
                .read(Operand::Input(0))
                .write(Operand::Output(0));
            Lowering::single(&lanes.variant("one_per_thread"), kernel)
        };
        Lanes::fitting(c).iter().map(lower).collect()
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::global_gradient(self.input)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // One division, to which WebGPU grants 2.5 ulp.
        Tolerance::ulps(2.5)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = [[1, 1, 1, 1], [2, 7, 5, 3], [3, 4, 3, 8]]
            .into_iter()
            .map(|[n, h, w, c]: [usize; 4]| {
                Case::new(format!("{n}x{h}x{w}x{c}"), GlobalAvgPool2dGrad { input: [h, w] })
                    .normal([n, c])
                    .forward_only()
            })
            .collect();
        cases.push(
            Case::new("bench_64x8x8x256", GlobalAvgPool2dGrad { input: [8, 8] })
                .normal([64, 256])
                .bench(),
        );
        cases
    }
}
