//! `verigrad find-batch`: the largest batch of a recipe that fits, by the plan alone.

use clap::Args;

use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::memory;
use crate::cli::device::open::{PickArgs, open_quickly};
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::output;
use crate::exec::DeviceInfo;
use crate::report::format::{bytes, grouped};
use crate::report::{Align, Table};
use crate::train::{BatchPlan, BatchSearch, Recipe, Room, find_batch};

/// Arguments of `verigrad find-batch`.
#[derive(Debug, Args)]
pub(in crate::cli) struct FindBatchArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    picks: PickArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Memory that the device may take, such as 16GiB [default: what is free, where it computes in the
    /// memory of the host; others do not tell how much they have]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads a size: bytes, or a number with a binary unit.
fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1_048_576.0,
        "g" | "gib" => 1_073_741_824.0,
        "t" | "tib" => 1_099_511_627_776.0,
        _ => f64::NAN,
    };
    /// More than any device has, and far below 2^53.
    const MOST: f64 = 1e15;
    let bytes = digits.trim().parse::<f64>().unwrap_or(f64::NAN) * unit;
    if !(1.0..MOST).contains(&bytes) {
        return Err(format!(
            "{text} is no size; write a number and a unit, such as 512MiB or 16GiB"
        ));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 1..MOST")]
    Ok(bytes as usize)
}

/// What the search found, as JSON.
#[derive(serde::Serialize)]
struct Found<'a> {
    recipe: &'a str,
    device: &'a DeviceInfo,
    /// The largest batch that fits.
    batch_size: Option<usize>,
    training_images: usize,
    tried: &'a [BatchPlan],
}

/// Finds the largest batch, and says why the next larger one does not fit.
pub(in crate::cli) fn run(args: &FindBatchArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let executor = open_quickly(&args.device, &args.picks)?;
    let info = executor.info().clone();
    let data = read_data(&recipe, &args.data)?;
    let free = memory::available().and_then(|free| usize::try_from(free).ok());
    let in_host = info.is_software() || info.kind == "cpu";
    let room = match in_host {
        true => Room::Shared(args.memory.or(free)),
        false => Room::Apart { device: args.memory, host: free },
    };
    let found = find_batch(&recipe, &data, (executor.caps(), executor.picks()), room)?;
    let images = data.train.len();
    if args.json {
        output::json(&Found {
            recipe: &recipe.name,
            device: &info,
            batch_size: found.fits,
            training_images: images,
            tried: &found.tried,
        })?;
    } else {
        output::line(format_args!("device   {info}"));
        match room {
            Room::Shared(Some(all)) | Room::Apart { device: Some(all), .. } => {
                let whose = if args.memory.is_some() { "as given" } else { "free" };
                output::line(format_args!("memory   {} {whose}", bytes(all)));
            }
            _ => output::line(format_args!(
                "memory   the device does not tell how much it has: --memory 16GiB says it"
            )),
        }
        output::text(format_args!("\n{}\n{}", table(&found, &recipe), verdict(&found, images)));
    }
    match found.fits {
        Some(_) => Ok(()),
        None => {
            Err("not even the smallest batch fits: use a smaller model or smaller images".into())
        }
    }
}

/// What batches take: those that were doubled, and both sides of the bound.
fn table(found: &BatchSearch, recipe: &Recipe) -> Table {
    let mut table = Table::new(&[
        ("batch", Align::Right),
        ("device", Align::Right),
        ("host", Align::Right),
        ("", Align::Left),
    ]);
    let bounds = [found.largest(), found.next()].map(|plan| plan.map(|plan| plan.batch_size));
    let is_shown = |plan: &&BatchPlan| {
        let size = plan.batch_size;
        let doubled =
            size.is_multiple_of(recipe.batch_size) && (size / recipe.batch_size).is_power_of_two();
        doubled || bounds.contains(&Some(size))
    };
    for plan in found.tried.iter().filter(is_shown) {
        let memory = |of: fn(&crate::train::MemoryPlan) -> usize| {
            plan.memory.as_ref().map_or("-".to_owned(), |memory| bytes(of(memory)))
        };
        let size = plan.batch_size;
        let mut marks = Vec::new();
        marks.extend((size == recipe.batch_size).then_some("the recipe's"));
        marks.extend((Some(size) == found.fits).then_some("the largest"));
        marks.extend(plan.misfit.is_some().then_some("does not fit"));
        let (device, host) = (memory(|plan| plan.tensors), memory(|plan| plan.host()));
        table.row([grouped(size), device, host, marks.join(", ")]);
    }
    table
}

/// The largest batch, and why no larger one fits.
fn verdict(found: &BatchSearch, images: usize) -> String {
    let mut text = match found.fits {
        Some(fits) if fits == images => {
            format!("largest  {}: the whole training set fits\n", grouped(fits))
        }
        Some(fits) => format!("largest  {}: --set batch_size={fits}\n", grouped(fits)),
        None => String::new(),
    };
    if let Some(next) = found.next()
        && let Some(why) = &next.misfit
    {
        text += &format!("next     {}: {why}\n", grouped(next.batch_size));
        if let Some(fits) = found.fits {
            text += &format!(
                "         larger ones in parts take little more: --set batch_size={} --set accumulate=2\n",
                2 * fits
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [
            ("4096", 4096),
            ("1.5KiB", 1536),
            ("2 GiB", 2 << 30),
            ("16g", 16 << 30),
            ("8M", 8 << 20),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "-1", "0", "1e30", "12GB", "nan", "inf"] {
            assert!(size(text).is_err_and(|why| why.contains("16GiB")), "{text}");
        }
    }
}
