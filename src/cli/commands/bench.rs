//! `verigrad bench`: speed of kernels, or of the training step of a recipe.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::bench::{
    KernelOptions, MemoryAt, ModelRow, SetupPart, Timing, compare, comparison_table, json_lines,
    kernel_table, measure_kernels, measure_peaks, measure_steps, model_text, roofline,
    roofline_table,
};
use crate::cli::args::{DataArgs, DeviceArgs, RecipeArgs};
use crate::cli::device::open::{PickArgs, open_device, open_gpu};
use crate::cli::failure::Failure;
use crate::cli::inputs::loading::{load_recipe, read_data};
use crate::cli::trace::write_trace;
use crate::cli::{device::memory, output};
use crate::compile::Picks;
use crate::exec::{Clock, DeviceChoice, RunProfile};
use crate::input::{self, MOST_OF_A_TEXT};
use crate::train::{RunPrograms, TrainError, Trainer, builtin_recipes};
use crate::tune::know_device;

/// Arguments of `verigrad bench`.
#[derive(Debug, Args)]
pub(in crate::cli) struct BenchArgs {
    /// A recipe (name, or path to a .toml file), or a text that the names of ops contain; all ops
    /// where absent
    #[arg(default_value = "", hide_default_value = true, value_name = "OP|RECIPE")]
    what: String,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    picks: PickArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Instead of the benchmarks of ops, matrix products of these sizes, e.g. 1024x1024x1024
    #[arg(long, value_name = "MxKxN,...", value_delimiter = ',', value_parser = product_size)]
    products: Vec<[usize; 3]>,
    /// Measure the variant that is chosen first, and no others
    #[arg(long)]
    first: bool,
    /// Of ops, only the cases whose names contain this text
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    cases: String,
    /// Seconds to measure a recipe for
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Repetitions that share these seconds
    #[arg(long, default_value_t = 5)]
    repetitions: u32,
    /// Run a recipe for this many steps first, and show how memory develops
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Write a trace of a few steps of a recipe, for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    /// Compare with an earlier output of --json; exit code 1 where something got slower
    #[arg(long, value_name = "FILE.json")]
    compare: Option<PathBuf>,
    /// Change a value of the recipe
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Append each row to a file as soon as it is measured, as a JSON line
    #[arg(long, value_name = "FILE.jsonl")]
    jsonl: Option<PathBuf>,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Reads the size of a matrix product.
fn product_size(text: &str) -> Result<[usize; 3], String> {
    let sizes: Result<Vec<usize>, _> = text.split('x').map(str::parse).collect();
    let sizes = sizes.ok().and_then(|sizes| <[usize; 3]>::try_from(sizes).ok());
    sizes.filter(|sizes| !sizes.contains(&0)).ok_or_else(|| {
        format!("{text} is no size of a product; write rows, length and columns, as in 64x128x32")
    })
}

/// Most steps that are profiled for the table and the trace.
const PROFILED_STEPS: usize = 5;

/// Measures and prints.
pub(in crate::cli) fn measure(args: &BenchArgs) -> Result<(), Failure> {
    let is_file = Path::new(&args.what).extension().is_some_and(|extension| extension == "toml");
    if is_file || builtin_recipes().iter().any(|recipe| recipe.name == args.what) {
        measure_recipe(args)
    } else {
        measure_ops(args)
    }
}

/// Appends a row to a file, where one is named, so that a run that is ended keeps it.
fn append<R: Serialize>(path: Option<&Path>, row: &R) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let line = format!("{}\n", serde_json::to_string(row)?);
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

/// Prints a measurement, and its comparison with the baseline where one was named.
fn print(args: &BenchArgs, json: &str, text: &str) -> Result<(), Failure> {
    output::text(format_args!("{}", if args.json { json } else { text }));
    let Some(path) = &args.compare else { return Ok(()) };
    let baseline = input::read_text(path, MOST_OF_A_TEXT)
        .map_err(|error| format!("the baseline {} cannot be read: {error}", path.display()))?;
    let comparisons = compare(&baseline, json)?;
    let table = comparison_table(&comparisons);
    if args.json {
        output::note(format_args!("{table}"));
    } else {
        output::text(format_args!("\n{table}"));
    }
    let worse = comparisons.iter().filter(|comparison| comparison.is_regression()).count();
    if worse == 0 { Ok(()) } else { Err(format!("{worse} measurements got worse").into()) }
}

fn measure_ops(args: &BenchArgs) -> Result<(), Failure> {
    let choice: DeviceChoice = args.device.device.parse()?;
    let mut gpu = open_gpu(&choice)?;
    know_device(&mut gpu, Picks::default());
    let peaks = measure_peaks(&mut gpu)?;
    let options = KernelOptions {
        filter: args.what.clone(),
        cases: args.cases.clone(),
        products: args.products.clone(),
        first_only: args.first,
    };
    let mut appended = Ok(());
    let rows = measure_kernels(&mut gpu, &peaks, &options, &mut |row| {
        log::info!("{} {} {}", row.op, row.case, row.variant);
        if appended.is_ok() {
            appended = append(args.jsonl.as_deref(), row);
        }
    })?;
    appended?;
    if rows.is_empty() {
        let names: Vec<&str> = builtin_recipes().iter().map(|recipe| recipe.name).collect();
        let (what, names) = (&args.what, names.join(", "));
        return Err(
            format!("no op with benchmarks and no recipe ({names}) is called {what}").into()
        );
    }
    print(args, &json_lines(&rows)?, &kernel_table(&peaks, &rows))
}

/// The parts of a preparation, timed one after another.
struct Setup {
    last: Instant,
    parts: Vec<SetupPart>,
}

impl Setup {
    fn start() -> Self {
        Self { last: Instant::now(), parts: Vec::new() }
    }

    /// Ends a part that began when the one before ended.
    fn end(&mut self, name: &str) {
        let seconds = self.last.elapsed().as_secs_f64();
        self.parts.push(SetupPart { name: name.to_owned(), seconds });
        self.last = Instant::now();
    }

    /// Ends several parts, which were timed elsewhere.
    fn end_parts(&mut self, parts: &[(&str, Duration)]) {
        let parts = parts.iter().map(|&(name, time)| (name.to_owned(), time.as_secs_f64()));
        self.parts.extend(parts.map(|(name, seconds)| SetupPart { name, seconds }));
        self.last = Instant::now();
    }
}

/// What was measured while the trainer held the device.
struct Measured {
    timing: Timing,
    host_seconds_per_step: f64,
    profiles: Vec<RunProfile>,
    memory: Vec<MemoryAt>,
}

fn measure_recipe(args: &BenchArgs) -> Result<(), Failure> {
    let named = RecipeArgs { recipe: args.what.clone(), set: args.set.clone() };
    let recipe = load_recipe(&named)?;
    let mut setup = Setup::start();
    let mut executor = open_device(&args.device, &args.picks)?;
    setup.end("device");
    let data = read_data(&recipe, &args.data)?;
    setup.end("data");
    let programs = RunPrograms::compile(&recipe, &data, executor.caps(), executor.picks())?;
    memory::check(executor.as_ref(), &programs, &data)?;
    let mut trainer = Trainer::with_programs(executor.as_mut(), programs, data.into())?;
    let times = trainer.setup();
    setup.end_parts(&[
        ("compile", times.compile),
        ("pipelines", times.load),
        ("upload", times.upload),
        ("evaluation", times.rest),
    ]);
    trainer.run_steps(1)?;
    setup.end("first step");

    let measured = measure_trainer(args, &mut trainer)?;
    let program = trainer.program().clone();
    let device_bytes = trainer.tensor_bytes() as u64;
    let peak_host_bytes = memory::peak();
    drop(trainer);
    // Last: its buffers would count as memory of the run.
    let peaks = measure_peaks(executor.as_mut())?;
    let Measured { timing, host_seconds_per_step, profiles, memory } = measured;
    if let Some(path) = &args.trace {
        write_trace(path, &program, &executor.info().name, &profiles)?;
    }
    let mut busy: Vec<f64> = profiles.iter().map(RunProfile::busy).collect();
    busy.sort_by(f64::total_cmp);
    let busy = busy.get(busy.len() / 2).copied().unwrap_or(0.0);
    let steps_per_second = 1.0 / timing.seconds.max(f64::MIN_POSITIVE);
    let batch = u32::try_from(recipe.batch_size)?;
    let row = ModelRow {
        device: executor.info().name.clone(),
        model: recipe.name.clone(),
        batch,
        timing,
        steps_per_second,
        images_per_second: steps_per_second * f64::from(batch),
        seconds_to_first_step: setup.parts.iter().map(|part| part.seconds).sum(),
        setup: setup.parts,
        launches: Some(program.launches()),
        host_seconds_per_step,
        busy_seconds_per_step: busy,
        idle_seconds_per_step: (timing.seconds - busy).max(0.0),
        peak_host_bytes,
        device_bytes,
        memory,
        clock: profiles.first().map_or(Clock::Host, |profile| profile.clock),
        ops: roofline(&program, &profiles, &peaks),
        peaks,
    };
    let text = format!(
        "{}\none step, {}\n{}",
        model_text(&row),
        row.clock.description(),
        roofline_table(&row.peaks, &row.ops)
    );
    append(args.jsonl.as_deref(), &row)?;
    print(args, &json_lines(&[row])?, &text)
}

/// Memory in the course of many steps where asked for, speed, and profiles.
fn measure_trainer(args: &BenchArgs, trainer: &mut Trainer<'_>) -> Result<Measured, TrainError> {
    let mut memory = Vec::new();
    if let Some(steps) = args.steps {
        let part = steps.div_ceil(10).max(1);
        let mut done = 0;
        while done < steps {
            let now = part.min(steps - done);
            trainer.run_steps(now)?;
            done += now;
            memory
                .extend(memory::resident().map(|host_bytes| MemoryAt { steps: done, host_bytes }));
        }
    }
    let (host_before, steps_before) = (trainer.host_seconds(), trainer.steps());
    let duration = Duration::from_secs(args.seconds);
    let timing = measure_steps(duration, args.repetitions, |steps| trainer.run_steps(steps))?;
    let steps = trainer.steps() - steps_before;
    #[expect(clippy::cast_precision_loss, reason = "a number of steps, far below 2^53")]
    let host_seconds_per_step = (trainer.host_seconds() - host_before) / steps.max(1) as f64;
    let mut profiles = vec![trainer.profile_step()?];
    let started = Instant::now();
    while profiles.len() < PROFILED_STEPS && started.elapsed() < duration {
        profiles.push(trainer.profile_step()?);
    }
    Ok(Measured { timing, host_seconds_per_step, profiles, memory })
}
