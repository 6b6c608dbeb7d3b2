//! Operands in 16 bits: which ones an op can have, and its kernels for them.
//!
//! Ops are written for f32 alone. Those whose results travel between kernels list the operands that
//! may be stored as f16 instead ([`super::OpDef::half_forms`]). Shapes, tolerance and host kernels follow from
//! those of f32; a GPU kernel gets other element types in its bindings, a conversion around each
//! load and one around each store. All arithmetic stays f32. WGSL converts no floats by itself, so
//! that a place which this file missed would not compile.

use super::accesses::{Access, Declaration, declaration, resolved, rewrite};
use super::{Kernel, Operand, Signature};
use crate::error::ShapeError;
use crate::tensor::{DType, TensorType};

/// Operands of an op that are stored as f16 together; the others keep their types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfForm {
    /// Inputs, by position.
    pub inputs: &'static [usize],
    /// Outputs, by position.
    pub outputs: &'static [usize],
}

impl HalfForm {
    /// The form of an op that reads one activation and makes one.
    pub const FIRST: &'static [Self] = &[Self::new(&[0], &[0])];

    /// A form.
    pub const fn new(inputs: &'static [usize], outputs: &'static [usize]) -> Self {
        Self { inputs, outputs }
    }
}

/// The type as ops see it: f32 where it is f16.
pub fn widened(ty: &TensorType) -> TensorType {
    if ty.dtype == DType::F16 { ty.with_dtype(DType::F32) } else { ty.clone() }
}

pub(super) fn widened_signature(sig: &Signature) -> Signature {
    Signature {
        inputs: sig.inputs.iter().map(widened).collect(),
        outputs: sig.outputs.iter().map(widened).collect(),
    }
}

/// The rule of an op by which its inputs' types give those of its outputs.
pub(super) type Rule<'a> = &'a dyn Fn(&[TensorType]) -> Result<Vec<TensorType>, ShapeError>;

/// Types of the outputs of the op called `name` for inputs of which some may be f16, by its rule for
/// f32.
pub(super) fn infer(
    name: &str,
    forms: &[HalfForm],
    inputs: &[TensorType],
    rule: Rule<'_>,
) -> Result<Vec<TensorType>, ShapeError> {
    let halves = || inputs.iter().enumerate().filter(|(_, ty)| ty.dtype == DType::F16);
    if halves().next().is_none() {
        return rule(inputs);
    }
    let fits = |form: &&HalfForm| halves().map(|(i, _)| i).eq(form.inputs.iter().copied());
    let Some(form) = forms.iter().find(fits) else {
        let given: Vec<String> = inputs.iter().map(ToString::to_string).collect();
        let message = format!("has no form for {}; cast them to f32", given.join(", "));
        return Err(ShapeError::new(name, message));
    };
    let mut outputs = rule(&inputs.iter().map(widened).collect::<Vec<_>>())?;
    for &o in form.outputs {
        if let Some(ty) = outputs.get_mut(o) {
            *ty = ty.with_dtype(DType::F16);
        }
    }
    Ok(outputs)
}

/// The kernel with the bound operands that `is_half` names stored as f16. None where their elements
/// are not what can be converted: floats, or vectors of floats.
pub(super) fn store_half(kernel: &Kernel, is_half: &dyn Fn(Operand) -> bool) -> Option<Kernel> {
    let mut names = Vec::new();
    let mut types = Vec::new();
    let mut source = kernel.source.clone();
    for (number, binding) in kernel.bindings.iter().enumerate() {
        if !is_half(binding.operand) {
            continue;
        }
        let Declaration { line, name, element: wide } = declaration(&source, number)?;
        let narrow = resolved(&kernel.source, &wide).replace("f32", "f16");
        if !matches!(narrow.as_str(), "f16" | "vec2<f16>" | "vec3<f16>" | "vec4<f16>") {
            return None;
        }
        let changed = line.replace(&format!("array<{wide}>"), &format!("array<{narrow}>"));
        source = source.replace(&line, &changed);
        names.push(name);
        types.push([wide, narrow]);
    }
    if names.is_empty() {
        return Some(kernel.clone());
    }
    let convert = |Access { binding, index, value }: Access<'_>| {
        let (name, [wide, narrow]) = (&names[binding], &types[binding]);
        Some(match value {
            Some(value) => format!("{name}[{index}] = {narrow}({value})"),
            None => format!("{wide}({name}[{index}])"),
        })
    };
    let source = format!("enable f16;\n{}", rewrite(&source, &names, &convert)?);
    Some(Kernel { source, ..kernel.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
alias FLOATS = vec4<f32>;
// y[i] = x[i]
@group(0) @binding(0) var<storage, read> x: array<FLOATS>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<FLOATS>;
y[order[i]] = max(x[order[i]], x[0]) * row.x[0];
if x[i].x == 0.0 { return; }
";

    fn kernel() -> Kernel {
        Kernel::new("test")
            .file(TEXT)
            .read(Operand::Input(0))
            .read(Operand::Input(1))
            .write(Operand::Output(0))
    }

    #[test]
    fn loads_and_stores_are_converted() {
        let half = store_half(&kernel(), &|operand| operand != Operand::Input(1));
        let expected = "\
enable f16;
alias FLOATS = vec4<f32>;
// y[i] = x[i]
@group(0) @binding(0) var<storage, read> x: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f16>>;
y[order[i]] = vec4<f16>(max(FLOATS(x[order[i]]), FLOATS(x[0])) * row.x[0]);
if FLOATS(x[i]).x == 0.0 { return; }
";
        assert_eq!(half.map(|kernel| kernel.source).as_deref(), Some(expected));
    }

    #[test]
    fn kernels_without_such_operands_stay_and_integers_have_no_form() {
        assert_eq!(store_half(&kernel(), &|_| false), Some(kernel()));
        assert_eq!(store_half(&kernel(), &|operand| operand == Operand::Input(1)), None);
    }
}
