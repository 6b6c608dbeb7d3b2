//! `verigrad data`: looks at data sets, as they are and as training sees them.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[cfg(feature = "fetch")]
use super::data_get::{GetArgs, get};
use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::open::{PickArgs, open_quickly};
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{image_of, load_recipe, read_data};
use crate::cli::output;
use crate::data::{self, DataConfig, Dataset, DatasetKind};
use crate::report::format::grouped;
use crate::report::{contact_sheet, encode_png, quoted};
use crate::train::{augmented_examples, write_atomically};

/// Arguments of `verigrad data`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DataCommandArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Draw training images beside augmented copies of them, made on the device, as a PNG
    Preview(PreviewArgs),
    /// Write labels and pixels of the first images as CSV
    Export(ExportArgs),
    /// Get a published data set from the network: resumed where it broke off, and checked by its SHA-256
    #[cfg(feature = "fetch")]
    Get(GetArgs),
    /// List the data sets that can be read, and what is missing
    List(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PreviewArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// The picture to write
    #[arg(short, long, default_value = "sheet.png", value_name = "FILE.png")]
    output: PathBuf,
    /// Training images to show, one a row
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    rows: u16,
    /// Augmented copies beside each
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    columns: u16,
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Split {
    Train,
    Validation,
    Test,
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Which part of the set
    #[arg(long, value_enum, default_value = "test")]
    split: Split,
    /// Only so many images
    #[arg(long, value_name = "N")]
    first: Option<usize>,
    /// The file to write: label,pixel0,pixel1,... with one image a line, pixels row by row, the
    /// channels of each together
    #[arg(short, long, value_name = "FILE.csv")]
    output: PathBuf,
}

/// Runs `verigrad data`.
pub(in crate::cli) fn run(args: &DataCommandArgs) -> Result<(), Failure> {
    match &args.command {
        DataCommand::Preview(args) => preview(args),
        DataCommand::Export(args) => export(args),
        #[cfg(feature = "fetch")]
        DataCommand::Get(args) => get(args),
        DataCommand::List(args) => list(args),
    }
}

fn preview(args: &PreviewArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let train = read_data(&recipe, &args.data)?.train;
    let mut executor = open_quickly(&args.device, &PickArgs::auto())?;
    let (rows, columns) = (usize::from(args.rows).min(train.len()), usize::from(args.columns));
    let batches = augmented_examples(executor.as_mut(), &recipe, &train, rows, columns)?;
    let image = train.image_len();
    let shown = train.clone().take_first(rows).in_memory()?;
    let rows: Vec<Vec<&[u8]>> = (0..rows)
        .map(|row| {
            let copies =
                batches.iter().filter_map(|batch| batch.get(row * image..(row + 1) * image));
            shown.image(row).into_iter().chain(copies).collect()
        })
        .collect();
    let sheet = contact_sheet(&rows, image_of(&train));
    write_atomically(&args.output, &encode_png(&sheet)?)?;
    output::line(format_args!(
        "{}: {} training images of {}, each with {columns} copies as step 0 to {} train on them, \
         augmented on {}",
        args.output.display(),
        rows.len(),
        train.name,
        columns - 1,
        executor.info()
    ));
    if recipe.augment.is_none() {
        output::line(format_args!("The recipe has no [augment] section: the copies are the same."));
    }
    Ok(())
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let splits = read_data(&recipe, &args.data)?;
    let set = match args.split {
        Split::Train => Some(splits.train),
        Split::Validation => splits.validation,
        Split::Test => Some(splits.test),
    };
    let Some(set) = set else {
        return Err("the recipe has no validation split; give --set data.validation=0.1".into());
    };
    let set = set.take_first(args.first.unwrap_or(usize::MAX));
    write_atomically(&args.output, csv(&set)?.as_bytes())?;
    output::line(format_args!(
        "{}: {} images of {}, {} pixel values each",
        args.output.display(),
        grouped(set.len()),
        set.name,
        grouped(set.image_len())
    ));
    Ok(())
}

/// One line per image: label or targets, then pixels.
fn csv(set: &Dataset) -> Result<String, data::DataError> {
    let mut text = match &set.targets {
        Some(_) => set.classes.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(","),
        None => "label".to_owned(),
    };
    for i in 0..set.image_len() {
        let _ = write!(text, ",pixel{i}");
    }
    text.push('\n');
    for (i, label) in set.labels.iter().enumerate() {
        let _ = match set.targets_of(i) {
            Some(targets) => {
                let numbers: Vec<String> = targets.iter().map(f32::to_string).collect();
                write!(text, "{}", numbers.join(","))
            }
            None => write!(text, "{label}"),
        };
        for byte in set.pixels(i)?.iter() {
            let _ = write!(text, ",{byte}");
        }
        text.push('\n');
    }
    Ok(text)
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    use DatasetKind::{Cifar10, Cifar100, FashionMnist, Mnist, SyntheticDigits};
    let mut listed = Vec::new();
    if args.json {
        output::silence();
    }
    output::line(format_args!(
        "{:<18} {:>9} {:>8} {:>8} {:>13}",
        "data set", "training", "test", "classes", "image"
    ));
    for dataset in [SyntheticDigits, Mnist, FashionMnist, Cifar10, Cifar100] {
        let config = DataConfig { dataset, ..DataConfig::default() };
        match data::load(&config, args.data.data_dir.as_deref()) {
            Ok(splits) => {
                let [h, w, c] = image_of(&splits.train);
                listed.push(serde_json::json!({
                    "dataset": dataset.name(),
                    "training": splits.train.len(),
                    "test": splits.test.len(),
                    "classes": splits.train.classes.len(),
                    "image": [h, w, c],
                }));
                output::line(format_args!(
                    "{:<18} {:>9} {:>8} {:>8} {:>13}",
                    dataset.name(),
                    grouped(splits.train.len()),
                    grouped(splits.test.len()),
                    splits.train.classes.len(),
                    format!("{h} x {w} x {c}")
                ));
            }
            Err(data::DataError::Missing { looked_in, .. }) => {
                let folders: Vec<String> =
                    looked_in.iter().map(|path| path.display().to_string()).collect();
                listed.push(serde_json::json!({
                    "dataset": dataset.name(),
                    "missing_from": &folders,
                }));
                output::line(format_args!(
                    "{:<18} no files in {}",
                    dataset.name(),
                    folders.join(", ")
                ));
            }
            // A damaged set is listed, and does not hide the others.
            Err(error) => {
                listed.push(serde_json::json!({
                    "dataset": dataset.name(),
                    "error": error.to_string(),
                }));
                output::line(format_args!("{:<18} {error}", dataset.name()));
            }
        }
    }
    if args.json {
        output::json(&listed)?;
    }
    output::line(format_args!(
        "{:<18} your own images: {} files in train/CLASS and test/CLASS, or in CLASS",
        "folder",
        data::image_formats()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_a_label_and_all_pixels() {
        let classes = vec!["a".to_owned(), "b".to_owned()];
        let set = Dataset::new("x", vec![0, 1, 254, 255], vec![1, 0], [1, 2, 1], classes);
        let text = csv(&set.expect("it fits")).expect("they are in memory");
        assert_eq!(text, "label,pixel0,pixel1\n1,0,1\n0,254,255\n");
    }
}
