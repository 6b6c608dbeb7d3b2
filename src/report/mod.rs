//! Floor 7: what a run looks like: pictures and tables.
