//! What pictures show: curves, histograms, images beside what was made of them.

mod contact_sheet;
mod curves;
mod gallery;
mod histograms;
mod rate_range;
mod robustness;
mod tensors;

pub use contact_sheet::contact_sheet;
pub use curves::{CURVES_SIZE, draw_curves, write_curves};
pub(super) use curves::{accuracies, beside, have_accuracies, learning_rate, losses, step_losses};
pub use gallery::{Exhibit, Tone, gallery};
pub use histograms::{histograms_png, histograms_svg};
pub(super) use histograms::{pairs, sheet};
pub use rate_range::draw_rate_range;
pub use robustness::draw_robustness;
pub(super) use tensors::{feature_maps, filters};
pub use tensors::{heat_map, picture_of};
