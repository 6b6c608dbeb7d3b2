//! `verigrad compare`: several recipes or runs side by side.

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::inputs::stored_run::StoredRun;
use crate::cli::interrupt;
use crate::cli::members::{
    DataOfRecipes, Member, MemberArgs, TestBench, interrupted_behind, name_of, obtain_all,
    shared_classes,
};
use crate::cli::text::comparison::comparison_text;
use crate::cli::{output, pages};
use crate::nn::{Layer, summarize};
use crate::report::{ComparedRun, Comparison, RunCurves, write_comparison_curves};
use crate::train::{EpochRecord, RunDir, SplitEvaluation, write_atomically};

/// Arguments of `verigrad compare`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    /// Run directories, which are used as they are, and recipes, which are trained first
    #[arg(required = true, value_name = "RUN|RECIPE")]
    what: Vec<String>,
    #[command(flatten)]
    members: MemberArgs,
}

/// Trains what is not trained yet, compares, and leaves a folder with the tables.
pub(in crate::cli) fn compare(args: &CompareArgs) -> Result<(), Failure> {
    if args.what.len() < 2 {
        return Err("a comparison takes at least two runs or recipes; name another one".into());
    }
    let set = &args.members.set;
    let members =
        args.what.iter().map(|name| Member::find(name, set)).collect::<Result<Vec<_>, _>>()?;
    let mut data = DataOfRecipes::new(&args.members.data, &members);
    let classes = shared_classes(&members, &mut data)?;
    let n = members.len();
    let dirs = obtain_all(members, &args.members, &mut data, "compare")?;
    let mut bench = TestBench::new(&args.members);
    let (mut runs, mut curves) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for dir in &dirs {
        if interrupt::has_come() {
            return Err(interrupted_behind(&dirs, "compare"));
        }
        let run = StoredRun::open(dir.path(), args.members.weights)?;
        let test = match stored_figures(&run) {
            Some(figures) => figures,
            None => bench.evaluate(&run, data.test_set(&run.trained.recipe)?)?.0,
        };
        let epochs = run.dir.epochs()?;
        runs.push(compared(&run, &test, &epochs)?);
        curves.push(RunCurves { name: name_of(run.dir.path()), epochs });
    }
    let comparison = Comparison::new(classes, runs);
    let folder = RunDir::create(&args.members.runs, "compare")?;
    let text = comparison_text(&comparison);
    let write = |name: &str, text: &str| {
        write_atomically(&folder.path().join(name), text.as_bytes()).map_err(Failure::from)
    };
    write("table.txt", &text)?;
    write("table.csv", &comparison.runs_csv())?;
    write("classes.csv", &comparison.classes_csv())?;
    folder.write_result(&comparison)?;
    for (i, run) in curves.iter_mut().enumerate() {
        run.name = format!("{}  {}", i + 1, run.name);
    }
    write_comparison_curves(&folder.curves(), "Comparison", &curves)?;
    pages::after_comparison(&dirs, &folder);
    output::text(format_args!("\n{text}"));
    output::line(format_args!("\nleft in  {}", folder.path().display()));
    Ok(())
}

/// What `evaluation.json` has about the weights in question.
fn stored_figures(run: &StoredRun) -> Option<SplitEvaluation> {
    // Where it cannot be read, the run is evaluated again.
    let evaluation = run.dir.evaluation().ok()??;
    let fits = evaluation.weights == run.which.evaluated()
        && evaluation.classes == run.trained.record.classes;
    fits.then(|| evaluation.splits.get("test").cloned()).flatten()
}

fn compared(
    run: &StoredRun,
    test: &SplitEvaluation,
    epochs: &[EpochRecord],
) -> Result<ComparedRun, Failure> {
    let layers = Layer::with_classes(&run.trained.recipe.layers, run.trained.record.classes.len());
    let layers = summarize(&layers, run.trained.record.image, run.trained.recipe.precision)?;
    let trained: f64 = epochs.iter().map(|epoch| epoch.seconds).sum();
    let images: f64 = epochs.iter().map(|epoch| epoch.seconds * epoch.images_per_second).sum();
    // Where they cannot be read, the rest is told without them.
    let seconds = run.dir.result().ok().flatten().map(|result| result.seconds);
    let device = run.dir.device().ok().flatten().map(|device| device.name);
    Ok(ComparedRun {
        name: name_of(run.dir.path()),
        path: run.dir.path().display().to_string(),
        recipe: run.trained.recipe.name.clone(),
        weights: run.which.name().to_owned(),
        test_accuracy: test.accuracy,
        test_loss: test.loss.is_finite().then_some(test.loss),
        test_examples: test.examples,
        test_correct: test.correct(),
        macro_f1: test.macro_average.f1,
        parameters: run.trained.model.arena.parameter_count(),
        flop_per_image: layers.iter().map(|layer| layer.flop).sum(),
        epochs: epochs.last().map_or(0, |epoch| epoch.epoch),
        seconds: seconds.filter(|seconds| seconds.is_finite()).unwrap_or(trained),
        images_per_second: if trained > 0.0 { images / trained } else { 0.0 },
        device: device.unwrap_or_else(|| "unknown".to_owned()),
        class_accuracy: test.per_class.iter().map(|class| class.accuracy).collect(),
    })
}
