//! `verigrad eval` and `verigrad predict`: uses the weights of a run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::args::DataArgs;
use crate::cli::device::open::{open_device, open_quickly};
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::read_data;
use crate::cli::inputs::stored_run::{RunArgs, StoredRun, Which};
use crate::cli::output;
use crate::cli::text::figures::{details, headline};
use crate::data::{Dataset, Splits, decode_image, image_formats};
use crate::report::format::visible_name;
use crate::report::quoted;
use crate::train::{Evaluation, Predictions, RunDir, SplitEvaluation, write_atomically};

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
    run: RunArgs,
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

/// Arguments of `verigrad predict`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PredictArgs {
    #[command(flatten)]
    run: RunArgs,
    // The formats are listed in one place.
    #[arg(required = true, help = format!("{} files", image_formats()))]
    images: Vec<PathBuf>,
    /// Invert the images: for dark digits on a light ground
    #[arg(long)]
    invert: bool,
    /// Write prediction and probabilities of each image
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Evaluates a run on a split of its data, prints the figures, and keeps them in the run.
pub(in crate::cli) fn eval(args: &EvalArgs) -> Result<(), Failure> {
    if args.json {
        output::silence();
    }
    let run = StoredRun::open(&args.run.run, args.run.weights)?;
    let name = args.split.name();
    let splits = read_data(&run.recipe, &args.data)?;
    let data = args.split.of(splits).ok_or_else(|| {
        format!("{} has no {name} split; set data.validation to train with one", run.recipe.name)
    })?;
    run.check_data(&data)?;
    let mut executor = open_device(&args.run.device, &args.run.picks)?;
    output::line(format_args!("device   {}", executor.info()));
    run.tell_weights();
    let (figures, predictions) =
        run.predict(executor.as_mut(), name, &data, run.recipe.evaluation_batch())?;
    output::line(format_args!("{}", headline(name, &figures)));
    output::text(format_args!("{}", details(&figures)));
    if args.json {
        output::json(&serde_json::json!({
            "run": args.run.run.display().to_string(),
            "weights": run.which.name(),
            "split": name,
            "figures": figures,
        }))?;
    }
    let figures = BTreeMap::from([(name.to_owned(), figures)]);
    if !keep(&run.dir, run.which, &data.classes, figures)? {
        output::line(format_args!("evaluation.json keeps the figures of the run's other weights"));
    } else if args.split == Split::Test {
        run.dir.write_predictions(&predictions)?;
    }
    match &args.csv {
        Some(path) => write_text(path, &examples_csv(&data, &predictions)),
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

/// Prints class probabilities of images. A file that cannot be used is told, and the others are
/// finished.
pub(in crate::cli) fn predict(args: &PredictArgs) -> Result<(), Failure> {
    if args.json {
        output::silence();
    }
    let run = StoredRun::open(&args.run.run, args.run.weights)?;
    let [height, width, channels] = run.record.image;
    let (mut images, mut read, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for path in &args.images {
        match decode_image(path, height, width, channels, args.invert) {
            Ok(pixels) => {
                images.extend(pixels);
                read.push(path.clone());
            }
            Err(error) => failures.push(Failure::from(error)),
        }
    }
    if !read.is_empty() {
        classify(args, &run, images, &read)?;
    }
    match (failures.len(), failures.pop()) {
        (1, Some(failure)) => Err(failure),
        (n, Some(failure)) => {
            failures.push(failure);
            let told: String = failures.iter().map(|failure| format!("\n  {failure}")).collect();
            let of = args.images.len();
            Err(format!("{n} of {of} images cannot be used:{told}").into())
        }
        (_, None) => Ok(()),
    }
}

/// Classifies images that were read.
fn classify(
    args: &PredictArgs,
    run: &StoredRun,
    images: Vec<u8>,
    paths: &[PathBuf],
) -> Result<(), Failure> {
    let mut executor = open_quickly(&args.run.device, &args.run.picks)?;
    let labels = vec![0; paths.len()];
    let classes = run.record.classes.clone();
    let data = Dataset::new("predict", images, labels, run.record.image, classes)?;
    let batch = data.len().min(run.recipe.evaluation_batch());
    let (_, predictions) = run.predict(executor.as_mut(), "predict", &data, batch)?;
    run.tell_weights();
    if args.json {
        let images = paths.iter().enumerate().map(|(example, path)| {
            let row = predictions.row(example).iter().copied();
            let probabilities: Vec<_> = row
                .zip(&data.classes)
                .map(|(probability, class)| serde_json::json!({ "class": class, "probability": probability }))
                .collect();
            let best = predictions.predictions.get(example).copied().unwrap_or(u32::MAX);
            serde_json::json!({
                "file": path.display().to_string(),
                "class": data.class_name(best),
                "probabilities": probabilities,
            })
        });
        let images: Vec<_> = images.collect();
        output::json(&serde_json::json!({
            "run": args.run.run.display().to_string(),
            "weights": run.which.name(),
            "images": images,
        }))?;
    }
    for (example, path) in paths.iter().enumerate() {
        let row = predictions.row(example).iter().copied();
        let mut ranked: Vec<(f32, &String)> = row.zip(&data.classes).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        output::line(format_args!("{}", path.display()));
        for (probability, class) in ranked {
            let class = visible_name(class);
            output::line(format_args!("  {:>7.3} %  {class}", 100.0 * probability));
        }
    }
    match &args.csv {
        Some(path) => write_text(path, &images_csv(paths, &predictions, &data.classes)),
        None => Ok(()),
    }
}

/// `index,label,prediction,correct,file,class,predicted,p0,p1,...`, a line for each example; `file` is
/// empty for sets that are no folders.
fn examples_csv(data: &Dataset, predictions: &Predictions) -> String {
    let mut text = "index,label,prediction,correct,file,class,predicted".to_owned();
    for class in 0..predictions.classes {
        let _ = write!(text, ",p{class}");
    }
    text.push('\n');
    let both = predictions.labels.iter().zip(&predictions.predictions);
    for (example, (&label, &prediction)) in both.enumerate() {
        let file = data.file(example).unwrap_or_default();
        let name = |class: u32| quoted(data.class_name(class).unwrap_or_default());
        let correct = u8::from(label == prediction);
        let (file, class, predicted) = (quoted(&file), name(label), name(prediction));
        let _ = write!(text, "{example},{label},{prediction},{correct},{file},{class},{predicted}");
        for probability in predictions.row(example) {
            let _ = write!(text, ",{probability:?}");
        }
        text.push('\n');
    }
    text
}

/// `file,prediction,class,p0,p1,...`, a line for each image.
fn images_csv(images: &[PathBuf], predictions: &Predictions, classes: &[String]) -> String {
    let mut text = "file,prediction,class".to_owned();
    for class in 0..classes.len() {
        let _ = write!(text, ",p{class}");
    }
    text.push('\n');
    for (example, (path, &prediction)) in images.iter().zip(&predictions.predictions).enumerate() {
        let class = classes.get(prediction as usize).map(String::as_str).unwrap_or_default();
        let file = path.display().to_string();
        let _ = write!(text, "{},{prediction},{}", quoted(&file), quoted(class));
        for probability in predictions.row(example) {
            let _ = write!(text, ",{probability:?}");
        }
        text.push('\n');
    }
    text
}

fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    write_atomically(path, text.as_bytes())?;
    output::line(format_args!("csv      {}", path.display()));
    Ok(())
}
