//! The report of `doctor` as text, readable in 80 columns.

use std::fmt::Write as _;

use super::doctor::{DoctorReport, OpReport};
use crate::compile::AuditCounts;

/// Columns that the text keeps to, where no single word is longer.
const WIDTH: usize = 80;
/// Failures of one op that are printed; the rest is counted.
const FAILURES_SHOWN: usize = 3;

/// Writes a report as text: device, facts, a line for each op, failures, and the sum in the last
/// line.
pub fn render(report: &DoctorReport) -> String {
    let mut text = String::new();
    let device = &report.device;
    line(&mut text, "", &device.to_string());
    if !report.facts.is_empty() {
        text.push_str("\nWhat this device does (! = kernels must know it):\n");
    }
    for fact in &report.facts {
        let mark = if fact.hazard { '!' } else { ' ' };
        line(&mut text, &format!("{mark} {:<19}", fact.name), &fact.value);
    }
    text.push('\n');
    let _ = writeln!(
        text,
        "  {:<28}{:>6}{:>9}{:>11}{:>8}{:>8}{:>8}",
        "op", "cases", "kernels", "gradients", "passed", "failed", "time"
    );
    for op in &report.ops {
        let mark = if op.failed > 0 { '!' } else { ' ' };
        let _ = writeln!(
            text,
            "{mark} {:<28}{:>6}{:>9}{:>11}{:>8}{:>8}{:>7.1}s",
            op.op, op.cases, op.lowerings, op.gradients, op.passed, op.failed, op.seconds
        );
    }
    for op in report.ops.iter().filter(|op| op.failed > 0) {
        render_failures(&mut text, op);
    }
    text.push('\n');
    if let Some(reason) = &report.aborted {
        line(&mut text, "ended early: ", reason);
    }
    if !report.audits.is_empty() {
        let AuditCounts { proved, by_data, refused } = report.audits;
        let _ = writeln!(
            text,
            "{proved} kernels proved to need no checks, {by_data} checked because of data, {refused} \
             refused"
        );
    }
    if !report.large {
        text.push_str("without the large shapes of real models (--large)\n");
    }
    let (passed, failed) = (report.passed(), report.failed());
    let _ = writeln!(
        text,
        "{passed} checks passed, {failed} failed in {:.0} s on {} ({})",
        report.seconds, device.name, device.driver
    );
    text
}

fn render_failures(text: &mut String, op: &OpReport) {
    let _ = writeln!(text, "\n{}:", op.op);
    for failure in op.failures.iter().take(FAILURES_SHOWN) {
        line(text, "  ", failure);
    }
    let hidden = op.failures.len().saturating_sub(FAILURES_SHOWN);
    if hidden > 0 {
        let _ = writeln!(text, "  and {hidden} more");
    }
}

/// Writes `words` behind `indent`, wrapped at [`WIDTH`]; further lines start below the first word.
fn line(text: &mut String, indent: &str, words: &str) {
    let margin = indent.chars().count();
    let mut column = margin;
    text.push_str(indent);
    for (i, word) in words.split_whitespace().enumerate() {
        let width = word.chars().count();
        if i > 0 && column + 1 + width > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(margin));
            column = margin;
        } else if i > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{CpuExecutor, DeviceInfo};
    use crate::verify::{DoctorOptions, Fact, diagnose};

    fn example() -> DoctorReport {
        let failing = OpReport {
            op: "matmul".to_owned(),
            cases: 31,
            lowerings: 62,
            gradients: 25,
            passed: 92,
            failed: 5,
            failures: vec![
                "nn_3x5x7, one_per_thread: output 0: ".to_owned() + &"word ".repeat(30);
                5
            ],
            seconds: 123.4,
        };
        DoctorReport {
            device: DeviceInfo::cpu(),
            large: false,
            facts: vec![Fact {
                name: "loops".into(),
                value: "stop early ".repeat(9),
                hazard: true,
            }],
            ops: vec![failing],
            audits: AuditCounts { proved: 4000, by_data: 200, refused: 1 },
            aborted: None,
            seconds: 125.0,
        }
    }

    #[test]
    fn text_keeps_to_the_width_and_ends_with_the_sum() {
        let text = render(&example());
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(WIDTH), "{text}");
        assert!(text.contains("and 2 more"), "{text}");
        assert!(text.contains("4000 kernels proved") && text.contains("1 refused"), "{text}");
        let last = text.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("92 checks passed, 5 failed in 125 s on CPU executor ("),
            "{last}"
        );
    }

    #[test]
    fn a_report_survives_a_round_trip_as_json() {
        let json = serde_json::to_string(&example()).expect("a report is plain data");
        let again: DoctorReport = serde_json::from_str(&json).expect("its own form");
        assert_eq!(again, example());
    }

    #[test]
    fn the_cpu_executor_is_healthy_and_progress_is_told() {
        let mut seen = Vec::new();
        let options = DoctorOptions { filter: "binary".to_owned(), ..DoctorOptions::default() };
        let report = diagnose(&mut CpuExecutor::new(), &options, &mut |progress| {
            seen.push((progress.done, progress.total));
        });
        assert!(report.is_healthy(), "{}", render(&report));
        assert_eq!(report.facts, []);
        assert_eq!(seen.len(), report.ops[0].cases);
        assert!(
            seen.iter().enumerate().all(|(i, &(done, total))| done == i + 1 && total == seen.len())
        );
    }
}
