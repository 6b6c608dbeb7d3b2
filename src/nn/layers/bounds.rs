//! Bounds of the numbers of layers, whatever shape reaches them.

use super::Pair;
use super::window::MOST_EXTENT;
use crate::nn::Init;

/// Most channels or units: beyond, no device holds the weights.
pub(super) const MOST_CHANNELS: usize = 1 << 24;

/// A key below a layer, and what is wrong with its value.
pub type Wrong = (String, String);

/// Puts a key in front.
pub(super) fn below(outer: &str, checked: Result<(), Wrong>) -> Result<(), Wrong> {
    checked.map_err(|(key, message)| (format!("{outer}.{key}"), message))
}

pub(super) fn within(key: &str, fits: bool, what: &str, given: f32) -> Result<(), Wrong> {
    if fits { Ok(()) } else { Err((key.to_owned(), format!("must {what}, it is {given}"))) }
}

pub(super) fn between(key: &str, given: usize, most: usize) -> Result<(), Wrong> {
    if (1..=most).contains(&given) {
        return Ok(());
    }
    Err((key.to_owned(), format!("must lie in [1, {most}], it is {given}")))
}

pub(super) fn pair(key: &str, pair: Pair) -> Result<(), Wrong> {
    pair.dims().into_iter().try_for_each(|n| between(key, n, MOST_EXTENT))
}

pub(super) fn inits(init: Init, bias_init: Init) -> Result<(), Wrong> {
    for (key, init) in [("init", init), ("bias_init", bias_init)] {
        let (given, fits, what) = match init {
            Init::Normal(x) | Init::TruncatedNormal(x) | Init::Uniform(x) => {
                (x, x.is_finite() && x >= 0.0, "be finite and not negative")
            }
            Init::Constant(x) => (x, x.is_finite(), "be finite"),
            _ => continue,
        };
        within(key, fits, what, given)?;
    }
    Ok(())
}
