//! What to do about tensors that are larger than what a device holds at once: advice that fits the cause.

use crate::compile::CompileError;
use crate::train::{LimitAdvice, Recipe, TrainError};

/// The error of compiling a recipe, with advice where a tensor is too large for the device. `compile`
/// tries changed recipes.
pub(super) fn advised<P>(
    error: TrainError,
    recipe: &Recipe,
    compile: &dyn Fn(&Recipe) -> Result<P, TrainError>,
) -> TrainError {
    let too_large = |error: &TrainError| {
        let TrainError::Compile(error) = error else { return None };
        is_limit(error).then(|| error.clone())
    };
    let Some(first) = too_large(&error) else { return error };
    let with = |batch_size: usize, accumulate: usize| {
        compile(&Recipe { batch_size, accumulate, ..recipe.clone() })
    };
    let tried = |batch_size: usize| with(batch_size, recipe.accumulate.min(batch_size));
    let fits = largest_that(recipe.batch_size, |batch| tried(batch).is_ok());
    if let Some(fits) = fits {
        let parts = recipe.batch_size.div_ceil(fits).max(recipe.accumulate + 1);
        let parts =
            (parts <= recipe.batch_size && with(recipe.batch_size, parts).is_ok()).then_some(parts);
        return TrainError::Limit { error: first, advice: LimitAdvice::Batch { fits, parts } };
    }
    // What the smallest batches need is what does not shrink, or an image. Some models have no batch of
    // one.
    let smallest = (1..=3).filter_map(|batch| tried(batch).err().as_ref().and_then(too_large));
    let mut smallest = smallest.take(2);
    let (Some(one), two) = (smallest.next(), smallest.next()) else { return error };
    let advice = if two.as_ref() == Some(&one) {
        LimitAdvice::Weight { units: units_that_fit(&one) }
    } else {
        LimitAdvice::Image
    };
    TrainError::Limit { error: one, advice }
}

/// Whether a program needs more at once than the device has, so that a smaller batch may fit.
pub(super) fn is_limit(error: &CompileError) -> bool {
    matches!(
        error,
        CompileError::TooLarge { .. }
            | CompileError::BufferTooLarge { .. }
            | CompileError::NoLowering { .. }
    )
}

/// The most units or channels of a layer, the last dimension of its weight, whose weight a device binds.
fn units_that_fit(error: &CompileError) -> Option<u64> {
    let CompileError::TooLarge { tensor, available, .. } = error else { return None };
    let units = u64::try_from(*tensor.dims().last()?).ok()?;
    let each = (tensor.bytes() as u64).checked_div(units)?;
    available.checked_div(each).filter(|&units| units > 0)
}

/// The largest number below `most` that `fits`, where smaller ones fit if larger ones do: bisects.
pub(super) fn largest_that(most: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut fitting, mut too_large) = (0, most);
    while too_large - fitting > 1 {
        let middle = usize::midpoint(fitting, too_large);
        if fits(middle) { fitting = middle } else { too_large = middle }
    }
    (fitting > 0).then_some(fitting)
}
