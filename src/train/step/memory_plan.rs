//! What a run takes at its largest: on its device, and beside it on the host.

use super::feed::Feed;
use super::programs::{FedProgram, RunPrograms};
use crate::compile::{Program, Role};
use crate::data::{Dataset, Splits};
use crate::graph::Caps;

/// Bytes that a run takes at its largest. On a device that computes in the host's memory all of them are
/// there; beside a GPU, those of [`Self::host`] are.
///
/// Not in it are the program itself, with its stacks and libraries, what a driver takes to compile kernels,
/// and what reading a data set takes for a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Buffers and textures of all programs.
    pub tensors: usize,
    /// The data set on the host, until the device has it.
    pub data: usize,
    /// Of the data set what stays on the host, and what is read ahead from files.
    pub kept: usize,
    /// Copies of weights and of states of the training: the best, the last, and those of a checkpoint while
    /// it is written.
    pub copies: usize,
    /// What host kernels work in; 0 where a GPU computes.
    pub scratch: usize,
}

impl MemoryPlan {
    /// All of it, at the largest.
    pub fn total(&self) -> usize {
        self.tensors.saturating_add(self.host())
    }

    /// What lies beside the device: at the start the data set, later what stays of it and the rest.
    pub fn host(&self) -> usize {
        self.data.max(self.host_later())
    }

    /// What lies beside the device once it has the data set.
    pub fn host_later(&self) -> usize {
        self.kept.saturating_add(self.copies).saturating_add(self.scratch)
    }

    /// What is yet to be taken once the data set has been read.
    pub fn after_reading(&self) -> usize {
        self.total().saturating_sub(self.data)
    }
}

impl RunPrograms {
    /// What a run of these programs on `data` takes at its largest.
    pub fn memory(&self, data: &Splits, caps: &Caps) -> MemoryPlan {
        let scratch = if caps.kernels { 0 } else { self.iter().map(scratch).max().unwrap_or(0) };
        let (test, validation) = (&data.test, data.validation.as_ref());
        let train = (&self.training, &data.train);
        let fed = [Some(train), Some((&self.test, test)), self.validation.as_ref().zip(validation)];
        // One pass is under way at a time.
        let ahead = fed.into_iter().flatten().map(|(fed, set)| read_ahead(&fed.feed, set)).max();
        let held_out = held(test) + validation.map_or(0, held);
        let trained = if self.training.feed.is_resident() { 0 } else { held(&data.train) };
        MemoryPlan {
            tensors: self.planned_bytes(),
            data: held(&data.train) + held_out,
            kept: trained + held_out + ahead.unwrap_or(0),
            copies: self.copies(),
            scratch,
        }
    }

    /// A checkpoint has the states of the training and the best weights, which the run keeps as well, beside
    /// those of the epoch.
    fn copies(&self) -> usize {
        let FedProgram { feed, program } = &self.training;
        let states = program.buffers.iter().filter(|buffer| buffer.role == Role::State);
        let states: usize = states.filter(|b| !feed.holds(&b.name)).map(|b| b.bytes).sum();
        states + 3 * size_of::<f32>() * self.model().arena.elements
    }
}

/// Bytes of the largest scratch memory of a program's host kernels.
fn scratch(program: &Program) -> usize {
    let kernels = program.steps.iter().filter_map(|step| {
        // The executor runs the first one.
        step.op.host_kernels(&step.signature()).into_iter().next()
    });
    kernels.map(|kernel| kernel.scratch * size_of::<f32>()).max().unwrap_or(0)
}

/// Bytes of what a data set holds in memory.
fn held(set: &Dataset) -> usize {
    let examples = set.examples.as_ref().map_or(0, |examples| examples.bytes());
    // The splits share a table, which has a row for each of their examples.
    let targets = set.targets.as_ref().map_or(0, |table| set.len() * table.width());
    set.images.len() + examples + size_of_val(set.labels.as_slice()) + targets * size_of::<f32>()
}

/// Bytes of a window that is being filled, and of pictures that are decoded for the next ones.
fn read_ahead(feed: &Feed, set: &Dataset) -> usize {
    let windows = match (feed.is_resident(), set.pictures.is_some() && set.streams()) {
        (true, _) => 0,
        (false, false) => 1,
        (false, true) => 3,
    };
    windows * feed.slots() * set.image_len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Picks;
    use crate::data;
    use crate::train::Recipe;

    /// What the CPU allocates is what the plan says, but for what is no tensor.
    #[test]
    fn host_kernels_and_the_data_set_are_planned() {
        let set = ["data.train_size=96", "data.test_size=33", "data.validation=0.25"];
        let recipe = Recipe::builtin("digits", &set.map(str::to_owned)).expect("valid");
        let data = data::load(&recipe.data, None).expect("it is drawn");
        let on_cpu = Caps { kernels: false, ..Caps::webgpu_default() };
        let plan = |caps: &Caps| {
            let programs = RunPrograms::compile(&recipe, &data, caps, &Picks::default());
            programs.expect("it fits").memory(&data, caps)
        };
        let (cpu, gpu) = (plan(&on_cpu), plan(&Caps::webgpu_default()));
        assert_eq!(cpu.data, (96 + 33) * (28 * 28 + 4));
        assert_eq!(cpu.kept, (96 / 4 + 33) * (28 * 28 + 4));
        assert_eq!((gpu.data, gpu.kept, gpu.scratch), (cpu.data, cpu.kept, 0));
        assert!(cpu.scratch > 0, "convolutions lay out windows");
        // Weights, two moments and three copies of 27,562 parameters.
        assert!(cpu.copies > 6 * 4 * 27_562 && cpu.copies < 7 * 4 * 27_562, "{}", cpu.copies);
        assert_eq!(cpu.host(), cpu.kept + cpu.copies + cpu.scratch);
        assert_eq!(cpu.after_reading(), cpu.tensors + cpu.host() - cpu.data);
    }
}
