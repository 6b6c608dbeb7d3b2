//! Element types, shapes and tensor types.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// 32-bit IEEE float.
    F32,
    /// 16-bit IEEE float, packed two to a 32-bit word, little-endian: storage only, since all
    /// arithmetic is in f32.
    F16,
    /// 32-bit unsigned integer: labels, indices, counters.
    U32,
    /// Byte, packed four to a 32-bit word, little-endian: raw images. Read-only in kernels.
    U8,
}

impl DType {
    /// Bytes of one element.
    pub const fn bytes(self) -> usize {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::F16 => 2,
            DType::U8 => 1,
        }
    }

    /// Whether elements are floats, of any width.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F16)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::U32 => "u32",
            DType::U8 => "u8",
        })
    }
}

/// Dimensions of a tensor, outermost first, stored densely in row-major order.
///
/// Activations are `[n, h, w, c]` (channels innermost), convolution weights
/// `[kh, kw, in_channels / groups, out_channels]`, dense weights `[in, out]`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Whether the number of elements fits the 32-bit indices of kernels.
    pub fn is_indexable(&self) -> bool {
        let elements = self.0.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim));
        elements.is_some_and(|n| u32::try_from(n).is_ok())
    }

    /// Number of elements; 1 for a shape without dimensions. What no number can hold is the largest there is,
    /// which no device and no index reaches.
    pub fn elements(&self) -> usize {
        self.0.iter().fold(1, |product: usize, &dim| product.saturating_mul(dim))
    }
}

impl<D: Into<Vec<usize>>> From<D> for Shape {
    fn from(dims: D) -> Self {
        Self(dims.into())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Element type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TensorType {
    /// Dimensions.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl TensorType {
    /// A tensor type of any element type.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into(), dtype }
    }

    /// A float tensor.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Self::new(DType::F32, shape)
    }

    /// A tensor of floats that are stored in 16 bits.
    pub fn f16(shape: impl Into<Shape>) -> Self {
        Self::new(DType::F16, shape)
    }

    /// The same shape with another element type.
    #[must_use]
    pub fn with_dtype(&self, dtype: DType) -> Self {
        Self::new(dtype, self.shape.clone())
    }

    /// An unsigned integer tensor.
    pub fn u32(shape: impl Into<Shape>) -> Self {
        Self::new(DType::U32, shape)
    }

    /// A byte tensor.
    pub fn u8(shape: impl Into<Shape>) -> Self {
        Self::new(DType::U8, shape)
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        self.shape.dims()
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.elements()
    }

    /// Size in a buffer, in bytes, rounded up to whole 32-bit words.
    pub fn bytes(&self) -> usize {
        let bytes = self.elements().saturating_mul(self.dtype.bytes());
        bytes.checked_next_multiple_of(4).unwrap_or(usize::MAX)
    }

    /// Size in a buffer, in 32-bit words.
    pub fn words(&self) -> usize {
        self.bytes() / 4
    }

    /// The dimensions as an array of rank `N`.
    ///
    /// # Errors
    /// Names operation, operand and the rank found.
    pub fn ranked<const N: usize>(
        &self,
        op: &str,
        operand: &str,
    ) -> Result<[usize; N], ShapeError> {
        <[usize; N]>::try_from(self.dims()).map_err(|_| {
            ShapeError::new(
                op,
                format!("{operand} must have {N} dimensions, it has shape {}", self.shape),
            )
        })
    }

    /// Splits the shape into rows and columns: the last dimension and the product of the others.
    /// A tensor without dimensions is one row of one column.
    pub fn rows_columns(&self) -> (usize, usize) {
        match self.dims().split_last() {
            Some((&columns, outer)) => (outer.iter().product(), columns),
            None => (1, 1),
        }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}
