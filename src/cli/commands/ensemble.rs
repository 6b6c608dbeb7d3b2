//! `verigrad ensemble`: several models whose class probabilities are averaged.

use std::fs;
use std::path::Path;

use clap::Args;

use crate::cli::args::RecipeArgs;
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{load_recipe, recipe_of};
use crate::cli::inputs::stored_run::StoredRun;
use crate::cli::interrupt;
use crate::cli::members::{
    DataOfRecipes, Member, MemberArgs, TestBench, interrupted_behind, name_of, obtain_all,
    shared_classes,
};
use crate::cli::text::figures::{details, headline, percent};
use crate::cli::{output, pages};
use crate::report::format::loss;
use crate::report::{Align, Table};
use crate::train::{
    EnsembleResult, EvaluatedWeights, Evaluation, MemberResult, Predicted, Predictions, Recipe,
    RunDir, SplitEvaluation, write_atomically,
};

/// Arguments of `verigrad ensemble`.
#[derive(Debug, Args)]
pub(in crate::cli) struct EnsembleArgs {
    /// A recipe, of which members with different seeds are trained; or several runs and recipes
    #[arg(required = true, value_name = "RECIPE|RUN")]
    what: Vec<String>,
    /// Members of a recipe [default: 3]: with its seed, the next one, and so on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    members: Option<u64>,
    /// Weight of each member in the average, e.g. 2,1,1 [default: all the same]
    #[arg(long, value_name = "W,W,...", value_delimiter = ',')]
    member_weights: Vec<f64>,
    #[command(flatten)]
    common: MemberArgs,
}

/// Trains the members that are missing, averages, and leaves a folder with the figures.
pub(in crate::cli) fn ensemble(args: &EnsembleArgs) -> Result<(), Failure> {
    let members = members(args)?;
    let n = members.len();
    let weights = match args.member_weights.len() {
        0 => vec![1.0; n],
        given if given == n => args.member_weights.clone(),
        given => return Err(format!("--member-weights: {given} weights for {n} members").into()),
    };
    let mut data = DataOfRecipes::new(&args.common.data, &members);
    let classes = shared_classes(&members, &mut data)?;
    // Weights that cannot be are found before anything is trained.
    let nothing = vec![Predictions::of_probabilities(Vec::new(), Vec::new(), classes.len()); n];
    Predictions::average(&nothing, &weights)?;
    let name = members.first().map(Member::recipe).transpose()?.map(|recipe| recipe.name);
    let mut dirs = obtain_all(members, &args.common, &mut data, "ensemble")?;
    let mut bench = TestBench::new(&args.common);
    let (mut results, mut predictions) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for (dir, &weight) in dirs.iter().zip(&weights) {
        if interrupt::has_come() {
            return Err(interrupted_behind(&dirs, "ensemble"));
        }
        let run = StoredRun::open(dir.path(), args.common.weights)?;
        let (figures, predicted) = bench.evaluate(&run, data.test_set(&run.trained.recipe)?)?;
        results.push(member_result(&run, weight, &figures));
        predictions.push(predicted);
    }
    let whole = Predictions::average(&predictions, &weights)
        .map_err(|why| format!("the members cannot be averaged: {why}"))?;
    let test = whole.evaluate(&classes);
    let name = name.unwrap_or_default();
    let folder = RunDir::create(&args.common.runs, &format!("{name}-ensemble"))?;
    let result = result(name, &classes, results, &test);
    let text = format!("{}\n{}\n{}", table(&result), headline("ensemble", &test), details(&test));
    write_atomically(&folder.path().join("table.txt"), text.as_bytes())?;
    folder.write_result(&result)?;
    folder.write_evaluation(&Evaluation {
        weights: EvaluatedWeights::Ensemble,
        classes,
        splits: [("test".to_owned(), test)].into(),
    })?;
    folder.write_predictions(&Predicted::Classes(whole))?;
    dirs.push(folder.clone());
    pages::after_comparison(&dirs, &folder);
    output::text(format_args!("\n{text}"));
    output::line(format_args!("\nleft in  {}", folder.path().display()));
    Ok(())
}

/// The members that the arguments name.
fn members(args: &EnsembleArgs) -> Result<Vec<Member>, Failure> {
    let set = &args.common.set;
    if let [single] = args.what.as_slice() {
        return match Member::find(single, set)? {
            Member::Run(dir) => {
                let path = dir.path().display();
                Err(format!("{path} is one run; an ensemble takes several, or a recipe").into())
            }
            Member::Recipe(recipe) => {
                let (named, recipe) = *recipe;
                let count = args.members.unwrap_or(3);
                (0..count).map(|i| seeded(&named, &recipe, i, &args.common.runs)).collect()
            }
        };
    }
    if args.members.is_some() {
        return Err("--members counts the members of a single recipe; leave it out".into());
    }
    args.what.iter().map(|name| Member::find(name, set)).collect()
}

/// Member `i` of a recipe: a finished run of the very same recipe where there is one.
fn seeded(args: &RecipeArgs, recipe: &Recipe, i: u64, runs: &Path) -> Result<Member, Failure> {
    let seed = recipe.seed.checked_add(i).ok_or("there are no more seeds; choose a lower one")?;
    let mut set = args.set.clone();
    set.push(format!("seed={seed}"));
    let args = RecipeArgs { recipe: args.recipe.clone(), set };
    let recipe = load_recipe(&args)?;
    if let Some(dir) = finished(&recipe, runs) {
        output::line(format_args!("seed {seed}: {} is there already", dir.path().display()));
        return Ok(Member::Run(dir));
    }
    Ok(Member::Recipe(Box::new((args, recipe))))
}

/// A finished run of a recipe, the latest one.
fn finished(recipe: &Recipe, runs: &Path) -> Option<RunDir> {
    let entries = fs::read_dir(runs).ok()?.filter_map(Result::ok);
    let number = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_prefix(&recipe.name)?.strip_prefix('-')?;
        number.parse::<u32>().ok()
    };
    let mut candidates: Vec<(u32, RunDir)> = entries
        .filter_map(|entry| Some((number(&entry)?, RunDir::open(&entry.path()).ok()?)))
        .collect();
    candidates.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let same = |dir: &RunDir| {
        dir.result_path().is_file() && recipe_of(dir).is_ok_and(|found| found == *recipe)
    };
    candidates.into_iter().map(|(_, dir)| dir).find(same)
}

fn member_result(run: &StoredRun, weight: f64, figures: &SplitEvaluation) -> MemberResult {
    MemberResult {
        run: name_of(run.dir.path()),
        path: run.dir.path().display().to_string(),
        recipe: run.trained.recipe.name.clone(),
        seed: run.trained.recipe.seed,
        weights: run.which.name().to_owned(),
        weight,
        test_accuracy: figures.accuracy,
        test_loss: figures.loss,
        macro_f1: figures.macro_average.f1,
    }
}

fn result(
    name: String,
    classes: &[String],
    members: Vec<MemberResult>,
    test: &SplitEvaluation,
) -> EnsembleResult {
    let accuracies = || members.iter().map(|member| member.test_accuracy);
    #[expect(clippy::cast_precision_loss, reason = "a number of members")]
    let n = members.len().max(1) as f64;
    EnsembleResult {
        verigrad: env!("CARGO_PKG_VERSION").to_owned(),
        name,
        classes: classes.len(),
        mean_member_accuracy: accuracies().sum::<f64>() / n,
        best_member_accuracy: accuracies().fold(0.0, f64::max),
        test_accuracy: test.accuracy,
        test_loss: test.loss,
        test_examples: test.examples,
        macro_f1: test.macro_average.f1,
        members,
    }
}

fn table(result: &EnsembleResult) -> Table {
    let mut table = Table::new(&[
        ("member", Align::Left),
        ("seed", Align::Right),
        ("weights", Align::Left),
        ("weight", Align::Right),
        ("accuracy", Align::Right),
        ("loss", Align::Right),
        ("macro F1", Align::Right),
    ]);
    for member in &result.members {
        table.row([
            member.run.clone(),
            member.seed.to_string(),
            member.weights.clone(),
            format!("{}", member.weight),
            percent(member.test_accuracy),
            loss(member.test_loss),
            percent(member.macro_f1),
        ]);
    }
    let mean = percent(result.mean_member_accuracy);
    table.row(["mean of members", "", "", "", &mean, "", ""]);
    table.row([
        "ensemble".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        percent(result.test_accuracy),
        loss(result.test_loss),
        percent(result.macro_f1),
    ]);
    table
}
