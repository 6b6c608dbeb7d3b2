//! The largest batch of a recipe that fits, found by compiling programs: nothing is allocated.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::limits::is_limit;
use super::memory_plan::MemoryPlan;
use super::programs::RunPrograms;
use crate::compile::{CompileError, Picks};
use crate::data::Splits;
use crate::graph::Caps;
use crate::train::{Recipe, TrainError};

/// Memory that a run may take once its data set is read, in bytes; none where nobody tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Device and host have one memory: the CPU, and GPUs that it emulates.
    Shared(Option<usize>),
    /// The device has a memory of its own.
    Apart {
        /// That of the device.
        device: Option<usize>,
        /// That of the host.
        host: Option<usize>,
    },
}

impl Room {
    /// What of a plan there is no room for.
    fn lacks(self, plan: &MemoryPlan) -> Option<Misfit> {
        let later = plan.host().saturating_sub(plan.data);
        let needs = match self {
            Self::Shared(all) => [("memory", plan.after_reading(), all), ("", 0, None)],
            Self::Apart { device, host } => [
                ("memory of the device", plan.tensors, device),
                ("memory of the host", later, host),
            ],
        };
        needs.into_iter().find_map(|(place, needed, available)| {
            let available = available.filter(|&available| needed > available)?;
            Some(Misfit::Memory { place, needed, available })
        })
    }
}

/// Why a batch does not fit.
#[derive(Debug, Clone, PartialEq)]
pub enum Misfit {
    /// It needs more memory than there is.
    Memory {
        /// Whose memory.
        place: &'static str,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that there are.
        available: usize,
    },
    /// A tensor or buffer is larger than the device has any.
    Limit(CompileError),
    /// The model has no such batch.
    Model(String),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { place, needed, available } => write!(
                f,
                "it needs {} MiB of {place}, and {} MiB are free",
                needed.div_ceil(1 << 20),
                available >> 20
            ),
            Self::Limit(error) => error.fmt(f),
            Self::Model(error) => f.write_str(error),
        }
    }
}

/// What a batch of a recipe takes.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchPlan {
    /// Images per step.
    pub batch_size: usize,
    /// The memory of a run in such batches; none where its programs cannot be compiled.
    pub memory: Option<MemoryPlan>,
    /// Why it does not fit, if so.
    pub misfit: Option<Misfit>,
}

/// The batches that were tried.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSearch {
    /// Each of them, the smallest first.
    pub tried: Vec<BatchPlan>,
    /// Images of the largest batch that fits: the next larger one was tried and does not, unless this
    /// is the whole training set.
    pub fits: Option<usize>,
}

impl BatchSearch {
    /// The plan of the largest batch that fits.
    pub fn largest(&self) -> Option<&BatchPlan> {
        self.tried.iter().find(|plan| Some(plan.batch_size) == self.fits)
    }

    /// The plan of the next larger one; none where the largest one is the whole training set.
    pub fn next(&self) -> Option<&BatchPlan> {
        let next = self.fits.unwrap_or(0) + 1;
        self.tried.iter().find(|plan| plan.batch_size == next)
    }
}

/// Plans of batches, compiled when they are asked for.
struct Plans<'a> {
    recipe: &'a Recipe,
    data: &'a Splits,
    caps: &'a Caps,
    picks: &'a Picks,
    room: Room,
    tried: BTreeMap<usize, BatchPlan>,
}

impl Plans<'_> {
    /// Whether a batch fits; an error where that is no matter of its size.
    fn fits(&mut self, batch_size: usize) -> Result<bool, TrainError> {
        let accumulate = self.recipe.accumulate.min(batch_size);
        let recipe = Recipe { batch_size, accumulate, ..self.recipe.clone() };
        let compiled = RunPrograms::compile_as_is(&recipe, self.data, self.caps, self.picks);
        let (memory, misfit) = match compiled {
            Ok(programs) => {
                let memory = programs.memory(self.data, self.caps);
                (Some(memory), self.room.lacks(&memory))
            }
            Err(TrainError::Compile(error)) if is_limit(&error) => {
                (None, Some(Misfit::Limit(error)))
            }
            // Some models have no batch of one image, for example.
            Err(error) if batch_size < self.recipe.batch_size => {
                (None, Some(Misfit::Model(error.to_string())))
            }
            Err(error) => return Err(error),
        };
        let fits = misfit.is_none();
        self.tried.insert(batch_size, BatchPlan { batch_size, memory, misfit });
        Ok(fits)
    }
}

/// Finds the largest batch of a recipe, up to the whole training set, whose programs fit a device and
/// whose plan fits into `room`. Doubles the batch of the recipe until it does not fit, then bisects.
///
/// # Errors
/// When the recipe cannot be compiled for the data and the device at all.
pub fn find_batch(
    recipe: &Recipe,
    data: &Splits,
    (caps, picks): (&Caps, &Picks),
    room: Room,
) -> Result<BatchSearch, TrainError> {
    let most = data.train.len().max(1);
    let first = recipe.batch_size.min(most);
    let mut plans = Plans { recipe, data, caps, picks, room, tried: BTreeMap::new() };
    let (mut fitting, mut too_large) = (0, first);
    if plans.fits(first)? {
        fitting = first;
        loop {
            // One more than the set stands for no batch at all.
            too_large = if fitting == most { most + 1 } else { (2 * fitting).min(most) };
            if too_large > most || !plans.fits(too_large)? {
                break;
            }
            fitting = too_large;
        }
    }
    while too_large - fitting > 1 {
        let middle = usize::midpoint(fitting, too_large);
        if plans.fits(middle)? { fitting = middle } else { too_large = middle }
    }
    let fits = (fitting > 0).then_some(fitting);
    Ok(BatchSearch { tried: plans.tried.into_values().collect(), fits })
}

impl Serialize for BatchPlan {
    /// Bytes of the device and of the host, and why it does not fit.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told {
            batch_size: usize,
            device_bytes: Option<usize>,
            host_bytes: Option<usize>,
            misfit: Option<String>,
        }
        let Self { batch_size, memory, misfit } = self;
        Told {
            batch_size: *batch_size,
            device_bytes: memory.map(|memory| memory.tensors),
            host_bytes: memory.map(|memory| memory.host()),
            misfit: misfit.as_ref().map(ToString::to_string),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data;

    fn setting() -> (Recipe, Splits) {
        let set = ["data.train_size=300", "data.test_size=20", "batch_size=16"];
        let recipe = Recipe::builtin("digits", &set.map(str::to_owned)).expect("valid");
        let data = data::load(&recipe.data, None).expect("it is drawn");
        (recipe, data)
    }

    fn search(caps: &Caps, room: Room) -> BatchSearch {
        let (recipe, data) = setting();
        find_batch(&recipe, &data, (caps, &Picks::default()), room).expect("it can be compiled")
    }

    fn bytes(search: &BatchSearch, batch: usize) -> MemoryPlan {
        let plan = search.tried.iter().find(|plan| plan.batch_size == batch);
        plan.expect("it was tried").memory.expect("it compiles")
    }

    #[test]
    fn the_next_larger_batch_does_not_fit() {
        let caps = Caps::webgpu_default();
        let free = search(&caps, Room::Shared(None));
        let batches: Vec<usize> = free.tried.iter().map(|plan| plan.batch_size).collect();
        assert_eq!(batches, [16, 32, 64, 128, 256, 300]);
        assert_eq!((free.fits, free.next()), (Some(300), None), "the whole set");
        // Between 64 and 128, and below the batch of the recipe.
        for known in [64, 16] {
            let available = bytes(&free, known).after_reading() + if known == 16 { 0 } else { 7 };
            let available = if known == 16 { available * 9 / 10 } else { available };
            let found = search(&caps, Room::Shared(Some(available)));
            let fits = found.fits.expect("a small one fits");
            assert!(if known == 64 { (64..128).contains(&fits) } else { fits < 16 }, "{fits}");
            assert!(bytes(&found, fits).after_reading() <= available);
            let next = found.next().expect("it was tried");
            assert!(next.memory.expect("it compiles").after_reading() > available);
            let why = next.misfit.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(why.contains("MiB of memory, and"), "{why}");
        }
        let none = search(&caps, Room::Shared(Some(1000)));
        assert_eq!((none.fits, none.next().map(|plan| plan.batch_size)), (None, Some(1)));
    }

    #[test]
    fn device_and_host_are_told_apart() {
        let caps = Caps::webgpu_default();
        let free = search(&caps, Room::Shared(None));
        let at = bytes(&free, 64);
        let found = search(&caps, Room::Apart { device: Some(at.tensors), host: None });
        assert_eq!(found.fits.map(|fits| (64..128).contains(&fits)), Some(true));
        let why = found.next().and_then(|plan| plan.misfit.clone()).expect("it does not fit");
        assert!(matches!(why, Misfit::Memory { place: "memory of the device", .. }), "{why}");
        let found = search(&caps, Room::Apart { device: None, host: Some(1000) });
        assert_eq!(found.fits, None);
    }

    #[test]
    fn limits_of_the_device_bound_the_batch() {
        let caps = Caps { max_binding_bytes: 1 << 20, ..Caps::webgpu_default() };
        let found = search(&caps, Room::Shared(None));
        let fits = found.fits.expect("a small one fits");
        assert!(fits < 300, "{fits}");
        let next = found.next().expect("it was tried");
        assert!(matches!(next.misfit, Some(Misfit::Limit(_))), "{next:?}");
    }
}
