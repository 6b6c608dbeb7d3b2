//! All programs of a run: compiled once, with the model and the feeds that they were made for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::feed::Feed;
use super::limits;
use super::model::ModelPrograms;
use super::names::TRAIN_EVALUATION;
use crate::compile::{Buffer, CompileError, Picks, Program, Role};
use crate::data::{Dataset, Splits};
use crate::graph::Caps;
use crate::train::{Recipe, TrainError};

/// A program, and how a data set reaches it.
#[derive(Debug, Clone)]
pub(in crate::train) struct FedProgram {
    /// Brings the examples of each step.
    pub feed: Feed,
    /// What is done with them.
    pub program: Arc<Program>,
}

/// Every program that a run of a recipe needs, from its first step to its last evaluation.
///
/// A command compiles them once. What looks at them before the run, such as the memory check and the
/// tuner, looks at those that [`crate::train::Trainer`] then takes.
#[derive(Debug, Clone)]
pub struct RunPrograms {
    pub(in crate::train) recipe: Recipe,
    pub(in crate::train) model: ModelPrograms,
    pub(in crate::train) training: FedProgram,
    pub(in crate::train) test: FedProgram,
    pub(in crate::train) validation: Option<FedProgram>,
    /// Loaded after the training only, so that the device has no buffers for it before.
    pub(in crate::train) train_evaluation: FedProgram,
    compile_time: Duration,
}

impl RunPrograms {
    /// Lays out the model of a recipe for a data set, plans how examples reach the device, and
    /// compiles training and the evaluation of each split with the variants of `picks`.
    ///
    /// # Errors
    /// When the model does not fit the data, or a program does not fit the device; the error then names
    /// the largest batch that would, if any.
    pub fn compile(
        recipe: &Recipe,
        data: &Splits,
        caps: &Caps,
        picks: &Picks,
    ) -> Result<Self, TrainError> {
        let compile = |recipe: &Recipe| Self::compile_as_is(recipe, data, caps, picks);
        compile(recipe).map_err(|error| limits::advised(error, recipe, &compile))
    }

    /// The same, without advice on what does not fit the device.
    pub(super) fn compile_as_is(
        recipe: &Recipe,
        data: &Splits,
        caps: &Caps,
        picks: &Picks,
    ) -> Result<Self, TrainError> {
        let started = Instant::now();
        let train = &data.train;
        if recipe.augment.random_resized_crop.is_some() && !train.streams() {
            let message = "augment.random_resized_crop needs pictures in files, and those of the data set \
                           are in memory: read it with stream = true";
            let recipe = recipe.name.clone();
            return Err(TrainError::Recipe { recipe, message: message.to_owned() });
        }
        let model = ModelPrograms::of_recipe(recipe, train)?;
        let model = model.evaluating(recipe).weighing(recipe, train)?;
        let feed = Feed::plan("train", train, recipe.batch_size, recipe.drops_last(), caps);
        let program = model.training(recipe, &feed, caps, picks)?.into();
        let training = FedProgram { feed, program };
        let evaluation = |name: &str, feed: Feed| -> Result<FedProgram, CompileError> {
            let program = model.evaluation(name, &feed, caps, picks)?.into();
            Ok(FedProgram { feed, program })
        };
        let of_set = |name: &str, set: &Dataset| {
            evaluation(name, Feed::plan(name, set, recipe.evaluation_batch(), false, caps))
        };
        let test = of_set("test", &data.test)?;
        let validation =
            data.validation.as_ref().map(|set| of_set("validation", set)).transpose()?;
        let batch = recipe.evaluation_batch();
        let whole_pass = training.feed.whole_pass(TRAIN_EVALUATION, train, batch, caps);
        let train_evaluation = evaluation(TRAIN_EVALUATION, whole_pass)?;
        Ok(Self {
            recipe: recipe.clone(),
            model,
            training,
            test,
            validation,
            train_evaluation,
            compile_time: started.elapsed(),
        })
    }

    /// Compiles again those programs that have other variants than `new` picks, if any. `picks` are
    /// all that are known now, the new ones among them.
    ///
    /// # Errors
    /// When a program does not fit the device.
    pub fn take_picks(
        &mut self,
        new: &Picks,
        picks: &Picks,
        caps: &Caps,
    ) -> Result<(), TrainError> {
        let started = Instant::now();
        let Self { recipe, model, training, .. } = self;
        if differs(&training.program, new) {
            training.program = model.training(recipe, &training.feed, caps, picks)?.into();
        }
        let evaluations =
            [Some(&mut self.test), self.validation.as_mut(), Some(&mut self.train_evaluation)];
        for FedProgram { feed, program } in evaluations.into_iter().flatten() {
            if differs(program, new) {
                *program = self.model.evaluation(&program.name, feed, caps, picks)?.into();
            }
        }
        self.compile_time += started.elapsed();
        Ok(())
    }

    /// The recipe that they were made of.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The model.
    pub fn model(&self) -> &ModelPrograms {
        &self.model
    }

    /// The program of a training step.
    pub fn training(&self) -> &Program {
        &self.training.program
    }

    /// All programs: training, and evaluation of the test set, of the validation set where there is
    /// one, and of the training set.
    pub fn iter(&self) -> impl Iterator<Item = &Program> {
        [Some(&self.training), Some(&self.test), self.validation.as_ref()]
            .into_iter()
            .chain([Some(&self.train_evaluation)])
            .flatten()
            .map(|fed| fed.program.as_ref())
    }

    /// Bytes of all their buffers and textures together.
    pub fn planned_bytes(&self) -> usize {
        planned_bytes(self.iter())
    }

    /// How long it took to compile them.
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }
}

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

/// Whether a program has an op for which there is a new pick, in another variant.
fn differs(program: &Program, new: &Picks) -> bool {
    let used = Picks::of_program("", "", program);
    new.iter().any(|new| {
        used.iter().any(|used| {
            (&used.op, &used.attributes, &used.inputs) == (&new.op, &new.attributes, &new.inputs)
                && used.variant != new.variant
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::runnable;
    use crate::data;

    fn programs(caps: &Caps, picks: &Picks) -> RunPrograms {
        let set = ["data.train_size=96", "data.test_size=33", "data.validation=0.1"];
        let recipe = Recipe::builtin("digits", &set.map(str::to_owned)).expect("valid");
        let data = data::load(&recipe.data, None).expect("it is drawn");
        RunPrograms::compile(&recipe, &data, caps, picks).expect("it fits")
    }

    #[test]
    fn a_run_has_a_program_for_training_and_one_for_each_split() {
        let programs = programs(&Caps::webgpu_default(), &Picks::default());
        let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
        assert_eq!(names, ["train", "test", "validation", TRAIN_EVALUATION]);
    }

    /// What bounds a step bounds all evaluations, too.
    #[test]
    fn a_batch_in_parts_is_evaluated_in_parts() {
        let caps = Caps { kernels: false, ..Caps::webgpu_default() };
        let set = |parts: &str| {
            let set = ["batch_size=64", "data.train_size=128", "data.test_size=128", parts];
            let recipe = Recipe::builtin("digits", &set.map(str::to_owned)).expect("valid");
            let data = data::load(&recipe.data, None).expect("it is drawn");
            RunPrograms::compile(&recipe, &data, &caps, &Picks::default()).expect("it fits")
        };
        let transients = |program: &Program| {
            let buffers = program.buffers.iter().filter(|buffer| buffer.role == Role::Slot);
            buffers.map(|buffer| buffer.bytes).sum::<usize>()
        };
        let (whole, parts) = (set("accumulate=1"), set("accumulate=16"));
        for (whole, parts) in whole.iter().zip(parts.iter()) {
            let (whole, parts) = (transients(whole), transients(parts));
            assert!(3 * parts < whole, "{whole} bytes at once, {parts} in parts");
        }
    }

    #[test]
    fn new_picks_compile_again_what_they_change_and_nothing_else() {
        let caps = Caps::webgpu_default();
        let before = programs(&caps, &Picks::default());
        // A pick for shapes that no evaluation has.
        let gradient = before.training().steps.iter().find_map(|step| {
            let sig = step.signature();
            let lowerings = runnable(step.op.as_ref(), &sig, &caps);
            let other = lowerings.into_iter().find(|other| other.variant != step.variant)?;
            let evaluations = [&before.test.program, &before.train_evaluation.program];
            let mut others = evaluations.iter().flat_map(|program| &program.steps);
            let only_here = others.all(|other| other.signature() != sig);
            only_here.then(|| (step.op.clone(), sig, other))
        });
        let (op, sig, lowering) = gradient.expect("gradients have several variants");
        let mut new = Picks::new("a device", "a driver");
        new.pin(op.as_ref(), &sig, &lowering, None);
        let mut after = before.clone();
        after.take_picks(&new, &new, &caps).expect("it fits");
        assert!(!Arc::ptr_eq(&before.training.program, &after.training.program));
        assert!(Arc::ptr_eq(&before.test.program, &after.test.program));
        assert!(Arc::ptr_eq(&before.train_evaluation.program, &after.train_evaluation.program));
        let fresh = programs(&caps, &new);
        for (again, fresh) in after.iter().zip(fresh.iter()) {
            let variants = |program: &Program| {
                program.steps.iter().map(|step| step.variant.clone()).collect::<Vec<_>>()
            };
            assert_eq!(variants(again), variants(fresh), "{}", fresh.name);
            assert_eq!(again.kernels, fresh.kernels, "{}", fresh.name);
            assert_eq!(again.buffers, fresh.buffers, "{}", fresh.name);
        }
        // What is there already is compiled by no pick that names it.
        let mut same = after.clone();
        same.take_picks(&new, &new, &caps).expect("it fits");
        assert!(Arc::ptr_eq(&same.training.program, &after.training.program));
    }
}
