//! Whether the programs of a run fit into memory, and the batch size that would.

use super::limits::largest_that;
use super::programs::RunPrograms;
use crate::compile::Picks;
use crate::data::Splits;
use crate::graph::Caps;
use crate::train::{Recipe, TrainError};

/// Checks, before anything is allocated but the data, that a run on `data` fits into `available` bytes of
/// the host.
///
/// # Errors
/// When they do not; the error names the largest batch size that would, for which those of other
/// batch sizes are compiled.
pub fn check_memory(
    programs: &RunPrograms,
    data: &Splits,
    caps: &Caps,
    picks: &Picks,
    available: usize,
) -> Result<(), TrainError> {
    let needed = programs.memory(data, caps).after_reading();
    log::info!("memory: the plan takes {needed} bytes, {available} are free");
    if needed <= available {
        return Ok(());
    }
    let plan = |batch_size: usize| {
        let recipe = Recipe { batch_size, ..programs.recipe().clone() };
        let programs = RunPrograms::compile_as_is(&recipe, data, caps, picks)?;
        Ok::<_, TrainError>(programs.memory(data, caps).after_reading())
    };
    let batch_size = programs.recipe().batch_size;
    // A batch is never larger than the set.
    let most = batch_size.min(data.train.len());
    let fits = largest_that(most, |batch| plan(batch).is_ok_and(|bytes| bytes <= available));
    Err(TrainError::Memory { needed, available, batch_size, fits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;

    #[test]
    fn a_plan_that_does_not_fit_names_the_largest_batch_that_does() {
        let set = ["data.train_size=300", "data.test_size=20", "data.validation=0.1"];
        let set = set.map(str::to_owned);
        let recipe = Recipe::builtin("digits", &set).expect("valid");
        let data = data::load(&recipe.data, None).expect("it is drawn");
        let (caps, picks) = (Caps::webgpu_default(), Picks::default());
        let with = |batch_size| Recipe { batch_size, ..recipe.clone() };
        let programs = |batch_size| {
            RunPrograms::compile(&with(batch_size), &data, &caps, &picks).expect("it fits")
        };
        let bytes = |batch_size| programs(batch_size).memory(&data, &caps).after_reading();
        let check = |batch_size, available| {
            check_memory(&programs(batch_size), &data, &caps, &picks, available)
        };
        let available = bytes(21) + 3;
        assert!(check(21, available).is_ok());
        match check(200, available) {
            Err(error @ TrainError::Memory { needed, batch_size, fits: Some(fits), .. }) => {
                assert_eq!((needed, batch_size), (bytes(200), 200));
                assert!(bytes(fits) <= available && bytes(fits + 1) > available, "{fits}");
                assert!(error.to_string().contains(&format!("--set batch_size={fits}")), "{error}");
            }
            other => unreachable!("200 images need more than 21: {other:?}"),
        }
        match check(200, 1000) {
            Err(error @ TrainError::Memory { fits: None, .. }) => {
                assert!(error.to_string().contains("not even"), "{error}");
            }
            other => unreachable!("the weights alone need more: {other:?}"),
        }
    }
}
