//! Floor 7: what a run looks like: pages, pictures and tables.

mod comparison;
mod csv;
mod draw;
mod error;
pub mod format;
mod html;
mod pictures;
mod run_facts;
mod run_page;
mod search;
mod table;

pub use comparison::{
    ComparedRun, Comparison, RunCurves, draw_comparison_curves, write_comparison_curves,
    write_comparison_report,
};
pub use csv::quoted;
pub use draw::encode_png;
pub use error::ReportError;
pub use pictures::{
    CURVES_SIZE, Exhibit, Tone, contact_sheet, draw_curves, draw_rate_range, draw_robustness,
    gallery, heat_map, histograms_png, histograms_svg, picture_of, write_curves,
};
pub use run_page::{Sources, write_run_report};
pub use search::{
    Outcome, SearchRecord, SettingRecord, Spread, TrialRecord, shown, write_search_report,
};
pub use table::{Align, Table};
