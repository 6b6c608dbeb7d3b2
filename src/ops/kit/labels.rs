//! Integer labels: one class for each row, or the mark of a row that does not count.

use super::operands::of_dtype;
use crate::error::ShapeError;
use crate::graph::Fill;
use crate::tensor::{DType, TensorType};

/// The label of a row that has no loss and a zero gradient, and is not counted: padding of the
/// last batch of an epoch.
pub const IGNORED_LABEL: u32 = u32::MAX;

/// Demands one label for each of `rows` rows.
///
/// # Errors
/// Names the shape that was found and the one that is expected.
pub(in crate::ops) fn labels_of(
    op: &str,
    rows: usize,
    labels: &TensorType,
) -> Result<(), ShapeError> {
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

/// How to fill logits `[n, c]` and labels `[n]`: with classes below `c`, some of them ignored.
pub(in crate::ops) fn sample_labels(inputs: &[TensorType]) -> Vec<Fill> {
    let classes = inputs.first().and_then(|logits| logits.dims().last().copied()).unwrap_or(1);
    let bound = u32::try_from(classes).unwrap_or(u32::MAX);
    vec![Fill::Normal, Fill::LabelsOrIgnored(bound)]
}
