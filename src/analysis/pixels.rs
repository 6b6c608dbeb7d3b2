//! The images of a data set in batches of one size, as numbers from 0 to 1.

use std::ops::Range;

use crate::data::{DataError, Dataset};

/// Batches of a data set, in its order.
#[derive(Debug, Clone, Copy)]
pub(super) struct PixelBatches<'d> {
    data: &'d Dataset,
    batch: usize,
}

impl<'d> PixelBatches<'d> {
    /// Batches of at most `batch` images; a data set is never empty.
    pub fn new(data: &'d Dataset, batch: usize) -> Self {
        Self { data, batch: batch.min(data.len()).max(1) }
    }

    /// Batches of `batch` images, more than one, even where the data set has fewer.
    pub fn of_size(data: &'d Dataset, batch: usize) -> Self {
        Self { data, batch: batch.max(1) }
    }

    /// Images in each batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The examples of each batch. The last one may have fewer.
    pub fn ranges(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.data.len())
            .step_by(self.batch)
            .map(move |start| start..(start + self.batch).min(self.data.len()))
    }

    /// Pixels `[batch, height, width, channels]` of the examples in `range`. Where these are fewer,
    /// they come again.
    pub fn pixels(&self, range: &Range<usize>) -> Result<Vec<f32>, DataError> {
        let mut numbers = Vec::with_capacity(self.batch * self.data.image_len());
        for example in range.clone() {
            let bytes = self.data.pixels(example)?;
            numbers.extend(bytes.iter().map(|&byte| f32::from(byte) / 255.0));
        }
        let wanted = self.batch * self.data.image_len();
        Ok(if numbers.len() == wanted {
            numbers
        } else {
            numbers.into_iter().cycle().take(wanted).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_batch_is_filled_up() {
        let data = Dataset::new("d", vec![0, 51, 255], vec![0; 3], [1, 1, 1], vec!["a".to_owned()]);
        let data = data.expect("it is consistent");
        let batches = PixelBatches::new(&data, 2);
        let ranges: Vec<_> = batches.ranges().collect();
        assert_eq!(ranges, [0..2, 2..3]);
        let pixels = |range| batches.pixels(range).expect("they are in memory");
        assert_eq!(pixels(&ranges[0]), [0.0, 0.2]);
        assert_eq!(pixels(&ranges[1]), [1.0, 1.0]);
        assert_eq!(PixelBatches::new(&data, 100).batch(), 3);
        let more = PixelBatches::of_size(&data, 5).pixels(&(0..3)).expect("they are in memory");
        assert_eq!(more, [0.0, 0.2, 1.0, 0.0, 0.2]);
    }
}
