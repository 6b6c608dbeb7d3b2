//! Floor 7: what a run looks like: pages, pictures and tables.

mod axis;
mod chart;
mod classes;
mod comparison;
mod comparison_curves;
mod comparison_page;
mod csv;
mod curves;
mod error;
mod features;
pub(crate) mod format;
mod images;
mod layers;
mod page;
mod panel;
mod run_facts;
mod run_report;
mod sheet;
mod shots;
mod svg;
mod table;
mod training;

pub use comparison::{ComparedRun, Comparison};
pub use comparison_curves::{RunCurves, draw_comparison_curves, write_comparison_curves};
pub use comparison_page::write_comparison_report;
pub use csv::quoted;
pub use curves::{CURVES_SIZE, CurvesError, draw_curves, encode_png, write_curves};
pub use error::ReportError;
pub use run_report::{Sources, write_run_report};
pub use sheet::contact_sheet;
pub use table::{Align, Table};
