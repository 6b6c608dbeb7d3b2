//! What follows a normalization in the same pass over its result: a residual sum and an activation
//! function.

use serde::{Deserialize, Serialize};

use super::channels::Sizes;
use crate::error::ShapeError;
use crate::graph::{Activation, Caps, Epilogue, Kernel, Operand, Signature, Value, Vjp};
use crate::ops::elementwise::activation::ActivateGrad;
use crate::ops::kit::{Lanes, same_type};
use crate::tensor::{Real, TensorType};

/// `f(normalized + residual)`, where the residual is a further input of the shape of `x`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormTail {
    /// Whether a further input, the last one, is added.
    pub residual: bool,
    /// Function of the sum.
    pub activation: Activation,
}

impl NormTail {
    /// The inputs without the residual, once it is found to have the type of `x`, the first input.
    pub(super) fn split<'a>(
        self,
        op: &str,
        inputs: &'a [TensorType],
    ) -> Result<&'a [TensorType], ShapeError> {
        match inputs {
            [x, .., residual] if self.residual => {
                same_type(op, ("x", x), ("residual", residual))?;
                Ok(&inputs[..inputs.len() - 1])
            }
            _ => Ok(inputs),
        }
    }

    /// The tail of one element.
    pub(super) fn apply<T: Real>(self, normalized: f64, residual: Option<T>) -> T {
        let sum = normalized + residual.map_or(0.0, Real::to_f64);
        T::from_f64(self.activation.apply(sum))
    }

    /// The tail with one more step behind it, where there is room.
    pub(super) fn with(self, epilogue: Epilogue) -> Option<Self> {
        match epilogue {
            Epilogue::Residual if self == Self::default() => Some(Self { residual: true, ..self }),
            Epilogue::Activation(activation) if self.activation == Activation::Identity => {
                Some(Self { activation, ..self })
            }
            _ => None,
        }
    }

    /// In a gradient rule: the gradient before the tail. Sets that of the residual, the last input.
    pub(super) fn gradient(self, v: &mut Vjp<'_>, dy: Value) -> Result<Value, ShapeError> {
        let dz = ActivateGrad::of_output(v, self.activation, dy)?;
        if self.residual {
            let last = v.input_count() - 1;
            if v.wants(last) {
                v.set(last, dz);
            }
        }
        Ok(dz)
    }

    /// The kernel that normalizes `x` by `gamma beta mean variance` into output 0.
    pub(super) fn apply_kernel(
        self,
        sig: &Signature,
        epsilon: f32,
        lanes: Lanes,
        vectors: [Operand; 4],
        caps: &Caps,
    ) -> Kernel {
        let residual = if self.residual {
            include_str!("../../../../shaders/common/residual.wgsl")
        } else {
            include_str!("../../../../shaders/common/no_residual.wgsl")
        };
        let kernel = Sizes::of(&sig.inputs[0])
            .per_block("batch_norm_apply", lanes, caps)
            .constant_f32("EPSILON", epsilon)
            .activation(self.activation)
            .file(lanes.activation_file())
            .file(residual)
            .file(include_str!("../../../../shaders/norm/batch_norm_apply.wgsl"))
            .read(Operand::Input(0));
        let kernel = vectors.into_iter().fold(kernel, Kernel::read).write(Operand::Output(0));
        if self.residual { kernel.read(Operand::Input(sig.inputs.len() - 1)) } else { kernel }
    }
}
