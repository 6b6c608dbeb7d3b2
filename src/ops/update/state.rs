//! State that lives on the device between steps: counters, running totals, logs, constants.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Part, Signature, Vjp,
};
use crate::ops::kit::{of_dtype, operands, same_type, scalar};
use crate::tensor::parallel::for_each_block;
use crate::tensor::{DType, Real, Shape, TensorType, Tolerance};

/// `step' = step + 1`, modulo 2^32, in place: the counter of completed steps. `step`: u32 `[1]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advance {}

/// `total' = total + value`, element by element, in place: sums of losses and counts over steps.
/// Inputs: `total`, `value`, of one shape and type, f32 or u32 (modulo 2^32).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accumulate {}

/// `log'[step % length] = value`, in place: a ring of the last values, read once in many steps.
/// Inputs: `log` f32 `[length]`, `value` f32 `[1]`, `step` u32 `[1]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {}

/// A tensor of one value. No inputs; output: f32 of the given shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Full {
    /// Value of every element; finite.
    pub value: f32,
    /// Shape of the result.
    pub shape: Shape,
}

impl OpDef for Advance {
    const NAME: &'static str = "advance";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [step] = operands(Self::NAME, inputs)?;
        scalar(Self::NAME, ("step", step), DType::U32)?;
        Ok(vec![step.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        for step in io.outputs.u32(0) {
            *step = step.wrapping_add(1);
        }
    }

    fn lower(&self, _sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let kernel = Kernel::new("advance")
            .file(include_str!("../../../shaders/update/advance.wgsl"))
            .write(Operand::Output(0));
        vec![Lowering::single("one_invocation", kernel)]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 0)
    }

    fn cases() -> Vec<Case> {
        [("from_zero", 0), ("from_99999", 99_999), ("wraps", u32::MAX)]
            .into_iter()
            .map(|(name, step)| {
                let (ty, fill) = integer(step);
                Case::new(name, Advance {}).input(ty, fill).forward_only()
            })
            .collect()
    }
}

impl OpDef for Accumulate {
    const NAME: &'static str = "accumulate";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [total, value] = operands(Self::NAME, inputs)?;
        same_type(Self::NAME, ("total", total), ("value", value))?;
        if total.dtype == DType::U8 {
            return Err(ShapeError::new(Self::NAME, "takes f32 or u32 totals, not bytes"));
        }
        Ok(vec![total.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (floats, integers) = (io.inputs.float(1), io.inputs.u32(1));
        for (total, value) in io.outputs.float(0).iter_mut().zip(floats) {
            *total = T::from_f64(total.to_f64() + value.to_f64());
        }
        for (total, value) in io.outputs.u32(0).iter_mut().zip(integers) {
            *total = total.wrapping_add(*value);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let total = &sig.outputs[0];
        let kernel = Kernel::new("accumulate")
            .alias("Element", if total.dtype == DType::U32 { "u32" } else { "f32" })
            .flat(total.elements(), 64, caps)
            .file(include_str!("../../../shaders/update/accumulate.wgsl"))
            .read(Operand::Input(1))
            .write(Operand::Output(0));
        vec![Lowering::single("one_per_thread", kernel)]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, sig: &Signature) -> Tolerance {
        // WGSL rounds a sum correctly, or to its other neighbor.
        if sig.outputs[0].dtype == DType::U32 { Tolerance::EXACT } else { Tolerance::ulps(1.0) }
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.outputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let float = |name: &str, n: usize| {
            Case::new(name, Accumulate {}).normal([n]).normal([n]).forward_only()
        };
        vec![
            float("float_1", 1),
            float("float_67", 67),
            Case::new("float_matrix", Accumulate {}).normal([5, 13]).normal([5, 13]).forward_only(),
            Case::new("float_non_finite", Accumulate {})
                .normal([64])
                .input(TensorType::f32([64]), Fill::Special)
                .forward_only(),
            Case::new("integer_wraps", Accumulate {})
                .input(TensorType::u32([3]), Fill::Integers(vec![u32::MAX, 0, 7]))
                .input(TensorType::u32([3]), Fill::Integers(vec![2, 0, 16_777_217]))
                .forward_only(),
            float("many_workgroups", 65_536 * 64 + 3),
        ]
    }
}

impl OpDef for Record {
    const NAME: &'static str = "record";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [log, value, step] = operands(Self::NAME, inputs)?;
        of_dtype(Self::NAME, ("log", log), DType::F32)?;
        let [length] = log.ranked(Self::NAME, "log")?;
        if length == 0 {
            return Err(ShapeError::new(Self::NAME, "log has no entries; give it at least one"));
        }
        scalar(Self::NAME, ("value", value), DType::F32)?;
        scalar(Self::NAME, ("step", step), DType::U32)?;
        Ok(vec![log.clone()])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let [length] = io.outputs.dims(0);
        let (value, step) = (io.inputs.float(1), io.inputs.u32(2));
        io.outputs.float(0)[step[0] as usize % length] = value[0];
    }

    fn lower(&self, sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let kernel = Kernel::new("record")
            .constant("LENGTH", sig.outputs[0].elements())
            .file(include_str!("../../../shaders/update/record.wgsl"))
            .read(Operand::Input(1))
            .read(Operand::Input(2))
            .write(Operand::Output(0));
        vec![Lowering::single("one_invocation", kernel)]
    }

    fn aliases(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, _sig: &Signature) -> Cost {
        // The value and the step are read, one entry of the log is written.
        Cost { flop: 0, bytes: 12 }
    }

    fn cases() -> Vec<Case> {
        [
            ("first", 5, 0),
            ("last", 5, 4),
            ("wraps", 5, 5),
            ("largest_step", 7, u32::MAX),
            ("length_1", 1, 12),
            ("length_1000", 1000, 100_001),
        ]
        .into_iter()
        .map(|(name, length, step)| {
            let (ty, fill) = integer(step);
            Case::new(name, Record {}).normal([length]).normal([1]).input(ty, fill).forward_only()
        })
        .chain([Case::new("not_a_number", Record {})
            .normal([4])
            .input(TensorType::f32([1]), Fill::Floats(vec![f32::NAN]))
            .input(TensorType::u32([1]), Fill::Integers(vec![6]))
            .forward_only()])
        .collect()
    }
}

impl OpDef for Full {
    const NAME: &'static str = "fill";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [] = operands(Self::NAME, inputs)?;
        if !self.value.is_finite() {
            return Err(ShapeError::new(
                Self::NAME,
                format!("value {} must be finite", self.value),
            ));
        }
        Ok(vec![TensorType::f32(self.shape.clone())])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let value = T::from_f64(f64::from(self.value));
        for_each_block(io.outputs.float(0), &|_, y| y.fill(value));
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let elements = sig.outputs[0].elements();
        let kernel = |element, invocations| {
            Kernel::new("fill")
                .alias("Element", element)
                .constant_f32("VALUE", self.value)
                .flat(invocations, 64, caps)
                .file(include_str!("../../../shaders/update/fill.wgsl"))
                .write(Operand::Output(0))
        };
        let mut lowerings = Vec::new();
        if elements.is_multiple_of(4) {
            lowerings.push(Lowering::single("vec4", kernel("vec4<f32>", elements / 4)));
        }
        lowerings.push(Lowering::single("one_per_thread", kernel("f32", elements)));
        lowerings
    }

    fn part(&self, _sig: &Signature, part: Part) -> Option<Self> {
        Some(Self { shape: [part.count].into(), ..self.clone() })
    }

    fn vjp(&self, _v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        // It has no inputs that could need a gradient.
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 0)
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, value: f32, shape: Shape| {
            Case::new(name, Full { value, shape }).forward_only()
        };
        vec![
            case("one_element", 0.1, [1].into()),
            case("prime", -1e-7, [13].into()),
            case("divisible_by_four", f32::MAX, [3, 8].into()),
            case("long", 0.3, [19, 79].into()),
            case("zero", 0.0, [2, 3, 5].into()),
            case("many_workgroups", 1.0 / 3.0, [65_536 * 64 + 3].into()),
        ]
    }
}

/// A case input of one unsigned integer, such as a step counter.
pub(in crate::ops) fn integer(value: u32) -> (TensorType, Fill) {
    (TensorType::u32([1]), Fill::Integers(vec![value]))
}
