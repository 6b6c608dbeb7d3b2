//! Memory that the programs of a run need, and a batch size that fits where it is too much.

use std::collections::HashSet;

use crate::compile::{Buffer, Picks, Program, Role};
use crate::data::Splits;
use crate::graph::Caps;
use crate::train::{Recipe, TrainError, compile_all};

/// Bytes of the buffers and textures of programs that run on one device: states that they share count
/// once.
pub fn planned_bytes<'a>(programs: impl IntoIterator<Item = &'a Program>) -> usize {
    let mut states = HashSet::new();
    let mut bytes = 0;
    for program in programs {
        let new = |b: &&'a Buffer| b.role != Role::State || states.insert(b.name.as_str());
        bytes += program.buffers.iter().filter(new).map(|buffer| buffer.bytes).sum::<usize>();
        bytes += program.texture_bytes();
    }
    bytes
}

/// Checks, before anything is allocated, that the plan of a run fits into `available` bytes.
///
/// # Errors
/// When it does not; the error names the largest batch size that would. Also when the model does
/// not fit the data, or a program does not fit the device.
pub fn check_memory(
    recipe: &Recipe,
    data: &Splits,
    caps: &Caps,
    picks: &Picks,
    available: usize,
) -> Result<(), TrainError> {
    let plan = |batch_size: usize| {
        let recipe = Recipe { batch_size, ..recipe.clone() };
        compile_all(&recipe, data, caps, picks).map(|programs| planned_bytes(&programs))
    };
    let batch_size = recipe.batch_size;
    let needed = plan(batch_size)?;
    if needed <= available {
        return Ok(());
    }
    // A batch is never larger than the set. Memory grows with it: bisect.
    let (mut fits, mut too_large) = (0, batch_size.min(data.train.len()));
    while too_large - fits > 1 {
        let middle = usize::midpoint(fits, too_large);
        match plan(middle) {
            Ok(bytes) if bytes <= available => fits = middle,
            _ => too_large = middle,
        }
    }
    Err(TrainError::Memory { needed, available, batch_size, fits: (fits > 0).then_some(fits) })
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
        let bytes = |batch_size| {
            let programs = compile_all(&with(batch_size), &data, &caps, &picks).expect("it fits");
            planned_bytes(&programs)
        };
        let check = |batch_size, available| {
            check_memory(&with(batch_size), &data, &caps, &picks, available)
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
