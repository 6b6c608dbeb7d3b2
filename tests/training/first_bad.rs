//! The first number of a run that is NaN or infinite is named, and whose fault it is.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use verigrad::compile::Program;
use verigrad::data::{Splits, load};
use verigrad::exec::{CpuExecutor, ExecError, Executor, ProgramId};
use verigrad::graph::Caps;
use verigrad::tensor::HostTensor;
use verigrad::train::{CheckpointEvery, FirstBad, Phase, Recipe, RunError, TrainError, Trainer};

use super::checkpoints::Checkpoints;
use super::inner::as_inner;

fn recipe(set: &[&str]) -> (Recipe, Splits) {
    let base = ["batch_size=16", "data.train_size=160", "data.test_size=16", "epochs=4"];
    let set: Vec<String> = base.iter().chain(set).map(|text| (*text).to_owned()).collect();
    let recipe = Recipe::builtin("digits", &set).expect("a built-in recipe");
    let data = load(&recipe.data, None).expect("synthetic digits need no files");
    (recipe, data)
}

/// Trains until the loss is no number; the step of that, and what was bad first.
fn first_bad(
    executor: &mut dyn Executor,
    (recipe, data): (Recipe, Splits),
    prepare: impl FnOnce(&mut Trainer<'_>),
) -> (u64, Option<FirstBad>) {
    let mut trainer = Trainer::new(executor, &recipe, data).expect("it fits");
    trainer.make_checkpoints(CheckpointEvery::Epoch).expect("they can be made");
    prepare(&mut trainer);
    let mut keep = Checkpoints::default();
    let error = trainer.run(&mut keep).expect_err("the loss is no number");
    let RunError::Train(TrainError::NotFinite { step, loss, advice }) = error else {
        unreachable!("{error}")
    };
    assert!(!loss.is_finite() && advice.contains("learning rate"), "{loss}: {advice}");
    let begin = |trainer: &mut Trainer<'_>, most: u64| match keep
        .0
        .iter()
        .rev()
        .find(|checkpoint| checkpoint.state.step <= most)
    {
        Some(checkpoint) => trainer.restore(checkpoint),
        None => trainer.start_over(),
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let bad = trainer.first_bad(step, &begin, &interrupted).expect("the device works");
    (step, bad)
}

#[test]
fn a_rate_beyond_reason_is_the_fault_of_mathematics() {
    let sgd = ["optimizer={type=\"sgd\",learning_rate=1e30}", "schedule={}"];
    let (step, bad) = first_bad(&mut CpuExecutor::new(), recipe(&sgd), |_| {});
    let bad = bad.expect("it is found");
    assert!(bad.step <= step && bad.step + 1 >= step, "{bad} for step {step}");
    assert!(!bad.value.is_finite() && !bad.is_fault_of_device(), "{bad}");
    assert!(bad.to_string().contains("the device is right"), "{bad}");
}

/// The update's first output becomes NaN at one place, once so many steps are done.
struct Faulty {
    inner: CpuExecutor,
    program: Option<(ProgramId, Arc<Program>)>,
    at: u32,
}

impl Faulty {
    fn new(at: u32) -> Self {
        Self { inner: CpuExecutor::new(), program: None, at }
    }

    /// After a step of the program: the operand is the arena of the parameters.
    fn disturb(&mut self, id: ProgramId, index: usize) -> Result<(), ExecError> {
        let Some((training, program)) = self.program.clone() else { return Ok(()) };
        let step = &program.steps[index];
        let region = step.outputs[0].region;
        if training != id
            || step.scope != "update"
            || program.buffers[region.buffer].name != "parameters"
        {
            return Ok(());
        }
        let done = self.inner.read_now("step")?;
        if done == self.at.to_le_bytes() {
            let word = f32::NAN.to_le_bytes();
            self.inner.write("parameters", region.offset + 4 * 50, &word)?;
        }
        Ok(())
    }
}

impl Executor for Faulty {
    as_inner!();

    fn caps(&self) -> &Caps {
        self.inner.caps()
    }

    fn load(&mut self, program: Arc<Program>) -> Result<ProgramId, ExecError> {
        let id = self.inner.load(program.clone())?;
        if self.program.is_none() {
            self.program = Some((id, program));
        }
        Ok(id)
    }

    fn run(&mut self, program: ProgramId, steps: u32) -> Result<(), ExecError> {
        let ops = match &self.program {
            Some((training, known)) if *training == program => known.steps.len(),
            _ => return self.inner.run(program, steps),
        };
        for op in (0..steps).flat_map(|_| 0..ops) {
            self.run_step(program, op)?;
        }
        Ok(())
    }

    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<(), ExecError> {
        self.inner.run_step(program, step)?;
        self.disturb(program, step)
    }
}

/// In the middle of an epoch, in its last step, and in the first one of the run.
#[test]
fn a_device_that_errs_is_told_from_a_rate_beyond_reason() {
    for at in [0, 4, 9, 10, 25] {
        let (step, bad) = first_bad(&mut Faulty::new(at), recipe(&[]), |_| {});
        let bad = bad.expect("it is found");
        assert_eq!((bad.step, step), (u64::from(at) + 1, u64::from(at) + 2), "{bad}");
        assert_eq!(u64::from(bad.epoch), u64::from(at) / 10 + 1, "{bad}");
        assert_eq!(bad.phase, Phase::Update, "{bad}");
        assert!(bad.is_fault_of_device() && bad.value.is_nan(), "{bad}");
        assert_eq!(
            (bad.tensor.as_str(), bad.position.as_slice()),
            ("conv1.weight", &[2, 0, 0, 2][..])
        );
    }
}

#[test]
fn weights_that_are_none_are_named() {
    let spoil = |trainer: &mut Trainer<'_>| {
        let mut weights = trainer.weights().expect("the device works");
        let (_, tensor) = &mut weights[1];
        let mut values = tensor.floats();
        values[2] = f32::NAN;
        *tensor = HostTensor::from_f32(tensor.ty().shape.clone(), &values).expect("its shape");
        trainer.set_weights(&weights).expect("they fit");
    };
    let (recipe, data) = recipe(&[]);
    let mut cpu = CpuExecutor::new();
    let mut trainer = Trainer::new(&mut cpu, &recipe, data).expect("it fits");
    spoil(&mut trainer);
    let error = trainer.run(&mut Checkpoints::default()).expect_err("the loss is no number");
    assert!(matches!(error, RunError::Train(TrainError::NotFinite { step: 1, .. })), "{error}");
    let begin = |trainer: &mut Trainer<'_>, _: u64| {
        trainer.start_over()?;
        spoil(trainer);
        Ok(())
    };
    let never = Arc::new(AtomicBool::new(false));
    let bad = trainer.first_bad(1, &begin, &never).expect("the device works").expect("found");
    assert_eq!((bad.tensor.as_str(), bad.position.as_slice()), ("conv1.bias", &[2][..]), "{bad}");
    assert!(bad.to_string().contains("what the steps began with"), "{bad}");
}
