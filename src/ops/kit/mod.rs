//! What ops are made with: checks of operands, vector widths, rows, loops of the CPU.

mod among;
mod arithmetic;
mod cpu_activation;
mod cpu_loops;
mod labels;
mod lanes;
mod names;
mod operands;
mod repeat;
mod rounding;
mod row_kernels;
mod stable_row;

pub(super) use among::ops_among;
pub use arithmetic::BinaryFunction;
pub(super) use cpu_activation::{activate, multiply_by_derivative};
pub(super) use cpu_loops::{binary, combine, combine_one, combine_repeated, scale};
pub use labels::IGNORED_LABEL;
pub(super) use labels::{labels_of, sample_labels};
pub(super) use lanes::Lanes;
pub(super) use names::name_of;
pub(super) use operands::{at_most, of_dtype, operands, same_type, scalar};
pub(super) use repeat::{Repeat, Unit};
pub(super) use rounding::{FLUSHED, LARGEST_COTANGENT, exponential_sum_ulps, sum_ulps};
pub(super) use row_kernels::{row_lowerings, rows_of, single_workgroup};
pub(super) use stable_row::StableRow;
