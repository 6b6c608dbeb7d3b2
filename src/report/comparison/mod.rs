//! Several runs side by side: what was found, its curves and its page.

mod curves;
mod page;
mod record;

pub use curves::{RunCurves, draw_comparison_curves, write_comparison_curves};
pub use page::write_comparison_report;
pub use record::{ComparedRun, Comparison};
