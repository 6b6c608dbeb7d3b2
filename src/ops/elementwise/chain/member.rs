//! The ops that chains are made of.

use crate::graph::Activation;
use crate::ops::kit::{LARGEST_COTANGENT, Repeat, ops_among};
use crate::ops::{Activate, ActivateGrad, Binary, BinaryFunction, Dropout, Scale};
use crate::tensor::TensorType;

ops_among! {
    /// An op whose element `i` depends on element `i` of its operands, or on that of small ones which
    /// are repeated.
    pub enum Member {
        /// `f(x)`
        Activate(Activate),
        /// `dy f'(value)`
        ActivateGrad(ActivateGrad),
        /// Sum, difference, product, quotient.
        Binary(Binary),
        /// Dropout, and its gradient.
        Dropout(Dropout),
        /// A constant factor.
        Scale(Scale),
    }
}

impl Member {
    /// Number of operands.
    pub(super) fn arity(&self) -> usize {
        match self {
            Self::Activate(_) | Self::Scale(_) => 1,
            Self::ActivateGrad(_) | Self::Binary(_) | Self::Dropout(_) => 2,
        }
    }

    /// The activation function whose code it needs.
    pub(super) fn function(&self) -> Option<Activation> {
        match self {
            Self::Activate(Activate { function }) => Some(*function),
            Self::ActivateGrad(ActivateGrad { function }) => Some(*function),
            Self::Binary(_) | Self::Dropout(_) | Self::Scale(_) => None,
        }
    }

    /// Whether an operand is stored as activations are, in 16 bits where they are; not a parameter
    /// or a counter.
    pub(super) fn stores_activation(&self, position: usize) -> bool {
        match self {
            Self::Binary(binary) => position == 0 || !binary.per_column,
            Self::Dropout(_) => position == 0,
            Self::Activate(_) | Self::ActivateGrad(_) | Self::Scale(_) => true,
        }
    }

    /// Whether it does the same to every element, wherever that lies.
    pub(super) fn is_alike_everywhere(&self) -> bool {
        match self {
            Self::Binary(binary) => !binary.per_column,
            Self::Dropout(_) => false,
            Self::Activate(_) | Self::ActivateGrad(_) | Self::Scale(_) => true,
        }
    }

    /// How an operand is repeated along the result, given the types of all of them.
    pub(super) fn repeat(&self, position: usize, operands: &[TensorType]) -> Repeat {
        let modulo = operands.first().map_or(1, TensorType::elements).max(1);
        let each = Repeat { divide: 1, modulo };
        match (self, position, operands) {
            (Self::Binary(binary), 1, [a, b]) => binary.repeat(a, b).unwrap_or(each),
            _ => each,
        }
    }

    pub(super) fn is_sum(&self) -> bool {
        use BinaryFunction::{Add, Subtract};
        matches!(self, Self::Binary(Binary { function: Add | Subtract, .. }))
    }

    /// Bound on the factor by which it enlarges an absolute error of an operand, where the other
    /// operand is of the size that tests give it.
    pub(super) fn gain(&self) -> f64 {
        match self {
            // Derivatives are at most 1.13, that of both gelu.
            Self::Activate(_) => 1.2,
            Self::ActivateGrad(_) => LARGEST_COTANGENT,
            Self::Binary(_) if self.is_sum() => 1.0,
            Self::Binary(_) => LARGEST_COTANGENT,
            Self::Dropout(dropout) => dropout.scale(),
            Self::Scale(scale) => scale.factor.abs(),
        }
    }
}
