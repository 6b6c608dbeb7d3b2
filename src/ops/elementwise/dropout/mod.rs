//! Dropout whose mask is a function of seed, stream, step and position: it is never stored.

mod cpu;

pub(in crate::ops) use cpu::drop_elements;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HalfForm, HostIo, HostKernel, Kernel, Lowering, OpDef, Operand,
    Signature, Vjp,
};
use crate::ops::kit::{Lanes, of_dtype, operands};
use crate::tensor::parallel::for_each_block;
use crate::tensor::rng::{philox4x32, uniform};
use crate::tensor::{DType, Real, TensorType, Tolerance};

/// Second word of the random generator's key: keeps dropout apart from other users of a seed.
pub(in crate::ops) const KEY_HIGH: u32 = 0x6472_6f70;
/// Elements that one draw of the random generator decides on.
pub(in crate::ops) const DRAW: usize = 4;
/// Integer operations of one draw: ten rounds of two 64-bit products from 16-bit halves.
const DRAW_OPERATIONS: usize = 10 * 30;

/// `y[i] = x[i] / (1 - rate)` where `u[i] >= rate`, else 0, with independent uniform `u[i]`.
///
/// Inputs: `x` of any shape, `step` u32 `[1]`. Output: the shape of `x`. `u[i]` is made from word
/// `i % 4` of `philox4x32(counter = [i / 4, stream, step, 0], key = [seed, "drop"])`, so that the
/// gradient is the same op on `dy`, with the same step. Source: Srivastava et al., "Dropout: A
/// Simple Way to Prevent Neural Networks from Overfitting", 2014, in the inverted form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability of zero, at least 0 and below 1.
    pub rate: f32,
    /// Seed of the run.
    pub seed: u32,
    /// Number of the layer, so that layers of one run drop different elements.
    pub stream: u32,
}

impl Dropout {
    /// Factor of the elements that are kept.
    pub(in crate::ops) fn scale(&self) -> f64 {
        1.0 / (1.0 - f64::from(self.rate))
    }

    /// With the rate that is the number of the second element in a step.
    #[expect(clippy::cast_possible_truncation, reason = "it has 24 bits")]
    pub(in crate::ops) fn with_drawn_rate(&self, step: u32) -> Self {
        let words = philox4x32([0, self.stream, step, 0], [self.seed, KEY_HIGH]);
        Self { rate: uniform(words[1]) as f32, ..self.clone() }
    }
}

impl OpDef for Dropout {
    const NAME: &'static str = "dropout";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, step] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("x", x), DType::F32)?;
        of_dtype(Self::NAME, ("step", step), DType::U32)?;
        if step.dims() != [1] {
            return Err(ShapeError::new(
                Self::NAME,
                format!("step must have shape [1], it has {}", step.shape),
            ));
        }
        if !(0.0..1.0).contains(&self.rate) {
            return Err(ShapeError::new(
                Self::NAME,
                format!("rate must be at least 0 and below 1, it is {}", self.rate),
            ));
        }
        Ok(vec![x.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let step = io.inputs.u32(1)[0];
        let (rate, scale) = (f64::from(self.rate), self.scale());
        for_each_block(io.outputs.float(0), &|start, y| {
            // Blocks are whole draws.
            let draws = y.chunks_mut(DRAW).zip(x[start..].chunks(DRAW));
            for (draw, (y, x)) in (start / DRAW..).zip(draws) {
                let draw = u32::try_from(draw).expect("shapes fit 32 bits");
                let words = philox4x32([draw, self.stream, step, 0], [self.seed, KEY_HIGH]);
                for ((y, x), word) in y.iter_mut().zip(x).zip(words) {
                    let kept = uniform(word) >= rate;
                    *y = T::from_f64(if kept { x.to_f64() * scale } else { 0.0 });
                }
            }
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let elements = sig.outputs[0].elements();
        let lower = |&lanes: &Lanes| {
            let (name, wgsl) = match lanes {
                Lanes::One => {
                    ("dropout", include_str!("../../../../shaders/elementwise/dropout.wgsl"))
                }
                Lanes::Four => (
                    "dropout_vec4",
                    include_str!("../../../../shaders/elementwise/dropout_vec4.wgsl"),
                ),
            };
            let kernel = Kernel::new(name)
                .constant("ELEMENTS", elements)
                .constant("SEED", self.seed as usize)
                .constant("STREAM", self.stream as usize)
                .constant("KEY_HIGH", KEY_HIGH as usize)
                .constant_f32("RATE", self.rate)
                .constant_f32("SCALE", f32::from_f64(self.scale()))
                .flat(elements.div_ceil(DRAW), 64, caps)
                .file(include_str!("../../../../shaders/common/philox.wgsl"))
                .file(wgsl)
                .read(Operand::Input(0))
                .read(Operand::Input(1))
                .write(Operand::Output(0));
            Lowering::single(&lanes.variant("one_draw_per_thread"), kernel)
        };
        Lanes::fitting(elements).iter().map(lower).collect()
    }

    fn host_kernels(&self, _sig: &Signature) -> Vec<HostKernel> {
        cpu::kernels(self)
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        HalfForm::FIRST
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        if v.wants(0) {
            let step = v.x(1);
            let dx = v.push(self.clone(), &[dy, step])?;
            v.set(0, dx);
        }
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        // The rounded scale and one product.
        Tolerance::ulps(1.0)
    }

    fn cost(&self, sig: &Signature) -> Cost {
        let elements = sig.outputs[0].elements();
        Cost::of(sig, elements + elements.div_ceil(DRAW) * DRAW_OPERATIONS)
    }

    fn cases() -> Vec<Case> {
        let half = Dropout { rate: 0.5, seed: 7, stream: 0 };
        let case = |name: &str, op: Dropout, dims: Vec<usize>, step: u32| {
            Case::new(name, op).normal(dims).input(TensorType::u32([1]), Fill::Integers(vec![step]))
        };
        let mut cases = vec![
            case("one_element", half.clone(), vec![1], 0),
            case("three_elements", half.clone(), vec![3], 1),
            case("vec4", half.clone(), vec![4, 16], 2),
            case("tail", half.clone(), vec![7, 13], 3),
            case("rate_0", Dropout { rate: 0.0, ..half.clone() }, vec![5, 8], 4),
            case("rate_0.999", Dropout { rate: 0.999, ..half.clone() }, vec![9, 30], 5),
            // An element whose number is the rate is kept.
            case("rate_is_drawn", half.with_drawn_rate(4), vec![61], 4),
            case("rank_4", Dropout { rate: 0.2, ..half.clone() }, vec![2, 3, 3, 5], 6),
            case(
                "extreme_words",
                Dropout { rate: 0.3, seed: u32::MAX, stream: u32::MAX },
                vec![61],
                u32::MAX,
            ),
            case("many_workgroups", half.clone(), vec![65_536 * 64 * DRAW + 3], 8).forward_only(),
        ];
        for (name, dims) in [("non_finite", vec![11, 9]), ("non_finite_vec4", vec![12, 9])] {
            cases.push(
                Case::new(name, half.clone())
                    .input(TensorType::f32(dims), Fill::Special)
                    .input(TensorType::u32([1]), Fill::Integers(vec![9]))
                    .forward_only(),
            );
        }
        cases.push(case("bench_128x1600", half.clone(), vec![128, 1600], 10).bench());
        cases.push(case("bench_64x4096", half, vec![64, 4096], 11).bench());
        cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_outside_of_zero_to_one_are_rejected() {
        for rate in [-0.1, 1.0, 2.0, f32::NAN] {
            let op = Dropout { rate, seed: 0, stream: 0 };
            let error = op
                .infer(&[TensorType::f32([4]), TensorType::u32([1])])
                .expect_err("the rate is no probability below one");
            assert!(error.to_string().contains("at least 0 and below 1"), "{error}");
        }
    }
}
