//! Searches: many trainings of one recipe with changes, in one folder, which go on where they ended.

pub(super) mod axes;
pub(super) mod folders;
pub(super) mod plan;
pub(super) mod searcher;
