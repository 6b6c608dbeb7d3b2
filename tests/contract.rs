//! The contract test: every op x case x lowering against the reference, on each device that is
//! there; every host kernel likewise; every gradient rule against finite differences. Each check is
//! a test of its own, called e.g. `gpu::conv2d::valid_3x3::one_per_thread`, `cpu::matmul::...`,
//! `gradient::softmax::...` or `infer::softmax::...`.
//!
//! `cargo test --test contract -- gpu::conv2d` runs those whose names have this text; `--list` shows
//! the names, `--format pretty` a line for each, and `--test-threads` says how many devices are
//! opened. The large shapes of real models, which benchmarks use, are checked with
//! `VERIGRAD_TEST_LARGE=1` and by `verigrad doctor --large`: their references take minutes.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use libtest_mimic::{Arguments, Failed, FormatSetting, Trial};
use rayon::prelude::*;
use verigrad::exec::gpu::adapters;
use verigrad::exec::{Executor, GpuExecutor};
use verigrad::graph::{Caps, Case, Lowering};
use verigrad::ops::{OpEntry, entries};
use verigrad::verify::{
    CaseCheck, bounded_lowerings, check_gradient, check_infer, folded_lowerings, host_kernels,
    lowerings, signature,
};

/// Most threads, each with a device of its own: the driver compiles on the thread that asks.
const MOST_DEVICES: usize = 8;
/// Pipelines after which a device is opened anew: compiled kernels take a megabyte each, as long as
/// their device is open.
const MOST_PIPELINES: usize = 500;

/// What is said where no test can run.
const NO_DEVICE: &str = "no GPU adapter; install one, e.g. mesa-vulkan-drivers";

type Outcome = Result<(), String>;

/// What is checked of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// That wrong inputs are rejected.
    Infer,
    /// The gradient rule.
    Gradient,
    /// The host kernel at this position.
    Cpu(usize),
    /// A lowering on a device, by their positions.
    Gpu(usize, usize),
}

/// Checks with the names of their tests.
type Named = Vec<(String, Check)>;

/// A case with those of its checks that were asked for, each with the test that waits for it. One
/// thread does them all, since they share the reference, which is dropped with them.
struct Job {
    case: Case,
    checks: Vec<(Check, Sender<Outcome>)>,
}

/// A kind of device.
struct Device {
    adapter: wgpu::Adapter,
    caps: Caps,
    /// Last part of the names of its tests, where there are several.
    suffix: String,
}

/// All tests, and the work of those that the arguments select.
#[derive(Default)]
struct Plan {
    trials: Vec<Trial>,
    jobs: Vec<Job>,
}

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    if args.format.is_none() && !args.quiet {
        // A line for each of thousands of tests would hide those that fail.
        args.format = Some(FormatSetting::Terse);
    }
    // The tests of the harness only wait, in order, for what our threads find.
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.test_threads.replace(1).unwrap_or(available).clamp(1, MOST_DEVICES);
    let devices = devices();
    let Plan { trials, jobs } = Plan::new(&devices, &args);
    if args.list {
        return libtest_mimic::run(&args, trials).exit_code();
    }
    if devices.is_empty() && jobs.is_empty() {
        let _ = writeln!(std::io::stderr(), "{NO_DEVICE}");
        return ExitCode::FAILURE;
    }
    let jobs = Mutex::new(jobs.into_iter());
    let counts = Counts::default();
    let conclusion = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| Worker::new(&devices, &counts).run(&jobs));
        }
        libtest_mimic::run(&args, trials)
    });
    // After the closing line, where the end of a log shows it.
    let _ = writeln!(std::io::stdout(), "{}", counts.text(devices.len()));
    conclusion.exit_code()
}

fn devices() -> Vec<Device> {
    let adapters = adapters();
    let several = adapters.len() > 1;
    let device = |(i, adapter): (usize, wgpu::Adapter)| {
        let caps = open(&adapter).expect("the adapter opens").caps().clone();
        let suffix = if several { format!("::device_{i}") } else { String::new() };
        Device { adapter, caps, suffix }
    };
    adapters.into_iter().enumerate().map(device).collect()
}

fn open(adapter: &wgpu::Adapter) -> Result<GpuExecutor, String> {
    GpuExecutor::open(adapter).map_err(|error| error.to_string())
}

impl Plan {
    fn new(devices: &[Device], args: &Arguments) -> Self {
        let mut plan = Self::default();
        let entries: Vec<&OpEntry> = entries().collect();
        // The names of lowerings are known once their kernels are written.
        let named: Vec<Vec<(Case, Named)>> =
            entries.par_iter().map(|entry| named_checks(entry, devices)).collect();
        for (entry, cases) in entries.iter().zip(named) {
            if devices.is_empty() {
                plan.without_device(entry.name);
            }
            for (case, checks) in cases {
                plan.add(case, checks, args);
            }
        }
        plan
    }

    /// A check that cannot run has not passed: where tests of an op are asked for, this one fails.
    fn without_device(&mut self, op: &str) {
        let fail = || Err(Failed::from(NO_DEVICE));
        self.trials.push(Trial::test(format!("gpu::{op}::no_adapter"), fail));
    }

    fn add(&mut self, case: Case, named: Named, args: &Arguments) {
        let mut checks = Vec::new();
        for (name, check) in named {
            let (sender, receiver) = channel::<Outcome>();
            let wait = move || match receiver.recv() {
                Ok(outcome) => outcome.map_err(Failed::from),
                Err(_) => Err(Failed::from("the thread that checks it ended")),
            };
            let trial = Trial::test(name, wait);
            if !args.is_filtered_out(&trial) && !args.is_ignored(&trial) {
                checks.push((check, sender));
            }
            self.trials.push(trial);
        }
        if !checks.is_empty() {
            self.jobs.push(Job { case, checks });
        }
    }
}

/// The cases of an op, each with the names of its checks.
fn named_checks(entry: &OpEntry, devices: &[Device]) -> Vec<(Case, Named)> {
    let with_large = std::env::var_os("VERIGRAD_TEST_LARGE").is_some();
    // Cases in 16 bits included: the host has them always.
    let with_half = Caps { f16: true, ..Caps::webgpu_default() };
    let on_devices: Vec<Vec<String>> = devices
        .iter()
        .map(|device| entry.cases_for(&device.caps).into_iter().map(|case| case.name).collect())
        .collect();
    let named = |case: Case| {
        let place = format!("{}::{}", entry.name, case.name);
        let mut named = vec![(format!("infer::{place}"), Check::Infer)];
        if case.gradient {
            named.push((format!("gradient::{place}"), Check::Gradient));
        }
        if with_large || !case.bench {
            let kernels = host_kernels(&case).expect("cases have valid shapes");
            let name = |variant: &str| format!("cpu::{place}::{variant}");
            let kernels = kernels.iter().enumerate();
            named.extend(kernels.map(|(i, kernel)| (name(kernel.variant), Check::Cpu(i))));
            for (d, device) in devices.iter().enumerate() {
                if on_devices[d].contains(&case.name) {
                    let all = all_lowerings(&case, &device.caps);
                    let name = |name: &str| format!("gpu::{place}::{name}{}", device.suffix);
                    let all = all.iter().enumerate();
                    named.extend(all.map(|(i, (variant, _))| (name(variant), Check::Gpu(d, i))));
                }
            }
        }
        (case, named)
    };
    entry.cases_for(&with_half).into_iter().map(named).collect()
}

/// What the device may run, what those may that do not read through textures, and small cases with grids as
/// large ones have them, and with bindings smaller than their operands; with the last part of the names of their tests.
fn all_lowerings(case: &Case, caps: &Caps) -> Vec<(String, Lowering)> {
    let (_, mut all) = lowerings(case, caps).expect("cases have valid shapes");
    if caps.texel_intensity.is_some() {
        let plain = Caps { texel_intensity: None, ..caps.clone() };
        let (_, mut plain) = lowerings(case, &plain).expect("cases have valid shapes");
        plain.retain(|lowering| !all.contains(lowering));
        all.extend(plain);
    }
    let folded = folded_lowerings(case, caps).expect("cases have valid shapes");
    let bounded = bounded_lowerings(case, caps).expect("cases have valid shapes");
    let named = |kind: &'static str| {
        move |lowering: Lowering| (format!("{}{kind}", lowering.variant), lowering)
    };
    let all = all.into_iter().map(named("")).chain(folded.into_iter().map(named("::folded")));
    all.chain(bounded.into_iter().map(named("::bounded"))).collect()
}

/// How many checks of each kind were made.
#[derive(Default)]
struct Counts {
    lowerings: AtomicUsize,
    host_kernels: AtomicUsize,
    gradients: AtomicUsize,
    cases: AtomicUsize,
}

impl Counts {
    fn add(&self, check: Check) {
        let count = match check {
            Check::Gpu(..) => &self.lowerings,
            Check::Cpu(_) => &self.host_kernels,
            Check::Gradient => &self.gradients,
            Check::Infer => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn text(&self, devices: usize) -> String {
        let [lowerings, host_kernels, gradients, cases] =
            [&self.lowerings, &self.host_kernels, &self.gradients, &self.cases]
                .map(|count| count.load(Ordering::Relaxed));
        format!(
            "lowerings checked: {lowerings} on {devices} device(s)\nhost kernels checked: \
             {host_kernels}\ngradients checked: {gradients}\ncases checked: {cases}"
        )
    }
}

/// A thread that takes one job after the other, with a device of its own of each kind.
struct Worker<'a> {
    devices: &'a [Device],
    counts: &'a Counts,
    opened: Vec<Option<GpuExecutor>>,
}

impl<'a> Worker<'a> {
    fn new(devices: &'a [Device], counts: &'a Counts) -> Self {
        Self { devices, counts, opened: devices.iter().map(|_| None).collect() }
    }

    fn run(&mut self, jobs: &Mutex<std::vec::IntoIter<Job>>) {
        // Not in the condition of the loop, where the lock would be held during the job.
        let next = || jobs.lock().expect("no thread has panicked").next();
        while let Some(job) = next() {
            // Tests whose check is dropped fail; a thread that is gone would leave them waiting.
            let _ = catch_unwind(AssertUnwindSafe(|| self.check(job)));
        }
    }

    fn check(&mut self, Job { case, checks }: Job) {
        let numeric = |check: Check| matches!(check, Check::Cpu(_) | Check::Gpu(..));
        self.counts.cases.fetch_add(1, Ordering::Relaxed);
        let sig = signature(&case).map_err(|error| error.to_string());
        let reference = if checks.iter().any(|(check, _)| numeric(*check)) {
            guarded(|| {
                let sig = sig.as_ref().map_err(Clone::clone)?;
                CaseCheck::new(&case, sig).map_err(|error| error.to_string())
            })
        } else {
            Err("not needed".to_owned())
        };
        let mut on_device: Option<(usize, Vec<(String, Lowering)>)> = None;
        for (check, waiting) in checks {
            let outcome = guarded(|| match check {
                Check::Infer => check_infer(&case).map_err(|failure| failure.to_string()),
                Check::Gradient => check_gradient(&case).map_err(|failure| failure.to_string()),
                Check::Cpu(variant) => {
                    let reference = reference.as_ref().map_err(Clone::clone)?;
                    reference.check_host_kernel(variant).map_err(|failure| failure.to_string())
                }
                Check::Gpu(device, position) => {
                    let reference = reference.as_ref().map_err(Clone::clone)?;
                    if on_device.as_ref().is_none_or(|(other, _)| *other != device) {
                        on_device =
                            Some((device, all_lowerings(&case, &self.devices[device].caps)));
                    }
                    let (_, all) = on_device.as_ref().expect("it was just made");
                    let executor = self.executor(device)?;
                    let name = executor.info().name.clone();
                    reference.check(executor, &all[position].1).map_err(|failure| {
                        // What was lost or is in disorder must not fail the next one.
                        self.opened[device] = None;
                        format!("{name}: {failure}")
                    })
                }
            });
            self.counts.add(check);
            // Nobody waits where the harness has ended.
            let _ = waiting.send(outcome);
        }
    }

    fn executor(&mut self, device: usize) -> Result<&mut GpuExecutor, String> {
        let place = &mut self.opened[device];
        if place.as_ref().is_some_and(|executor| executor.pipelines() > MOST_PIPELINES) {
            *place = None;
        }
        if place.is_none() {
            *place = Some(open(&self.devices[device].adapter)?);
        }
        place.as_mut().ok_or_else(|| "no device".to_owned())
    }
}

/// A panic is a failure like others, and must not keep a test waiting.
fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a message")))
    })
}
