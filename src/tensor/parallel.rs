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

/// Work on the same chunk of two tensors.
type PairWork<'a, Y, Z> = dyn Fn(usize, &mut [Y], &mut [Z]) + Sync + 'a;

/// Calls `work(c, y, z)` with chunk `c` of two tensors of different types, whose chunks have
/// `chunk_lens` elements. The first tensor determines the number of chunks.
pub fn for_each_chunk_pair<Y: Send, Z: Send>(
    (y, z): (&mut [Y], &mut [Z]),
    chunk_lens: [usize; 2],
    work: &PairWork<'_, Y, Z>,
) {
    let chunk_lens = chunk_lens.map(|len| len.max(1));
    let count = y.len().div_ceil(chunk_lens[0]);
    halve_pair((y, z), 0..count, chunk_lens, count.div_ceil(tasks()), work);
}

/// Hands halves to other threads until no more than `most` chunks are left in each.
fn halve_pair<Y: Send, Z: Send>(
    (y, z): (&mut [Y], &mut [Z]),
    chunks: std::ops::Range<usize>,
    lens: [usize; 2],
    most: usize,
    work: &PairWork<'_, Y, Z>,
) {
    if chunks.len() > most {
        let middle = chunks.start + chunks.len() / 2;
        let (y_front, y_back) = y.split_at_mut(chunks.len() / 2 * lens[0]);
        let (z_front, z_back) = z.split_at_mut(chunks.len() / 2 * lens[1]);
        rayon::join(
            || halve_pair((y_front, z_front), chunks.start..middle, lens, most, work),
            || halve_pair((y_back, z_back), middle..chunks.end, lens, most, work),
        );
        return;
    }
    for ((c, y), z) in chunks.zip(y.chunks_mut(lens[0])).zip(z.chunks_mut(lens[1])) {
        work(c, y, z);
    }
}

/// How many of `count` equal pieces of work one thread takes after another, and the number of such
/// shares: a few for each thread, so that one that is late can leave some to the others. What a
/// piece computes must not depend on its share.
pub fn shares(count: usize) -> [usize; 2] {
    let each = count.div_ceil(tasks()).max(1);
    [each, count.div_ceil(each)]
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

/// Runs `work`, with all its loops, on `threads` threads of its own: to check that their number does
/// not show in results.
///
/// # Errors
/// When the threads cannot be started; the message says why.
pub fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R, String> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Ok(pool.map_err(|error| error.to_string())?.install(work))
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
    fn chunks_of_two_types_go_together() {
        let (mut y, mut z) = (vec![0.0; 203], vec![0_usize; 102]);
        for_each_chunk_pair((&mut y, &mut z), [2, 1], &|c, y, z| {
            y.fill(0.5);
            z[0] = c + 1;
        });
        assert!(y.iter().all(|&y| y == 0.5));
        assert_eq!(z, (1..=102).collect::<Vec<_>>());
        for_each_chunk_pair((&mut y[..0], &mut z), [2, 1], &|_, _, _| unreachable!("no chunk"));
    }

    #[test]
    fn shares_cover_all_pieces() {
        for count in [0, 1, 7, 1000] {
            let [each, shares] = shares(count);
            assert!(each * shares >= count && each * shares.saturating_sub(1) <= count);
        }
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
