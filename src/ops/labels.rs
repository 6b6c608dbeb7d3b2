//! Integer labels: one class for each row, or the mark of a row that does not count.

use super::operands::of_dtype;
use crate::error::ShapeError;
use crate::tensor::{DType, TensorType};

/// The label of a row that has no loss and a zero gradient, and is not counted: padding of the
/// last batch of an epoch.
pub const IGNORED_LABEL: u32 = u32::MAX;

/// Demands one label for each of `rows` rows.
///
/// # Errors
/// Names the shape that was found and the one that is expected.
pub(super) fn labels_of(op: &str, rows: usize, labels: &TensorType) -> Result<(), ShapeError> {
    of_dtype(op, ("labels", labels), DType::U32)?;
    if labels.dims() == [rows] {
        Ok(())
    } else {
        Err(ShapeError::new(
            op,
            format!("labels must have shape [{rows}], one a row, they have {}", labels.shape),
        ))
    }
}
