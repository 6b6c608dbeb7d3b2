//! How examples of any shape reach the device: tables of inputs and targets, whole or through a window.

use rayon::prelude::*;

use super::fed::Fed;
use crate::data::{DataError, Dataset, SharedExamples, TargetKind, TargetMut};
use crate::error::ShapeError;
use crate::exec::Executor;
use crate::graph::{Graph, Value};
use crate::ops::{GatherRows, IGNORED_LABEL};
use crate::tensor::TensorType;
use crate::train::TrainError;

/// Examples that are written at a time, so that a large set is never copied as a whole.
const AT_ONCE: usize = 1024;

/// What the examples of a data set look like that are no 8-bit images with a label each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RowFeed {
    /// Name of the set, for messages.
    name: String,
    /// Shape of one input.
    input: Vec<usize>,
    /// What goes with it.
    target: TargetKind,
}

impl RowFeed {
    pub fn of(data: &Dataset) -> Option<Self> {
        let examples = data.examples.as_ref()?;
        Some(Self { name: data.name.clone(), input: examples.input(), target: examples.target() })
    }

    /// Bytes of an example in the larger of both tables.
    pub fn largest_row(&self) -> usize {
        4 * self.width().max(self.target.elements())
    }

    /// Elements of an input.
    fn width(&self) -> usize {
        self.input.iter().product()
    }

    /// Adds the nodes that make a batch. `buffer` names the tables, which have `slots` rows.
    pub fn add_to(
        &self,
        graph: &mut Graph,
        buffer: &dyn Fn(&str) -> String,
        (gather, slots): (GatherRows, usize),
        step: Value,
    ) -> Result<Fed, ShapeError> {
        let order = graph.source(&buffer("order"), TensorType::u32([slots]));
        let rows = |shape: &[usize]| [&[slots], shape].concat();
        let mut gathered = |name: &str, ty: TensorType| {
            let table = graph.source(&buffer(name), ty);
            graph.push(gather.clone(), &[table, order, step])
        };
        let x = gathered("inputs", TensorType::f32(rows(&self.input)))?;
        let labels = gathered("labels", TensorType::u32([slots]))?;
        let targets = match &self.target {
            TargetKind::Class => None,
            TargetKind::Classes(shape) => Some(gathered("targets", TensorType::u32(rows(shape)))?),
            TargetKind::Numbers(shape) => Some(gathered("targets", TensorType::f32(rows(shape)))?),
        };
        Ok(Fed { x, labels, targets })
    }

    /// Writes all examples, in their order.
    pub fn upload(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
        buffer: &dyn Fn(&str) -> String,
    ) -> Result<(), TrainError> {
        let all: Vec<u32> = (0..).take(data.len()).collect();
        for (chunk, at) in all.chunks(AT_ONCE).zip((0..).step_by(AT_ONCE)) {
            self.write(executor, data, buffer, (chunk, at, chunk.len()))?;
        }
        Ok(())
    }

    /// Writes examples to the rows from `at` on; of `rows`, those without an example are filled.
    pub fn write(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
        buffer: &dyn Fn(&str) -> String,
        (examples, at, rows): (&[u32], usize, usize),
    ) -> Result<(), TrainError> {
        let Some(source) = &data.examples else {
            return Err(TrainError::Model(ShapeError::new("data", "the set has no examples")));
        };
        let mut inputs = vec![0.0; rows * self.width()];
        let mut markers = vec![IGNORED_LABEL; rows];
        markers[..examples.len()].fill(0);
        let places = self.target.elements();
        let mut put = |part: &str, row: usize, words: &[u8]| {
            executor.write(&buffer(part), 4 * at * row, words)
        };
        if let TargetKind::Numbers(_) = self.target {
            let mut numbers = vec![0.0_f32; rows * places];
            let read = (inputs.as_mut_slice(), numbers.as_mut_slice());
            self.read(source, examples, read, |room| TargetMut::Numbers(room))?;
            put("targets", places, bytemuck::cast_slice(&numbers))?;
        } else {
            let mut labels = vec![IGNORED_LABEL; rows * places];
            let read = (inputs.as_mut_slice(), labels.as_mut_slice());
            self.read(source, examples, read, |room| TargetMut::Classes(room))?;
            match self.target {
                TargetKind::Class => markers = labels,
                _ => put("targets", places, bytemuck::cast_slice(&labels))?,
            }
        }
        put("labels", 1, bytemuck::cast_slice(&markers))?;
        put("inputs", self.width(), bytemuck::cast_slice(&inputs))?;
        Ok(())
    }

    /// Reads examples on all cores, side by side into the front of inputs and targets.
    fn read<T: Send>(
        &self,
        source: &SharedExamples,
        examples: &[u32],
        (inputs, targets): (&mut [f32], &mut [T]),
        room: impl for<'a> Fn(&'a mut [T]) -> TargetMut<'a> + Sync,
    ) -> Result<(), TrainError> {
        let rows = inputs.par_chunks_mut(self.width());
        let rows = rows.zip(targets.par_chunks_mut(self.target.elements())).zip(examples);
        let errors: Vec<String> = rows
            .filter_map(|((input, target), &i)| {
                let read = source.read(i as usize, input, room(target));
                read.err().map(|error| format!("example {i}: {error}"))
            })
            .collect();
        match errors.into_iter().next() {
            Some(problem) => {
                Err(DataError::Inconsistent { name: self.name.clone(), problem }.into())
            }
            None => Ok(()),
        }
    }
}
