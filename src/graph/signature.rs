//! Types of the operands of an op, and the work that it does on them.

use super::Operand;
use crate::tensor::TensorType;

/// Types of an op's operands, once its shapes are known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Types of the inputs, in order.
    pub inputs: Vec<TensorType>,
    /// Types of the outputs, in order.
    pub outputs: Vec<TensorType>,
}

impl Signature {
    /// Type of an input or output; scratch memory has none.
    pub fn ty(&self, operand: Operand) -> Option<&TensorType> {
        match operand {
            Operand::Input(i) => self.inputs.get(i),
            Operand::Output(o) => self.outputs.get(o),
            Operand::Scratch(_) => None,
        }
    }
}

/// Work of one execution of an op.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations; a fused multiply-add counts as two.
    pub flop: u64,
    /// Bytes that must at least be read and written: each operand once.
    pub bytes: u64,
}

impl Cost {
    /// `flop` operations over the operands of `sig`, each of which is moved once.
    pub fn of(sig: &Signature, flop: usize) -> Self {
        let bytes: usize = sig.inputs.iter().chain(&sig.outputs).map(TensorType::bytes).sum();
        Self { flop: flop as u64, bytes: bytes as u64 }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| Self {
            flop: sum.flop + cost.flop,
            bytes: sum.bytes + cost.bytes,
        })
    }
}
