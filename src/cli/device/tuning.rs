//! Measures the variants of a run's kernels, and keeps the picks.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::failure::{Failure, Interrupted};
use crate::cli::interrupt;
use crate::cli::output;
use crate::compile::Picks;
use crate::data::Splits;
use crate::exec::Executor;
use crate::report::format::{duration, grouped};
use crate::train::{Recipe, RunPrograms};
use crate::tune::{self, Outcome, Spent, Tuned, store};

/// Where picks go, and how long measuring them may take.
#[derive(Debug, Default)]
pub(in crate::cli) struct TuneOptions<'a> {
    /// The file; the one of the device where absent.
    pub output: Option<&'a Path>,
    /// No op is begun after this time.
    pub budget: Option<Duration>,
    /// How to go on once it is interrupted.
    pub go_on: &'a str,
}

/// Measures what has no pick yet in the programs of a run, keeps each pick as it comes, and prints
/// what became of it.
pub(in crate::cli) fn tune_programs(
    executor: &mut dyn Executor,
    programs: &RunPrograms,
    options: &TuneOptions<'_>,
) -> Result<Picks, Failure> {
    let started = Instant::now();
    interrupt::flag()?;
    let tasks =
        tune::tasks(&programs.iter().collect::<Vec<_>>(), executor.caps(), executor.picks());
    if tasks.is_empty() {
        output::line(format_args!("nothing to tune: every op has one variant, or has its pick"));
        return Ok(Picks::default());
    }
    let device = executor.info().clone();
    let mut total = Total::default();
    let mut kept: Result<Option<PathBuf>, store::StoreError> = Ok(None);
    let picks = tune::tune(executor, &tasks, options.budget, &mut |progress| {
        total.add(progress.tuned);
        let (done, all) = (progress.done, tasks.len());
        output::line(format_args!("{done:>3}/{all} {}", describe(progress.tuned)));
        if kept.is_ok() && !progress.picks.is_empty() {
            kept = store::save(progress.picks, &device, options.output).map(Some);
        }
        match interrupt::has_come() && done < all {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let picks = picks.inspect_err(|_| {
        if total.tasks > 0 && kept.is_ok() {
            output::note(format_args!(
                "{} of {} ops are measured; their picks are kept. Go on with {}",
                total.tasks,
                tasks.len(),
                options.go_on
            ));
        }
    })?;
    total.print(tasks.len(), started.elapsed());
    if let Some(path) = kept? {
        output::line(format_args!("picks    {}", path.display()));
    }
    if total.tasks < tasks.len() && interrupt::has_come() {
        return Err(Interrupted(format!(
            "\ninterrupted after {} of {} ops; their picks are kept. Go on with {}",
            total.tasks,
            tasks.len(),
            options.go_on
        ))
        .into());
    }
    Ok(picks)
}

/// What became of all candidates.
#[derive(Debug, Default)]
struct Total {
    tasks: usize,
    candidates: usize,
    slow: usize,
    dropped: usize,
    saved: f64,
    spent: Spent,
}

impl Total {
    fn add(&mut self, tuned: &Tuned) {
        let count = |is: fn(&Outcome) -> bool| {
            tuned.candidates.iter().filter(|candidate| is(&candidate.outcome)).count()
        };
        self.tasks += 1;
        self.candidates += tuned.candidates.len();
        self.slow += count(|outcome| matches!(outcome, Outcome::Slow(_)));
        self.dropped += count(|outcome| matches!(outcome, Outcome::Dropped(_)));
        self.saved += saving(tuned).unwrap_or(0.0);
        self.spent.add(tuned.spent);
    }

    fn print(&self, tasks: usize, elapsed: Duration) {
        let checked = self.candidates - self.slow;
        output::line(format_args!(
            "tuned    {} of {tasks} ops, {} variants checked against the reference, {} too slow to \
             be checked, {} dropped, {:.2} ms faster in all, in {}",
            self.tasks,
            grouped(checked),
            self.slow,
            self.dropped,
            1e3 * self.saved,
            duration(elapsed)
        ));
        let Spent { compiling, reference, checking, timing } = self.spent;
        output::line(format_args!(
            "         compiling {compiling:.1} s, references {reference:.1} s, checks {checking:.1} \
             s, timing {timing:.1} s"
        ));
    }
}

/// Seconds by which the pick is faster than the best guess.
fn saving(tuned: &Tuned) -> Option<f64> {
    Some(tuned.candidates.first()?.seconds()? - tuned.pick()?.seconds()?)
}

fn describe(tuned: &Tuned) -> String {
    let name = format!("{} {}", tuned.task.scope, tuned.task.op.title());
    let Some((pick, seconds)) = tuned.pick().and_then(|pick| Some((pick, pick.seconds()?))) else {
        return format!("{name:<40} no variant is right; see the log");
    };
    let ratio = match tuned.candidates.first().and_then(|guess| guess.seconds()) {
        // Less than a thousand runs would earn what the best guess takes longer to compile.
        Some(guess) if guess < seconds => "slower, but compiles faster".to_owned(),
        Some(guess) => format!("{:.2} x the best guess", guess / seconds),
        None => "the best guess was dropped".to_owned(),
    };
    let (variant, milliseconds) = (&pick.lowering.variant, 1e3 * seconds);
    let count = tuned.candidates.len();
    format!("{name:<40} {variant:<26} {milliseconds:>9.3} ms  {ratio}, of {count}")
}

/// The programs of a training whose kernels are tuned first: what has no pick yet is measured and
/// kept. None where the device has nothing to tune.
pub(in crate::cli) fn tuned_programs(
    executor: &mut dyn Executor,
    recipe: &Recipe,
    data: &Splits,
) -> Result<Option<RunPrograms>, Failure> {
    if executor.info().kind == "cpu" {
        output::line(format_args!("the CPU executor has nothing to tune"));
        return Ok(None);
    }
    let mut programs = RunPrograms::compile(recipe, data, executor.caps(), executor.picks())?;
    let measured = tune_programs(
        executor,
        &programs,
        &TuneOptions { go_on: "the same command", ..TuneOptions::default() },
    )?;
    if !measured.is_empty() {
        let mut all = executor.picks().clone();
        all.merge(measured.clone());
        executor.pin(all);
        programs.take_picks(&measured, executor.picks(), executor.caps())?;
    }
    Ok(Some(programs))
}
