//! Numbers as 8 bits hold them: quantized, and turned back into floats at once.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, HostKernel, Lowering, OpDef, Operand, Signature,
};
use crate::ops::kit::{Lanes, of_dtype, operands};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// `y = (clamp(round(x inverse) + zero_point, 0, 255) - zero_point) scale`: the nearest of 256 levels,
/// as integer kernels would see it. Halves go to the even level; NaN stays.
///
/// Inputs: `x`, f32 of any shape; `grid`, f32 `[3]`: `scale`, its `inverse`, and the `zero_point`, a
/// whole number from 0 to 255. Output: the shape of `x`. A scale of zero leaves `x` as it is. Source:
/// Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
/// Inference", 2017; PyTorch's `fake_quantize_per_tensor_affine`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FakeQuantize {}

/// Number of the last level.
const LAST_LEVEL: f64 = 255.0;

impl OpDef for FakeQuantize {
    const NAME: &'static str = "fake_quantize";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, grid] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("x", x), DType::F32)?;
        if *grid != TensorType::f32([3]) {
            let problem = format!("grid must be three f32 (scale, inverse, zero point): {grid}");
            return Err(ShapeError::new(Self::NAME, problem));
        }
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (x, grid) = (io.inputs.float(0), io.inputs.float(1));
        let [scale, inverse, zero_point] = [0, 1, 2].map(|i| grid[i].to_f64());
        for_each_block(io.outputs.float(0), &|start, y| {
            for (y, &x) in y.iter_mut().zip(&x[start..]) {
                if scale == 0.0 {
                    *y = x;
                    continue;
                }
                // The product is an f32, in f64 as well: next to a half, the level would be another.
                let scaled = f64::from(f32::from_f64(x.to_f64() * inverse));
                let level = (scaled.round_ties_even() + zero_point).clamp(0.0, LAST_LEVEL);
                *y = T::from_f64((level - zero_point) * scale);
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        Lanes::one_per_thread("fake_quantize", sig.outputs[0].elements(), caps, |kernel, _| {
            kernel
                .file(include_str!("../../../shaders/common/float_bits_each.wgsl"))
                .file(include_str!("../../../shaders/analysis/fake_quantize.wgsl"))
                .read(Operand::Input(0))
                .read(Operand::Input(1))
                .write(Operand::Output(0))
        })
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        vec![HostKernel::new("blocks", |io, _| {
            let (x, grid) = (io.inputs.float(0), io.inputs.float(1));
            let [scale, inverse, zero_point] = [grid[0], grid[1], grid[2]];
            for_each_block(io.outputs.float(0), &|start, y| {
                let x = &x[start..start + y.len()];
                if scale == 0.0 {
                    y.copy_from_slice(x);
                    return;
                }
                for (y, x) in y.iter_mut().zip(x) {
                    let level = ((x * inverse).round_ties_even() + zero_point).clamp(0.0, 255.0);
                    *y = (level - zero_point) * scale;
                }
            });
        })]
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        let grid = Fill::Floats(vec![1.0 / 32.0, 32.0, 128.0]);
        (0..inputs.len()).map(|i| if i == 1 { grid.clone() } else { Fill::Normal }).collect()
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // The level is the same everywhere; its product with the scale is rounded.
        Tolerance::ulps(1.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        // Two products, a rounding, a sum, a difference and two comparisons.
        Cost::of(sig, 7 * sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, dims: &[usize], x: Fill, [scale, zero_point]: [f32; 2]| {
            let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            Case::new(name, FakeQuantize {})
                .input(TensorType::f32(dims), x)
                .input(TensorType::f32([3]), Fill::Floats(vec![scale, inverse, zero_point]))
                .forward_only()
        };
        let normal = || Fill::Normal;
        // Halves of a step of one quarter, and both ends of the range.
        let halves: Vec<f32> = (-16_i8..16).map(|i| f32::from(i) / 8.0).collect();
        let ends = vec![-1e30, -64.0, -32.1, -32.0, -31.9, -0.0, 0.0, 31.7, 31.8, 40.0, 1e30];
        vec![
            case("one_element", &[1], normal(), [0.02, 128.0]),
            case("tail", &[7, 13], normal(), [0.013, 117.0]),
            case("vectors", &[2, 4, 4, 8], normal(), [0.013, 117.0]),
            case("not_negative", &[3, 40], Fill::Uniform(-0.5, 6.0), [6.0 / 255.0, 0.0]),
            case("not_positive", &[3, 41], Fill::Uniform(-6.0, 0.5), [6.0 / 255.0, 255.0]),
            case("halves", &[32], Fill::Floats(halves), [0.25, 100.0]),
            case("ends", &[11], Fill::Floats(ends), [0.25, 128.0]),
            case("no_grid", &[5, 8], normal(), [0.0, 0.0]),
            case("non_finite_without_grid", &[40], Fill::Special, [0.0, 0.0]),
            case("non_finite", &[127], Fill::Special, [0.1, 20.0]),
            case("non_finite_vectors", &[128], Fill::Special, [0.1, 20.0]),
            case("nan", &[5], Fill::Floats(vec![f32::NAN, 1.0, -1.0, f32::NAN, 0.1]), [0.1, 20.0]),
            case("many_workgroups", &[65_536 * 64 + 3], normal(), [0.03, 127.0]),
            case("bench_128x26x26x32", &[128, 26, 26, 32], normal(), [0.03, 127.0]).bench(),
        ]
    }
}
