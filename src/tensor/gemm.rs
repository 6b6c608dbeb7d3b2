//! Products of f32 matrices for host kernels, at the speed of the processor's vector units.
//!
//! The crate `matrixmultiply` does the work, behind the checked views of `ndarray`. A product runs
//! on the calling thread and sums in an order that only its sizes decide; callers share work among
//! threads by splitting the result into blocks whose sizes do not depend on their number.
//!
//! ```
//! use verigrad::tensor::gemm::{Matrix, multiply};
//! let a = Matrix::new(&[1.0, 2.0, 3.0, 4.0], 2, 2);
//! let mut y = [0.0; 4];
//! multiply(a, a.transposed(), &mut y);
//! assert_eq!(y, [5.0, 11.0, 11.0, 25.0]);
//! ```

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

/// A matrix in a slice, stored by rows, or by columns after [`Matrix::transposed`].
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    elements: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The first `rows` times `columns` elements of a slice, row by row.
    pub fn new(elements: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { elements, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same elements, with rows as columns.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Rows `first..first + count`.
    #[must_use]
    pub fn rows(self, first: usize, count: usize) -> Self {
        Self { elements: &self.elements[first * self.row_stride..], rows: count, ..self }
    }

    /// Columns `first..first + count`.
    #[must_use]
    pub fn columns(self, first: usize, count: usize) -> Self {
        self.transposed().rows(first, count).transposed()
    }

    fn view(self) -> ArrayView2<'a, f32> {
        let shape = (self.rows, self.columns).strides((self.row_stride, self.column_stride));
        ArrayView2::from_shape(shape, self.elements).expect("the slice holds the matrix")
    }
}

/// `y = a b`, where `y` is stored row by row; what it held before is not read.
pub fn multiply(a: Matrix<'_>, b: Matrix<'_>, y: &mut [f32]) {
    product(a, b, 0.0, y);
}

/// `y += a b`, where `y` is stored row by row.
pub fn multiply_add(a: Matrix<'_>, b: Matrix<'_>, y: &mut [f32]) {
    product(a, b, 1.0, y);
}

fn product(a: Matrix<'_>, b: Matrix<'_>, kept: f32, y: &mut [f32]) {
    let y = &mut y[..a.rows * b.columns];
    if y.is_empty() || a.columns == 0 {
        // Views of nothing have strides that ndarray rejects.
        if kept == 0.0 {
            y.fill(0.0);
        }
        return;
    }
    let mut y = ArrayViewMut2::from_shape((a.rows, b.columns), y).expect("the slice has its size");
    general_mat_mul(1.0, &a.view(), &b.view(), kept, &mut y);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_transposes_multiply_like_sums() {
        let (m, k, n) = (37, 29, 43);
        let number = |i: usize| f32::from(u8::try_from(i * 7 % 13).expect("small")) - 6.0;
        let a: Vec<f32> = (0..m * k).map(number).collect();
        let b: Vec<f32> = (0..k * n).map(|i| number(i + 5)).collect();
        let element = |r: usize, c: usize| (0..k).map(|i| a[r * k + i] * b[i * n + c]).sum::<f32>();
        let mut y = vec![f32::NAN; 20 * 16];
        let whole_a = Matrix::new(&a, m, k);
        let whole_b = Matrix::new(&b, k, n);
        multiply(whole_a.rows(17, 20), whole_b.columns(9, 16), &mut y);
        // Small whole numbers: every order of summing is exact.
        for (i, &y) in y.iter().enumerate() {
            assert_eq!(y, element(17 + i / 16, 9 + i % 16));
        }
        let mut transposed = vec![1.0; 16 * 20];
        let (left, right) =
            (whole_b.columns(9, 16).transposed(), whole_a.rows(17, 20).transposed());
        multiply_add(left, right, &mut transposed);
        for (i, &z) in transposed.iter().enumerate() {
            assert_eq!(z, 1.0 + y[i % 20 * 16 + i / 20]);
        }
    }

    #[test]
    fn an_empty_sum_is_zero() {
        let mut y = [f32::NAN; 6];
        multiply(Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 3), &mut y);
        assert_eq!(y, [0.0; 6]);
        multiply_add(Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 3), &mut y);
        multiply(Matrix::new(&[], 0, 2), Matrix::new(&[1.0; 6], 2, 3), &mut []);
        assert_eq!(y, [0.0; 6]);
    }
}
