//! What a comparison of runs found: the record in `result.json` of its folder, and its CSV files.

use serde::{Deserialize, Serialize};

use super::super::csv::quoted;

/// One run of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedRun {
    /// Name of the run: that of its folder.
    pub name: String,
    /// Its folder.
    pub path: String,
    /// Name of its recipe.
    pub recipe: String,
    /// Which weights were evaluated: `best` or `last`.
    pub weights: String,
    /// Accuracy on the test set, between 0 and 1.
    pub test_accuracy: f64,
    /// Mean loss on the test set; none where it is not finite.
    pub test_loss: Option<f64>,
    /// Number of test examples.
    pub test_examples: u64,
    /// Test examples that are classified correctly.
    pub test_correct: u64,
    /// Mean F1 score of the classes on the test set.
    pub macro_f1: f64,
    /// Trained numbers.
    pub parameters: usize,
    /// Floating-point operations of the forward pass for one image.
    pub flop_per_image: u64,
    /// Epochs that were trained.
    pub epochs: u32,
    /// Duration of the run in seconds.
    pub seconds: f64,
    /// Images per second while training.
    pub images_per_second: f64,
    /// The device that trained it.
    pub device: String,
    /// Accuracy on the test examples of each class, in the order of the classes.
    pub class_accuracy: Vec<f64>,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Names of the classes, which all runs share.
    pub classes: Vec<String>,
    /// The runs, in the order in which they were named.
    pub runs: Vec<ComparedRun>,
    /// Positions of the runs with the best test accuracy: several where it is the same.
    pub winners: Vec<usize>,
}

impl Comparison {
    /// Finds the winners among `runs`.
    pub fn new(classes: Vec<String>, runs: Vec<ComparedRun>) -> Self {
        // As fractions of counts: accuracies that are equal are so exactly.
        let ahead = |a: &ComparedRun, b: &ComparedRun| {
            u128::from(a.test_correct) * u128::from(b.test_examples.max(1))
                > u128::from(b.test_correct) * u128::from(a.test_examples.max(1))
        };
        let best = |run: &ComparedRun| !runs.iter().any(|other| ahead(other, run));
        let winners =
            runs.iter().enumerate().filter(|(_, run)| best(run)).map(|(i, _)| i).collect();
        Self { classes, runs, winners }
    }

    /// How far the winner leads, and how much of a lead two standard errors of the difference are,
    /// both as parts of one. None for a single run or a tie.
    pub fn lead(&self) -> Option<(f64, f64)> {
        let &[winner] = self.winners.as_slice() else { return None };
        let winner = self.runs.get(winner)?;
        let others = self.runs.iter().filter(|run| !std::ptr::eq(*run, winner));
        let second = others.max_by(|a, b| a.test_accuracy.total_cmp(&b.test_accuracy))?;
        #[expect(clippy::cast_precision_loss, reason = "counts of examples, far below 2^53")]
        let variance = |run: &ComparedRun| {
            run.test_accuracy * (1.0 - run.test_accuracy) / run.test_examples.max(1) as f64
        };
        let error = (variance(winner) + variance(second)).sqrt();
        Some((winner.test_accuracy - second.test_accuracy, 2.0 * error))
    }

    /// The runs as CSV, one line each.
    pub fn runs_csv(&self) -> String {
        let mut text = "run,recipe,weights,test_accuracy,test_loss,macro_f1,parameters,\
                        flop_per_image,epochs,seconds,images_per_second,device,winner\n"
            .to_owned();
        for (i, run) in self.runs.iter().enumerate() {
            let fields = [
                quoted(&run.name),
                quoted(&run.recipe),
                run.weights.clone(),
                format!("{:?}", run.test_accuracy),
                run.test_loss.map(|loss| format!("{loss:?}")).unwrap_or_default(),
                format!("{:?}", run.macro_f1),
                run.parameters.to_string(),
                run.flop_per_image.to_string(),
                run.epochs.to_string(),
                format!("{:?}", run.seconds),
                format!("{:?}", run.images_per_second),
                quoted(&run.device),
                u8::from(self.winners.contains(&i)).to_string(),
            ];
            text += &(fields.join(",") + "\n");
        }
        text
    }

    /// The accuracy on each class as CSV: a line for each class, a column for each run.
    pub fn classes_csv(&self) -> String {
        let names = self.runs.iter().map(|run| quoted(&run.name));
        let mut text =
            std::iter::once("class".to_owned()).chain(names).collect::<Vec<_>>().join(",");
        text.push('\n');
        for (class, name) in self.classes.iter().enumerate() {
            text += &quoted(name);
            for run in &self.runs {
                let accuracy = run.class_accuracy.get(class);
                text += &accuracy.map(|a| format!(",{a:?}")).unwrap_or_else(|| ",".to_owned());
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, correct: u64, examples: u64) -> ComparedRun {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let test_accuracy = correct as f64 / examples as f64;
        ComparedRun {
            name: name.to_owned(),
            path: format!("runs/{name}"),
            recipe: "a".to_owned(),
            weights: "last".to_owned(),
            test_accuracy,
            test_loss: Some(0.5),
            test_examples: examples,
            test_correct: correct,
            macro_f1: 0.9,
            parameters: 10,
            flop_per_image: 20,
            epochs: 1,
            seconds: 1.5,
            images_per_second: 100.0,
            device: "llvmpipe (LLVM 15, 256 bits)".to_owned(),
            class_accuracy: vec![0.5, 1.0],
        }
    }

    fn of(runs: Vec<ComparedRun>) -> Comparison {
        Comparison::new(vec!["a,b".to_owned(), "c".to_owned()], runs)
    }

    #[test]
    fn equal_accuracies_are_a_tie() {
        assert_eq!(of(vec![run("a", 90, 100), run("b", 91, 100)]).winners, [1]);
        // 1/3 and 2/6 differ as floats in general, not as fractions.
        let tie = of(vec![run("a", 1, 3), run("b", 1, 100), run("c", 100, 300)]);
        assert_eq!(tie.winners, [0, 2]);
        assert_eq!(tie.lead(), None);
        assert_eq!(of(vec![run("a", 1, 3)]).lead(), None);
        let (lead, noise) = of(vec![run("a", 90, 100), run("b", 91, 100)]).lead().expect("one");
        assert!((lead - 0.01).abs() < 1e-12);
        let expected = 2.0 * (0.9_f64 * 0.1 / 100.0 + 0.91 * 0.09 / 100.0).sqrt();
        assert!((noise - expected).abs() < 1e-12, "{noise}");
    }

    #[test]
    fn csv_quotes_names() {
        let comparison = of(vec![run("a", 1, 4), run("b", 2, 4)]);
        let text = comparison.runs_csv();
        let columns = text.lines().next().expect("a header").split(',').count();
        assert_eq!(columns, 13);
        assert!(text.ends_with(
            "b,a,last,0.5,0.5,0.9,10,20,1,1.5,100.0,\"llvmpipe (LLVM 15, 256 bits)\",1\n"
        ));
        assert_eq!(comparison.classes_csv(), "class,a,b\n\"a,b\",0.5,0.5\nc,1.0,1.0\n");
    }
}
