//! Floor 7: what a run looks like: pictures and tables.

mod axis;
mod comparison;
mod comparison_curves;
mod csv;
mod curves;
mod panel;
mod sheet;
mod table;

pub use comparison::{ComparedRun, Comparison};
pub use comparison_curves::{RunCurves, draw_comparison_curves, write_comparison_curves};
pub use csv::quoted;
pub use curves::{CURVES_SIZE, CurvesError, draw_curves, encode_png, write_curves};
pub use sheet::contact_sheet;
pub use table::{Align, Table};
