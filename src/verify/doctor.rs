//! The check of a device: every op of the registry, on every case, by every kernel it could run.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::facts::{Fact, device_facts};
use super::{CaseCheck, Failure, check_gradient, check_infer, host_kernels, lowerings};
use crate::compile::AuditCounts;
use crate::exec::{DeviceInfo, ExecError, Executor};
use crate::graph::Case;
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
}

/// How far [`diagnose`] has come, told before each case.
#[derive(Debug, Clone, Copy)]
pub struct DoctorProgress<'a> {
    /// Cases that are done.
    pub done: usize,
    /// Cases in all.
    pub total: usize,
    /// Name of the op.
    pub op: &'a str,
    /// Name of the case that comes next.
    pub case: &'a str,
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
    /// Time spent, in seconds.
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
    let selected: Vec<&OpEntry> =
        entries().filter(|entry| entry.name.contains(&options.filter)).collect();
    let report = diagnose_ops(&selected, executor, options, progress);
    DoctorReport { facts, seconds: start.elapsed().as_secs_f64(), ..report }
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
    let mut report = DoctorReport {
        device: executor.info().clone(),
        large: options.large,
        facts: Vec::new(),
        ops: Vec::new(),
        audits: AuditCounts::default(),
        aborted: None,
        seconds: 0.0,
    };
    let with_cases = |entry: &&OpEntry| {
        let mut cases = entry.cases_for(executor.caps());
        cases.retain(|case| options.large || !case.bench);
        (entry.name, cases)
    };
    let selected: Vec<(&str, Vec<Case>)> = ops.iter().map(with_cases).collect();
    let total = selected.iter().map(|(_, cases)| cases.len()).sum();
    let mut done = 0;
    for (name, cases) in &selected {
        let start = Instant::now();
        let mut op = OpReport { op: (*name).to_owned(), ..OpReport::default() };
        for case in cases {
            progress(DoctorProgress { done, total, op: name, case: &case.name });
            done += 1;
            report.aborted = check_case(executor, case, options, &mut op);
            if report.aborted.is_some() {
                break;
            }
        }
        op.seconds = start.elapsed().as_secs_f64();
        report.ops.push(op);
        if report.aborted.is_some() {
            break;
        }
    }
    report.audits = executor.audit_counts();
    report.seconds = start.elapsed().as_secs_f64();
    report
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
            Err(Failure::Exec(error @ ExecError::Lost { .. })) => Some(error.to_string()),
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
