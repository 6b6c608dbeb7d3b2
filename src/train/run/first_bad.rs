//! Where a run's numbers went wrong: the steps before are repeated, and the first bad one op by op.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::callbacks;
use super::epoch_result::{EpochResult, Progress};
use super::hook::{EpochDone, Hook, StepsDone};
use super::observer::Observer;
use super::stop::{Flow, Stop, StopReason};
use crate::compile::{OperandAt, Role};
use crate::exec::{BadNumber, Executor, bad_state, first_bad_number};
use crate::tensor::{DType, HostTensor};
use crate::train::step::names::{PARAMETERS, RUNNING_STATISTICS};
use crate::train::{ObserverError, RunError, TrainError, Trainer};

/// Part of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From the images to the loss.
    Forward,
    /// From the loss back to the weights.
    Gradient,
    /// The new weights, and what the optimizer keeps.
    Update,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "the forward pass",
            Self::Gradient => "the gradient",
            Self::Update => "the update",
        })
    }
}

/// The first number of a run that is NaN or infinite.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstBad {
    /// Step, from one, as in `steps.csv`.
    pub step: u64,
    /// Epoch, from one.
    pub epoch: u32,
    /// Where in the step.
    pub phase: Phase,
    /// The layer.
    pub layer: String,
    /// The op that made it.
    pub op: String,
    /// The tensor: the name of a parameter, or which output of the op.
    pub tensor: String,
    /// Its position in the tensor.
    pub position: Vec<usize>,
    /// Type of the tensor.
    pub dtype: DType,
    /// The number.
    pub value: f64,
    /// What the reference makes of the same operands.
    pub reference: f64,
}

impl FirstBad {
    /// Whether the reference makes a number of what the device makes none of.
    pub fn is_fault_of_device(&self) -> bool {
        self.reference.is_finite()
    }
}

impl fmt::Display for FirstBad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, epoch, phase, layer, op, tensor, position, value, .. } = self;
        write!(
            f,
            "the first bad number is in step {step} (epoch {epoch}), {phase} of {layer}: {op} made \
             {value} at {position:?} of {tensor}; "
        )?;
        if self.is_fault_of_device() {
            write!(
                f,
                "the reference makes {} of the same operands: the device or its driver is at fault, \
                 check it with `verigrad doctor`",
                self.reference
            )
        } else if self.dtype == DType::F16 {
            write!(
                f,
                "the reference makes the same of it: the device is right, and the number is beyond \
                 65504, the largest of f16"
            )
        } else {
            write!(f, "the reference makes the same of it: the device is right")
        }
    }
}

/// Ends a run where its next step is `step`.
#[derive(Debug)]
struct Until {
    step: u64,
    interrupted: Arc<AtomicBool>,
}

impl Until {
    fn flow(&self, reached: bool) -> Flow {
        if reached || self.interrupted.load(Ordering::Relaxed) {
            Flow::Stop(Stop::because(StopReason::Interrupted))
        } else {
            Flow::Continue
        }
    }
}

impl Hook for Until {
    fn name(&self) -> &'static str {
        "until"
    }

    fn most_steps(&self, step: u64) -> u64 {
        self.step.saturating_sub(step)
    }

    /// Within an epoch: the end of one is told after its evaluation, on which other hooks depend.
    fn after_steps(
        &mut self,
        done: &StepsDone<'_>,
        _: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        Ok(self.flow(done.step >= self.step && done.step_in_epoch < done.steps_per_epoch))
    }

    fn after_epoch(
        &mut self,
        done: &EpochDone<'_>,
        _: &mut dyn Executor,
    ) -> Result<Flow, TrainError> {
        Ok(self.flow(done.result.steps >= self.step))
    }
}

/// Nobody watches.
struct Unseen;

impl Observer for Unseen {
    fn progress(&mut self, _: &Progress) {}

    fn epoch(&mut self, _: &EpochResult, _: &[(String, HostTensor)]) -> Result<(), ObserverError> {
        Ok(())
    }
}

impl Trainer<'_> {
    /// Looks for the first number that is NaN or infinite in a run whose loss is so in step `step`, from
    /// one. `begin` brings the trainer to where the run began, or to a checkpoint of it, of at most so many
    /// steps as it is given; the steps from there on are repeated, once or a few times. None where all
    /// numbers are finite now: then the device does not give the same bits each time. The trainer can only
    /// be dropped afterwards.
    ///
    /// # Errors
    /// When the device fails, or `interrupted` is set.
    pub fn first_bad(
        &mut self,
        step: u64,
        begin: &dyn Fn(&mut Self, u64) -> Result<(), TrainError>,
        interrupted: &Arc<AtomicBool>,
    ) -> Result<Option<FirstBad>, TrainError> {
        self.checkpoints = None;
        // What ends runs early must not end this one; what changes its states must be there.
        self.hooks = callbacks::of_recipe(&self.recipe);
        self.hooks.retain(|hook| !["non_finite", "budget"].contains(&hook.name()));
        let program = self.program.clone();
        let per_epoch = self.feed.steps_per_epoch().max(1) as u64;
        // Steps of scaled losses that overflow leave all states as they are.
        let mut lead = u64::from(!self.scales_loss());
        let mut last = step.saturating_sub(1);
        loop {
            begin(self, last)?;
            self.clear_arenas()?;
            let begun = self.step;
            let first = last.saturating_sub(lead).max(last / per_epoch * per_epoch).max(begun);
            self.repeat_until(first, interrupted)?;
            if let Some((operand, element)) = bad_state(self.executor, self.id, &program)? {
                if first > 0 {
                    // It went wrong earlier.
                    last = first - 1;
                    lead = 2 * lead + 1;
                    continue;
                }
                return Ok(Some(self.bad_from_the_start(operand, element)));
            }
            let mut under_way = self.enter_epoch()?;
            while self.step <= last {
                let (data, pass) = (&self.data.train, &mut under_way.pass);
                self.feed.prepare(self.executor, data, pass, self.step, 1)?;
                if let Some(bad) = first_bad_number(self.executor, self.id, &program)? {
                    return Ok(Some(self.named(&bad)));
                }
                self.step += 1;
            }
            return Ok(None);
        }
    }

    /// Arenas start as zeros, and nothing writes what lies between gradients but a norm that is none.
    fn clear_arenas(&mut self) -> Result<(), TrainError> {
        let arenas = self.program().buffers.iter().filter(|buffer| buffer.role == Role::Arena);
        let arenas: Vec<(String, usize)> = arenas.map(|b| (b.name.clone(), b.bytes)).collect();
        for (name, bytes) in arenas {
            self.executor.write(&name, 0, &vec![0; bytes])?;
        }
        Ok(())
    }

    /// Trains up to a step, as the run did.
    fn repeat_until(&mut self, step: u64, interrupted: &Arc<AtomicBool>) -> Result<(), TrainError> {
        if self.step < step {
            self.hooks.push(Box::new(Until { step, interrupted: interrupted.clone() }));
            let ran = self.run(&mut Unseen);
            self.hooks.retain(|hook| hook.name() != "until");
            match ran {
                Ok(_) => {}
                Err(RunError::Train(error)) => return Err(error),
                Err(RunError::Observer(_)) => return Err(TrainError::Interrupted),
            }
        }
        if self.step == step { Ok(()) } else { Err(TrainError::Interrupted) }
    }

    fn named(&self, bad: &BadNumber) -> FirstBad {
        let step = &self.program().steps[bad.step];
        let operand = &step.outputs[bad.output];
        let (layer, phase) = match step.scope.strip_suffix("/gradient") {
            Some(layer) => (layer, Phase::Gradient),
            None if ["update", "accumulate"].contains(&step.scope.as_str()) => {
                (step.scope.as_str(), Phase::Update)
            }
            None => (step.scope.as_str(), Phase::Forward),
        };
        let output = || match step.outputs.len() {
            1 => format!("its output {}", operand.ty),
            _ => format!("its output {}, {}", bad.output, operand.ty),
        };
        let (tensor, position) = self
            .parameter_at(operand, bad.element)
            .unwrap_or_else(|| (output(), position(operand.ty.dims(), bad.element)));
        FirstBad {
            step: self.step + 1,
            epoch: self.position.epoch,
            phase,
            layer: layer.to_owned(),
            op: step.op.title(),
            tensor,
            position,
            dtype: operand.ty.dtype,
            value: bad.value,
            reference: bad.reference,
        }
    }

    /// What the run began with was bad already.
    fn bad_from_the_start(&self, operand: &OperandAt, element: usize) -> FirstBad {
        let (tensor, position) = self
            .parameter_at(operand, element)
            .unwrap_or_else(|| ("a state".to_owned(), position(operand.ty.dims(), element)));
        FirstBad {
            step: self.step + 1,
            epoch: self.position.epoch,
            phase: Phase::Forward,
            layer: "the weights".to_owned(),
            op: "what the steps began with".to_owned(),
            tensor,
            position,
            dtype: operand.ty.dtype,
            value: f64::NAN,
            reference: f64::NAN,
        }
    }

    /// The parameter, or the running statistic, that an element of an operand lies in, and where in it.
    fn parameter_at(&self, operand: &OperandAt, element: usize) -> Option<(String, Vec<usize>)> {
        let at = operand.region.offset / 4 + element;
        let arena = &self.model.arena;
        let (name, shape, offset) = match self.program.buffers[operand.region.buffer].name.as_str()
        {
            PARAMETERS => {
                let entry = arena.entries.iter().rfind(|entry| entry.offset <= at)?;
                (&entry.spec.name, &entry.spec.shape, entry.offset)
            }
            RUNNING_STATISTICS => {
                let entry = arena.states.iter().rfind(|entry| entry.offset <= at)?;
                (&entry.spec.name, &entry.spec.shape, entry.offset)
            }
            _ => return None,
        };
        // Behind the tensor there may be a gap.
        (at - offset < shape.elements())
            .then(|| (name.clone(), position(shape.dims(), at - offset)))
    }
}

/// The position of an element of a tensor, by its place in memory.
fn position(dims: &[usize], element: usize) -> Vec<usize> {
    let mut rest = element;
    let mut position: Vec<usize> = dims
        .iter()
        .rev()
        .map(|&dim| {
            let at = rest % dim.max(1);
            rest /= dim.max(1);
            at
        })
        .collect();
    position.reverse();
    position
}
