//! Arrays with their axes in another order.

/// The elements of a row-major array of `dims`, whose axis `axes[i]` becomes axis `i`. There must be as many
/// as `dims` says, and `axes` must name each axis once.
///
/// ```
/// use verigrad::tensor::permuted;
/// assert_eq!(permuted(&[1, 2, 3, 4, 5, 6], &[2, 3], &[1, 0]), [1, 4, 2, 5, 3, 6]);
/// ```
#[must_use]
pub fn permuted<T: Copy>(values: &[T], dims: &[usize], axes: &[usize]) -> Vec<T> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    let (to_dims, from_strides): (Vec<usize>, Vec<usize>) =
        axes.iter().map(|&axis| (dims[axis], strides[axis])).unzip();
    let mut permuted = Vec::with_capacity(values.len());
    let mut index = vec![0; dims.len()];
    for _ in 0..values.len() {
        let from: usize = index.iter().zip(&from_strides).map(|(i, stride)| i * stride).sum();
        permuted.push(values[from]);
        // Counts up like an odometer, the last axis fastest.
        for (i, dim) in index.iter_mut().zip(&to_dims).rev() {
            *i += 1;
            if *i < *dim {
                break;
            }
            *i = 0;
        }
    }
    permuted
}
