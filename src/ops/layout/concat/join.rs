//! Tensors side by side along one dimension.

use serde::{Deserialize, Serialize};

use super::Slice;
use super::runs::{Along, Runs, resized};
use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, HostKernel, Lowering, OpDef, Signature, Vjp};
use crate::ops::kit::Lanes;
use crate::tensor::{Real, TensorType, Tolerance};

/// Inputs side by side along dimension `axis`: the branches of an inception block.
///
/// Inputs: one or more tensors, f32 or u32, equal in type apart from the size of `axis`. Output:
/// the sizes of `axis` added up.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// The dimension along which the inputs lie side by side.
    pub axis: usize,
}

impl Concat {
    /// Where each input lies in the output.
    fn copies(&self, inputs: &[&TensorType]) -> Vec<Runs> {
        let parts: Vec<Along> = inputs.iter().map(|ty| Along::checked(ty, self.axis)).collect();
        let pitch: usize = parts.iter().map(|part| part.pitch()).sum();
        let mut offset = 0;
        let place = |part: Along| {
            let run = part.pitch();
            let copy = Runs { outer: part.outer, run, from: (run, 0), to: (pitch, offset) };
            offset += run;
            copy
        };
        parts.into_iter().map(place).collect()
    }
}

impl OpDef for Concat {
    const NAME: &'static str = "concat";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let Some(first) = inputs.first() else {
            return Err(ShapeError::new(Self::NAME, "takes one or more inputs, none were given"));
        };
        let mut size = 0;
        for (i, ty) in inputs.iter().enumerate() {
            let name = format!("input {i}");
            let part = Along::new(Self::NAME, &name, ty, self.axis)?;
            Along::new(Self::NAME, "input 0", first, self.axis)?;
            if ty.shape.rank() != first.shape.rank() || resized(first, self.axis, part.size) != *ty
            {
                return Err(ShapeError::new(
                    Self::NAME,
                    format!(
                        "{name} {ty} may differ from input 0 {first} in dimension {} only",
                        self.axis
                    ),
                ));
            }
            size += part.size;
        }
        Ok(vec![resized(first, self.axis, size)])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let types: Vec<&TensorType> = (0..io.inputs.count()).map(|i| io.inputs.ty(i)).collect();
        for (i, copy) in self.copies(&types).into_iter().enumerate() {
            copy.run_on_host(io, i);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let types: Vec<&TensorType> = sig.inputs.iter().collect();
        let copies = self.copies(&types);
        // Inputs whose runs are aligned take vectors, whatever the others do.
        let widest = |copy: &Runs| copy.lanes().first().copied().unwrap_or(Lanes::One);
        let kernels =
            copies.iter().enumerate().map(|(i, copy)| copy.kernel(i, widest(copy), caps)).collect();
        vec![Lowering { variant: "copies".to_owned(), scratch: Vec::new(), kernels }]
    }

    fn host_kernels(&self, sig: &Signature) -> Vec<HostKernel> {
        let types: Vec<&TensorType> = sig.inputs.iter().collect();
        let copies = self.copies(&types);
        vec![HostKernel::new("runs", move |io, _| {
            for (i, copy) in copies.iter().enumerate() {
                copy.run_in_parallel(io, i, false);
            }
        })]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let mut start = 0;
        for i in 0..v.input_count() {
            let len = Along::new("concat", "input", &v.ty(v.x(i)), self.axis)?.size;
            if v.wants(i) {
                let dx = v.push(Slice { axis: self.axis, start, len }, &[dy])?;
                v.set(i, dx);
            }
            start += len;
        }
        Ok(())
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, 0)
    }

    fn cases() -> Vec<Case> {
        let case = |name: &str, axis: usize, inputs: &[&[usize]]| {
            let case = Case::new(name, Concat { axis });
            inputs.iter().fold(case, |case, dims| case.normal(*dims))
        };
        let labels = |rows: usize| (TensorType::u32([rows]), Fill::Labels(1000));
        let ((a, fill_a), (b, fill_b)) = (labels(5), labels(4));
        vec![
            case("one_input", 0, &[&[3]]),
            case("vectors", 0, &[&[1], &[7], &[2]]),
            case("rows", 0, &[&[2, 3], &[1, 3]]),
            case("columns", 1, &[&[5, 3], &[5, 1], &[5, 7]]),
            case("columns_vec4", 1, &[&[3, 4], &[3, 8]]),
            case("mixed_widths", 3, &[&[2, 2, 3, 4], &[2, 2, 3, 3], &[2, 2, 3, 1]]),
            case("middle", 1, &[&[2, 3, 2], &[2, 1, 2]]),
            case("many_inputs", 1, &[&[2_usize, 1][..]; 11]),
            Case::new("integers", Concat { axis: 0 })
                .input(a, fill_a)
                .input(b, fill_b)
                .forward_only(),
            Case::new("non_finite", Concat { axis: 1 })
                .input(TensorType::f32([9, 4]), Fill::Special)
                .input(TensorType::f32([9, 5]), Fill::Special)
                .forward_only(),
            case("many_workgroups", 1, &[&[65_537, 65], &[65_537, 1]]).forward_only(),
            case("bench_64x16x16x64+128", 3, &[&[64, 16, 16, 64], &[64, 16, 16, 128]]).bench(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(axis: usize, inputs: &[TensorType]) -> String {
        Concat { axis }.infer(inputs).expect_err("these operands are wrong").to_string()
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let [a, b] = [[2, 3], [4, 5]].map(TensorType::f32);
        assert!(rejected(0, &[]).contains("none were given"));
        assert!(
            rejected(2, std::slice::from_ref(&a))
                .contains("input 0 must have elements and a dimension 2")
        );
        assert!(rejected(1, &[a.clone(), b]).contains("input 1 f32[4, 5] may differ"));
        assert!(rejected(1, &[a, TensorType::u32([2, 3])]).contains("in dimension 1 only"));
    }
}
