//! The matrices of minimal filtering, their rounding errors, and their products as WGSL.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Taps of a window in one direction.
pub(super) const TAPS: usize = 3;

/// Winograd's F(m x m, 3 x 3) for tiles of m x m output pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops::product::conv2d) enum Filtering {
    /// 16 multiplications for 4 pixels, where the sum itself takes 36.
    TilesOf2,
    /// 36 multiplications for 16 pixels, where the sum itself takes 144.
    TilesOf4,
}

/// A matrix, row by row.
pub(in crate::ops::product::conv2d) type Matrix = Vec<Vec<f64>>;

/// The factors of `Y = A^T ((G w G^T) * (B^T d B)) A`.
pub(in crate::ops::product::conv2d) struct Matrices {
    /// `A`: `[side, tile]`.
    pub outputs: Matrix,
    /// `G`: `[side, 3]`.
    pub weights: Matrix,
    /// `B^T`: `[side, side]`.
    pub inputs: Matrix,
}

impl Filtering {
    /// Every size of tiles, smallest error first.
    pub(in crate::ops::product::conv2d) const ALL: [Self; 2] = [Self::TilesOf2, Self::TilesOf4];

    /// Rows and columns of output pixels of a tile.
    pub(in crate::ops::product::conv2d) fn tile(self) -> usize {
        match self {
            Self::TilesOf2 => 2,
            Self::TilesOf4 => 4,
        }
    }

    /// Rows and columns of a transformed tile, and of the input pixels that it is made of.
    pub(in crate::ops::product::conv2d) fn side(self) -> usize {
        self.tile() + TAPS - 1
    }

    /// Elements of a transformed tile.
    pub(in crate::ops::product::conv2d) fn elements(self) -> usize {
        self.side() * self.side()
    }

    /// What names of variants start with.
    pub(in crate::ops::product::conv2d) fn prefix(self) -> String {
        format!("winograd_{0}x{0}_", self.tile())
    }

    /// The finite points at which polynomials are evaluated. With the integers that are common for
    /// tiles of four, 0, 1, -1, 2, -2, errors would be more than four times as large.
    fn points(self) -> &'static [f64] {
        match self {
            Self::TilesOf2 => &[0.0, 1.0, -1.0],
            Self::TilesOf4 => &[0.0, FRAC_1_SQRT_2, -FRAC_1_SQRT_2, SQRT_2, -SQRT_2],
        }
    }

    /// The matrices by the method of Toom and Cook: a product of polynomials is evaluated at the
    /// points and at infinity, and interpolated; the transpose of that is a convolution. Source:
    /// Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
    /// Neural Networks", 2020.
    pub(in crate::ops::product::conv2d) fn matrices(self) -> Matrices {
        let points = self.points();
        let others = |i: usize| points.iter().enumerate().filter(move |&(j, _)| j != i);
        let powers = |p: f64, count: usize, factor: f64| -> Vec<f64> {
            (0..count).scan(factor, |power, _| Some(std::mem::replace(power, *power * p))).collect()
        };
        let last = |count: usize| (0..count).map(move |i| if i + 1 == count { 1.0 } else { 0.0 });
        // Coefficients of the polynomial that is zero at the roots, constant first.
        let zero_at = |roots: &mut dyn Iterator<Item = f64>| -> Vec<f64> {
            let mut polynomial = vec![0.0; self.side()];
            polynomial[0] = 1.0;
            for root in roots {
                let before = polynomial.clone();
                for (i, coefficient) in polynomial.iter_mut().enumerate() {
                    let shifted = if i == 0 { 0.0 } else { before[i - 1] };
                    *coefficient = shifted - root * before[i];
                }
            }
            polynomial
        };
        let mut outputs: Matrix = points.iter().map(|&p| powers(p, self.tile(), 1.0)).collect();
        let mut weights: Matrix = points
            .iter()
            .enumerate()
            .map(|(i, &p)| {
                let distances: f64 = others(i).map(|(_, q)| p - q).product();
                powers(p, TAPS, 1.0 / distances)
            })
            .collect();
        let mut inputs: Matrix = (0..points.len())
            .map(|i| zero_at(&mut others(i).map(|(_, &q)| q)))
            .chain([zero_at(&mut points.iter().copied())])
            .collect();
        outputs.push(last(self.tile()).collect());
        weights.push(last(TAPS).collect());
        for value in inputs.iter_mut().flatten().filter(|value| same(**value, 0.0)) {
            *value = 0.0;
        }
        Matrices { outputs, weights, inputs }
    }

    /// Terms of a plain sum of `terms` products that has the rounding error of the convolution.
    pub(in crate::ops::product::conv2d) fn terms_of_outputs(self, terms: usize) -> usize {
        let Matrices { outputs, weights, inputs } = self.matrices();
        terms_with_error_of(&outputs, [&weights, &inputs], TAPS, terms)
    }

    /// The same for the weight gradient, a sum over tiles of `tile x tile` products.
    pub(in crate::ops::product::conv2d) fn terms_of_weight_grad(self, terms: usize) -> usize {
        let Matrices { outputs, weights, inputs } = self.matrices();
        terms_with_error_of(&weights, [&outputs, &inputs], self.tile(), terms)
    }
}

/// Terms of a plain sum that has the rounding error of `result^T ((left a) * (right b))` in two
/// directions, where the sum has `in_one` products in each direction, and `terms` in all.
///
/// For independent terms, a transform multiplies their standard deviation by the 2-norm of its rows;
/// what an element of the result is made of follows from the columns of `result`. The plain sum
/// over the products of a direction has `sqrt(in_one)` itself. Variances multiply over the two
/// directions. The terms that transforms add to the sum count as further ones.
fn terms_with_error_of(
    result: &Matrix,
    [left, right]: [&Matrix; 2],
    in_one: usize,
    terms: usize,
) -> usize {
    let norm = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>();
    let column = |j: usize| -> f64 {
        let rows = result.iter().zip(left).zip(right);
        rows.map(|((result, left), right)| result[j].powi(2) * norm(left) * norm(right)).sum()
    };
    let columns = result.first().map_or(0, Vec::len);
    let variance = (0..columns).map(column).fold(0.0, f64::max);
    let in_both = variance * variance;
    let nonzero = |row: &[f64]| row.iter().filter(|&&x| x != 0.0).count();
    let longest = |matrix: &Matrix| matrix.iter().map(|row| nonzero(row)).max().unwrap_or(0);
    let added = 2 * (longest(&transposed(result)) + longest(left) + longest(right));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number below a few thousand"
    )]
    let growth_of_all = in_both.ceil() as usize;
    (growth_of_all * (terms + added)).div_ceil(in_one * in_one)
}

pub(in crate::ops::product::conv2d) fn transposed(matrix: &Matrix) -> Matrix {
    let columns = matrix.first().map_or(0, Vec::len);
    (0..columns).map(|j| matrix.iter().map(|row| row[j]).collect()).collect()
}

/// Lines of WGSL that declare `y(i) = sum_j matrix[i][j] x(j)`. Neighboring columns, or else rows,
/// whose numbers differ by signs alone are computed from sums and differences of the two.
fn product(
    matrix: &Matrix,
    x: &dyn Fn(usize) -> String,
    y: &dyn Fn(usize) -> String,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut names: Vec<String> = (0..matrix[0].len()).map(x).collect();
    let mut matrix = matrix.clone();
    let mut column = 0;
    while column + 1 < names.len() {
        if differ_by_signs(matrix.iter().map(|row| (row[column], row[column + 1]))) {
            let [a, b] = [&names[column], &names[column + 1]];
            let [sum, difference] = [format!("{a}_plus"), format!("{a}_minus")];
            lines.push(format!("let {sum} = {a} + {b};"));
            lines.push(format!("let {difference} = {a} - {b};"));
            (names[column], names[column + 1]) = (sum, difference);
            for row in &mut matrix {
                let of_sum = same(row[column], row[column + 1]);
                let c = row[column];
                (row[column], row[column + 1]) = if of_sum { (c, 0.0) } else { (0.0, c) };
            }
            column += 1;
        }
        column += 1;
    }
    let mut row = 0;
    while row < matrix.len() {
        let next = matrix.get(row + 1);
        let pair = next
            .filter(|next| differ_by_signs(matrix[row].iter().copied().zip(next.iter().copied())));
        if let Some(next) = pair {
            let keep = |equal: bool| -> Vec<f64> {
                let pairs = matrix[row].iter().zip(next);
                pairs.map(|(a, b)| if same(*a, *b) == equal { *a } else { 0.0 }).collect()
            };
            let [a, b] = [y(row), y(row + 1)];
            lines.push(format!("let {a}_even = {};", sum(&keep(true), &names)));
            lines.push(format!("let {a}_odd = {};", sum(&keep(false), &names)));
            lines.push(format!("let {a} = {a}_even + {a}_odd;"));
            lines.push(format!("let {b} = {a}_even - {a}_odd;"));
            row += 1;
        } else {
            lines.push(format!("let {} = {};", y(row), sum(&matrix[row], &names)));
        }
        row += 1;
    }
    lines
}

/// Whether all pairs have one magnitude, and some equal and some opposite numbers.
fn differ_by_signs(pairs: impl Iterator<Item = (f64, f64)>) -> bool {
    let (mut equal, mut opposite) = (false, false);
    for (a, b) in pairs.filter(|&pair| pair != (0.0, 0.0)) {
        if !same(a, b) && !same(a, -b) {
            return false;
        }
        equal |= same(a, b);
        opposite |= same(a, -b);
    }
    equal && opposite
}

/// Whether two numbers differ by no more than what remains where irrational numbers cancel.
fn same(a: f64, b: f64) -> bool {
    const DUST: f64 = 1e-12;
    (a - b).abs() < DUST
}

fn sum(coefficients: &[f64], names: &[String]) -> String {
    let terms = coefficients.iter().zip(names).filter(|(c, _)| **c != 0.0);
    let term = |(c, name): (&f64, &String)| match *c {
        1.0 => name.clone(),
        -1.0 => format!("-{name}"),
        // The number is rounded to the nearest f32 by the compiler of WGSL.
        c => format!("({c:?} * {name})"),
    };
    let terms: Vec<String> = terms.map(term).collect();
    if terms.is_empty() { "FLOATS()".to_owned() } else { terms.join(" + ") }
}

/// `main` of a kernel in which each invocation computes `matrix x matrix^T`. The file before it
/// defines `place(i)`, `load(at, row, column)` and `store(at, row, column, value)`.
pub(super) fn transform_main(matrix: &Matrix) -> String {
    let (rows, columns) = (matrix.len(), matrix[0].len());
    let mut lines = Vec::new();
    for column in 0..columns {
        for row in 0..columns {
            let load = format!("load(at, {row}u, {column}u)");
            lines.push(format!("let x{row}_{column} = {load};"));
        }
        let x = |row: usize| format!("x{row}_{column}");
        lines.extend(product(matrix, &x, &|row| format!("z{row}_{column}")));
    }
    for row in 0..rows {
        let z = |column: usize| format!("z{row}_{column}");
        lines.extend(product(matrix, &z, &|column| format!("y{row}_{column}")));
        for column in 0..rows {
            lines.push(format!("store(at, {row}u, {column}u, y{row}_{column});"));
        }
    }
    format!(
        "
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_index) local_index: u32,
) {{
  let i = flat_index(workgroup_id, num_workgroups, local_index);
  if i >= INVOCATIONS {{ return; }}
  let at = place(i);
  {}
}}
",
        lines.join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn apply(matrix: &Matrix, x: &[f64]) -> Vec<f64> {
        matrix.iter().map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
    }

    /// One direction of the convolution and of its weight gradient against the sums themselves.
    #[test]
    fn matrices_compute_a_convolution_and_its_gradient() {
        for filtering in Filtering::ALL {
            let Matrices { outputs, weights, inputs } = filtering.matrices();
            let numbers = |count: u32, step: u32| -> Vec<f64> {
                (0..count).map(|i| f64::from((i * step + 3) % 11) - 5.0).collect()
            };
            let (side, tile) = (filtering.side(), filtering.tile());
            let d = &numbers(6, 7)[..side];
            let w = numbers(3, 4);
            let dy = &numbers(4, 5)[..tile];
            let multiply = |a: Vec<f64>, b: Vec<f64>| -> Vec<f64> {
                a.iter().zip(b).map(|(a, b)| a * b).collect()
            };
            let y = multiply(apply(&weights, &w), apply(&inputs, d));
            for (i, y) in apply(&transposed(&outputs), &y).iter().enumerate() {
                let expected: f64 = (0..TAPS).map(|k| d[i + k] * w[k]).sum();
                assert!((y - expected).abs() < 1e-12, "{filtering:?}: {y}, not {expected}");
            }
            let dw = multiply(apply(&outputs, dy), apply(&inputs, d));
            for (k, dw) in apply(&transposed(&weights), &dw).iter().enumerate() {
                let expected: f64 = (0..tile).map(|i| d[i + k] * dy[i]).sum();
                assert!((dw - expected).abs() < 1e-12, "{filtering:?}: {dw}, not {expected}");
            }
        }
    }

    /// Squared growth of the error over that of long plain sums.
    #[test]
    fn errors_grow_as_the_norms_say() {
        let growth = |terms: usize| terms.div_ceil(1_000_000);
        assert_eq!(growth(Filtering::TilesOf2.terms_of_outputs(1_000_000)), 3);
        assert_eq!(growth(Filtering::TilesOf2.terms_of_weight_grad(1_000_000)), 5);
        assert_eq!(growth(Filtering::TilesOf4.terms_of_outputs(1_000_000)), 51);
        assert_eq!(growth(Filtering::TilesOf4.terms_of_weight_grad(1_000_000)), 36);
    }

    /// The value of a sum of names and of numbers times names.
    fn evaluate(sum: &str, values: &HashMap<String, f64>) -> f64 {
        let term = |term: &str| {
            let term = term.trim_matches(['(', ')']);
            let (factor, name) = term.split_once(" * ").unwrap_or(("1.0", term));
            let (sign, name) = name.strip_prefix('-').map_or((1.0, name), |name| (-1.0, name));
            sign * factor.parse::<f64>().expect("a number") * values[name]
        };
        sum.replace(" - ", " + -").split(" + ").map(term).sum()
    }

    /// The lines, run one after another, give what the matrix does, in fewer multiplications.
    #[test]
    fn lines_compute_the_product() {
        let x = [0.3, -1.7, 2.9, 0.6, -0.4, 1.1];
        for filtering in Filtering::ALL {
            let Matrices { outputs, weights, inputs } = filtering.matrices();
            let turned = [transposed(&outputs), transposed(&weights)];
            for matrix in [outputs, weights, inputs].into_iter().chain(turned) {
                let x = &x[..matrix[0].len()];
                let lines = product(&matrix, &|j| format!("x{j}"), &|i| format!("y{i}"));
                let mut values: HashMap<String, f64> =
                    x.iter().enumerate().map(|(j, &x)| (format!("x{j}"), x)).collect();
                for line in &lines {
                    let (name, sum) = line
                        .strip_prefix("let ")
                        .and_then(|line| line.strip_suffix(';')?.split_once(" = "))
                        .expect("a declaration");
                    let value = evaluate(sum, &values);
                    values.insert(name.to_owned(), value);
                }
                for (i, expected) in apply(&matrix, x).into_iter().enumerate() {
                    let y = values[&format!("y{i}")];
                    assert!((y - expected).abs() < 1e-9, "{filtering:?}: {lines:#?}");
                }
                let paired =
                    lines.iter().any(|line| line.contains("_odd") || line.contains("_minus"));
                assert!(paired, "{filtering:?}: {lines:#?}");
            }
        }
    }
}
