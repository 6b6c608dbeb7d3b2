//! The check of a device: every op of the registry, on every case, by every kernel it could run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::facts::{Fact, device_facts};
use super::{CaseCheck, Failure, check_gradient, check_infer, host_kernels, lowerings};
use crate::compile::AuditCounts;
use crate::exec::{DeviceInfo, ExecError, Executor, GpuExecutor};
use crate::graph::{Caps, Case};
use crate::ops::{OpEntry, entries};

/// What [`diagnose`] checks.
#[derive(Debug, Clone, Default)]
pub struct DoctorOptions {
    /// Also check the large shapes of real models that benchmarks use: their references take
    /// minutes.
    pub large: bool,
    /// Leave out the gradient rules, which do not depend on the device.
    pub quick: bool,
    /// Only ops whose name contains this text.
    pub filter: String,
    /// Only the op whose name is `filter`.
    pub exact: bool,
}

/// How far [`diagnose`] has come, told after each case.
#[derive(Debug, Clone, Copy)]
pub struct DoctorProgress<'a> {
    /// Cases that are done.
    pub done: usize,
    /// Cases in all.
    pub total: usize,
    /// Name of the op.
    pub op: &'a str,
    /// Name of the case that was done last.
    pub case: &'a str,
    /// The verdict on the op, where that was its last case.
    pub verdict: Option<&'a OpReport>,
}

/// Checks of one op.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OpReport {
    /// Name of the op.
    pub op: String,
    /// Cases.
    pub cases: usize,
    /// Lowerings that were run, or host kernels on the CPU, over all cases.
    pub lowerings: usize,
    /// Gradient rules that were checked, over all cases.
    pub gradients: usize,
    /// Checks passed.
    pub passed: usize,
    /// Checks failed.
    pub failed: usize,
    /// What failed, each as `case, variant: message`.
    pub failures: Vec<String>,
    /// Time spent, in seconds: the sum over its cases, some of which may have been checked at once.
    pub seconds: f64,
}

/// The result of [`diagnose`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// The device.
    pub device: DeviceInfo,
    /// Whether the large cases were checked.
    pub large: bool,
    /// What the device does where WGSL leaves it a choice.
    pub facts: Vec<Fact>,
    /// Results by op, in the order of the registry.
    pub ops: Vec<OpReport>,
    /// How many of their kernels run without checks of indices, since these were proved.
    #[serde(default)]
    pub audits: AuditCounts,
    /// Why the check ended early, if it did: the device was lost.
    pub aborted: Option<String>,
    /// Time spent in all, in seconds.
    pub seconds: f64,
}

impl DoctorReport {
    /// Checks passed, over all ops.
    pub fn passed(&self) -> usize {
        self.ops.iter().map(|op| op.passed).sum()
    }

    /// Checks failed, over all ops.
    pub fn failed(&self) -> usize {
        self.ops.iter().map(|op| op.failed).sum()
    }

    /// Whether the device can be trusted: something was checked, nothing failed, and no part was
    /// left out by the loss of the device.
    pub fn is_healthy(&self) -> bool {
        self.failed() == 0 && self.passed() > 0 && self.aborted.is_none()
    }
}

/// Runs the registry on one device. Failures are results, not errors; only the loss of the device
/// ends the run early.
pub fn diagnose(
    executor: &mut dyn Executor,
    options: &DoctorOptions,
    progress: &mut dyn FnMut(DoctorProgress<'_>),
) -> DoctorReport {
    let start = Instant::now();
    let facts = device_facts(executor);
    let report = diagnose_ops(&selected(options), executor, options, progress);
    DoctorReport { facts, seconds: start.elapsed().as_secs_f64(), ..report }
}

/// The ops of the registry that the options ask for.
fn selected(options: &DoctorOptions) -> Vec<&'static OpEntry> {
    let asked_for = |entry: &&OpEntry| match options.exact {
        true => entry.name == options.filter,
        false => entry.name.contains(&options.filter),
    };
    entries().filter(asked_for).collect()
}

/// Checks given ops as [`diagnose`] checks those of the registry, whatever the options' filter: for
/// ops that are defined elsewhere. The device itself is not examined.
pub fn diagnose_ops(
    ops: &[&OpEntry],
    executor: &mut dyn Executor,
    options: &DoctorOptions,
    progress: &mut dyn FnMut(DoctorProgress<'_>),
) -> DoctorReport {
    let start = Instant::now();
    let jobs = jobs(ops, executor.caps(), options);
    let mut tally = Tally::new(ops, &jobs);
    for (number, job) in jobs.iter().enumerate() {
        let (report, lost) = job.run(executor, options);
        tally.add(number, report, lost, progress);
        if tally.aborted.is_some() {
            break;
        }
    }
    let report = tally.into_report(executor.info(), options, start);
    DoctorReport { audits: executor.audit_counts(), ..report }
}

/// Runs the registry like [`diagnose`], on `threads` threads, each with a device that it opens. Cases
/// are handed out in the order of the registry, and so are the results.
///
/// # Errors
/// When the first device cannot be opened.
pub fn diagnose_in_parallel(
    open: &(dyn Fn() -> Result<GpuExecutor, ExecError> + Sync),
    threads: usize,
    options: &DoctorOptions,
    progress: &mut dyn FnMut(DoctorProgress<'_>),
) -> Result<DoctorReport, ExecError> {
    let start = Instant::now();
    let mut first = open()?;
    let (info, facts) = (first.info().clone(), device_facts(&mut first));
    let ops = selected(options);
    let jobs = jobs(&ops, first.caps(), options);
    let mut tally = Tally::new(&ops, &jobs);
    drop(first);
    let next = AtomicUsize::new(0);
    let audits = Mutex::new(AuditCounts::default());
    let (sender, results) = channel();
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len().max(1)) {
            let (jobs, next, audits, sender) = (&jobs, &next, &audits, sender.clone());
            scope.spawn(move || work(open, jobs, next, options, audits, &sender));
        }
        drop(sender);
        for (number, report, lost) in results {
            tally.add(number, report, lost, progress);
            if tally.aborted.is_some() {
                next.store(jobs.len(), Ordering::Relaxed);
            }
        }
    });
    let audits = audits.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(DoctorReport { facts, audits, ..tally.into_report(&info, options, start) })
}

/// A result: the number of its job, the report, and why the device was lost, if it was.
type JobResult = (usize, OpReport, Option<String>);

/// Does one job after another on a device of its own.
fn work(
    open: &(dyn Fn() -> Result<GpuExecutor, ExecError> + Sync),
    jobs: &[Job],
    next: &AtomicUsize,
    options: &DoctorOptions,
    audits: &Mutex<AuditCounts>,
    results: &Sender<JobResult>,
) {
    let retire = |device: &GpuExecutor| {
        audits.lock().unwrap_or_else(PoisonError::into_inner).add(device.audit_counts());
    };
    /// Pipelines after which the device is opened anew: compiled kernels take a megabyte each, as
    /// long as their device is open.
    const MOST_PIPELINES: usize = 500;
    let mut device: Option<GpuExecutor> = None;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = jobs.get(number) else { break };
        if let Some(full) = device.take_if(|device| device.pipelines() > MOST_PIPELINES) {
            retire(&full);
        }
        let opened = match device.take() {
            Some(device) => Ok(device),
            None => open(),
        };
        let result = match opened {
            Ok(mut opened) => {
                let (report, lost) = job.run(&mut opened, options);
                device = Some(opened);
                (number, report, lost)
            }
            Err(error) => (number, OpReport::default(), Some(error.to_string())),
        };
        // Nobody waits where the run has ended.
        if results.send(result).is_err() {
            break;
        }
    }
    device.iter().for_each(retire);
}

/// A case to check.
struct Job {
    /// Position of its op.
    op: usize,
    case: Case,
}

/// The cases that options ask for, op by op.
fn jobs(ops: &[&OpEntry], caps: &Caps, options: &DoctorOptions) -> Vec<Job> {
    let of_op = |(op, entry): (usize, &&OpEntry)| {
        let mut cases = entry.cases_for(caps);
        cases.retain(|case| options.large || !case.bench);
        cases.into_iter().map(move |case| Job { op, case })
    };
    ops.iter().enumerate().flat_map(of_op).collect()
}

impl Job {
    /// What was found, and the reason where the device was lost.
    fn run(
        &self,
        executor: &mut dyn Executor,
        options: &DoctorOptions,
    ) -> (OpReport, Option<String>) {
        let start = Instant::now();
        let mut report = OpReport::default();
        let lost = check_case(executor, &self.case, options, &mut report);
        report.seconds = start.elapsed().as_secs_f64();
        (report, lost)
    }
}

/// Results as they come, in whatever order.
struct Tally<'a> {
    jobs: &'a [Job],
    names: Vec<&'static str>,
    /// The report on each case.
    cases: Vec<Option<OpReport>>,
    aborted: Option<String>,
    done: usize,
}

impl<'a> Tally<'a> {
    fn new(ops: &[&OpEntry], jobs: &'a [Job]) -> Self {
        let names = ops.iter().map(|entry| entry.name).collect();
        let cases = jobs.iter().map(|_| None).collect();
        Self { jobs, names, cases, aborted: None, done: 0 }
    }

    fn add(
        &mut self,
        number: usize,
        report: OpReport,
        lost: Option<String>,
        progress: &mut dyn FnMut(DoctorProgress<'_>),
    ) {
        let Job { op, case } = &self.jobs[number];
        self.cases[number] = Some(report);
        self.done += 1;
        self.aborted = self.aborted.take().or(lost);
        let is_last = self.of_op(*op).all(|case| case.is_some());
        let verdict = is_last.then(|| self.verdict(*op));
        progress(DoctorProgress {
            done: self.done,
            total: self.jobs.len(),
            op: self.names[*op],
            case: &case.name,
            verdict: verdict.as_ref(),
        });
    }

    fn of_op(&self, op: usize) -> impl Iterator<Item = Option<&OpReport>> {
        let cases = self.jobs.iter().zip(&self.cases);
        cases.filter(move |(job, _)| job.op == op).map(|(_, report)| report.as_ref())
    }

    /// The sum over the cases of an op that are done, in their order.
    fn verdict(&self, op: usize) -> OpReport {
        let mut sum = OpReport { op: self.names[op].to_owned(), ..OpReport::default() };
        self.of_op(op).flatten().for_each(|case| sum.add(case));
        sum
    }

    fn into_report(
        self,
        device: &DeviceInfo,
        options: &DoctorOptions,
        start: Instant,
    ) -> DoctorReport {
        // After the loss of a device, ops of which nothing was checked are left out.
        let begun = |op: &usize| self.aborted.is_none() || self.of_op(*op).flatten().count() > 0;
        let ops = (0..self.names.len()).filter(begun).map(|op| self.verdict(op)).collect();
        DoctorReport {
            device: device.clone(),
            large: options.large,
            facts: Vec::new(),
            ops,
            audits: AuditCounts::default(),
            aborted: self.aborted.clone(),
            seconds: start.elapsed().as_secs_f64(),
        }
    }
}

/// Checks one case; gives the reason where the device was lost.
fn check_case(
    executor: &mut dyn Executor,
    case: &Case,
    options: &DoctorOptions,
    op: &mut OpReport,
) -> Option<String> {
    op.cases += 1;
    op.note(case, "infer", check_infer(case));
    let found = lowerings(case, executor.caps());
    let checked = found.as_ref().map(|(sig, lowerings)| (CaseCheck::new(case, sig), lowerings));
    let (check, lowerings) = match checked {
        Ok((Ok(check), lowerings)) => (check, lowerings),
        Ok((Err(error), _)) => {
            op.note(case, "reference", Err(error.into()));
            return None;
        }
        Err(error) => {
            op.note(case, "infer", Err(error.clone().into()));
            return None;
        }
    };
    let mut count = lowerings.len();
    if executor.info().kind == "cpu" {
        // The CPU executor runs the same code whatever the lowering.
        count = count.min(1);
        for (variant, kernel) in host_kernels(case).unwrap_or_default().iter().enumerate() {
            op.lowerings += 1;
            op.note(case, kernel.variant, check.check_host_kernel(variant));
        }
    }
    for lowering in lowerings.iter().take(count) {
        op.lowerings += 1;
        let result = check.check(executor, lowering);
        let lost = match &result {
            Err(Failure::Exec(error)) if error.ends_device() => Some(error.to_string()),
            _ => None,
        };
        op.note(case, &lowering.variant, result);
        if lost.is_some() {
            return lost;
        }
    }
    if case.gradient && !options.quick {
        op.gradients += 1;
        op.note(case, "gradient", check_gradient(case));
    }
    None
}

impl OpReport {
    /// Adds the checks of further cases.
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.lowerings += other.lowerings;
        self.gradients += other.gradients;
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend_from_slice(&other.failures);
        self.seconds += other.seconds;
    }

    fn note(&mut self, case: &Case, what: &str, result: Result<(), Failure>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(failure) => {
                self.failed += 1;
                self.failures.push(format!("{}, {what}: {failure}", case.name));
            }
        }
    }
}
