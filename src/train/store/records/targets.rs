//! What a model predicts that learns numbers or several classes at once, in `predictions.csv`, and what it
//! achieves.
//!
//! One line for each example, in the order of the split: `index,target0,prediction0,target1,prediction1,...`,
//! numbers such that they read back with the same bits. Of several classes, a target is 1 where the class
//! applies, and a prediction is its probability.

use std::fmt::Write as _;

use super::evaluation::{CountedClass, MultiLabelFigures, SplitEvaluation, TargetFigures};
use crate::data::Task;
use crate::train::step::metrics::Metrics;

/// The probability from which on a class is said to apply.
const APPLIES: f32 = 0.5;

/// Targets and predictions of the examples of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetPredictions {
    /// Whether they are numbers, or tell which classes apply.
    pub task: Task,
    /// Names of the targets; at least one.
    pub names: Vec<String>,
    /// What was to be predicted, `[examples, names]`.
    pub targets: Vec<f32>,
    /// What was predicted: numbers, or probabilities. `[examples, names]`.
    pub predictions: Vec<f32>,
}

impl TargetPredictions {
    /// What outputs of a model `[examples, names]` predict: logits become probabilities where classes apply.
    pub fn of_outputs(
        task: Task,
        names: Vec<String>,
        targets: Vec<f32>,
        outputs: Vec<f32>,
    ) -> Self {
        let predictions = match task {
            Task::MultiLabel => outputs.into_iter().map(sigmoid).collect(),
            _ => outputs,
        };
        Self { task, names, targets, predictions }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.predictions.len() / self.names.len().max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.predictions.is_empty()
    }

    /// What was predicted of an example, `[names]`.
    pub fn row(&self, example: usize) -> &[f32] {
        row(&self.predictions, example, self.names.len())
    }

    /// What was to be predicted of an example, `[names]`.
    pub fn target_row(&self, example: usize) -> &[f32] {
        row(&self.targets, example, self.names.len())
    }

    /// The examples as CSV.
    pub fn to_csv(&self) -> String {
        let mut text = header(self.names.len()) + "\n";
        for example in 0..self.len() {
            let _ = write!(text, "{example}");
            for (target, prediction) in self.target_row(example).iter().zip(self.row(example)) {
                let _ = write!(text, ",{target:?},{prediction:?}");
            }
            text.push('\n');
        }
        text
    }

    /// Reads what [`Self::to_csv`] wrote of these targets.
    ///
    /// # Errors
    /// The number of the first line, from 1, that it would not write.
    pub fn parse(text: &str, names: Vec<String>, task: Task) -> Result<Self, usize> {
        let mut lines = text.lines();
        if lines.next() != Some(header(names.len()).as_str()) {
            return Err(1);
        }
        let (mut targets, mut predictions) = (Vec::new(), Vec::new());
        for (example, line) in lines.enumerate() {
            let fields: Vec<&str> = line.split(',').collect();
            let whole = fields.len() == 1 + 2 * names.len() && fields[0].parse() == Ok(example);
            for pair in fields.get(1..).filter(|_| whole).ok_or(example + 2)?.chunks_exact(2) {
                targets.push(pair[0].parse().map_err(|_| example + 2)?);
                predictions.push(pair[1].parse().map_err(|_| example + 2)?);
            }
        }
        Ok(Self { task, names, targets, predictions })
    }

    /// What the model achieves, whose mean loss is that of `metrics`.
    pub fn figures(&self, metrics: Metrics) -> SplitEvaluation {
        match self.task {
            Task::MultiLabel => {
                let right = |target: &f32, p: &f32| (*target > APPLIES) == (*p >= APPLIES);
                let pairs = || self.targets.iter().zip(&self.predictions);
                let accuracy = share(pairs().map(|(target, p)| right(target, p)));
                let exact = (0..self.len()).map(|i| {
                    self.target_row(i).iter().zip(self.row(i)).all(|(target, p)| right(target, p))
                });
                let per_class: Vec<CountedClass> =
                    (0..self.names.len()).map(|column| self.class(column)).collect();
                let precisions: Vec<f64> =
                    per_class.iter().filter_map(|class| class.figures.average_precision).collect();
                let multi_label = MultiLabelFigures {
                    exact_match: share(exact),
                    mean_average_precision: mean(precisions.into_iter()),
                };
                let classes =
                    SplitEvaluation::of_classes(Metrics { accuracy, ..metrics }, per_class);
                SplitEvaluation { multi_label: Some(multi_label), ..classes }
            }
            _ => {
                let targets = (0..self.names.len()).map(|column| self.target(column)).collect();
                let none = SplitEvaluation::of_classes(metrics, Vec::new());
                SplitEvaluation { targets, ..none }
            }
        }
    }

    /// Targets and predictions of one column.
    fn column(&self, column: usize) -> impl Iterator<Item = (f64, f64)> + Clone {
        let of = move |values| column_of(values, column, self.names.len());
        of(&self.targets).zip(of(&self.predictions))
    }

    fn target(&self, column: usize) -> TargetFigures {
        let pairs = self.column(column);
        let middle = mean(pairs.clone().map(|(t, _)| t));
        let square = |x: f64| x * x;
        let squared = mean(pairs.clone().map(|(t, y)| square(y - t)));
        let spread = mean(pairs.clone().map(|(t, _)| square(t - middle)));
        TargetFigures {
            target: self.names[column].clone(),
            mean_absolute_error: mean(pairs.map(|(t, y)| (y - t).abs())),
            root_mean_squared_error: squared.sqrt(),
            r_squared: if spread > 0.0 { 1.0 - squared / spread } else { f64::NAN },
        }
    }

    fn class(&self, column: usize) -> CountedClass {
        let limit = f64::from(APPLIES);
        let (mut support, mut said, mut both, mut right) = (0_u64, 0_u64, 0_u64, 0_u64);
        for (t, p) in self.column(column) {
            let (applies, is_said) = (t > limit, p >= limit);
            support += u64::from(applies);
            said += u64::from(is_said);
            both += u64::from(applies && is_said);
            right += u64::from(applies == is_said);
        }
        let mut class = CountedClass::new(self.names[column].clone(), support, said, both);
        class.figures.accuracy = ratio(right, self.len() as u64);
        class.figures.average_precision =
            (support > 0).then(|| average_precision(self.column(column)));
        class
    }
}

/// The area below the curve of precision over recall, in steps, as scikit-learn's `average_precision_score`:
/// the sum of the precision at each probability, weighted by how much recall it adds.
fn average_precision(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut pairs: Vec<(f64, f64)> = pairs.collect();
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all = pairs.iter().filter(|(t, _)| *t > 0.5).count() as u64;
    let (mut found, mut seen, mut area) = (0_u64, 0_u64, 0.0);
    // Examples of the same probability come together.
    for equal in pairs.chunk_by(|a, b| a.1 == b.1) {
        let more = equal.iter().filter(|(t, _)| *t > 0.5).count() as u64;
        (found, seen) = (found + more, seen + equal.len() as u64);
        area += ratio(more, all) * ratio(found, seen);
    }
    area
}

fn header(names: usize) -> String {
    let columns = (0..names).map(|i| format!(",target{i},prediction{i}"));
    format!("index{}", columns.collect::<String>())
}

fn row(values: &[f32], example: usize, width: usize) -> &[f32] {
    let start = example.saturating_mul(width);
    values.get(start..start.saturating_add(width)).unwrap_or_default()
}

fn column_of(values: &[f32], column: usize, width: usize) -> impl Iterator<Item = f64> + Clone {
    values.iter().skip(column).step_by(width.max(1)).map(|&value| f64::from(value))
}

/// `1 / (1 + exp(-x))`.
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    sum / n
}

fn share(flags: impl Iterator<Item = bool>) -> f64 {
    mean(flags.map(|flag| if flag { 1.0 } else { 0.0 }))
}

#[expect(clippy::cast_precision_loss, reason = "counts of examples, far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: Metrics = Metrics { loss: 0.5, accuracy: f64::NAN, examples: 4 };

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// scikit-learn 1.9.1: `mean_absolute_error`, `root_mean_squared_error` and `r2_score` of each column.
    #[test]
    fn errors_of_numbers_are_those_of_scikit_learn() {
        let targets = vec![1.0, 5.0, 2.0, 5.0, 3.0, 5.0, 4.0, 5.0];
        let outputs = vec![1.5, 5.0, 2.0, 4.0, 2.0, 5.0, 4.25, 6.0];
        let predictions =
            TargetPredictions::of_outputs(Task::Regression, names(&["a", "b"]), targets, outputs);
        let figures = predictions.figures(METRICS);
        let [a, b] = &figures.targets[..] else { panic!("two targets") };
        assert_eq!((a.target.as_str(), a.mean_absolute_error), ("a", 0.4375));
        assert!((a.root_mean_squared_error - 0.572_821_961_869_480_1).abs() < 1e-12, "{a:?}");
        assert!((a.r_squared - 0.7375).abs() < 1e-12, "{a:?}");
        assert!(b.r_squared.is_nan() && b.mean_absolute_error == 0.5, "{b:?}");
        assert!(figures.accuracy.is_nan() && figures.per_class.is_empty());
    }

    /// scikit-learn 1.9.1: `precision_recall_fscore_support`, `accuracy_score` (exact match), and
    /// `average_precision_score` of `[1, 0, 1, 1]` with `[0.9, 0.6, 0.6, 0.2]`: 0.8055....
    #[test]
    fn figures_of_several_classes_are_those_of_scikit_learn() {
        let predictions = TargetPredictions {
            task: Task::MultiLabel,
            names: names(&["cat", "dog"]),
            targets: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0],
            predictions: vec![0.9, 0.1, 0.6, 0.2, 0.6, 0.7, 0.2, 0.3],
        };
        let figures = predictions.figures(METRICS);
        let cat = &figures.per_class[0];
        let two_thirds = 2.0 / 3.0;
        assert_eq!(cat.support, 3);
        for (found, wanted) in [
            (cat.precision, two_thirds),
            (cat.recall, two_thirds),
            (cat.f1, two_thirds),
            (cat.accuracy, 0.5),
            (figures.accuracy, 0.625),
            // Recall 1/3 at precision 1, 1/3 more at 2/3, 1/3 more at 3/4.
            (cat.average_precision.expect("it applies"), (1.0 + two_thirds + 0.75) / 3.0),
        ] {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}: {figures:?}");
        }
        assert_eq!(figures.per_class[1].average_precision, None);
        let all = figures.multi_label.expect("classes apply");
        assert_eq!(all.exact_match, 0.25);
        assert!((all.mean_average_precision - (1.0 + two_thirds + 0.75) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn predictions_survive_their_file_and_others_are_refused() {
        let (targets, outputs) = (vec![0.1, 2.0, -3.0, 4.5], vec![1e-30, 0.3, f32::NAN, 7.0]);
        let names = names(&["a", "b"]);
        let made = TargetPredictions::of_outputs(Task::Regression, names.clone(), targets, outputs);
        let text = made.to_csv();
        assert_eq!(text.lines().next(), Some("index,target0,prediction0,target1,prediction1"));
        let read = TargetPredictions::parse(&text, names.clone(), Task::Regression);
        let read = read.expect("its own");
        assert_eq!(read.targets, made.targets);
        assert!(read.predictions[2].is_nan() && read.row(1)[1] == 7.0 && read.len() == 2);
        for (wrong, line) in [
            (text.replace("1,-3", "2,-3"), 3),
            (text.replace("index", "indes"), 1),
            (text.replace(",7.0", ""), 3),
            (text.replace("0.1", "x"), 2),
        ] {
            let read = TargetPredictions::parse(&wrong, names.clone(), Task::Regression);
            assert_eq!(read, Err(line), "{wrong}");
        }
    }

    #[test]
    fn logits_become_probabilities() {
        let outputs = vec![0.0, 100.0, -100.0];
        let made = TargetPredictions::of_outputs(
            Task::MultiLabel,
            names(&["a", "b", "c"]),
            vec![0.0; 3],
            outputs,
        );
        assert_eq!(made.predictions[..2], [0.5, 1.0]);
        assert!(made.predictions[2] >= 0.0 && made.predictions[2] < 1e-30);
    }
}
