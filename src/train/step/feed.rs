//! How examples reach the device: as bytes, once, where they fit; else through a window that the
//! host refills, from memory or from files.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::fed::Fed;
use super::names::STATISTICS;
use super::pass::Pass;
use super::row_feed::RowFeed;
use crate::data::{Crops, Dataset, Normalization};
use crate::error::ShapeError;
use crate::exec::Executor;
use crate::graph::{Caps, Graph, Value};
use crate::ops::{Augment, AugmentBatch, GatherBatch, GatherRows, IGNORED_LABEL, NO_EXAMPLE};
use crate::tensor::TensorType;
use crate::train::TrainError;

/// Image buffers that one gather can bind beside its other operands.
const MAX_SHARDS: usize = 4;

/// Steps that the window of a data set too large for the device holds.
const WINDOW_STEPS: usize = 16;

/// Bytes of a window, unless a step takes more.
const WINDOW_BYTES: usize = 64 << 20;

/// The plan by which a data set is fed to a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    name: String,
    image: [usize; 3],
    batch: usize,
    examples: usize,
    /// Examples in each image buffer; the last one holds the rest.
    shard_len: usize,
    /// Examples that the device holds at a time.
    slots: usize,
    steps_per_epoch: usize,
    resident: bool,
    /// Examples that are no 8-bit images.
    rows: Option<RowFeed>,
    /// Rows and columns of the numbers that go with images, in place of a class each.
    targets: Option<[usize; 2]>,
}

impl Feed {
    /// Plans to feed `data` in batches under the name `name`, which prefixes its buffers. A batch is
    /// never larger than the set.
    pub fn plan(name: &str, data: &Dataset, batch: usize, drop_last: bool, caps: &Caps) -> Self {
        let batch = batch.min(data.len()).max(1);
        let limit = caps.max_binding_bytes.min(caps.max_buffer_bytes);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let rows = RowFeed::of(data);
        let image_bytes = rows.as_ref().map_or(data.image_len(), RowFeed::largest_row).max(1);
        // Tables are not divided.
        let most_shards = if rows.is_some() { 1 } else { MAX_SHARDS };
        let mut shard_len = (limit / image_bytes).clamp(1, data.len().max(1));
        if shard_len < data.len() && shard_len > 4 {
            // Each buffer but the last then holds whole words, whatever the size of an image.
            shard_len -= shard_len % 4;
        }
        let resident = !data.streams() && data.len() <= shard_len.saturating_mul(most_shards);
        let examples = data.len();
        let steps = if drop_last && examples >= batch {
            examples / batch
        } else {
            examples.div_ceil(batch)
        };
        // Writes start at whole words: where batches do not end at one, the window holds one batch.
        let whole_words = (batch * image_bytes).is_multiple_of(4);
        let room = shard_len.saturating_mul(most_shards).min(WINDOW_BYTES / image_bytes);
        let room = (room / batch).max(1);
        let window = if whole_words { WINDOW_STEPS.min(steps.max(1)).min(room) } else { 1 };
        let slots = if resident { examples } else { window * batch };
        Self {
            name: name.to_owned(),
            image: [data.height, data.width, data.channels],
            batch,
            examples,
            shard_len: shard_len.min(slots.max(1)),
            slots,
            steps_per_epoch: steps.max(1),
            resident,
            rows,
            targets: data.targets.as_ref().map(|table| [table.len(), table.width()]),
        }
    }

    /// The plan of a pass over all examples of the same data in batches of its own, without a rest that
    /// is left out. It uses the buffers of this one where they hold the whole set, else some of its own
    /// under `name`.
    pub(in crate::train) fn whole_pass(
        &self,
        name: &str,
        data: &Dataset,
        batch: usize,
        caps: &Caps,
    ) -> Self {
        let name = if self.resident { &self.name } else { name };
        Self::plan(name, data, batch, false, caps)
    }

    /// Steps of one pass.
    pub fn steps_per_epoch(&self) -> usize {
        self.steps_per_epoch
    }

    /// Images per step.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Images that the device holds at a time.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// Images that one pass visits.
    pub fn examples_per_epoch(&self) -> usize {
        self.examples.min(self.steps_per_epoch * self.batch)
    }

    /// Whether a buffer is one that holds the data set or a part of it.
    pub(in crate::train) fn holds(&self, buffer: &str) -> bool {
        let part = buffer.strip_prefix(&self.name).and_then(|part| part.strip_prefix('/'));
        part.is_some_and(|part| {
            matches!(part, "inputs" | "labels" | "order" | "targets") || part.starts_with("images")
        })
    }

    /// Whether the whole data set lies on the device.
    pub fn is_resident(&self) -> bool {
        self.resident
    }

    /// The longest run of steps from `step` on whose data the device can hold.
    pub fn longest_run(&self, step: u64) -> u32 {
        if self.resident {
            return u32::MAX;
        }
        let window = (self.slots / self.batch) as u64;
        u32::try_from(window - step % window).unwrap_or(1)
    }

    /// Adds the nodes that make the batch of `step`.
    ///
    /// # Errors
    /// When the normalization does not fit the images.
    pub fn add_to(
        &self,
        graph: &mut Graph,
        normalization: &Normalization,
        step: Value,
    ) -> Result<Fed, ShapeError> {
        self.add_augmented_to(graph, normalization, step, (&Augment::default(), 0))
    }

    /// As [`Self::add_to`], with images augmented as a seed of the run decides.
    ///
    /// # Errors
    /// When normalization or augmentation do not fit the images.
    pub fn add_augmented_to(
        &self,
        graph: &mut Graph,
        normalization: &Normalization,
        step: Value,
        (augment, seed): (&Augment, u32),
    ) -> Result<Fed, ShapeError> {
        let steps = if self.resident { self.steps_per_epoch } else { self.slots / self.batch };
        if let Some(rows) = &self.rows {
            if !augment.is_none() {
                let message =
                    "augmentation takes 8-bit images: leave it out, or give images as bytes";
                return Err(ShapeError::new("augment", message));
            }
            let windowed = !self.resident;
            let gather = GatherRows { batch: self.batch, steps_per_epoch: steps, windowed };
            return rows.add_to(graph, &|part| self.buffer(part), (gather, self.slots), step);
        }
        let [h, w, c] = self.image;
        let labels = graph.source(&self.buffer("labels"), TensorType::u32([self.slots]));
        let order = graph.source(&self.buffer("order"), TensorType::u32([self.slots]));
        let mut inputs = vec![labels, order, step];
        let per_pixel = normalization.is_per_pixel(c);
        if per_pixel {
            inputs.push(graph.source(STATISTICS, TensorType::f32([2, h, w, c])));
        }
        for (shard, len) in self.shards().into_iter().enumerate() {
            let ty = TensorType::u8([len, h, w, c]);
            inputs.push(graph.source(&self.buffer(&format!("images{shard}")), ty));
        }
        let channels = normalization.of_channels(c);
        let gather = GatherBatch {
            batch: self.batch,
            steps_per_epoch: steps,
            mean: channels.mean,
            std: channels.std,
            shard_len: self.shard_len,
            windowed: !self.resident,
        };
        let [x, labels] = if augment.is_none() && !per_pixel {
            graph.push_multi(gather, &inputs)?
        } else {
            let (augment, steps_per_pass) = (augment.clone(), self.steps_per_epoch);
            let op = AugmentBatch { gather, augment, per_pixel, seed, steps_per_pass };
            graph.push_multi(op, &inputs)?
        };
        let targets = self.targets.map(|dims| {
            let table = graph.source(&self.buffer("targets"), TensorType::f32(dims));
            // The label of an example is its row; a row of no example is no row, either.
            let of_labels = GatherRows { batch: self.batch, steps_per_epoch: 1, windowed: false };
            graph.push(of_labels, &[table, labels, step])
        });
        Ok(Fed { x, labels, targets: targets.transpose()? })
    }

    /// Writes what stays on the device: all targets, and the examples in the order of the data set.
    ///
    /// # Errors
    /// When the device fails.
    pub fn upload(&self, executor: &mut dyn Executor, data: &Dataset) -> Result<(), TrainError> {
        if let Some(table) = &data.targets {
            let numbers = bytemuck::cast_slice(table.values());
            executor.write(&self.buffer("targets"), 0, numbers)?;
        }
        if !self.resident {
            return Ok(());
        }
        let order: Vec<u32> = (0_u32..).take(self.slots).collect();
        executor.write(&self.buffer("order"), 0, bytemuck::cast_slice(&order))?;
        if let Some(rows) = &self.rows {
            return rows.upload(executor, data, &|part| self.buffer(part));
        }
        executor.write(&self.buffer("labels"), 0, bytemuck::cast_slice(&data.labels))?;
        let bytes_per_shard = self.shard_len * data.image_len();
        for (shard, images) in data.images.chunks(bytes_per_shard.max(1)).enumerate() {
            let buffer = self.buffer(&format!("images{shard}"));
            write_padded(executor, &buffer, 0, images)?;
        }
        Ok(())
    }

    /// The order of examples in an epoch.
    pub fn epoch_order(&self, seed: u64, epoch: u32, shuffle: bool) -> Vec<u32> {
        let mut order: Vec<u32> = (0_u32..).take(self.examples).collect();
        if shuffle {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(u64::from(epoch) + 1);
            order.shuffle(&mut rng);
        }
        order
    }

    /// An order in which each class that has examples comes equally often: their numbers differ by one at
    /// most. The examples of a class come equally often, too. It is as long as the order of an epoch.
    pub fn balanced_order(&self, seed: u64, epoch: u32, labels: &[u32]) -> Vec<u32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(epoch) + 1);
        let mut classes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (example, &label) in (0_u32..).zip(labels).take(self.examples) {
            classes.entry(label).or_default().push(example);
        }
        let mut classes: Vec<Vec<u32>> = classes.into_values().collect();
        // Chance decides which classes come once more.
        classes.shuffle(&mut rng);
        let n = classes.len().max(1);
        let mut order = Vec::with_capacity(self.examples);
        for (i, class) in classes.iter_mut().enumerate() {
            let mut left = self.examples / n + usize::from(i < self.examples % n);
            while left > 0 {
                class.shuffle(&mut rng);
                let now = left.min(class.len());
                order.extend_from_slice(&class[..now]);
                left -= now;
            }
        }
        order.shuffle(&mut rng);
        order
    }

    /// Starts a pass over examples that come in `order`, whose first step is `first`; parts of pictures
    /// are drawn where `crops` says so.
    ///
    /// # Errors
    /// When the device fails.
    pub fn start_pass(
        &self,
        executor: &mut dyn Executor,
        order: Vec<u32>,
        first: u64,
        crops: Option<Crops>,
    ) -> Result<Pass, TrainError> {
        if self.resident {
            executor.write(&self.buffer("order"), 0, bytemuck::cast_slice(&order))?;
        }
        // What the window holds, once more: decoded while the device is busy with that.
        Ok(Pass::new(order, first, 2 * self.slots, crops))
    }

    /// Makes sure that the device holds the examples of `steps` steps of a pass from `step` on.
    ///
    /// # Errors
    /// When the device fails, or an example cannot be read.
    pub fn prepare(
        &self,
        executor: &mut dyn Executor,
        data: &Dataset,
        pass: &mut Pass,
        step: u64,
        steps: u32,
    ) -> Result<(), TrainError> {
        if self.resident {
            return Ok(());
        }
        let in_epoch = usize::try_from(step - pass.first()).unwrap_or(usize::MAX);
        let window = (self.slots / self.batch) as u64;
        let slot = usize::try_from(step % window).unwrap_or(0) * self.batch;
        let wanted = steps as usize * self.batch;
        let begin = in_epoch.saturating_mul(self.batch).min(pass.order().len());
        let positions = begin..(begin + wanted).min(pass.order().len());
        let mut examples = pass.order()[positions.clone()].to_vec();
        if let Some(rows) = &self.rows {
            let buffer = |part: &str| self.buffer(part);
            rows.write(executor, data, &buffer, (&examples, slot, wanted))?;
            examples.resize(wanted, NO_EXAMPLE);
            executor.write(&self.buffer("order"), slot * 4, bytemuck::cast_slice(&examples))?;
            return Ok(());
        }
        let mut images = Vec::with_capacity(wanted * data.image_len());
        pass.read(data, positions, &mut images)?;
        let label = |&example: &u32| data.label(example as usize).unwrap_or(IGNORED_LABEL);
        let mut labels: Vec<u32> = examples.iter().map(label).collect();
        images.resize(wanted * data.image_len(), 0);
        labels.resize(wanted, IGNORED_LABEL);
        examples.resize(wanted, NO_EXAMPLE);
        executor.write(&self.buffer("order"), slot * 4, bytemuck::cast_slice(&examples))?;
        executor.write(&self.buffer("labels"), slot * 4, bytemuck::cast_slice(&labels))?;
        let bytes_per_shard = self.shard_len * data.image_len();
        let mut at = slot * data.image_len();
        let mut rest = images.as_slice();
        while !rest.is_empty() {
            let (shard, offset) = (at / bytes_per_shard, at % bytes_per_shard);
            let (now, later) = rest.split_at(rest.len().min(bytes_per_shard - offset));
            let buffer = self.buffer(&format!("images{shard}"));
            write_padded(executor, &buffer, offset, now)?;
            at += now.len();
            rest = later;
        }
        Ok(())
    }

    fn shards(&self) -> Vec<usize> {
        let full = self.slots / self.shard_len;
        let mut shards = vec![self.shard_len; full];
        if !self.slots.is_multiple_of(self.shard_len) {
            shards.push(self.slots % self.shard_len);
        }
        shards
    }

    fn buffer(&self, part: &str) -> String {
        format!("{}/{part}", self.name)
    }
}

/// Writes bytes whose number need not be a multiple of four. The last word's padding is zero.
fn write_padded(
    executor: &mut dyn Executor,
    buffer: &str,
    offset: usize,
    bytes: &[u8],
) -> Result<(), TrainError> {
    let whole = bytes.len() / 4 * 4;
    if whole > 0 {
        executor.write(buffer, offset, &bytes[..whole])?;
    }
    if whole < bytes.len() {
        let mut last = [0_u8; 4];
        last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
        executor.write(buffer, offset + whole, &last)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balanced_order_has_each_class_equally_often() {
        let labels: Vec<u32> =
            (0..100).map(|i| [0, 4, 7][usize::from(i < 12) + usize::from(i < 2)]).collect();
        let classes = (0..8).map(|class| class.to_string()).collect();
        let data = Dataset::new("x", vec![0; 100], labels.clone(), [1, 1, 1], classes);
        let data = data.expect("it fits");
        let feed = Feed::plan("train", &data, 8, false, &Caps::webgpu_default());
        let order = |seed, epoch| feed.balanced_order(seed, epoch, &labels);
        let mut times = [0; 100];
        for &example in &order(1, 1) {
            times[example as usize] += 1;
        }
        for class in [0, 4, 7] {
            let each: Vec<i32> =
                (0..100).filter(|&i| labels[i] == class).map(|i| times[i]).collect();
            assert!((33..=34).contains(&each.iter().sum::<i32>()), "{class}: {each:?}");
            let (least, most) = (each.iter().min(), each.iter().max());
            assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{each:?}");
        }
        assert_eq!(order(1, 1), order(1, 1));
        assert!(order(1, 1) != order(1, 2) && order(1, 1) != order(2, 1));
    }
}
