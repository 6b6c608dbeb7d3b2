//! Ops that only say where data lie: views into a tensor, and tensors packed into an arena.
//!
//! The memory planner resolves them, so that they cost nothing; their kernels run where it cannot
//! (a value that is packed twice, say) and in tests.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{
    Caps, Case, Cost, HalfForm, HostIo, Kernel, Lowering, OpDef, Operand, Part, Signature,
    Structure, Vjp,
};
use crate::ops::kit::{of_dtype, operands};
use crate::tensor::{DType, Real, Shape, TensorType, Tolerance};

/// A contiguous range of a tensor under another shape: reshape, flatten, a parameter in its arena.
///
/// Input: any shape, f32 or u32. Output: `shape`, the elements from `offset` on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// First element.
    #[serde(default)]
    pub offset: usize,
    /// Shape of the result.
    pub shape: Shape,
}

/// Tensors side by side in one arena: gradients, for an optimizer that updates them at once.
///
/// Inputs: f32 tensors. Output: `[elements]`; input `i` starts at element `offsets[i]`. Elements
/// between the tensors hold whatever the arena held; nothing may depend on them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// First element of each input; ascending, without overlap.
    pub offsets: Vec<usize>,
    /// Elements of the arena.
    pub elements: usize,
}

impl View {
    /// A view of all elements under another shape.
    pub fn reshape(shape: impl Into<Shape>) -> Self {
        Self { offset: 0, shape: shape.into() }
    }
}

/// A kernel that copies `words` 32-bit words of input `i` into output 0.
fn copy_kernel(i: usize, words: usize, from: usize, to: usize, caps: &Caps) -> Kernel {
    Kernel::new("copy_words")
        .constant("X_OFFSET", from)
        .constant("Y_OFFSET", to)
        .flat(words, 64, caps)
        .file(include_str!("../../../shaders/layout/copy_words.wgsl"))
        .read(Operand::Input(i))
        .write(Operand::Output(0))
}

impl OpDef for View {
    const NAME: &'static str = "view";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        let end = self.offset + self.shape.elements();
        if end > x.elements() {
            return Err(ShapeError::new(
                Self::NAME,
                format!(
                    "shape {} from element {} on needs {end} elements, x {} has {}",
                    self.shape,
                    self.offset,
                    x.shape,
                    x.elements()
                ),
            ));
        }
        if x.dtype == DType::U8 {
            return Err(ShapeError::new(Self::NAME, "takes f32 or u32 tensors, x holds bytes"));
        }
        Ok(vec![TensorType::new(x.dtype, self.shape.clone())])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let range = self.offset..self.offset + self.shape.elements();
        match io.outputs.ty(0).dtype {
            DType::U32 => io.outputs.u32(0).copy_from_slice(&io.inputs.u32(0)[range]),
            _ => io.outputs.float(0).copy_from_slice(&io.inputs.float(0)[range]),
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let kernel = copy_kernel(0, sig.outputs[0].words(), self.offset, 0, caps);
        vec![Lowering::single("copy", kernel)]
    }

    fn part(&self, sig: &Signature, part: Part) -> Option<Self> {
        let is_copy = sig.inputs.first().is_some_and(|x| x.elements() == self.shape.elements());
        is_copy.then(|| Self::reshape([part.count]))
    }

    fn half_forms(&self) -> &'static [HalfForm] {
        // Parts of a tensor might begin in the middle of a word.
        if self.offset == 0 { HalfForm::FIRST } else { &[] }
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        let x = v.ty(v.x(0));
        if self.offset != 0 || x.elements() != self.shape.elements() {
            return Err(ShapeError::new(
                "view",
                "a part of a tensor has no gradient rule; take gradients of the view itself",
            ));
        }
        let dx = v.push(Self::reshape(x.shape), &[dy])?;
        v.set(0, dx);
        Ok(())
    }

    fn structure(&self) -> Structure {
        Structure::View { offset: self.offset }
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, _sig: &Signature) -> Cost {
        Cost::default()
    }

    fn cases() -> Vec<Case> {
        vec![
            Case::new("reshape", View::reshape([6, 5])).normal([2, 3, 5]),
            Case::new("long", View::reshape([79, 19])).normal([1501]).forward_only(),
            Case::new("one_element", View::reshape([1])).normal([1, 1]),
            Case::new("range", View { offset: 64, shape: [7, 3].into() })
                .normal([100])
                .forward_only(),
        ]
    }
}

impl OpDef for Pack {
    const NAME: &'static str = "pack";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        if inputs.len() != self.offsets.len() {
            return Err(ShapeError::new(
                Self::NAME,
                format!("has {} offsets for {} inputs", self.offsets.len(), inputs.len()),
            ));
        }
        let mut end = 0;
        for (i, (x, &offset)) in inputs.iter().zip(&self.offsets).enumerate() {
            of_dtype(Self::NAME, ("input", x), DType::F32)?;
            if offset < end {
                return Err(ShapeError::new(
                    Self::NAME,
                    format!("input {i} starts at element {offset}, the one before ends at {end}"),
                ));
            }
            end = offset + x.elements();
        }
        if end > self.elements {
            return Err(ShapeError::new(
                Self::NAME,
                format!("the inputs end at element {end}, the arena has {}", self.elements),
            ));
        }
        Ok(vec![TensorType::f32([self.elements])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        for (i, &offset) in self.offsets.iter().enumerate() {
            let x = io.inputs.float(i);
            io.outputs.float(0)[offset..offset + x.len()].copy_from_slice(x);
        }
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let copies = sig.inputs.iter().zip(&self.offsets).enumerate();
        let kernels =
            copies.map(|(i, (x, &offset))| copy_kernel(i, x.words(), 0, offset, caps)).collect();
        vec![Lowering { variant: "copy".to_owned(), scratch: Vec::new(), kernels }]
    }

    fn vjp(&self, v: &mut Vjp<'_>) -> Result<(), ShapeError> {
        let Some(dy) = v.dy(0) else { return Ok(()) };
        for (i, &offset) in self.offsets.iter().enumerate() {
            let shape = v.ty(v.x(i)).shape;
            let dx = v.push(View { offset, shape }, &[dy])?;
            v.set(i, dx);
        }
        Ok(())
    }

    fn structure(&self) -> Structure {
        Structure::Pack { offsets: self.offsets.clone() }
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, _sig: &Signature) -> Cost {
        Cost::default()
    }

    fn cases() -> Vec<Case> {
        vec![
            Case::new("tight", Pack { offsets: vec![0, 6], elements: 13 })
                .normal([2, 3])
                .normal([7]),
            Case::new("one", Pack { offsets: vec![0], elements: 5 }).normal([5]),
        ]
    }
}
