//! The class with the largest logit, and how many rows have their label among the largest.

use serde::{Deserialize, Serialize};

use crate::error::ShapeError;
use crate::graph::{Caps, Case, Cost, Fill, HostIo, Kernel, Lowering, OpDef, Operand, Signature};
use crate::ops::kit::{IGNORED_LABEL, labels_of, operands, row_lowerings, rows_of, sample_labels};
use crate::tensor::parallel::for_each_element;
use crate::tensor::{Real, TensorType, Tolerance};

/// Column of the first largest element of each row; the first NaN, where there is one. Input: any
/// shape, whose last dimension is the columns. Output: u32 `[rows]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argmax {}

/// How many rows have their label among the `k` columns with the largest logits, and how many have a
/// label: u32 `[2]`. Of equal logits the first counts as larger, and NaN as larger than any number,
/// so that the one column for `k = 1` is [`Argmax`]. Inputs: logits `[n, c]`, labels u32 `[n]`; rows
/// of an [`IGNORED_LABEL`] are not counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectCount {
    /// Number of columns among which the label may be, at least one.
    #[serde(default = "one")]
    pub k: usize,
}

fn one() -> usize {
    1
}

/// The column of the first largest element, or of the first NaN.
fn first_largest<T: Real>(row: &[T]) -> u32 {
    let mut best = 0;
    for (c, x) in row.iter().enumerate() {
        let (x, largest) = (x.to_f64(), row[best].to_f64());
        if !largest.is_nan() && (x > largest || x.is_nan()) {
            best = c;
        }
    }
    u32::try_from(best).expect("columns are indexed by u32")
}

impl OpDef for Argmax {
    const NAME: &'static str = "argmax";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = operands(Self::NAME, inputs)?;
        let (rows, _) = rows_of(Self::NAME, ("x", x))?;
        Ok(vec![TensorType::u32([rows])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let x = io.inputs.float(0);
        let (_, columns) = io.inputs.ty(0).rows_columns();
        for_each_element(io.outputs.u32(0), &|row, y| {
            *y = first_largest(&x[row * columns..][..columns]);
        });
    }

    fn lower(&self, sig: &Signature, caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[0].rows_columns();
        let kernel = Kernel::new("argmax")
            .constant("OUTER", columns)
            .constant("INNER", 1)
            .file(include_str!("../../../shaders/rows/argmax.wgsl"))
            .read(Operand::Input(0))
            .write(Operand::Output(0));
        row_lowerings(&kernel, rows, columns, caps)
    }

    fn sample_inputs(&self, inputs: &[TensorType]) -> Vec<Fill> {
        sample_labels(inputs)
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> = [[1, 1], [7, 1], [1, 9], [67, 10], [3, 1000]]
            .into_iter()
            .map(|dims| {
                Case::new(format!("{}x{}", dims[0], dims[1]), Argmax {}).normal(dims).forward_only()
            })
            .collect();
        cases.push(
            Case::new("odd_rows", Argmax {})
                .input(TensorType::f32([2, 3, 4]), Fill::Floats(ODD_ROWS.to_vec()))
                .forward_only(),
        );
        cases.push(Case::new("many_rows", Argmax {}).normal([70_001, 2]).forward_only());
        cases.push(Case::new("bench_1024x10", Argmax {}).normal([1024, 10]).bench());
        cases
    }
}

/// Number of columns whose logits come before that of `label`; none where it is no column.
fn rank<T: Real>(row: &[T], label: u32) -> Option<usize> {
    let label = usize::try_from(label).ok()?;
    let own = row.get(label)?.to_f64();
    let larger = |a: f64, b: f64| !b.is_nan() && (a > b || a.is_nan());
    let comes_before = |(column, x): (usize, &T)| {
        let x = x.to_f64();
        larger(x, own) || (column < label && !larger(own, x))
    };
    Some(row.iter().enumerate().filter(|&at| comes_before(at)).count())
}

/// Number of rows whose label is among the `k` largest columns, and of those that have a label.
pub(in crate::ops) fn count_correct<T: Real>(
    logits: &[T],
    columns: usize,
    labels: &[u32],
    k: usize,
) -> [u32; 2] {
    let (mut correct, mut counted) = (0, 0);
    for (row, &label) in logits.chunks(columns).zip(labels) {
        if label != IGNORED_LABEL {
            correct += u32::from(rank(row, label).is_some_and(|rank| rank < k));
            counted += 1;
        }
    }
    [correct, counted]
}

/// Invocations of a workgroup of `correct_count`.
const WORKGROUP_SIZE: usize = 128;
/// Most workgroups that count, so that the last one, which adds their counts, has little to do.
const MOST_WORKGROUPS: usize = 256;

impl OpDef for CorrectCount {
    const NAME: &'static str = "correct_count";

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [logits, labels] = operands(Self::NAME, inputs)?;
        let [rows, _] = logits.ranked(Self::NAME, "logits")?;
        rows_of(Self::NAME, ("logits", logits))?;
        if self.k == 0 {
            return Err(ShapeError::new(Self::NAME, "k must be at least 1"));
        }
        labels_of(Self::NAME, rows, labels)?;
        Ok(vec![TensorType::u32([2])])
    }

    fn reference<T: Real>(&self, io: &mut HostIo<'_, T>) {
        let (logits, labels) = (io.inputs.float(0), io.inputs.u32(1));
        let [_, columns] = io.inputs.dims(0);
        io.outputs.u32(0).copy_from_slice(&count_correct(logits, columns, labels, self.k));
    }

    fn lower(&self, sig: &Signature, _caps: &Caps) -> Vec<Lowering> {
        let (rows, columns) = sig.inputs[0].rows_columns();
        let workgroups = rows.div_ceil(WORKGROUP_SIZE).min(MOST_WORKGROUPS);
        let (counts, scratch) = if workgroups == 1 {
            (Operand::Output(0), Vec::new())
        } else {
            (Operand::Scratch(0), vec![workgroups * 2 * size_of::<u32>()])
        };
        let grid = u32::try_from(workgroups).expect("at most MOST_WORKGROUPS");
        let mut kernels = vec![
            Kernel::new("correct_count")
                .constant("ROWS", rows)
                .constant("COLUMNS", columns)
                .constant("K", self.k.min(columns))
                .constant("WORKGROUP_SIZE", WORKGROUP_SIZE)
                .constant("WORKGROUPS", workgroups)
                .constant("IGNORED_LABEL", IGNORED_LABEL as usize)
                .file(include_str!("../../../shaders/common/float_bits.wgsl"))
                .file(include_str!("../../../shaders/loss/correct_count.wgsl"))
                .read(Operand::Input(0))
                .read(Operand::Input(1))
                .write(counts)
                .workgroups([grid, 1, 1]),
        ];
        if workgroups > 1 {
            kernels.push(
                Kernel::new("add_counts")
                    .constant("WORKGROUPS", workgroups)
                    .file(include_str!("../../../shaders/loss/add_counts.wgsl"))
                    .read(counts)
                    .write(Operand::Output(0)),
            );
        }
        vec![Lowering { variant: "row_per_thread".to_owned(), scratch, kernels }]
    }

    fn tolerance(&self, _sig: &Signature) -> Tolerance {
        Tolerance::EXACT
    }

    fn cost(&self, sig: &Signature) -> Cost {
        Cost::of(sig, sig.inputs[0].elements())
    }

    fn cases() -> Vec<Case> {
        let top = |k: usize, [rows, columns]: [usize; 2]| {
            let classes = u32::try_from(columns).unwrap_or(u32::MAX);
            Case::new(format!("{rows}x{columns}"), CorrectCount { k })
                .normal([rows, columns])
                .input(TensorType::u32([rows]), Fill::LabelsOrIgnored(classes))
                .forward_only()
        };
        let case = |dims| top(1, dims);
        let given = |name: &str, k: usize, x: &[f32], labels: &[u32]| {
            Case::new(name, CorrectCount { k })
                .input(
                    TensorType::f32([labels.len(), x.len() / labels.len()]),
                    Fill::Floats(x.to_vec()),
                )
                .input(TensorType::u32([labels.len()]), Fill::Integers(labels.to_vec()))
                .forward_only()
        };
        let mut cases: Vec<Case> =
            [[1, 1], [5, 3], [128, 2], [129, 7], [1000, 2]].into_iter().map(case).collect();
        cases.push(case([70_001, 2]));
        cases.push(given("odd_rows", 1, &ODD_ROWS, &[0, 0, 2, 2, 2, 0]));
        cases.push(given("all_ignored", 1, &[1.0, 2.0, 3.0, 4.0], &[IGNORED_LABEL; 2]));
        cases.push(given("no_class", 1, &[1.0, 2.0, 3.0, 4.0], &[2, 1]));
        for (k, dims) in [(5, [129, 10]), (5, [37, 101]), (2, [70_001, 3]), (9, [5, 3])] {
            let mut case = top(k, dims);
            case.name = format!("top_{k}_of_{}", case.name);
            cases.push(case);
        }
        cases.push(given("odd_rows_top_2", 2, &ODD_ROWS, &[1, 3, 3, 1, 2, 1]));
        cases.push(given("odd_rows_top_3", 3, &ODD_ROWS, &[2, 0, 3, 3, 3, 2]));
        let mut bench = case([128, 10]).bench();
        bench.name = "bench_128x10".to_owned();
        cases.push(bench);
        cases
    }
}

/// Ties, zeros of both signs, infinities and NaN, in rows of four.
const ODD_ROWS: [f32; 24] = [
    1.0,
    1.0,
    1.0,
    1.0,
    -0.0,
    0.0,
    -1.0,
    0.0,
    -2.0,
    f32::INFINITY,
    f32::NAN,
    f32::NAN,
    f32::NEG_INFINITY,
    f32::NEG_INFINITY,
    -3e38,
    -3e38,
    -1.0,
    -2.0,
    -1e-40,
    -1e-39,
    f32::NEG_INFINITY,
    f32::NEG_INFINITY,
    f32::NEG_INFINITY,
    f32::NEG_INFINITY,
];
