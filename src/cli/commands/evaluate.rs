//! `verigrad eval`: figures of a run's weights, or of a weight file, on a split of the data.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::args::DataArgs;
use crate::cli::device::open::{on_device, open_device};
use crate::cli::failure::Failure;
use crate::cli::inputs::stored_run::Which;
use crate::cli::inputs::subject::{Subject, SubjectArgs};
use crate::cli::inputs::trained::TrainedModel;
use crate::cli::output;
use crate::cli::text::figures::{details, headline};
use crate::data::{Dataset, Splits};
use crate::report::quoted;
use crate::train::{
    Evaluation, Predicted, Predictions, RunDir, SplitEvaluation, TargetPredictions,
    write_atomically,
};

/// Part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Split {
    /// Images to report on
    Test,
    /// Images held out of the training set
    Validation,
    /// Images trained on
    Train,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Validation => "validation",
            Self::Train => "train",
        }
    }

    fn of(self, data: Splits) -> Option<Dataset> {
        match self {
            Self::Test => Some(data.test),
            Self::Validation => data.validation,
            Self::Train => Some(data.train),
        }
    }
}

/// Arguments of `verigrad eval`.
#[derive(Debug, Args)]
pub(in crate::cli) struct EvalArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Which part of the data set
    #[arg(long, value_enum, default_value = "test")]
    split: Split,
    /// Write file, class, prediction and probabilities of each image
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Evaluates weights on a split of their data, prints the figures, and keeps those of a run in it.
pub(in crate::cli) fn eval(args: &EvalArgs) -> Result<(), Failure> {
    if args.json {
        output::silence();
    }
    let mut subject = Subject::open(&args.subject.what, &args.data)?;
    let name = args.split.name();
    let splits = subject.data(&args.data)?;
    let TrainedModel { recipe, .. } = &subject.trained;
    let data = args.split.of(splits).ok_or_else(|| {
        format!("{} has no {name} split; set data.validation to train with one", recipe.name)
    })?;
    subject.trained.check_data(&data)?;
    let mut open = || {
        let executor = open_device(&args.subject.device, &args.subject.picks)?;
        output::line(format_args!("device   {}", executor.info()));
        Ok(executor)
    };
    let batch = recipe.evaluation_batch();
    let (figures, predictions) = on_device(&mut None, &mut open, &mut |executor| {
        Ok(subject.trained.predict(executor, name, &data, batch)?)
    })?;
    subject.tell_weights();
    output::line(format_args!("{}", headline(name, &figures)));
    output::text(format_args!("{}", details(&figures)));
    if args.json {
        output::json(&serde_json::json!({
            "run": args.subject.what.run.display().to_string(),
            "weights": subject.weights_name(),
            "split": name,
            "figures": figures,
        }))?;
    }
    if let Some((dir, which)) = subject.run() {
        let figures = BTreeMap::from([(name.to_owned(), figures)]);
        if !keep(dir, which, &data.classes, figures)? {
            output::line(format_args!(
                "evaluation.json keeps the figures of the run's other weights"
            ));
        } else if args.split == Split::Test {
            dir.write_predictions(&predictions)?;
        }
    }
    match &args.csv {
        Some(path) => write_csv(
            path,
            &match &predictions {
                Predicted::Classes(predictions) => examples_csv(&data, predictions),
                Predicted::Targets(predictions) => targets_csv(&data, predictions),
            },
        ),
        None => Ok(()),
    }
}

/// Puts figures into a run's `evaluation.json`, beside those of other splits. Figures of other
/// weights stay as they are: returns whether the new ones were kept.
fn keep(
    dir: &RunDir,
    which: Which,
    classes: &[String],
    figures: BTreeMap<String, SplitEvaluation>,
) -> Result<bool, Failure> {
    let new = || Evaluation {
        weights: which.evaluated(),
        classes: classes.to_vec(),
        splits: BTreeMap::new(),
    };
    // A damaged record is replaced: it can be made again.
    let mut evaluation = dir.evaluation().unwrap_or_default().unwrap_or_else(new);
    if evaluation.classes != classes {
        evaluation = new();
    }
    let kept = evaluation.weights == which.evaluated();
    if kept {
        evaluation.splits.extend(figures);
        dir.write_evaluation(&evaluation)?;
    }
    Ok(kept)
}

/// `index,label,prediction,correct,file,class,predicted,p0,p1,...`, a line for each example; `file` is
/// empty for sets that are no folders.
fn examples_csv(data: &Dataset, predictions: &Predictions) -> String {
    let name = |class: u32| quoted(data.class_name(class).unwrap_or_default());
    predictions.to_csv_with(",file,class,predicted", |example| {
        let file = data.file(example).unwrap_or_default();
        let (label, prediction) = (predictions.labels[example], predictions.predictions[example]);
        format!(",{},{},{}", quoted(&file), name(label), name(prediction))
    })
}

/// `index,file,NAME,NAME predicted,...`, a line for each example; `predicted` is a probability where classes
/// apply.
fn targets_csv(data: &Dataset, predictions: &TargetPredictions) -> String {
    let mut text = "index,file".to_owned();
    for name in &predictions.names {
        let _ = write!(text, ",{},{}", quoted(name), quoted(&format!("{name} predicted")));
    }
    text.push('\n');
    for example in 0..predictions.len() {
        let file = data.file(example).unwrap_or_default();
        let _ = write!(text, "{example},{}", quoted(&file));
        let pairs = predictions.target_row(example).iter().zip(predictions.row(example));
        for (target, prediction) in pairs {
            let _ = write!(text, ",{target:?},{prediction:?}");
        }
        text.push('\n');
    }
    text
}

/// Writes a table, and tells where.
pub(super) fn write_csv(path: &Path, text: &str) -> Result<(), Failure> {
    write_atomically(path, text.as_bytes())?;
    output::line(format_args!("csv      {}", path.display()));
    Ok(())
}
