//! `verigrad analyze adversarial`: accuracy under attack.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};

use super::number;
use crate::analysis::{Attack, AttackResult, Attacker};
use crate::cli::args::DataArgs;
use crate::cli::device::open::{on_device, open_device};
use crate::cli::failure::Failure;
use crate::cli::inputs::subject::{Subject, SubjectArgs};
use crate::cli::output;
use crate::data::Dataset;
use crate::report::format::{grouped, loss};
use crate::report::{
    Align, Exhibit, Table, Tone, draw_robustness, encode_png, gallery, picture_of,
};
use crate::train::write_atomically;

/// Images that are attacked at once, at most.
const MAX_BATCH: usize = 128;

/// How images are attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// One step along the sign of the gradient
    Fgsm,
    /// Several steps from a random start, each projected on the ball around the image
    Pgd,
}

/// Arguments of `verigrad analyze adversarial`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AdversarialArgs {
    #[command(flatten)]
    run: SubjectArgs,
    #[command(flatten)]
    data: DataArgs,
    /// How images are attacked
    #[arg(long, value_enum, default_value = "fgsm")]
    method: Method,
    /// Most that a pixel changes, of the range from 0 to 1, before normalization
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,0.05,0.1,0.15,0.2,0.25,0.3",
        value_name = "E,E,...",
        allow_negative_numbers = true,
        value_parser = number::share
    )]
    epsilons: Vec<f32>,
    /// Steps of pgd
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,
    /// Length of a step of pgd [default: 2.5 epsilon / steps]
    #[arg(long, value_name = "S", allow_negative_numbers = true, value_parser = number::share)]
    step_size: Option<f32>,
    /// Seed of the random starts of pgd
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Attack only the first N test images
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    first: Option<u32>,
    /// Images on the sheet of examples: the first that the model is right about
    #[arg(
        long,
        default_value_t = 8,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(0..=256)
    )]
    examples: u16,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Fgsm => "fgsm",
            Self::Pgd => "pgd",
        }
    }
}

/// Attacks the test set of a run at each epsilon.
pub(in crate::cli) fn run(args: &AdversarialArgs) -> Result<(), Failure> {
    let mut run = Subject::open(&args.run.what, &args.data)?;
    run.trained.needs_classes()?;
    let test = run.data(&args.data)?.test;
    run.trained.check_data(&test)?;
    let first = args.first.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let test = test.take_first(first);
    let mut open = || open_device(&args.run.device, &args.run.picks);
    let executor = open()?;
    let device = executor.info().to_string();
    let mut kept = Some(executor);
    let (method, attack) = match args.method {
        Method::Fgsm => ("FGSM".to_owned(), Attack::Fgsm),
        Method::Pgd => {
            let AdversarialArgs { steps, step_size, seed, .. } = *args;
            let s = if steps == 1 { "" } else { "s" };
            (format!("PGD, {steps} step{s}"), Attack::Pgd { steps, step_size, seed })
        }
    };
    output::line(format_args!("device   {device}"));
    run.tell_weights();
    output::line(format_args!(
        "attack   {method}, on {} test images of {}\n",
        grouped(test.len()),
        test.name
    ));

    let mut epsilons = args.epsilons.clone();
    epsilons.sort_by(f32::total_cmp);
    epsilons.dedup();
    let batch = MAX_BATCH.min(run.trained.recipe.evaluation_batch());
    let (clean, results, shown) = on_device(&mut kept, &mut open, &mut |executor| {
        let trained = &run.trained;
        let attacker = Attacker::new(executor, &trained.model, &trained.weights, &test, batch)?;
        // Without an attack, to know which examples the model is right about.
        let clean = attacker.run(executor, attack, 0.0, &[])?;
        let right = (0..test.len()).filter(|&i| clean.predictions[i] == test.labels[i]);
        let shown: Vec<usize> = right.take(usize::from(args.examples)).collect();
        let mut results = Vec::with_capacity(epsilons.len());
        for &epsilon in &epsilons {
            results.push(attacker.run(executor, attack, epsilon, &shown)?);
        }
        Ok((clean, results, shown))
    })?;
    output::text(format_args!("{}", table(&results, &clean, &test)));

    let stem = format!("adversarial-{}", args.method.name());
    let title = format!("{method}: {}", args.run.what.run.display());
    let csv = run.analysis_file(&format!("{stem}.csv"))?;
    write_atomically(&csv, csv_of(&results).as_bytes())?;
    let curve = run.analysis_file(&format!("{stem}.png"))?;
    // The number as it was given, and not the nearest f32: axes end at round numbers.
    let given = |epsilon: f32| epsilon.to_string().parse().unwrap_or(f64::from(epsilon));
    let points: Vec<(f64, f64)> = results.iter().map(|r| (given(r.epsilon), r.accuracy)).collect();
    write_atomically(&curve, &encode_png(&draw_robustness(&title, &points)?)?)?;
    output::line(format_args!("\ntable    {}", csv.display()));
    output::line(format_args!("curve    {}", curve.display()));
    if !shown.is_empty() {
        let sheet = run.analysis_file(&format!("{stem}-examples.png"))?;
        let exhibits = exhibits(&results, &shown, &test);
        let picture = gallery(&title, &exhibits, results.len())?;
        write_atomically(&sheet, &encode_png(&picture)?)?;
        output::line(format_args!("examples {}", sheet.display()));
    }
    Ok(())
}

/// What is left of the accuracy at each epsilon.
fn table(results: &[AttackResult], clean: &AttackResult, test: &Dataset) -> Table {
    let mut table = Table::new(&[
        ("epsilon", Align::Right),
        ("levels of 255", Align::Right),
        ("accuracy", Align::Right),
        ("loss", Align::Right),
        ("misled", Align::Right),
    ]);
    let is_right = |result: &AttackResult, i: usize| result.predictions[i] == test.labels[i];
    for result in results {
        let misled =
            (0..test.len()).filter(|&i| is_right(clean, i) && !is_right(result, i)).count();
        table.row([
            result.epsilon.to_string(),
            format!("{:.1}", 255.0 * result.epsilon),
            format!("{:.2} %", 100.0 * result.accuracy),
            loss(result.loss),
            grouped(misled),
        ]);
    }
    table
}

fn csv_of(results: &[AttackResult]) -> String {
    let mut text = "epsilon,accuracy,loss\n".to_owned();
    for result in results {
        let _ = writeln!(text, "{},{},{}", result.epsilon, result.accuracy, result.loss);
    }
    text
}

/// One row for each example, one picture for each epsilon.
fn exhibits(results: &[AttackResult], shown: &[usize], test: &Dataset) -> Vec<Exhibit> {
    let size = [test.height, test.width, test.channels];
    let name = |class: u32| test.class_name(class).unwrap_or("?");
    let exhibit = |example: usize, result: &AttackResult| {
        let pixels: Vec<u8> =
            result.kept.get(&example).into_iter().flatten().copied().map(byte).collect();
        let (label, said) = (test.labels[example], result.predictions[example]);
        let (tone, said) = if label == said {
            (Tone::Right, name(said).to_owned())
        } else {
            (Tone::Wrong, format!("{}, not {}", name(said), name(label)))
        };
        let epsilon = format!("epsilon {}", result.epsilon);
        Exhibit {
            pictures: vec![picture_of(&pixels, size)],
            caption: vec![(said, tone), (epsilon, Tone::Plain)],
        }
    };
    shown.iter().flat_map(|&i| results.iter().map(move |result| exhibit(i, result))).collect()
}

/// A pixel from 0 to 1 as the nearest byte.
fn byte(pixel: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..=255")]
    let byte = (255.0 * pixel.clamp(0.0, 1.0)).round() as u8;
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_who_was_misled() {
        let classes = vec!["a".to_owned(), "b".to_owned()];
        let test = Dataset::new("t", vec![0; 3], vec![0, 1, 1], [1, 1, 1], classes);
        let test = test.expect("it is consistent");
        let result = |epsilon: f32, predictions: [u32; 3]| AttackResult {
            epsilon,
            accuracy: 0.5,
            loss: 1.0,
            predictions: predictions.to_vec(),
            kept: [(0, vec![0.5])].into(),
        };
        let (clean, attacked) = (result(0.0, [0, 1, 0]), result(0.1, [1, 1, 1]));
        let results = [clean.clone(), attacked];
        let text = table(&results, &clean, &test).to_string();
        assert!(text.ends_with("    0.1           25.5   50.00 %  1.000       1\n"), "{text}");
        assert_eq!(csv_of(&results), "epsilon,accuracy,loss\n0,0.5,1\n0.1,0.5,1\n");
        let exhibits = exhibits(&results, &[0], &test);
        assert_eq!(exhibits.len(), 2);
        assert_eq!(exhibits[0].caption[0], ("a".to_owned(), Tone::Right));
        assert_eq!(exhibits[1].caption[0], ("b, not a".to_owned(), Tone::Wrong));
        assert_eq!(exhibits[0].pictures[0].get_pixel(0, 0).0, [128; 3]);
    }
}
