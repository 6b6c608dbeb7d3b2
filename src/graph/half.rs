//! Operands in 16 bits: which ones an op can have, and its kernels for them.
//!
//! Ops are written for f32 alone. Those whose results travel between kernels list the operands that
//! may be stored as f16 instead ([`Op::half_forms`]). Shapes, tolerance and host kernels follow from
//! those of f32; a GPU kernel gets other element types in its bindings, a conversion around each
//! load and one around each store. All arithmetic stays f32. WGSL converts no floats by itself, so
//! that a place which this file missed would not compile.

use super::{Caps, Cost, Kernel, Lowering, Op, Operand, Signature, Structure};
use crate::error::ShapeError;
use crate::tensor::{DType, TensorType, Tolerance};

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

fn widened_signature(sig: &Signature) -> Signature {
    Signature {
        inputs: sig.inputs.iter().map(widened).collect(),
        outputs: sig.outputs.iter().map(widened).collect(),
    }
}

impl dyn Op {
    /// Types of the outputs for given inputs, some of which may be f16.
    ///
    /// # Errors
    /// When the op cannot take these inputs; the message says what it expects.
    pub fn output_types(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let halves = || inputs.iter().enumerate().filter(|(_, ty)| ty.dtype == DType::F16);
        if halves().next().is_none() {
            return self.infer(inputs);
        }
        let fits = |form: &&HalfForm| halves().map(|(i, _)| i).eq(form.inputs.iter().copied());
        let Some(form) = self.half_forms().iter().find(fits) else {
            let given: Vec<String> = inputs.iter().map(ToString::to_string).collect();
            let message = format!("has no form for {}; cast them to f32", given.join(", "));
            return Err(ShapeError::new(self.name(), message));
        };
        let mut outputs = self.infer(&inputs.iter().map(widened).collect::<Vec<_>>())?;
        for &o in form.outputs {
            if let Some(ty) = outputs.get_mut(o) {
                *ty = ty.with_dtype(DType::F16);
            }
        }
        Ok(outputs)
    }

    /// Every variant that a device with `caps` can run for operands of which some may be f16, best
    /// guess first.
    pub fn lowerings(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let dtype = |operand: Operand| match operand {
            Operand::Input(i) => sig.inputs.get(i).map(|ty| ty.dtype),
            Operand::Output(o) => sig.outputs.get(o).map(|ty| ty.dtype),
            Operand::Scratch(_) => None,
        };
        let is_half = |operand| dtype(operand) == Some(DType::F16);
        let any = sig.inputs.iter().chain(&sig.outputs).any(|ty| ty.dtype == DType::F16);
        if !any || self.structure() != Structure::Compute {
            return self.lower(sig, caps);
        }
        if !caps.f16 {
            return Vec::new();
        }
        let stored = |lowering: Lowering| {
            let kernels = lowering.kernels.iter().map(|kernel| store_half(kernel, &is_half));
            Some(Lowering { kernels: kernels.collect::<Option<_>>()?, ..lowering })
        };
        self.lower(&widened_signature(sig), caps).into_iter().filter_map(stored).collect()
    }

    /// Work of one execution on operands of which some may be f16: the operations are those on f32.
    pub fn work(&self, sig: &Signature) -> Cost {
        Cost { flop: self.cost(&widened_signature(sig)).flop, ..self.cost(sig) }
    }

    /// How far the f32 results of the lowering or host kernel called `variant` may lie from the
    /// reference; [`Tolerance::stored_as`] adds what storing them takes.
    pub fn tolerance_of(&self, sig: &Signature, variant: &str) -> Tolerance {
        self.variant_tolerance(&widened_signature(sig), variant)
    }

    /// Every fast variant that the CPU can run, best first; it computes in f32 (see
    /// [`super::run_on_words`]).
    pub fn host_variants(&self, sig: &Signature) -> Vec<super::HostKernel> {
        self.host_kernels(&widened_signature(sig))
    }
}

/// A binding whose elements change.
struct HalfBinding {
    /// Its name in the text.
    name: String,
    /// Type that the text gives its elements.
    wide: String,
    /// Type that they get.
    narrow: String,
}

/// The kernel with the bound operands that `is_half` names stored as f16. None where their elements
/// are not what can be converted: floats, or vectors of floats.
fn store_half(kernel: &Kernel, is_half: &dyn Fn(Operand) -> bool) -> Option<Kernel> {
    let mut bindings = Vec::new();
    let mut source = kernel.source.clone();
    for (number, binding) in kernel.bindings.iter().enumerate() {
        if !is_half(binding.operand) {
            continue;
        }
        let mark = format!("@binding({number}) var<storage, ");
        let declared = source.lines().find(|line| line.contains(&mark))?.to_owned();
        let (_, rest) = declared.split_once("> ")?;
        let (name, wide) = rest.trim_end().strip_suffix(">;")?.split_once(": array<")?;
        let narrow = resolved(&kernel.source, wide).replace("f32", "f16");
        if !matches!(narrow.as_str(), "f16" | "vec2<f16>" | "vec3<f16>" | "vec4<f16>") {
            return None;
        }
        let changed = declared.replace(&format!("array<{wide}>"), &format!("array<{narrow}>"));
        source = source.replace(&declared, &changed);
        let (name, wide) = (name.to_owned(), wide.to_owned());
        bindings.push(HalfBinding { name, wide, narrow });
    }
    if bindings.is_empty() {
        return Some(kernel.clone());
    }
    let source = format!("enable f16;\n{}", convert_accesses(&source, &bindings)?);
    Some(Kernel { source, ..kernel.clone() })
}

/// What an alias of the text stands for.
fn resolved(source: &str, name: &str) -> String {
    let start = format!("alias {name} = ");
    let meaning = source.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix(';'));
    meaning.map_or_else(|| name.to_owned(), |meaning| resolved(source, meaning))
}

/// Converts each element of a binding where it is loaded, and each value where it is stored.
fn convert_accesses(text: &str, bindings: &[HalfBinding]) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut result = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if is_word(c) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            c.len_utf8()
        };
        let (token, behind) = rest.split_at(length);
        let binding = bindings.iter().find(|b| b.name == token && before != '.');
        match binding.filter(|_| behind.starts_with('[')) {
            Some(binding) => {
                let (access, behind) = convert_access(binding, behind, bindings)?;
                result.push_str(&access);
                rest = behind;
                before = ')';
            }
            None => {
                result.push_str(token);
                rest = behind;
                before = token.chars().next_back().unwrap_or(' ');
            }
        }
    }
    Some(result)
}

/// Converts one access, whose text goes on with `[index]`: the new text, and what follows it.
fn convert_access<'a>(
    binding: &HalfBinding,
    text: &'a str,
    bindings: &[HalfBinding],
) -> Option<(String, &'a str)> {
    let HalfBinding { name, wide, narrow } = binding;
    let (index, behind) = text.split_at(closing(text)? + 1);
    let index = convert_accesses(index, bindings)?;
    // What is read, changed and stored again would be rounded on the way.
    let next = behind.trim_start();
    if ["+=", "-=", "*=", "/="].iter().any(|operator| next.starts_with(operator)) {
        return None;
    }
    let assigned = behind.trim_start().strip_prefix('=').filter(|value| !value.starts_with('='));
    match assigned {
        Some(value) => {
            let (value, behind) = value.split_at(value.find(';')?);
            let value = convert_accesses(value.trim(), bindings)?;
            Some((format!("{name}{index} = {narrow}({value})"), behind))
        }
        None => Some((format!("{wide}({name}{index})"), behind)),
    }
}

/// Position of the bracket that closes the one at the start.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
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
