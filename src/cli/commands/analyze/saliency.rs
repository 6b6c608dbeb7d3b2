//! `verigrad analyze saliency`: which pixels a score depends on.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::number;
use crate::analysis::{SaliencyMap, SaliencyMethod, saliency};
use crate::cli::args::DataArgs;
use crate::cli::device::open::{on_device, open_quickly};
use crate::cli::failure::Failure;
use crate::cli::inputs::subject::{Subject, SubjectArgs};
use crate::cli::output;
use crate::data::{Dataset, decode_image, image_formats};
use crate::report::{Exhibit, Tone, encode_png, gallery, heat_map, picture_of};
use crate::train::write_atomically;

/// Exhibits in a row of the sheet.
const PER_ROW: usize = 4;
/// Images whose derivatives are taken at once, at most: the noise of SmoothGrad comes on top.
const MAX_BATCH: usize = 32;

/// What a map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// |d score / d pixel|
    Gradient,
    /// |pixel d score / d pixel|
    GradXInput,
    /// |mean of d score / d pixel over noisy copies|
    Smoothgrad,
}

/// Arguments of `verigrad analyze saliency`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SaliencyArgs {
    #[command(flatten)]
    run: SubjectArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Show the first N test images [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    first: Option<u16>,
    // The formats are listed in one place.
    #[arg(
        long, value_name = "FILES", num_args = 1.., conflicts_with = "first",
        help = format!("Show these {} files", image_formats())
    )]
    images: Vec<PathBuf>,
    /// Invert the files: for dark digits on a light ground
    #[arg(long, requires = "images")]
    invert: bool,
    /// What the maps show
    #[arg(long, value_enum, default_value = "gradient")]
    method: Method,
    /// Noisy copies of smoothgrad
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    samples: u32,
    /// Standard deviation of the noise of smoothgrad, as a share of the image's range
    #[arg(long, default_value_t = 0.15, allow_negative_numbers = true, value_parser = number::share)]
    noise: f32,
    /// Seed of the noise
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// The picture to write
    #[arg(short, long, default_value = "saliency.png", value_name = "FILE.png")]
    output: PathBuf,
}

/// Draws the maps.
pub(in crate::cli) fn run(args: &SaliencyArgs) -> Result<(), Failure> {
    let mut run = Subject::open(&args.run.what, &args.data)?;
    run.trained.needs_classes()?;
    let data = images(args, &mut run)?;
    let method = match args.method {
        Method::Gradient => SaliencyMethod::Gradient,
        Method::GradXInput => SaliencyMethod::GradientTimesInput,
        Method::Smoothgrad => SaliencyMethod::SmoothGradient {
            samples: args.samples,
            noise: args.noise,
            seed: args.seed,
        },
    };
    let batch = MAX_BATCH.min(run.trained.recipe.evaluation_batch());
    let mut open = || open_quickly(&args.run.device, &args.run.picks);
    let (maps, device) = on_device(&mut None, &mut open, &mut |executor| {
        let trained = &run.trained;
        let maps = saliency(executor, &trained.model, &trained.weights, &data, batch, method)?;
        Ok((maps, executor.info().to_string()))
    })?;
    let exhibits: Vec<Exhibit> =
        maps.iter().enumerate().map(|(i, map)| exhibit(args, &data, i, map)).collect();
    let shown = match args.method {
        Method::Gradient => "|d score / d pixel|",
        Method::GradXInput => "|pixel x d score / d pixel|",
        Method::Smoothgrad => "|mean of d score / d pixel over noisy copies|",
    };
    let title = format!("{shown} of the predicted class, {}", args.run.what.run.display());
    let sheet = gallery(&title, &exhibits, PER_ROW)?;
    write_atomically(&args.output, &encode_png(&sheet)?)?;
    output::line(format_args!("device   {device}"));
    run.tell_weights();
    output::line(format_args!(
        "{}: {} image{} beside {shown}",
        args.output.display(),
        data.len(),
        if data.len() == 1 { "" } else { "s" }
    ));
    Ok(())
}

/// The images to look at: files, whose labels are not known, or the first ones of the test set.
fn images(args: &SaliencyArgs, run: &mut Subject) -> Result<Dataset, Failure> {
    if args.images.is_empty() {
        let test = run.data(&args.data)?.test;
        run.trained.check_data(&test)?;
        return Ok(test.take_first(usize::from(args.first.unwrap_or(8))).in_memory()?);
    }
    let [height, width, channels] = run.trained.record.image;
    let mut pixels = Vec::new();
    for path in &args.images {
        pixels.extend(decode_image(path, height, width, channels, args.invert)?);
    }
    let labels = vec![0; args.images.len()];
    let classes = run.trained.record.classes.clone();
    Ok(Dataset::new("files", pixels, labels, run.trained.record.image, classes)?)
}

/// An image beside its map, with what the model says.
fn exhibit(args: &SaliencyArgs, data: &Dataset, example: usize, map: &SaliencyMap) -> Exhibit {
    let name = |class: u32| data.class_name(class).unwrap_or("?").to_owned();
    let size = [data.height, data.width, data.channels];
    let pixels = data.image(example).unwrap_or_default();
    let pictures = vec![picture_of(pixels, size), heat_map(&map.values, [size[0], size[1]])];
    let said = format!("predicted {} ({:.1} %)", name(map.class), 100.0 * map.probability);
    let caption = match args.images.get(example) {
        Some(path) => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            vec![(file.into_owned(), Tone::Plain), (said, Tone::Plain)]
        }
        None => {
            let label = data.label(example).unwrap_or(u32::MAX);
            let tone = if label == map.class { Tone::Right } else { Tone::Wrong };
            vec![(format!("true {}", name(label)), Tone::Plain), (said, tone)]
        }
    };
    Exhibit { pictures, caption }
}
