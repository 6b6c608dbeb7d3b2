//! Floor 7: what a run looks like: pictures and tables.

mod axis;
mod curves;
mod panel;
mod table;

pub use curves::{CURVES_SIZE, CurvesError, draw_curves, write_curves};
pub use table::{Align, Table};
