//! What the parts of a kernel are, for those who follow its data and those who rewrite it.

use naga::{
    Arena, ArraySize, Expression, GlobalVariable, Handle, Literal, LocalVariable, Module,
    ScalarKind, Type, TypeInner, UniqueArena,
};

use crate::graph::texels;

/// What is bound to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Bound {
    /// So many bytes of a buffer.
    Bytes(usize),
    /// Texels of a texture: columns and rows.
    Texels([u32; 2]),
}

impl Bound {
    /// A texture of so many rows.
    pub fn texels(rows: usize) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(0);
        Self::Texels([count(texels::ROW_BYTES / texels::TEXEL_BYTES), count(rows)])
    }
}

/// What a pointer points into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// A local variable.
    Local(Handle<LocalVariable>),
    /// A global variable.
    Global(Handle<GlobalVariable>),
}

/// What a pointer points into. None where another function made it.
pub(super) fn root(expressions: &Arena<Expression>, pointer: Handle<Expression>) -> Option<Root> {
    match expressions[pointer] {
        Expression::LocalVariable(local) => Some(Root::Local(local)),
        Expression::GlobalVariable(global) => Some(Root::Global(global)),
        Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
            root(expressions, base)
        }
        _ => None,
    }
}

/// Whether values of a type hold floats. Pointers hold nothing.
pub(super) fn holds_floats(module: &Module, ty: &TypeInner) -> bool {
    match *ty {
        TypeInner::Scalar(scalar)
        | TypeInner::Vector { scalar, .. }
        | TypeInner::Atomic(scalar) => {
            matches!(scalar.kind, ScalarKind::Float | ScalarKind::AbstractFloat)
        }
        TypeInner::Matrix { .. } | TypeInner::CooperativeMatrix { .. } => true,
        TypeInner::Array { base, .. } => holds_floats(module, &module.types[base].inner),
        TypeInner::Struct { ref members, .. } => {
            members.iter().any(|member| holds_floats(module, &module.types[member.ty].inner))
        }
        _ => false,
    }
}

/// Number of elements that an index reaches, by the type of what is indexed. None for an array whose
/// length the binding gives.
pub(super) fn elements(module: &Module, ty: &TypeInner) -> Result<Option<u32>, &'static str> {
    match *ty {
        TypeInner::Pointer { base, .. } => elements(module, &module.types[base].inner),
        TypeInner::Array { size: ArraySize::Constant(count), .. } => Ok(Some(count.get())),
        TypeInner::Array { size: ArraySize::Dynamic, .. } => Ok(None),
        TypeInner::Vector { size, .. } | TypeInner::ValuePointer { size: Some(size), .. } => {
            Ok(Some(size as u32))
        }
        TypeInner::Matrix { columns, .. } => Ok(Some(columns as u32)),
        TypeInner::Struct { ref members, .. } => {
            u32::try_from(members.len()).map(Some).map_err(|_| "such a struct")
        }
        _ => Err("an index into this type"),
    }
}

/// The value of an expression that is written down as an integer.
pub(super) fn constant(
    module: &Module,
    expressions: &Arena<Expression>,
    handle: Handle<Expression>,
) -> Option<i64> {
    match expressions[handle] {
        Expression::Literal(Literal::U32(value)) => Some(value.into()),
        Expression::Literal(Literal::I32(value)) => Some(value.into()),
        Expression::Constant(named) => {
            constant(module, &module.global_expressions, module.constants[named].init)
        }
        Expression::ZeroValue(_) => Some(0),
        _ => None,
    }
}

/// Whether it is written down that a divisor is neither 0 nor -1, in any component.
pub(super) fn is_safe_divisor(
    module: &Module,
    expressions: &Arena<Expression>,
    handle: Handle<Expression>,
) -> bool {
    match expressions[handle] {
        Expression::Splat { value, .. } => is_safe_divisor(module, expressions, value),
        Expression::Compose { ref components, .. } => {
            components.iter().all(|&part| is_safe_divisor(module, expressions, part))
        }
        Expression::Constant(named) => {
            is_safe_divisor(module, &module.global_expressions, module.constants[named].init)
        }
        _ => constant(module, expressions, handle).is_some_and(|value| value != 0 && value != -1),
    }
}

/// Whether there is a zero of a type.
pub(super) fn is_constructible(types: &UniqueArena<Type>, ty: Handle<Type>) -> bool {
    match types[ty].inner {
        TypeInner::Scalar(_) | TypeInner::Vector { .. } | TypeInner::Matrix { .. } => true,
        TypeInner::Array { base, size: ArraySize::Constant(_), .. } => {
            is_constructible(types, base)
        }
        TypeInner::Struct { ref members, .. } => {
            members.iter().all(|member| is_constructible(types, member.ty))
        }
        _ => false,
    }
}

/// Lines of a matrix of a subgroup that lies in memory, and elements of what `pointer` points to in
/// each line. The matrix is square: else which way it lies would matter.
pub(super) fn cooperative(
    module: &Module,
    matrix: &TypeInner,
    pointer: &TypeInner,
) -> Option<(u32, u32)> {
    let TypeInner::CooperativeMatrix { columns, rows, scalar, .. } = *matrix else { return None };
    let element = match *pointer {
        TypeInner::Pointer { base, .. } => module.types[base].inner.clone(),
        TypeInner::ValuePointer { size: Some(size), scalar, .. } => {
            TypeInner::Vector { size, scalar }
        }
        TypeInner::ValuePointer { size: None, scalar, .. } => TypeInner::Scalar(scalar),
        _ => return None,
    };
    let (lanes, of) = match element {
        TypeInner::Scalar(scalar) => (1, scalar),
        TypeInner::Vector { size, scalar } => (size as u32, scalar),
        _ => return None,
    };
    let lines = columns as u32;
    (columns == rows && of == scalar).then_some((lines, lines.div_ceil(lanes)))
}
