//! `verigrad summary` and `inspect`: what a recipe is, without running it.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::format::{bytes, decimal, grouped};
use super::open::{PickArgs, open_quickly};
use super::output;
use super::train::{load_recipe, read_data};
use super::{DataArgs, DeviceArgs, RecipeArgs, wgsl};
use crate::compile::{Program, Role};
use crate::data::{DataError, Dataset};
use crate::nn::{Layer, LayerSummary, summarize};
use crate::train::{Recipe, TrainError, compile_all};

/// Arguments of `verigrad summary`.
#[derive(Debug, Args)]
pub(super) struct SummaryArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Arguments of `verigrad inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
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

/// Classes of a model that are shown where only an image folder, which is not there, would tell:
/// those of ImageNet.
pub(super) const IMAGENET_CLASSES: usize = 1000;

/// Prints the layers of a recipe.
pub(super) fn summary(args: &SummaryArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let (image, classes) = match (recipe.data.image(), recipe.data.dataset.classes()) {
        (Some(image), Some(classes)) => (image, classes),
        (image, _) => match (read_data(&recipe, &args.data), image) {
            (Ok(data), _) => (image_of(&data.train), data.train.classes.len()),
            (Err(TrainError::Data(DataError::Missing { .. })), Some(image)) => {
                let classes = IMAGENET_CLASSES;
                eprintln!("there is no image folder: shown for {classes} classes, as ImageNet has");
                (image, classes)
            }
            (Err(error), _) => return Err(error.into()),
        },
    };
    output::text(format_args!("{}", summary_text(&recipe, image, classes)?));
    Ok(())
}

/// The layers of a recipe as a table.
pub(super) fn summary_text(
    recipe: &Recipe,
    image: [usize; 3],
    classes: usize,
) -> Result<String, TrainError> {
    let layers = Layer::with_classes(&recipe.layers, classes);
    let layers = summarize(&layers, image, recipe.precision)?;
    let mut text = String::new();
    let [h, w, c] = image;
    let _ = writeln!(text, "{}: {}", recipe.name, recipe.description);
    let _ = writeln!(
        text,
        "{:<16} {:<16} {:>12} {:>12} {:>12}",
        "layer", "output", "parameters", "FLOP/image", "bytes/image"
    );
    let _ = writeln!(text, "{:<16} {:<16} {:>12}", "input", format!("[{h}, {w}, {c}]"), "");
    if !recipe.precision.is_f32() {
        let _ = writeln!(text, "{:<16} stored as {}", "activations", recipe.precision);
    }
    for LayerSummary { name, output, parameters, flop, bytes: moved } in &layers {
        let _ = writeln!(
            text,
            "{name:<16} {:<16} {:>12} {:>12} {:>12}",
            output.to_string(),
            grouped(*parameters),
            decimal(*flop),
            bytes(usize::try_from(*moved).unwrap_or(usize::MAX))
        );
    }
    let parameters: usize = layers.iter().map(|l| l.parameters).sum();
    let flop: u64 = layers.iter().map(|l| l.flop).sum();
    let _ = writeln!(text, "{:<33} {:>12} {:>12}", "total", grouped(parameters), decimal(flop));
    Ok(text)
}

/// Height, width and channels of a set's images.
pub(super) fn image_of(data: &Dataset) -> [usize; 3] {
    [data.height, data.width, data.channels]
}

/// Prints the compiled training step of a recipe.
pub(super) fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let data = read_data(&recipe, &args.data)?;
    let executor = open_quickly(&args.device, &args.picks)?;
    let programs = compile_all(&recipe, &data, executor.caps(), executor.picks())?;
    let Some(program) = programs.into_iter().next() else { return Ok(()) };
    if let Some(folder) = &args.wgsl {
        let count = wgsl::write(&program, executor.info(), folder)?;
        output::line(format_args!("{count} kernels in {}", folder.display()));
    } else if args.json {
        output::line(format_args!("{}", serde_json::to_string_pretty(&program)?));
    } else if args.dot {
        output::text(format_args!("{}", dot(&program)));
    } else {
        output::text(format_args!("{}", listing(&program)));
    }
    Ok(())
}

fn listing(program: &Program) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:>3} {:<22} {:<24} {:<26} {:>9} {:>10}",
        "", "layer", "op", "variant", "FLOP", "bytes"
    );
    for (index, step) in program.steps.iter().enumerate() {
        let cost = step.cost();
        let _ = writeln!(
            text,
            "{index:>3} {:<22} {:<24} {:<26} {:>9} {:>10}",
            step.scope,
            step.op.title(),
            format!("{} x{}", step.variant, step.dispatches.len()),
            decimal(cost.flop),
            bytes(usize::try_from(cost.bytes).unwrap_or(usize::MAX)),
        );
        for (kind, operands) in [("<-", &step.inputs), ("->", &step.outputs)] {
            for operand in operands {
                let buffer = &program.buffers[operand.region.buffer];
                let _ = writeln!(
                    text,
                    "      {kind} {:<22} {} + {}",
                    operand.ty.to_string(),
                    buffer.name,
                    operand.region.offset
                );
            }
        }
    }
    let _ = writeln!(text, "\nbuffers");
    for buffer in &program.buffers {
        let role = format!("{:?}", buffer.role).to_lowercase();
        let _ = writeln!(text, "  {:<28} {role:<8} {:>12}", buffer.name, bytes(buffer.bytes));
    }
    let cost = program.cost();
    let _ = writeln!(
        text,
        "\n{} steps, {} dispatches, {} kernels, {}FLOP and {} of operands per run",
        program.steps.len(),
        program.dispatch_count(),
        program.kernels.len(),
        decimal(cost.flop),
        bytes(usize::try_from(cost.bytes).unwrap_or(usize::MAX)),
    );
    let _ = writeln!(
        text,
        "memory: {} in all, of which states {}, gradients {}, activations {}",
        bytes(program.total_bytes()),
        bytes(program.bytes_of(Role::State)),
        bytes(program.bytes_of(Role::Arena)),
        bytes(program.bytes_of(Role::Slot) + program.bytes_of(Role::Output)),
    );
    if program.texture_bytes() > 0 {
        let _ = writeln!(text, "        textures {}", bytes(program.texture_bytes()));
    }
    text
}

/// Steps as nodes; an edge from the step that wrote a region last to each step that reads it.
fn dot(program: &Program) -> String {
    let mut text =
        String::from("digraph program {\n  node [shape=box, fontname=\"sans-serif\"];\n");
    let mut writer: std::collections::HashMap<(usize, usize), usize> =
        std::collections::HashMap::new();
    for (index, step) in program.steps.iter().enumerate() {
        let shape = step.outputs.first().map(|o| o.ty.to_string()).unwrap_or_default();
        let name = step.op.title();
        let _ = writeln!(text, "  s{index} [label=\"{name}\\n{}\\n{shape}\"];", step.scope);
        for operand in &step.inputs {
            let place = (operand.region.buffer, operand.region.offset);
            match writer.get(&place) {
                Some(from) => {
                    let _ = writeln!(text, "  s{from} -> s{index};");
                }
                None => {
                    let buffer = &program.buffers[operand.region.buffer].name;
                    let _ = writeln!(text, "  \"{buffer}\" [shape=ellipse];");
                    let _ = writeln!(text, "  \"{buffer}\" -> s{index};");
                }
            }
        }
        for operand in &step.outputs {
            writer.insert((operand.region.buffer, operand.region.offset), index);
        }
    }
    text.push_str("}\n");
    text
}
