//! The records in the files of a run directory: written and read through these types alone.

pub(in crate::train) mod csv;
pub(in crate::train) mod evaluation;
pub(in crate::train) mod histograms;
pub(in crate::train) mod metrics;
pub(in crate::train) mod model;
