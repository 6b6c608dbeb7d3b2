//! How the inputs of a case are filled.

use crate::tensor::{DType, TensorType};

/// How a test input is filled, from a seed that the name of the case gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// Normal numbers, mean 0, standard deviation 1.
    Normal,
    /// Uniform numbers in a range.
    Uniform(f32, f32),
    /// Distinct numbers in random order, spaced by at least 0.05, so that a finite difference
    /// never changes which of them is largest; none is within 0.02 of zero.
    Distinct,
    /// Normal numbers, about one in seven replaced by NaN or an infinity, and as many by a number at which an
    /// activation function bends, or one that it gives where it does: 0, -0, 1, -1, 6, and the one before 6.
    Special,
    /// Labels below the bound.
    Labels(u32),
    /// Labels below the bound, about one in four replaced by the ignored label.
    LabelsOrIgnored(u32),
    /// Rows that are non-negative and sum to one.
    Probabilities,
    /// Random bytes.
    Bytes,
    /// The given floats.
    Floats(Vec<f32>),
    /// The given integers.
    Integers(Vec<u32>),
    /// The numbers 0, 1, 2, ... in random order.
    Permutation,
}

impl Fill {
    /// Values of a type about which nothing more is known.
    pub fn any(ty: &TensorType) -> Self {
        match ty.dtype {
            DType::F32 | DType::F16 => Self::Normal,
            DType::U32 => Self::Labels(2),
            DType::U8 => Self::Bytes,
        }
    }
}

impl Fill {
    /// The same values, as far as f16 reaches: a number beyond would become infinite, which is
    /// another case than the one that was meant.
    pub(super) fn within_half(self) -> Self {
        const LARGEST: f32 = 65_504.0;
        let within =
            |value: f32| if value.is_finite() { value.clamp(-LARGEST, LARGEST) } else { value };
        match self {
            Self::Floats(values) => Self::Floats(values.into_iter().map(within).collect()),
            other => other,
        }
    }
}
