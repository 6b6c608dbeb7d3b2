//! `verigrad recipes`: the recipes inside the binary, by data set, in 80 columns; one of them as a text to start
//! from; whether files are recipes; and their schema.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::args::RecipeArgs;
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::load_recipe;
use crate::cli::output;
use crate::cli::text::layers::IMAGENET_CLASSES;
use crate::nn::{Layer, summarize};
use crate::report::format::grouped;
use crate::train::{Recipe, TrainError, builtin_recipes, write_atomically};

/// Columns of names and numbers.
const COLUMNS: usize = 30;

/// Arguments of `verigrad recipes`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct RecipesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<RecipesCommand>,
}

#[derive(Debug, Subcommand)]
enum RecipesCommand {
    /// Print a recipe as TOML: a text to start from
    Show(ShowArgs),
    /// Check files of recipes: keys, values, and whether the layers fit together
    Check(CheckArgs),
    /// Print the JSON Schema of recipes, by which editors complete keys and explain them
    Schema(SchemaArgs),
}

#[derive(Debug, Args)]
struct SchemaArgs {
    /// Write it to this file instead
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Print every key, also those that have their default, in place of the text with its comments
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Recipes: .toml files, or names of built-in ones
    #[arg(required = true, value_name = "FILE.toml")]
    recipes: Vec<String>,
}

/// A recipe as JSON tells it.
#[derive(Serialize)]
struct Listed {
    name: String,
    description: String,
    dataset: &'static str,
    /// Absent where images have no size of their own.
    parameters: Option<usize>,
}

/// Lists the built-in recipes, or looks at some.
pub(in crate::cli) fn run(args: &RecipesArgs) -> Result<(), Failure> {
    match &args.command {
        None => list(args.json),
        Some(RecipesCommand::Show(args)) => show(args),
        Some(RecipesCommand::Check(args)) => check(&args.recipes),
        Some(RecipesCommand::Schema(args)) => schema(args.output.as_deref()),
    }
}

/// Prints the text of a built-in recipe; where something is changed or everything is asked for, what it
/// amounts to.
fn show(args: &ShowArgs) -> Result<(), Failure> {
    let recipe = load_recipe(&args.recipe)?;
    let mut builtin = builtin_recipes().iter();
    match builtin.find(|builtin| builtin.name == args.recipe.recipe) {
        Some(builtin) if !args.full && args.recipe.set.is_empty() => {
            output::text(format_args!("{}", builtin.text));
        }
        _ => output::text(format_args!("{}", recipe.to_toml()?)),
    }
    Ok(())
}

/// Prints the schema, or writes it and says how an editor finds it.
fn schema(output: Option<&Path>) -> Result<(), Failure> {
    let schema = Recipe::json_schema();
    let Some(path) = output else { return Ok(output::json(&schema)?) };
    let text = serde_json::to_string_pretty(&schema)?;
    write_atomically(path, format!("{text}\n").as_bytes())?;
    let name = path.file_name().unwrap_or(path.as_os_str()).display();
    output::line(format_args!("wrote {}", path.display()));
    output::line(format_args!("first line of a recipe beside it: #:schema ./{name}"));
    Ok(())
}

/// Says of each recipe what it is, or what is wrong with it.
fn check(recipes: &[String]) -> Result<(), Failure> {
    let mut wrong = 0;
    for name in recipes {
        let args = RecipeArgs { recipe: name.clone(), set: Vec::new() };
        let checked = load_recipe(&args).and_then(|recipe| {
            let parameters = parameters_of(&recipe)?.map(grouped);
            let parameters = parameters.map_or_else(String::new, |n| format!(", {n} parameters"));
            Ok(format!("{name}: a recipe on {}{parameters}", recipe.data.dataset.name()))
        });
        match checked {
            Ok(text) => output::line(format_args!("{text}")),
            Err(error) => {
                wrong += 1;
                output::note(format_args!("error: {error}"));
            }
        }
    }
    match wrong {
        0 => Ok(()),
        wrong => {
            Err(format!("{wrong} of {} are no recipes that can be trained", recipes.len()).into())
        }
    }
}

fn list(as_json: bool) -> Result<(), Failure> {
    if as_json {
        let listed = builtin_recipes().iter().map(|builtin| {
            let recipe = Recipe::builtin(builtin.name, &[])?;
            let (dataset, parameters) = (recipe.data.dataset.name(), parameters_of(&recipe)?);
            Ok(Listed { name: recipe.name, description: recipe.description, dataset, parameters })
        });
        return Ok(output::json(&listed.collect::<Result<Vec<_>, TrainError>>()?)?);
    }
    output::text(format_args!("{}", listing()?));
    Ok(())
}

fn listing() -> Result<String, TrainError> {
    let mut text = String::new();
    let mut group = String::new();
    for builtin in builtin_recipes() {
        let recipe = Recipe::builtin(builtin.name, &[])?;
        let data = data_of(&recipe);
        if data != group {
            let _ = writeln!(text, "{}{data}", if group.is_empty() { "" } else { "\n" });
            group = data;
        }
        let parameters = parameters_of(&recipe)?.map(grouped).unwrap_or_default();
        let (name, description) = (&recipe.name, &recipe.description);
        // Numbers are right-aligned; a long name moves its own.
        let width = COLUMNS.saturating_sub(name.len());
        let _ = writeln!(text, "  {name} {parameters:>width$}  {description}");
    }
    let _ = writeln!(
        text,
        "\nNumbers are parameters; on image folders, those of models with 1,000 classes."
    );
    Ok(text)
}

/// The data set, for a heading.
fn data_of(recipe: &Recipe) -> String {
    let kind = recipe.data.dataset;
    match (kind.image(), kind.classes()) {
        (Some([h, w, c]), Some(classes)) => {
            format!("{}: {h}x{w}x{c}, {classes} classes", kind.name())
        }
        _ => format!("{}: any images, one folder per class", kind.name()),
    }
}

/// Trainable numbers, where the recipe alone decides the size of images.
fn parameters_of(recipe: &Recipe) -> Result<Option<usize>, TrainError> {
    let Some(image) = recipe.data.image() else { return Ok(None) };
    let classes = recipe.data.dataset.classes().unwrap_or(IMAGENET_CLASSES);
    let layers = Layer::with_classes(&recipe.layers, classes);
    let layers = summarize(&layers, image, recipe.precision)?;
    Ok(Some(layers.iter().map(|layer| layer.parameters).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_fits_80_columns_and_groups_by_data() {
        let text = listing().expect("built-in recipes are valid");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let headings: Vec<_> = text.lines().filter(|line| line.contains(": ")).collect();
        let names: std::collections::BTreeSet<_> =
            headings.iter().map(|line| line.split(':').next()).collect();
        assert_eq!(names.len(), headings.len(), "a data set has one group: {headings:?}");
        assert!(text.contains("  mnist-cnn               232,650  "), "{text}");
        assert!(text.contains("  alexnet              61,100,840  "), "{text}");
    }
}
