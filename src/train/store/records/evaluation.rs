//! `evaluation.json`: what a model achieves on the splits of its data. Where examples are of one class each,
//! all figures follow from the confusion matrix.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::csv::null_is_nan;
use crate::train::step::metrics::Metrics;

/// Most pairs that [`SplitEvaluation::most_confused`] lists.
const MOST_CONFUSED: usize = 10;

/// Which weights were evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvaluatedWeights {
    /// Those of the best epoch.
    Best,
    /// Those after the last epoch.
    Last,
    /// Those of all members of an ensemble, whose probabilities are averaged.
    Ensemble,
}

impl EvaluatedWeights {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Last => "last",
            Self::Ensemble => "ensemble",
        }
    }
}

/// The record in `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Which weights were evaluated.
    pub weights: EvaluatedWeights,
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// By split: `train`, `validation`, `test`, as far as they were evaluated.
    pub splits: BTreeMap<String, SplitEvaluation>,
}

/// What a model achieves on one split. Fractions lie between 0 and 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitEvaluation {
    /// Mean loss per example, without label smoothing; `null` in the file where it is not finite.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss: f64,
    /// Part of the examples whose most likely class is their label; where several classes apply, part of all
    /// classes of all examples that are told rightly; `null` in the file where numbers are predicted.
    #[serde(deserialize_with = "null_is_nan")]
    pub accuracy: f64,
    /// Part of the examples whose label is among the five most likely classes; for more than five
    /// classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Number of examples.
    pub examples: u64,
    /// How near predictions are, by target, where numbers are predicted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetFigures>,
    /// Figures over all classes, where several may apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_label: Option<MultiLabelFigures>,
    /// Means over the classes that occur, as labels or as predictions.
    pub macro_average: MacroAverage,
    /// Counts: row by row the examples of a label, column by column their predictions. Empty, as
    /// are the lists that follow from it, where there are too many classes to count pairs of.
    pub confusion: Vec<Vec<u64>>,
    /// One entry for each class, in the order of the labels.
    pub per_class: Vec<ClassFigures>,
    /// The most frequent wrong predictions, at most ten, the most frequent first.
    pub most_confused: Vec<ConfusedPair>,
}

/// Figures of one class. Those that would divide by zero are zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassFigures {
    /// Name of the class.
    pub class: String,
    /// Examples of the class.
    pub support: u64,
    /// Part of the examples of the class that are classified correctly: its recall under the name
    /// that it has in tables of accuracy per class. Where several classes apply, part of all examples of which
    /// it is told rightly whether this one does.
    pub accuracy: f64,
    /// Part of the predictions of the class that are correct.
    pub precision: f64,
    /// Part of the examples of the class that are found.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Area below the curve of precision over recall, where several classes may apply and this one does to
    /// some example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_precision: Option<f64>,
}

/// Means of the figures of classes, each class with the same weight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MacroAverage {
    /// Mean precision.
    pub precision: f64,
    /// Mean recall.
    pub recall: f64,
    /// Mean F1 score.
    pub f1: f64,
}

/// A wrong prediction that occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfusedPair {
    /// Name of the label.
    pub label: String,
    /// Name of the class that was predicted.
    pub prediction: String,
    /// How many examples.
    pub count: u64,
}

/// How near a model comes to the numbers of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetFigures {
    /// Name of the target.
    pub target: String,
    /// Mean of `|y - t|`, in the unit of the target.
    #[serde(deserialize_with = "null_is_nan")]
    pub mean_absolute_error: f64,
    /// Root of the mean of `(y - t)^2`, in the unit of the target.
    #[serde(deserialize_with = "null_is_nan")]
    pub root_mean_squared_error: f64,
    /// `1 - sum (y - t)^2 / sum (t - mean t)^2`: 1 is perfect, 0 is what the mean of the targets achieves.
    /// Not a number where all targets are the same.
    #[serde(deserialize_with = "null_is_nan")]
    pub r_squared: f64,
}

/// How well a model tells which classes apply, over all of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiLabelFigures {
    /// Part of the examples of which every class is told rightly.
    pub exact_match: f64,
    /// Mean over the classes that apply to some example of their average precision.
    #[serde(deserialize_with = "null_is_nan")]
    pub mean_average_precision: f64,
}

impl Evaluation {
    /// Puts in a split's figures, in place of former ones.
    pub fn insert(&mut self, split: &str, figures: SplitEvaluation) {
        self.splits.insert(split.to_owned(), figures);
    }
}

impl SplitEvaluation {
    /// Derives all figures. `confusion` is `[classes, classes]`, rows by label, or empty where pairs
    /// were not counted.
    pub fn new(
        metrics: Metrics,
        top5: Option<f64>,
        confusion: Vec<Vec<u64>>,
        classes: &[String],
    ) -> Self {
        let most_confused = most_confused(&confusion, classes);
        let of_classes = Self::of_classes(metrics, per_class(&confusion, classes));
        Self { top5, most_confused, confusion, ..of_classes }
    }

    /// Derives what follows from the figures of classes.
    pub(super) fn of_classes(metrics: Metrics, per_class: Vec<CountedClass>) -> Self {
        let occurring =
            per_class.iter().filter(|class| class.figures.support + class.predicted > 0);
        let occurring: Vec<&ClassFigures> = occurring.map(|class| &class.figures).collect();
        let mean = |of: fn(&ClassFigures) -> f64| {
            ratio(occurring.iter().map(|figures| of(figures)).sum(), count(occurring.len() as u64))
        };
        let macro_average = MacroAverage {
            precision: mean(|c| c.precision),
            recall: mean(|c| c.recall),
            f1: mean(|c| c.f1),
        };
        Self {
            loss: metrics.loss,
            accuracy: metrics.accuracy,
            top5: None,
            examples: metrics.examples,
            targets: Vec::new(),
            multi_label: None,
            macro_average,
            confusion: Vec::new(),
            per_class: per_class.into_iter().map(|class| class.figures).collect(),
            most_confused: Vec::new(),
        }
    }

    /// Examples that are classified correctly.
    pub fn correct(&self) -> u64 {
        if self.confusion.is_empty() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a part of a count"
            )]
            return (self.accuracy * count(self.examples)).round() as u64;
        }
        self.confusion.iter().enumerate().filter_map(|(class, row)| row.get(class)).sum()
    }
}

/// The figures of a class, and how often it was predicted.
pub(super) struct CountedClass {
    pub figures: ClassFigures,
    pub predicted: u64,
}

impl CountedClass {
    /// The figures of a class of `support` examples that is predicted so often, `correct` times rightly. Its
    /// accuracy is its recall.
    pub fn new(class: String, support: u64, predicted: u64, correct: u64) -> Self {
        let recall = ratio(count(correct), count(support));
        let figures = ClassFigures {
            class,
            support,
            accuracy: recall,
            precision: ratio(count(correct), count(predicted)),
            recall,
            f1: ratio(2.0 * count(correct), count(support + predicted)),
            average_precision: None,
        };
        Self { figures, predicted }
    }
}

fn per_class(confusion: &[Vec<u64>], classes: &[String]) -> Vec<CountedClass> {
    let counted = |(class, row): (usize, &Vec<u64>)| {
        let predicted = confusion.iter().map(|row| row[class]).sum();
        let name = classes.get(class).cloned().unwrap_or_default();
        CountedClass::new(name, row.iter().sum(), predicted, row[class])
    };
    confusion.iter().enumerate().map(counted).collect()
}

fn most_confused(confusion: &[Vec<u64>], classes: &[String]) -> Vec<ConfusedPair> {
    let cells = confusion.iter().enumerate().flat_map(|(label, row)| {
        row.iter().enumerate().map(move |(prediction, &count)| (count, label, prediction))
    });
    let mut wrong: Vec<(u64, usize, usize)> =
        cells.filter(|&(count, label, prediction)| count > 0 && label != prediction).collect();
    // Equal counts in the order of the labels.
    wrong.sort_by_key(|&(count, label, prediction)| (std::cmp::Reverse(count), label, prediction));
    wrong.truncate(MOST_CONFUSED);
    let name = |class: usize| classes.get(class).cloned().unwrap_or_default();
    wrong
        .into_iter()
        .map(|(count, label, prediction)| ConfusedPair {
            label: name(label),
            prediction: name(prediction),
            count,
        })
        .collect()
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

#[expect(clippy::cast_precision_loss, reason = "counts of examples, far below 2^53")]
fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("class {i}")).collect()
    }

    fn of(confusion: Vec<Vec<u64>>) -> SplitEvaluation {
        let examples: u64 = confusion.iter().flatten().sum();
        let correct: u64 = confusion.iter().enumerate().map(|(i, row)| row[i]).sum();
        let accuracy = ratio(count(correct), count(examples));
        let classes = names(confusion.len());
        SplitEvaluation::new(Metrics { loss: 0.5, accuracy, examples }, None, confusion, &classes)
    }

    /// scikit-learn 1.9.1, `precision_recall_fscore_support` and its macro average, of
    /// `y_true = [0]*10 + [1]*8 + [2]*5` and the predictions that this matrix counts; class 3 never
    /// occurs, and is in no list of labels there.
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let split =
            of(vec![vec![8, 1, 1, 0], vec![2, 5, 1, 0], vec![0, 3, 2, 0], vec![0, 0, 0, 0]]);
        let expected = [
            (10, 0.8, 0.8, 0.8),
            (8, 0.555_555_555_555_555_6, 0.625, 0.588_235_294_117_647),
            (5, 0.5, 0.4, 0.444_444_444_444_444_4),
            (0, 0.0, 0.0, 0.0),
        ];
        for (figures, (support, precision, recall, f1)) in split.per_class.iter().zip(expected) {
            assert_eq!(figures.support, support);
            for (found, wanted) in
                [(figures.precision, precision), (figures.recall, recall), (figures.f1, f1)]
            {
                assert!((found - wanted).abs() < 1e-12, "{figures:?}");
            }
            assert_eq!(figures.accuracy.to_bits(), figures.recall.to_bits());
        }
        let mean = split.macro_average;
        for (found, wanted) in [
            (mean.precision, 0.618_518_518_518_518_5),
            (mean.recall, 0.608_333_333_333_333_3),
            (mean.f1, 0.610_893_246_187_363_8),
        ] {
            assert!((found - wanted).abs() < 1e-12, "{mean:?}");
        }
        assert_eq!(split.correct(), 15);
    }

    #[test]
    fn pairs_come_by_count_and_then_by_label() {
        let split = of(vec![vec![5, 2, 0], vec![3, 5, 2], vec![0, 0, 5]]);
        let pairs: Vec<(&str, &str, u64)> = split
            .most_confused
            .iter()
            .map(|pair| (pair.label.as_str(), pair.prediction.as_str(), pair.count))
            .collect();
        let (a, b, c) = ("class 0", "class 1", "class 2");
        assert_eq!(pairs, [(b, a, 3), (a, b, 2), (b, c, 2)]);
        let many = of(vec![vec![1; 5]; 5]);
        assert_eq!(many.most_confused.len(), MOST_CONFUSED);
    }

    #[test]
    fn a_class_that_is_only_predicted_counts_in_the_means() {
        let split = of(vec![vec![1, 1], vec![0, 0]]);
        assert_eq!(split.macro_average.recall.to_bits(), 0.25_f64.to_bits());
    }

    #[test]
    fn the_record_survives_json() {
        let mut split = of(vec![vec![5, 2], vec![3, 5]]);
        split.top5 = Some(0.75);
        let mut evaluation = Evaluation {
            weights: EvaluatedWeights::Best,
            classes: names(2),
            splits: BTreeMap::new(),
        };
        evaluation.insert("test", split.clone());
        let json = serde_json::to_value(&evaluation).expect("numbers and names");
        assert_eq!(json["weights"], "best");
        assert_eq!(json["splits"]["test"]["per_class"][1]["class"], "class 1");
        assert_eq!(serde_json::from_value::<Evaluation>(json).expect("its own"), evaluation);
        split.loss = f64::INFINITY;
        evaluation.insert("train", split);
        let json = serde_json::to_string(&evaluation).expect("numbers and names");
        let read: Evaluation = serde_json::from_str(&json).expect("its own");
        assert!(read.splits["train"].loss.is_nan());
    }

    #[test]
    fn too_many_classes_leave_the_pairs_out() {
        let metrics = Metrics { loss: 1.0, accuracy: 0.3, examples: 10 };
        let split = SplitEvaluation::new(metrics, Some(0.5), Vec::new(), &names(5000));
        assert!(split.per_class.is_empty() && split.most_confused.is_empty());
        assert_eq!(split.correct(), 3);
    }
}
