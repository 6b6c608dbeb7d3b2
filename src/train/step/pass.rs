//! A pass over a data set that is under way: the order of its examples, and where their pixels come from.

use std::ops::Range;

use crate::data::{Crops, DataError, Dataset, Loader};

/// A pass over a data set.
#[derive(Debug)]
pub struct Pass {
    order: Vec<u32>,
    first: u64,
    ahead: usize,
    crops: Option<Crops>,
    /// Reads files, where the pixels are not in memory.
    loader: Option<Loader>,
    /// Reads of examples, and how many of them had to wait for a file.
    reads: usize,
    late: usize,
}

impl Pass {
    pub(super) fn new(order: Vec<u32>, first: u64, ahead: usize, crops: Option<Crops>) -> Self {
        Self { order, first, ahead, crops, loader: None, reads: 0, late: 0 }
    }

    /// The examples in their order.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The step with which it began.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Appends the pixels of the examples at `positions` of the order. They are read ahead where they
    /// come one after the other.
    pub(super) fn read(
        &mut self,
        data: &Dataset,
        positions: Range<usize>,
        images: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        if !data.streams() {
            for &example in &self.order[positions] {
                images.extend_from_slice(data.image(example as usize).unwrap_or(&[]));
            }
            return Ok(());
        }
        let fresh = || data.loader(&self.order, positions.start, self.ahead, self.crops);
        let in_place = |loader: &Loader| loader.position() == positions.start;
        let Some(mut loader) = self.loader.take().filter(in_place).or_else(fresh) else {
            return Ok(());
        };
        let (_, before) = loader.waits();
        for _ in positions {
            images.extend_from_slice(&loader.take()?);
        }
        let (waited, waits) = loader.waits();
        self.reads += 1;
        self.late += usize::from(waits > before);
        log::debug!(
            "pictures: {} of {} reads had to wait, {waited:.1?} in all; at most {} at once in memory",
            self.late,
            self.reads,
            loader.most_alive()
        );
        self.loader = Some(loader);
        Ok(())
    }

    /// How many reads there were from files, and how many had to wait for them.
    pub fn late(&self) -> (usize, usize) {
        (self.reads, self.late)
    }

    /// How long it has waited for files so far.
    pub fn waited(&self) -> std::time::Duration {
        self.loader.as_ref().map_or_else(Default::default, |loader| loader.waits().0)
    }

    /// The most pictures that were in memory at once beside those of the reads themselves.
    pub fn most_alive(&self) -> usize {
        self.loader.as_ref().map_or(0, Loader::most_alive)
    }
}
