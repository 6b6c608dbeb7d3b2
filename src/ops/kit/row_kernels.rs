//! Kernels that work row by row: short rows take an invocation each, long rows a workgroup.

use super::operands::of_dtype;
use crate::error::ShapeError;
use crate::graph::{Caps, Kernel, Lowering, grid};
use crate::tensor::{DType, TensorType};

/// Invocations of a workgroup: two subgroups of the widest devices, eight of software ones.
const WORKGROUP_SIZE: u32 = 64;

/// Up to this many columns, one invocation a row is tried first.
const SHORT_ROW: usize = 64;

/// Longer loops of one invocation would hold up the device.
const LONGEST_SERIAL_ROW: usize = 1 << 15;

/// Rows and columns of a float operand that has both.
///
/// # Errors
/// When it holds other elements, or has no rows or columns.
pub(in crate::ops) fn rows_of(
    op: &str,
    (name, ty): (&str, &TensorType),
) -> Result<(usize, usize), ShapeError> {
    of_dtype(op, (name, ty), DType::F32)?;
    let (rows, columns) = ty.rows_columns();
    if rows == 0 || columns == 0 {
        return Err(ShapeError::new(
            op,
            format!("{name} must have at least one row and one column, it is {ty}"),
        ));
    }
    Ok((rows, columns))
}

/// The variants of a kernel that is written in terms of `row_and_lane` and the reductions of
/// `shaders/common/row_thread.wgsl` and `shaders/common/row_workgroup.wgsl`.
///
/// `kernel` has its bindings, its own constants and its WGSL file; `ROWS`, `COLUMNS`,
/// `WORKGROUP_SIZE` and the files of `shaders/common/` for rows, `exp` and `log` are added here.
pub(in crate::ops) fn row_lowerings(
    kernel: &Kernel,
    rows: usize,
    columns: usize,
    caps: &Caps,
) -> Vec<Lowering> {
    let with = |file: &str, workgroups: usize| {
        kernel
            .clone()
            .constant("ROWS", rows)
            .constant("COLUMNS", columns)
            .constant("WORKGROUP_SIZE", WORKGROUP_SIZE as usize)
            .file(include_str!("../../../shaders/common/workgroup_index.wgsl"))
            .file(include_str!("../../../shaders/common/float_bits.wgsl"))
            .file(include_str!("../../../shaders/common/exp_log.wgsl"))
            .file(file)
            .workgroups(grid(workgroups, caps))
    };
    let threads = with(
        include_str!("../../../shaders/common/row_thread.wgsl"),
        rows.div_ceil(WORKGROUP_SIZE as usize),
    );
    let workgroups = with(include_str!("../../../shaders/common/row_workgroup.wgsl"), rows);
    let threads = Lowering::single("row_per_thread", threads);
    let workgroups = Lowering::single("row_per_workgroup", workgroups);
    if columns <= SHORT_ROW || (columns <= LONGEST_SERIAL_ROW && caps.prefers_loops()) {
        vec![threads, workgroups]
    } else if columns <= LONGEST_SERIAL_ROW {
        vec![workgroups, threads]
    } else {
        vec![workgroups]
    }
}

/// Invocations of a single workgroup that goes through `rows`: no more than there is work for, and else
/// enough to hide latency, as many as every device has.
pub fn single_workgroup(rows: usize) -> usize {
    const MOST: usize = 256;
    MOST.min(rows.max(1).next_power_of_two())
}
