//! Checks of operand counts and types that ops share in `infer`.

use crate::error::ShapeError;
use crate::tensor::{DType, TensorType};

/// The inputs as an array.
///
/// # Errors
/// When the number of inputs is another.
pub fn operands<'a, const N: usize>(
    op: &str,
    inputs: &'a [TensorType],
) -> Result<[&'a TensorType; N], ShapeError> {
    let all: Vec<&TensorType> = inputs.iter().collect();
    <[&TensorType; N]>::try_from(all)
        .map_err(|_| ShapeError::new(op, format!("takes {N} inputs, {} were given", inputs.len())))
}

/// Demands that two operands have one type.
///
/// # Errors
/// Names both operands and their types.
pub fn same_type(
    op: &str,
    (a_name, a): (&str, &TensorType),
    (b_name, b): (&str, &TensorType),
) -> Result<(), ShapeError> {
    if a == b {
        Ok(())
    } else {
        Err(ShapeError::new(
            op,
            format!("{a_name} and {b_name} must have one type, they are {a} and {b}"),
        ))
    }
}

/// Demands that the numbers of a window are not absurd: so indices, which have 32 bits, reach all that
/// a window touches.
///
/// # Errors
/// Names what is too large.
pub fn at_most(op: &str, most: usize, numbers: &[(&str, &[usize])]) -> Result<(), ShapeError> {
    match numbers.iter().find(|(_, values)| values.iter().any(|&value| value > most)) {
        None => Ok(()),
        Some((what, values)) => {
            Err(ShapeError::new(op, format!("{what} is {values:?}, at most {most} is possible")))
        }
    }
}

/// Demands an element type.
///
/// # Errors
/// Names the operand and its type.
pub fn of_dtype(op: &str, (name, ty): (&str, &TensorType), dtype: DType) -> Result<(), ShapeError> {
    if ty.dtype == dtype {
        Ok(())
    } else {
        Err(ShapeError::new(op, format!("{name} must hold {dtype} elements, it is {ty}")))
    }
}

/// Demands one element, of shape `[1]`.
///
/// # Errors
/// Names the operand and its type.
pub fn scalar(op: &str, (name, ty): (&str, &TensorType), dtype: DType) -> Result<(), ShapeError> {
    if ty.dtype == dtype && ty.dims() == [1] {
        Ok(())
    } else {
        Err(ShapeError::new(op, format!("{name} must be one {dtype} of shape [1], it is {ty}")))
    }
}
