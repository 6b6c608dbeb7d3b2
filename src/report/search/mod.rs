//! Many trainings of one recipe with changes: what was found, its table and its page.

mod page;
mod record;

pub use page::write_search_report;
pub use record::{Outcome, SearchRecord, SettingRecord, Spread, TrialRecord, shown};
