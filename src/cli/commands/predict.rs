//! `verigrad predict`: classifies pictures, or tells what numbers a model predicts of them, by the weights of a run, or of a weight file.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::evaluate::write_csv;
use crate::cli::args::DataArgs;
use crate::cli::device::open::{on_device, open_quickly};
use crate::cli::failure::Failure;
use crate::cli::inputs::subject::{Subject, SubjectArgs};
use crate::cli::output;
use crate::data::{DataError, Dataset, Task, decode_image, has_extension, image_formats};
use crate::exec::Executor;
use crate::report::format::visible_name;
use crate::report::quoted;
use crate::train::{
    FileError, ModelRecord, Predicted, Predictions, TargetPredictions, push_classes,
    push_probabilities,
};

/// Bytes of pixels that are classified at once, at most.
const AT_ONCE: usize = 256 << 20;
/// Classes that are told in full.
const FEW_CLASSES: usize = 10;
/// Of more classes, how many are told.
const TOLD_OF_MANY: usize = 5;

/// Arguments of `verigrad predict`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PredictArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    data: DataArgs,
    // The formats are listed in one place.
    #[arg(
        required = true, value_name = "FILE|FOLDER",
        help = format!("{} files, or folders, of which all such files are taken", image_formats())
    )]
    images: Vec<PathBuf>,
    /// Tell only the K most likely classes; with 1, an image is a line [default: all of up to ten
    /// classes, else five]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    top: Option<u16>,
    /// Invert the images: for dark digits on a light ground
    #[arg(long)]
    invert: bool,
    /// Write prediction and probabilities of each image
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Print JSON: all classes, or the K most likely ones of --top
    #[arg(long)]
    json: bool,
}

/// Prints class probabilities of images. A file that cannot be used is told, and the others are
/// finished.
pub(in crate::cli) fn predict(args: &PredictArgs) -> Result<(), Failure> {
    if args.json {
        output::silence();
    }
    let subject = Subject::open(&args.subject.what, &args.data)?;
    let paths = pictures(&args.images)?;
    let [height, width, channels] = subject.trained.record.image;
    let at_once = (AT_ONCE / (height * width * channels).max(1)).max(1);
    let mut answers = Answers::new(args, &subject);
    let mut failures: Vec<Failure> = Vec::new();
    for paths in paths.chunks(at_once) {
        let decode = |path: &PathBuf| decode_image(path, height, width, channels, args.invert);
        let decoded: Vec<Result<Vec<u8>, DataError>> = paths.par_iter().map(decode).collect();
        let (mut images, mut read) = (Vec::new(), Vec::new());
        for (path, decoded) in paths.iter().zip(decoded) {
            match decoded {
                Ok(pixels) => {
                    images.extend(pixels);
                    read.push(path);
                }
                Err(error) => failures.push(error.into()),
            }
        }
        if !read.is_empty() {
            answers.classify(images, &read)?;
        }
    }
    answers.finish()?;
    match (failures.len(), failures.pop()) {
        (1, Some(failure)) => Err(failure),
        (n, Some(failure)) => {
            failures.push(failure);
            let told: String = failures.iter().map(|failure| format!("\n  {failure}")).collect();
            let of = paths.len();
            Err(format!("{n} of {of} images cannot be used:{told}").into())
        }
        (_, None) => Ok(()),
    }
}

/// The files that were named, and in place of a folder all pictures in it and in its folders, by name.
/// Tells how many files of folders are no pictures.
fn pictures(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let (mut found, mut others) = (Vec::new(), 0_usize);
    for path in named {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        let mut folders = VecDeque::from([path.clone()]);
        while let Some(folder) = folders.pop_front() {
            let failed = |error| FileError::of("list the folder", &folder)(error);
            let entries = fs::read_dir(&folder).map_err(failed)?;
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            paths.sort();
            for path in paths {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                match () {
                    // Of the system, such as .DS_Store.
                    () if name.starts_with('.') || name == "__MACOSX" => {}
                    // A link to a folder may lead around in a circle.
                    () if path.is_dir() && !path.is_symlink() => folders.push_back(path),
                    () if path.is_file() && has_extension(&path) => found.push(path),
                    () => others += 1,
                }
            }
        }
        if found.len() == before {
            let expected = image_formats();
            let folder = path.display();
            return Err(
                format!("there is no picture in {folder}: expected {expected} files").into()
            );
        }
    }
    if others > 0 {
        let is = if others == 1 { "file is" } else { "files are" };
        output::note(format_args!(
            "note: {others} {is} passed over, as no pictures by their names"
        ));
    }
    Ok(found)
}

/// What is said of the images so far.
struct Answers<'a> {
    args: &'a PredictArgs,
    subject: &'a Subject,
    /// The device, once it is needed.
    executor: Option<Box<dyn Executor>>,
    has_told_weights: bool,
    json: Vec<Value>,
    csv: String,
}

impl<'a> Answers<'a> {
    fn new(args: &'a PredictArgs, subject: &'a Subject) -> Self {
        let record = &subject.trained.record;
        let csv = match record.task {
            Task::Classification => {
                let mut csv = "file,prediction,class".to_owned();
                push_classes(&mut csv, record.classes.len());
                csv
            }
            _ => {
                let names: String =
                    record.classes.iter().map(|name| format!(",{}", quoted(name))).collect();
                format!("file{names}\n")
            }
        };
        Self { args, subject, executor: None, has_told_weights: false, json: Vec::new(), csv }
    }

    /// Classifies images that were read, and tells what they are.
    fn classify(&mut self, images: Vec<u8>, paths: &[&PathBuf]) -> Result<(), Failure> {
        let trained = &self.subject.trained;
        let ModelRecord { image, classes, task, .. } = &trained.record;
        let answers = (*task, classes.clone());
        let data = Dataset::without_answers("predict", images, *image, answers)?;
        let batch = data.len().min(trained.recipe.evaluation_batch());
        if !self.has_told_weights {
            self.has_told_weights = true;
            self.subject.tell_weights();
        }
        let SubjectArgs { device, picks, .. } = &self.args.subject;
        let (_, predictions) =
            on_device(&mut self.executor, &mut || open_quickly(device, picks), &mut |executor| {
                Ok(trained.predict(executor, "predict", &data, batch)?)
            })?;
        for (example, path) in paths.iter().enumerate() {
            match &predictions {
                Predicted::Classes(predictions) => self.tell(path, predictions, example),
                Predicted::Targets(predictions) => {
                    self.tell_targets(path, predictions, example);
                }
            }
        }
        Ok(())
    }

    /// Tells the numbers that were predicted, or the probability that each class applies, the most likely
    /// first.
    fn tell_targets(&mut self, path: &Path, predictions: &TargetPredictions, example: usize) {
        let (row, names) = (predictions.row(example), &predictions.names);
        let file = path.display().to_string();
        if self.args.csv.is_some() {
            self.csv.push_str(&quoted(&file));
            push_probabilities(&mut self.csv, row);
        }
        let mut told: Vec<(f32, &String)> = row.iter().copied().zip(names).collect();
        let applies = predictions.task == Task::MultiLabel;
        if applies {
            told.sort_by(|a, b| b.0.total_cmp(&a.0));
        }
        told.truncate(self.args.top.map_or(usize::MAX, usize::from));
        if self.args.json {
            let value = |(value, name): &(f32, &String)| match applies {
                true => json!({ "class": name, "probability": value }),
                false => json!({ "target": name, "value": value }),
            };
            let values: Vec<Value> = told.iter().map(value).collect();
            let key = if applies { "probabilities" } else { "values" };
            self.json.push(json!({ "file": file, key: values }));
            return;
        }
        output::line(format_args!("{file}"));
        for (value, name) in told {
            let name = visible_name(name);
            match applies {
                true => output::line(format_args!("  {:>7.3} %  {name}", 100.0 * value)),
                false => output::line(format_args!("  {value:>12.4}  {name}")),
            }
        }
    }

    fn tell(&mut self, path: &Path, predictions: &Predictions, example: usize) {
        let classes = &self.subject.trained.record.classes;
        let row = predictions.row(example);
        let best = predictions.predictions.get(example).copied().unwrap_or_default();
        let class = usize::try_from(best).ok().and_then(|best| classes.get(best));
        let class = class.map(String::as_str).unwrap_or_default();
        if self.args.csv.is_some() {
            let file = path.display().to_string();
            let _ = write!(self.csv, "{},{best},{}", quoted(&file), quoted(class));
            push_probabilities(&mut self.csv, row);
        }
        let mut ranked: Vec<(f32, &String)> = row.iter().copied().zip(classes).collect();
        if self.args.json {
            if let Some(top) = self.args.top {
                ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
                ranked.truncate(top.into());
            }
            let probability =
                |(probability, class)| json!({ "class": class, "probability": probability });
            let probabilities: Vec<Value> = ranked.into_iter().map(probability).collect();
            let file = path.display().to_string();
            self.json.push(json!({ "file": file, "class": class, "probabilities": probabilities }));
            return;
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let default = if classes.len() > FEW_CLASSES { TOLD_OF_MANY } else { FEW_CLASSES };
        ranked.truncate(self.args.top.map_or(default, usize::from));
        let line = |(probability, class): &(f32, &String)| {
            format!("{:>7.3} %  {}", 100.0 * probability, visible_name(class))
        };
        match ranked.as_slice() {
            [one] if self.args.top == Some(1) => {
                output::line(format_args!("{}  {}", line(one), path.display()));
            }
            ranked => {
                output::line(format_args!("{}", path.display()));
                for one in ranked {
                    output::line(format_args!("  {}", line(one)));
                }
            }
        }
    }

    /// Prints and writes what waits for the last image.
    fn finish(&self) -> Result<(), Failure> {
        if self.args.json {
            output::json(&json!({
                "run": self.args.subject.what.run.display().to_string(),
                "weights": self.subject.weights_name(),
                "images": self.json,
            }))?;
        }
        match &self.args.csv {
            Some(path) => write_csv(path, &self.csv),
            None => Ok(()),
        }
    }
}
