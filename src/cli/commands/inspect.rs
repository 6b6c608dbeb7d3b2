//! `verigrad inspect`: the compiled training step of a recipe.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::open::{PickArgs, open_quickly};
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::text::program::{dot, launches, listing};
use crate::cli::{output, wgsl};
use crate::train::RunPrograms;

/// Arguments of `verigrad inspect`.
#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    picks: PickArgs,
    /// Print the Program as JSON
    #[arg(long, conflicts_with = "dot")]
    json: bool,
    /// Print the Program as a Graphviz graph
    #[arg(long)]
    dot: bool,
    /// Write each kernel as a file, with a header that says what calls it
    #[arg(long, value_name = "DIR", conflicts_with_all = ["json", "dot"])]
    wgsl: Option<PathBuf>,
}

/// Prints the compiled training step of a recipe.
pub(in crate::cli) fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let data = read_data(&recipe, &args.data)?;
    let executor = open_quickly(&args.device, &args.picks)?;
    let programs = RunPrograms::compile(&recipe, &data, executor.caps(), executor.picks())?;
    let program = programs.training();
    if let Some(folder) = &args.wgsl {
        let count = wgsl::write(program, executor.info(), folder)?;
        output::line(format_args!("{count} kernels in {}", folder.display()));
    } else if args.json {
        let mut json = serde_json::to_value(program)?;
        let counts = programs.iter().map(|program| (program.name.clone(), program.launches()));
        json["launches"] = serde_json::to_value(counts.collect::<BTreeMap<_, _>>())?;
        output::json(&json)?;
    } else if args.dot {
        output::text(format_args!("{}", dot(program)));
    } else {
        output::text(format_args!("{}{}", listing(program), launches(programs.iter())));
    }
    Ok(())
}
