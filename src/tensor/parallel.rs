//! Loops over the elements of a tensor, spread over the processor's threads.
//!
//! The loop body is a `&dyn Fn`, and rayon appears nowhere else in the reference code: its generic
//! iterators, compiled anew for each loop and each float type, took most of the build time. A body
//! computes its elements one after another whatever the number of threads, so that results do not
//! depend on it.
//!
//! ```
//! use verigrad::tensor::parallel::for_each_chunk;
//! let mut y = [0.0; 6];
//! for_each_chunk(&mut y, 3, &|row, y| y.fill(if row == 0 { 1.0 } else { 2.0 }));
//! assert_eq!(y, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
//! ```

/// Elements in a block: enough of the cheapest work to be worth handing to another thread.
pub const BLOCK: usize = 8192;

/// Tasks for each thread, so that one that is late can leave work to the others.
const TASKS_PER_THREAD: usize = 8;

/// Calls `work(i, y[i])` for each element; for elements that each cost a loop of their own.
pub fn for_each_element<T: Send>(y: &mut [T], work: &(dyn Fn(usize, &mut T) + Sync)) {
    let task = y.len().div_ceil(tasks()).max(1);
    for_each_chunk(y, task, &|t, y| {
        for (i, y) in (t * task..).zip(y) {
            work(i, y);
        }
    });
}

/// Calls `work(start, y[start..])` for each [`BLOCK`] of elements; for cheap elements.
pub fn for_each_block<T: Send>(y: &mut [T], work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    for_each_chunk(y, BLOCK, &|block, y| work(block * BLOCK, y));
}

/// Calls `work(c, chunk)` for each chunk of `chunk_len` elements; the last one may be shorter.
pub fn for_each_chunk<T: Send>(
    y: &mut [T],
    chunk_len: usize,
    work: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    for_each_chunk_of([y], [chunk_len], &|c, [y]| work(c, y));
}

/// Calls `work(c, chunks)` with chunk `c` of each of `N` tensors, whose chunks have `chunk_lens`
/// elements. The first tensor determines the number of chunks.
pub fn for_each_chunk_of<T: Send, const N: usize>(
    tensors: [&mut [T]; N],
    chunk_lens: [usize; N],
    work: &(dyn Fn(usize, [&mut [T]; N]) + Sync),
) {
    let chunk_lens = chunk_lens.map(|len| len.max(1));
    let counts = tensors.iter().zip(chunk_lens).map(|(tensor, len)| tensor.len().div_ceil(len));
    let count = counts.take(1).sum::<usize>();
    if count > 0 {
        let most = count.div_ceil(tasks());
        Chunks { first: 0, count, tensors, chunk_lens }.halve(most, work);
    }
}

/// The results of `work(0)` up to `work(count - 1)`.
pub fn map_indices<R: Send + Clone + Default>(
    count: usize,
    work: &(dyn Fn(usize) -> R + Sync),
) -> Vec<R> {
    let mut results = vec![R::default(); count];
    for_each_element(&mut results, &|i, result| *result = work(i));
    results
}

fn tasks() -> usize {
    TASKS_PER_THREAD * rayon::current_num_threads()
}

/// Successive chunks of `N` tensors.
struct Chunks<'a, T, const N: usize> {
    first: usize,
    count: usize,
    tensors: [&'a mut [T]; N],
    chunk_lens: [usize; N],
}

impl<T: Send, const N: usize> Chunks<'_, T, N> {
    /// Hands halves to other threads until no more than `most` chunks are left in each.
    fn halve(mut self, most: usize, work: &(dyn Fn(usize, [&mut [T]; N]) + Sync)) {
        if self.count > most {
            let front = self.take_front(self.count / 2);
            rayon::join(|| front.halve(most, work), || self.halve(most, work));
            return;
        }
        while self.count > 0 {
            let front = self.take_front(1);
            work(front.first, front.tensors);
        }
    }
}

impl<'a, T, const N: usize> Chunks<'a, T, N> {
    fn take_front(&mut self, count: usize) -> Chunks<'a, T, N> {
        let first = self.first;
        let chunk_lens = self.chunk_lens;
        let tensors = std::array::from_fn(|i| {
            let tensor = std::mem::take(&mut self.tensors[i]);
            let (front, back) = tensor.split_at_mut((count * chunk_lens[i]).min(tensor.len()));
            self.tensors[i] = back;
            front
        });
        self.first += count;
        self.count -= count;
        Chunks { first, count, tensors, chunk_lens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_numbered_and_the_last_may_be_short() {
        let mut y = vec![0; 1001];
        for_each_chunk(&mut y, 10, &|c, y| {
            for y in y.iter_mut() {
                *y += c + 1;
            }
        });
        let expected: Vec<usize> = (0..1001).map(|i| i / 10 + 1).collect();
        assert_eq!(y, expected);
    }

    #[test]
    fn a_single_chunk_runs_on_the_calling_thread() {
        let caller = std::thread::current().id();
        for_each_chunk(&mut [0.0; 5], 5, &|_, _| assert_eq!(std::thread::current().id(), caller));
        for_each_block(&mut [0.0; 5], &|_, _| assert_eq!(std::thread::current().id(), caller));
    }

    #[test]
    fn empty_tensors_and_empty_chunks_do_not_panic() {
        for_each_chunk(&mut [0.0_f32; 0], 0, &|_, _| unreachable!("there is no chunk"));
        for_each_element(&mut [0.0_f32; 0], &|_, _| unreachable!("there is no element"));
        let mut y = [0; 3];
        for_each_chunk(&mut y, 0, &|c, y| y.fill(c));
        assert_eq!(y, [0, 1, 2]);
    }

    #[test]
    fn blocks_start_where_they_say() {
        let mut y = vec![0; 3 * BLOCK + 5];
        for_each_block(&mut y, &|start, y| {
            for (i, y) in (start..).zip(y) {
                *y = i;
            }
        });
        assert!(y.iter().enumerate().all(|(i, &y)| i == y));
    }

    #[test]
    fn elements_and_results_are_in_order() {
        let mut y = vec![0; 12_345];
        for_each_element(&mut y, &|i, y| *y = i);
        assert!(y.iter().enumerate().all(|(i, &y)| i == y));
        assert_eq!(map_indices(12_345, &|i| i), y);
    }

    #[test]
    fn chunks_of_several_tensors_go_together() {
        let (mut loss, mut residual) = (vec![0; 50], vec![0; 150]);
        for_each_chunk_of([&mut loss, &mut residual], [1, 3], &|row, [loss, residual]| {
            assert_eq!((loss.len(), residual.len()), (1, 3));
            loss[0] = row;
            residual.fill(row);
        });
        assert!(loss.iter().enumerate().all(|(i, &loss)| loss == i));
        assert!(residual.iter().enumerate().all(|(i, &residual)| residual == i / 3));
    }
}
