//! Floor 7: what a run looks like: pages, pictures and tables.

mod axis;
mod chart;
mod classes;
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
mod shots;
mod svg;
mod table;
mod training;

pub use curves::{CURVES_SIZE, CurvesError, draw_curves, write_curves};
pub use error::ReportError;
pub use run_report::{Sources, write_run_report};
pub use table::{Align, Table};
