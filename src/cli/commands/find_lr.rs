//! `verigrad find-lr`: the learning-rate range test of a recipe, as a curve with advice.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::memory;
use crate::cli::device::open::{PickArgs, open_device};
use crate::cli::failure::{Failure, Interrupted};
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::{interrupt, output};
use crate::exec::DeviceInfo;
use crate::report::format::loss;
use crate::report::{draw_rate_range, encode_png};
use crate::train::{
    Checkpoint, RateAdvice, RateCurve, RatePoint, RateRange, Recipe, RunDir, RunPrograms, Trainer,
    read_text, write_atomically,
};

/// Arguments of `verigrad find-lr`.
#[derive(Debug, Args)]
pub(in crate::cli) struct FindLrArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    picks: PickArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Learning rate of the first step
    #[arg(long, default_value = "1e-7", value_name = "RATE", value_parser = rate)]
    from: f64,
    /// Learning rate of the last step
    #[arg(long, default_value = "10", value_name = "RATE", value_parser = rate)]
    to: f64,
    /// Steps from one to the other, each with one factor more
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(20..=100_000))]
    steps: u32,
    /// Folder in which the folder of the test is made; one there that was interrupted is gone on with
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().unwrap_or(f64::NAN);
    match (1e-30..1e30).contains(&rate) {
        true => Ok(rate),
        false => Err(format!("{text} is no learning rate; give a number above 0, such as 1e-7")),
    }
}

/// What a test found: `result.json`, and what --json prints.
#[derive(Serialize)]
struct Found<'a> {
    verigrad: &'static str,
    recipe: &'a str,
    device: &'a DeviceInfo,
    range: RateRange,
    /// Steps that were taken: fewer where the loss had exploded.
    steps: usize,
    advice: Option<RateAdvice>,
    points: &'a [RatePoint],
}

/// Of `result.json`, what an interrupted test goes on with.
#[derive(Deserialize)]
struct Kept {
    range: RateRange,
    points: Vec<RatePoint>,
}

/// A test that was interrupted: its folder, its checkpoint and the steps that it has taken.
struct Interruption {
    folder: RunDir,
    checkpoint: Checkpoint,
    points: Vec<RatePoint>,
}

/// The newest interrupted test of the very same recipe, range and device, where there is one.
fn interruption(
    args: &FindLrArgs,
    (recipe, range): (&Recipe, RateRange),
    device: &DeviceInfo,
) -> Option<Interruption> {
    let stem = format!("{}-find-lr-", recipe.name);
    let number =
        |entry: &fs::DirEntry| entry.file_name().to_str()?.strip_prefix(&stem)?.parse::<u32>().ok();
    let entries = fs::read_dir(&args.runs).ok()?.filter_map(Result::ok);
    let mut folders: Vec<_> =
        entries.filter_map(|entry| Some((number(&entry)?, entry.path()))).collect();
    folders.sort();
    let text = recipe.to_toml().ok()?;
    folders.into_iter().rev().find_map(|(_, path)| {
        // None once the test has ended.
        path.join("checkpoint").is_dir().then_some(())?;
        let kept: Kept = serde_json::from_str(&read_text(&path.join("result.json")).ok()?).ok()?;
        let folder = RunDir::of_several(&path).ok()?;
        let checkpoint = folder.checkpoints().load().ok()?.checkpoint;
        let state = &checkpoint.state;
        let fits = kept.range == range
            && state.recipe == text
            && state.device.computes_like(device)
            && state.step == kept.points.len() as u64;
        fits.then_some(Interruption { folder, checkpoint, points: kept.points })
    })
}

/// Runs the test, and leaves its curve.
pub(in crate::cli) fn run(args: &FindLrArgs) -> Result<(), Failure> {
    if args.json {
        output::silence();
    }
    let range = RateRange { from: args.from, to: args.to, steps: args.steps };
    if range.from >= range.to {
        return Err(format!(
            "--from {:e} must be below --to {:e}: the rate rises",
            range.from, range.to
        )
        .into());
    }
    let named = load_recipe(&args.recipe)?;
    let recipe = RateRange::recipe(&named)?;
    interrupt::flag()?;
    let data = read_data(&recipe, &args.data)?;
    let mut executor = open_device(&args.device, &args.picks)?;
    let device = executor.info().clone();
    output::line(format_args!("device   {device}"));
    let programs = RunPrograms::compile(&recipe, &data, executor.caps(), executor.picks())?;
    memory::check(executor.as_ref(), &programs, &data)?;
    let mut trainer = Trainer::with_programs(executor.as_mut(), programs, data.into())?;
    output::line(format_args!(
        "test     {} steps with batches of {}, learning rate {:e} to {:e}",
        range.steps, recipe.batch_size, range.from, range.to
    ));
    let (mut curve, mut is_over) = (RateCurve::default(), false);
    let (mut begun, mut done) = (None, 0);
    if let Some(before) = interruption(args, (&recipe, range), &device) {
        trainer.restore(&before.checkpoint)?;
        before.points.iter().for_each(|point| is_over = curve.push(point.step_loss()));
        done = u32::try_from(before.points.len())?;
        let path = before.folder.path().display();
        output::line(format_args!("resumed  after {done} steps, in {path}"));
        begun = Some(before.folder);
    }
    output::line(format_args!(""));
    for step in done..range.steps {
        if interrupt::has_come() || is_over {
            break;
        }
        is_over = curve.push(trainer.step_at_rate(range.rate(step))?);
        // Ten lines, whatever the number of steps.
        let is_last = is_over || step + 1 == range.steps;
        if step.is_multiple_of(range.steps.div_ceil(10)) || is_last {
            tell(&curve);
        }
    }
    let interrupted = !is_over && curve.points().len() < range.steps as usize;
    let advice = curve.advice(range.steps);
    let folder = match begun {
        Some(folder) => folder,
        None => RunDir::create(&args.runs, &format!("{}-find-lr", recipe.name))?,
    };
    if interrupted {
        folder.checkpoints().save(&trainer.checkpoint(None)?, 1)?;
    } else if folder.path().join("checkpoint").is_dir() {
        fs::remove_dir_all(folder.path().join("checkpoint"))?;
    }
    let found = Found {
        verigrad: env!("CARGO_PKG_VERSION"),
        recipe: &recipe.name,
        device: &device,
        range,
        steps: curve.points().len(),
        advice,
        points: curve.points(),
    };
    folder.write_result(&found)?;
    write_atomically(&folder.path().join("curve.csv"), csv(curve.points()).as_bytes())?;
    let title = format!("{} on {}: learning-rate range test", recipe.name, device.name);
    let picture = encode_png(&draw_rate_range(&title, curve.points(), advice.as_ref())?)?;
    write_atomically(&folder.path().join("curve.png"), &picture)?;
    if args.json {
        output::json(&found)?;
    }
    let told = told(advice.as_ref(), range, is_over, f64::from(named.optimizer.learning_rate()));
    output::text(format_args!("\n{told}"));
    output::line(format_args!("left in  {}", folder.path().display()));
    if interrupted {
        return Err(Interrupted(format!(
            "\ninterrupted after {} of {} steps; everything is saved in {}. The same command goes on",
            curve.points().len(),
            range.steps,
            folder.path().display()
        ))
        .into());
    }
    Ok(())
}

fn tell(curve: &RateCurve) {
    if let Some(point) = curve.points().last() {
        output::line(format_args!(
            "step {:>5}   learning rate {:<8}  loss {:<9}  smoothed {}",
            point.step,
            format!("{:.1e}", point.learning_rate),
            point.loss.map_or("NaN".to_owned(), loss),
            loss(point.smoothed)
        ));
    }
}

/// The advice in words.
fn told(advice: Option<&RateAdvice>, range: RateRange, is_over: bool, current: f64) -> String {
    let Some(advice) = advice else {
        return "no advice: the smoothed loss did not fall in enough steps;\n         give a lower --from, a \
                higher --to or more --steps\n"
            .to_owned();
    };
    let mut text = String::new();
    if is_over {
        text += "ended    the smoothed loss was four times its least\n";
    }
    let RateAdvice { steepest, minimum_tenth, .. } = *advice;
    text += &format!(
        "advice   {steepest:.1e}, where the loss falls fastest\n         {minimum_tenth:.1e}, a tenth of the \
         rate with the least loss\n         the recipe has {current:.1e}; the lower one is the safer:\n         \
         --set optimizer.learning_rate={:.1e}\n",
        steepest.min(minimum_tenth)
    );
    if advice.still_falls {
        text += &format!(
            "note     the loss still fell at {:.1e}: a higher --to may show better rates\n",
            range.to
        );
    }
    text
}

fn csv(points: &[RatePoint]) -> String {
    let mut text = "step,learning_rate,loss,smoothed\n".to_owned();
    for RatePoint { step, learning_rate, loss, smoothed } in points {
        let loss = loss.map(|loss| format!("{loss:?}")).unwrap_or_default();
        text += &format!("{step},{learning_rate:?},{loss},{smoothed:?}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_positive_numbers() {
        assert_eq!(rate("1e-7"), Ok(1e-7));
        for text in ["0", "-1", "nan", "inf", "fast", ""] {
            assert!(rate(text).is_err_and(|why| why.contains("1e-7")), "{text}");
        }
    }

    #[test]
    fn advice_is_told_in_words() {
        let range = RateRange { from: 1e-7, to: 10.0, steps: 100 };
        let advice = RateAdvice { steepest: 1.234e-3, minimum_tenth: 3e-3, still_falls: true };
        let text = told(Some(&advice), range, true, 1e-3);
        assert!(text.contains("--set optimizer.learning_rate=1.2e-3"), "{text}");
        assert!(text.contains("higher --to") && text.contains("four times"), "{text}");
        assert!(told(None, range, false, 1e-3).contains("lower --from"));
    }
}
