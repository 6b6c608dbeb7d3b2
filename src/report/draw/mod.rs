//! How pictures are drawn: a [`Drawing`] says once what is where, and is then written as SVG for
//! pages or as pixels for PNG files. Charts bring axes, ticks and legends.

mod axis;
mod bitmap;
mod chart;
mod drawing;
mod escape;
mod font;
mod png;
mod style;
mod svg;

pub(super) use axis::Axis;
pub(super) use bitmap::bitmap;
pub(super) use chart::{COLORS, Chart, Line, axis_of, thinned};
pub(super) use drawing::{Anchor, Drawing, float, widest};
pub(super) use escape::escape;
pub use png::encode_png;
pub(super) use png::png_uri;
pub(super) use style::PICTURE_CSS;
pub(super) use svg::{svg_file, svg_inline};
