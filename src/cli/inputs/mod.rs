//! What commands start from: recipes, data sets, and runs that are there already.

pub(super) mod loading;
pub(super) mod stored_run;
pub(super) mod subject;
pub(super) mod trained;
pub(super) mod weight_file;
