//! What a model predicts for each example of a split, and the file that keeps it, `predictions.csv`.
//!
//! One line for each example, in the order of the split: `index,label,prediction,correct,p0,p1,...`
//! with classes by number, `correct` as 0 or 1, and the probability of each class such that it reads
//! back with the same bits. Where there are more than [`MOST_COLUMNS`] classes, the probabilities are those
//! of the label and of the five most likely classes: `p_label,top1,p_top1,...,top5,p_top5`. Every field is a
//! number, so nothing needs quoting.

use std::fmt::Write as _;

use super::evaluation::SplitEvaluation;
use super::targets::TargetPredictions;
use crate::train::TrainError;
use crate::train::step::metrics::Metrics;
use crate::train::step::model::TOP;

/// Columns before the probabilities.
const COLUMNS: [&str; 4] = ["index", "label", "prediction", "correct"];

/// Most classes whose probabilities are all in the file: with a thousand classes they would be megabytes for
/// a few hundred examples.
const MOST_COLUMNS: usize = 20;

/// Labels, predictions and probabilities of the examples of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// Class of each example.
    pub labels: Vec<u32>,
    /// Most likely class of each example.
    pub predictions: Vec<u32>,
    /// Probabilities `[examples, classes]`.
    pub probabilities: Vec<f32>,
    /// Number of classes; at least one.
    pub classes: usize,
}

/// What a model predicts for each example of a split, by what it learns.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicted {
    /// One class each.
    Classes(Predictions),
    /// Numbers, or which classes apply.
    Targets(TargetPredictions),
}

impl Predicted {
    /// The examples as CSV.
    pub fn to_csv(&self) -> String {
        match self {
            Self::Classes(predictions) => predictions.to_csv(),
            Self::Targets(predictions) => predictions.to_csv(),
        }
    }

    /// Those of a model that classifies.
    ///
    /// # Errors
    /// When it learns something else.
    pub fn into_classes(self) -> Result<Predictions, TrainError> {
        match self {
            Self::Classes(predictions) => Ok(predictions),
            Self::Targets(TargetPredictions { task, .. }) => Err(TrainError::NoClasses { task }),
        }
    }
}

impl Predictions {
    /// Predicts the most likely class of each row, the first of equal ones. `probabilities` is
    /// `[labels, classes]`.
    pub fn of_probabilities(labels: Vec<u32>, probabilities: Vec<f32>, classes: usize) -> Self {
        let classes = classes.max(1);
        let most_likely = |row: &[f32]| {
            let mut best = 0;
            for (class, p) in row.iter().enumerate() {
                if *p > row[best] {
                    best = class;
                }
            }
            u32::try_from(best).unwrap_or(u32::MAX)
        };
        let predictions = probabilities.chunks_exact(classes).map(most_likely).collect();
        Self { labels, predictions, probabilities, classes }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Probabilities of one example.
    pub fn row(&self, example: usize) -> &[f32] {
        let start = example.saturating_mul(self.classes);
        self.probabilities.get(start..start.saturating_add(self.classes)).unwrap_or_default()
    }

    /// The examples as CSV, with the probabilities of the most likely classes only where there are many.
    pub fn to_csv(&self) -> String {
        if self.classes <= MOST_COLUMNS {
            return self.to_csv_with("", |_| String::new());
        }
        let mut text = likely_header() + "\n";
        for (example, (&label, prediction)) in self.labels.iter().zip(&self.predictions).enumerate()
        {
            let row = self.row(example);
            let correct = u8::from(label == *prediction);
            let of_label = row.get(label as usize).copied().unwrap_or(f32::NAN);
            let _ = write!(text, "{example},{label},{prediction},{correct},{of_label:?}");
            for class in most_likely(row) {
                let _ = write!(text, ",{class},{:?}", row[class]);
            }
            text.push('\n');
        }
        text
    }

    /// All probabilities as CSV, with more columns and the cells of each example in them, each after a comma.
    pub fn to_csv_with(&self, columns: &str, cells: impl Fn(usize) -> String) -> String {
        let mut text = COLUMNS.join(",") + columns;
        push_classes(&mut text, self.classes);
        for (example, (label, prediction)) in self.labels.iter().zip(&self.predictions).enumerate()
        {
            let correct = u8::from(label == prediction);
            let _ = write!(text, "{example},{label},{prediction},{correct}{}", cells(example));
            push_probabilities(&mut text, self.row(example));
        }
        text
    }

    /// Reads what [`Self::to_csv`] wrote of a number of classes. Probabilities that are not in the file are
    /// zeros.
    ///
    /// # Errors
    /// The number of the first line, from 1, that it would not write.
    pub fn parse(text: &str, classes: usize) -> Result<Self, usize> {
        let mut lines = text.lines();
        let header = lines.next().ok_or(1_usize)?;
        let likely = header == likely_header() && classes > MOST_COLUMNS;
        if !likely && classes_of_header(header) != Some(classes) {
            return Err(1);
        }
        let mut read = Self {
            labels: Vec::new(),
            predictions: Vec::new(),
            probabilities: Vec::new(),
            classes,
        };
        for (example, line) in lines.enumerate() {
            read.parse_line(example, line, likely).ok_or(example + 2)?;
        }
        Ok(read)
    }

    fn parse_line(&mut self, example: usize, line: &str, likely: bool) -> Option<()> {
        let fields: Vec<&str> = line.split(',').collect();
        let (head, probabilities) = fields.split_at_checked(COLUMNS.len())?;
        let class = |field: &str| {
            let class: u32 = field.parse().ok()?;
            (usize::try_from(class).ok()? < self.classes).then_some(class)
        };
        let (label, prediction) = (class(head[1])?, class(head[2])?);
        let correct = if label == prediction { "1" } else { "0" };
        let cells = if likely { 1 + 2 * TOP } else { self.classes };
        if head[0].parse() != Ok(example) || head[3] != correct || probabilities.len() != cells {
            return None;
        }
        if likely {
            let start = self.probabilities.len();
            self.probabilities.resize(start + self.classes, 0.0);
            let row = &mut self.probabilities[start..];
            row[label as usize] = probabilities[0].parse().ok()?;
            for pair in probabilities[1..].chunks_exact(2) {
                row[class(pair[0])? as usize] = pair[1].parse().ok()?;
            }
        } else {
            for probability in probabilities {
                self.probabilities.push(probability.parse().ok()?);
            }
        }
        self.labels.push(label);
        self.predictions.push(prediction);
        Some(())
    }

    /// All figures of the predictions, computed on the host. The loss is the mean of
    /// `-ln p(label)`, where a probability that f32 rounds to zero counts as its smallest normal
    /// number.
    pub fn evaluate(&self, class_names: &[String]) -> SplitEvaluation {
        let mut confusion = vec![vec![0; self.classes]; self.classes];
        let (mut loss, mut correct, mut in_top) = (0.0, 0_u32, 0_u32);
        for (example, (&label, &prediction)) in
            self.labels.iter().zip(&self.predictions).enumerate()
        {
            let (row, label, prediction) = (self.row(example), label as usize, prediction as usize);
            let p = row.get(label).copied().unwrap_or(f32::NAN);
            loss -= f64::from(if p < f32::MIN_POSITIVE { f32::MIN_POSITIVE } else { p }).ln();
            correct += u32::from(label == prediction);
            let ahead = |(class, &other): (usize, &f32)| other > p || (other == p && class < label);
            in_top += u32::from(row.iter().enumerate().filter(|&at| ahead(at)).count() < TOP);
            if let Some(count) = confusion.get_mut(label).and_then(|row| row.get_mut(prediction)) {
                *count += 1;
            }
        }
        let examples = self.len() as u64;
        #[expect(clippy::cast_precision_loss, reason = "a count of examples, far below 2^53")]
        let n = examples.max(1) as f64;
        let metrics = Metrics { loss: loss / n, accuracy: f64::from(correct) / n, examples };
        let top = (self.classes > TOP).then_some(f64::from(in_top) / n);
        SplitEvaluation::new(metrics, top, confusion, class_names)
    }

    /// The weighted mean of the probabilities of several models for the same examples, and its
    /// most likely classes. The weights need not sum to one.
    ///
    /// # Errors
    /// When there are no members, a weight is negative or not finite, all are zero, or the members
    /// differ in examples or classes; says which.
    pub fn average(members: &[Self], weights: &[f64]) -> Result<Self, String> {
        let Some(first) = members.first() else { return Err("it has no members".to_owned()) };
        if weights.len() != members.len() {
            return Err(format!("{} weights for {} members", weights.len(), members.len()));
        }
        if let Some(bad) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
            return Err(format!("weight {bad} must be a number that is not negative"));
        }
        let total: f64 = weights.iter().sum();
        if total <= 0.0 {
            return Err("all weights are zero; give at least one that is not".to_owned());
        }
        for (i, member) in members.iter().enumerate() {
            if (member.classes, &member.labels) != (first.classes, &first.labels)
                || member.probabilities.len() != first.probabilities.len()
            {
                return Err(format!("member {} was evaluated on other examples than 1", i + 1));
            }
        }
        let mut probabilities = Vec::with_capacity(first.probabilities.len());
        for at in 0..first.probabilities.len() {
            let terms = members.iter().zip(weights);
            let sum: f64 = terms.map(|(m, weight)| weight * f64::from(m.probabilities[at])).sum();
            #[expect(clippy::cast_possible_truncation, reason = "a probability, rounded to f32")]
            probabilities.push((sum / total) as f32);
        }
        Ok(Self::of_probabilities(first.labels.clone(), probabilities, first.classes))
    }
}

/// The [`TOP`] most likely classes, the first of equal ones first.
fn most_likely(row: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..row.len()).collect();
    classes.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    classes.truncate(TOP);
    classes
}

/// The header of a file that has the most likely classes only.
fn likely_header() -> String {
    let likely = (1..=TOP).map(|i| format!(",top{i},p_top{i}"));
    COLUMNS.join(",") + ",p_label" + &likely.collect::<String>()
}

/// Number of classes of a header; `None` where it is not one.
fn classes_of_header(line: &str) -> Option<usize> {
    let fields: Vec<&str> = line.split(',').collect();
    let (head, probabilities) = fields.split_at_checked(COLUMNS.len())?;
    let named = probabilities.iter().enumerate().all(|(i, name)| *name == format!("p{i}"));
    (head == COLUMNS && named && !probabilities.is_empty()).then_some(probabilities.len())
}

/// Ends the header of a table with a column for the probability of each class.
pub fn push_classes(text: &mut String, classes: usize) {
    for class in 0..classes {
        let _ = write!(text, ",p{class}");
    }
    text.push('\n');
}

/// Ends a line of such a table.
pub fn push_probabilities(text: &mut String, probabilities: &[f32]) {
    for probability in probabilities {
        let _ = write!(text, ",{probability:?}");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Predictions {
        let rows = [0.1, 0.7, 0.2, 0.4, 0.2, 0.4, 0.0, 1e-30, 1.0];
        Predictions::of_probabilities(vec![1, 2, 0], rows.to_vec(), 3)
    }

    #[test]
    fn csv_is_read_back_with_the_same_bits() {
        let predictions = sample();
        let text = predictions.to_csv();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "index,label,prediction,correct,p0,p1,p2");
        assert_eq!(lines[1], "0,1,1,1,0.1,0.7,0.2");
        assert_eq!(lines[3], "2,0,2,0,0.0,1e-30,1.0");
        assert_eq!(Predictions::parse(&text, 3), Ok(predictions));
        assert_eq!(Predictions::parse(&text, 4), Err(1));
    }

    /// With many classes the file has the label's and the five largest probabilities, from which all figures
    /// follow as from all.
    #[test]
    fn many_classes_are_kept_by_the_most_likely() {
        const CLASSES: u16 = 100;
        let row = |label: usize| {
            let mut row: Vec<f32> = (0..CLASSES).map(|c| f32::from(c * 37 % CLASSES)).collect();
            row[label] += 0.5;
            let sum: f32 = row.iter().sum();
            row.into_iter().map(move |p| p / sum)
        };
        // 27 * 37 = 999: the most likely class is 27; 54, 81, 8 and 35 follow.
        let labels = vec![27, 54, 3, 35];
        let rows = labels.iter().flat_map(|&label| row(label as usize)).collect();
        let all = Predictions::of_probabilities(labels, rows, usize::from(CLASSES));
        let text = all.to_csv();
        let lines: Vec<&str> = text.lines().collect();
        let header = "index,label,prediction,correct,p_label,top1,p_top1,top2,p_top2,top3,p_top3,top4,p_top4,\
                      top5,p_top5";
        assert_eq!(lines[0], header);
        let read = Predictions::parse(&text, usize::from(CLASSES)).expect("it was written");
        assert_eq!((&read.labels, &read.predictions), (&all.labels, &all.predictions));
        for example in 0..all.len() {
            let (read, all) = (read.row(example), all.row(example));
            let label = read.iter().zip(all).filter(|(read, all)| read == all).count();
            assert!((TOP..=TOP + 2).contains(&label), "{label} probabilities are in the file");
            assert_eq!(most_likely(read), most_likely(all));
        }
        let names: Vec<String> = (0..CLASSES).map(|i| i.to_string()).collect();
        assert_eq!(read.evaluate(&names), all.evaluate(&names));
        assert_eq!(Predictions::parse(&text, 7), Err(1));
        assert_eq!(Predictions::parse(&text.replace("2,3,", "2,100,"), 100), Err(4));
        assert!(
            all.to_csv_with("", |_| String::new())
                .starts_with("index,label,prediction,correct,p0,p1")
        );
    }

    #[test]
    fn damaged_lines_are_found() {
        let text = sample().to_csv();
        assert_eq!(Predictions::parse("", 3), Err(1));
        assert_eq!(Predictions::parse(&text.replace("p1", "q1"), 3), Err(1));
        for (good, bad) in [("1,2,0,0", "1,3,0,0"), ("1,2,0,0", "1,2,0,1"), ("1,2,0,0", "7,2,0,0")]
        {
            assert!(text.contains(good));
            assert_eq!(Predictions::parse(&text.replace(good, bad), 3), Err(3), "{bad}");
        }
        assert_eq!(Predictions::parse(&text[..text.len() - 5], 3), Err(4));
    }

    #[test]
    fn figures_follow_from_the_rows() {
        let classes: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let split = sample().evaluate(&classes);
        assert_eq!(split.confusion, [[0, 0, 1], [0, 1, 0], [1, 0, 0]]);
        let expected = -(f64::from(0.7_f32).ln()
            + f64::from(0.4_f32).ln()
            + f64::from(f32::MIN_POSITIVE).ln());
        assert!((split.loss - expected / 3.0).abs() < 1e-12, "{split:?}");
        assert!((split.accuracy - 1.0 / 3.0).abs() < 1e-12 && split.top5.is_none());

        // Labels of rank 5 and 6 of six; the second by its place among equals.
        let rows = [0.1, 0.1, 0.3, 0.2, 0.25, 0.05, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1];
        let six = Predictions::of_probabilities(vec![1, 5], rows.to_vec(), 6);
        let names: Vec<String> = (0..6).map(|i| i.to_string()).collect();
        assert_eq!(six.evaluate(&names).top5, Some(0.5));
    }

    #[test]
    fn an_average_is_weighted_and_checked() {
        let (a, mut b) = (sample(), sample());
        b.probabilities = vec![0.8, 0.1, 0.1, 0.1, 0.1, 0.8, 0.6, 0.2, 0.2];
        let mean = Predictions::average(&[a.clone(), b.clone()], &[1.0, 3.0]).expect("they agree");
        for (i, p) in mean.probabilities.iter().enumerate() {
            let expected = 0.25 * a.probabilities[i] + 0.75 * b.probabilities[i];
            assert!((p - expected).abs() < 1e-6, "{i}");
        }
        assert_eq!(mean.predictions, [0, 2, 0]);
        assert_eq!(mean.labels, a.labels);
        let error = |members: &[Predictions], weights: &[f64]| {
            Predictions::average(members, weights).expect_err("it cannot be averaged")
        };
        let both = [a.clone(), b.clone()];
        assert!(error(&[], &[]).contains("no members"));
        assert!(error(&both, &[1.0]).contains("1 weights"));
        assert!(error(&both, &[1.0, -1.0]).contains("-1"));
        assert!(error(&both, &[1.0, f64::NAN]).contains("NaN"));
        assert!(error(&both, &[0.0, 0.0]).contains("zero"));
        b.labels[0] = 0;
        assert!(error(&[a, b], &[1.0, 1.0]).contains("member 2"));
    }
}
