//! Comparison with an earlier measurement.

use std::fmt::Write as _;

use super::units::duration;
use super::{KernelRow, ModelRow, Timing};

/// A median must change by this factor before it counts as a change.
const CHANGE: f64 = 1.1;

/// What became of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No change beyond noise.
    Same,
    /// Faster.
    Faster,
    /// Slower: a regression.
    Slower,
    /// Could be measured before, and can be no more: a regression.
    Lost,
    /// The baseline does not have it.
    New,
}

/// A measurement beside its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What was measured.
    pub name: String,
    /// In the baseline.
    pub before: Option<Timing>,
    /// Now.
    pub now: Option<Timing>,
    /// What became of it.
    pub verdict: Verdict,
}

impl Comparison {
    fn new(name: String, before: Option<Timing>, now: Option<Timing>) -> Self {
        let verdict = match (&before, &now) {
            (None, _) => Verdict::New,
            (Some(_), None) => Verdict::Lost,
            (Some(before), Some(now)) => judge(before, now),
        };
        Self { name, before, now, verdict }
    }

    /// Whether something got worse.
    pub fn is_regression(&self) -> bool {
        matches!(self.verdict, Verdict::Slower | Verdict::Lost)
    }
}

/// A change counts where it is larger than the noise of both measurements: the medians differ by
/// more than a tenth, and no sample of one is within the samples of the other.
fn judge(before: &Timing, now: &Timing) -> Verdict {
    if now.seconds > CHANGE * before.seconds && now.fastest > before.slowest {
        Verdict::Slower
    } else if before.seconds > CHANGE * now.seconds && before.fastest > now.slowest {
        Verdict::Faster
    } else {
        Verdict::Same
    }
}

/// A named measurement: device, what, time; no time where it could not be taken.
type Measured = (String, Option<Timing>);

/// Compares a measurement with a baseline, both as `--json` printed them. What only the baseline
/// has was not measured and is left out.
///
/// # Errors
/// When a line of either is no measurement; the message says which.
pub fn compare(baseline: &str, now: &str) -> Result<Vec<Comparison>, String> {
    let baseline = read(baseline).map_err(|error| format!("the baseline's {error}"))?;
    let now = read(now)?;
    let before = |name: &String| {
        baseline.iter().find(|(known, _)| known == name).and_then(|(_, timing)| *timing)
    };
    Ok(now
        .into_iter()
        .map(|(name, timing)| {
            let before = before(&name);
            Comparison::new(name, before, timing)
        })
        .collect())
}

fn read(lines: &str) -> Result<Vec<Measured>, String> {
    let lines = lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            read_line(line)
                .map_err(|error| format!("line {} is no measurement: {error}", number + 1))
        })
        .collect()
}

fn read_line(line: &str) -> Result<Measured, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_str(line)?;
    if value.get("model").is_some() {
        let row: ModelRow = serde_json::from_value(value)?;
        return Ok((format!("{} x {} on {}", row.model, row.batch, row.device), Some(row.timing)));
    }
    let row: KernelRow = serde_json::from_value(value)?;
    let name = format!("{} {} {} on {}", row.op, row.case, row.variant, row.device);
    Ok((name, row.timing))
}

/// A line for each comparison with its ratio of medians, and how many got worse.
pub fn comparison_table(comparisons: &[Comparison]) -> String {
    let mut text = format!("{:>11}{:>11}{:>8}  {:<8} what\n", "before", "now", "ratio", "");
    for comparison in comparisons {
        let time = |timing: Option<Timing>| timing.map_or("-".to_owned(), |t| duration(t.seconds));
        let ratio = match (comparison.before, comparison.now) {
            (Some(before), Some(now)) => {
                format!("{:.2}", now.seconds / before.seconds.max(f64::MIN_POSITIVE))
            }
            _ => "-".to_owned(),
        };
        let verdict = match comparison.verdict {
            Verdict::Same => "",
            Verdict::Faster => "faster",
            Verdict::Slower => "SLOWER",
            Verdict::Lost => "LOST",
            Verdict::New => "new",
        };
        let (before, now) = (time(comparison.before), time(comparison.now));
        let name = &comparison.name;
        let _ = writeln!(text, "{before:>11}{now:>11}{ratio:>8}  {verdict:<8} {name}");
    }
    let worse = comparisons.iter().filter(|comparison| comparison.is_regression()).count();
    let _ = writeln!(
        text,
        "\n{worse} of {} got worse: slower by more than a tenth in the median, with no sample as \
         fast as the slowest before",
        comparisons.len()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, samples: &[f64]) -> String {
        let timing = (!samples.is_empty()).then(|| Timing::of(samples.to_vec(), 1));
        let row = KernelRow {
            device: "a GPU".to_owned(),
            op: "matmul".to_owned(),
            case: case.to_owned(),
            variant: "tiled".to_owned(),
            flop: 1,
            bytes: 1,
            timing,
            gigaflops: 1.0,
            gigabytes_per_second: 1.0,
            share_of_peak: 0.5,
            fastest: true,
            error: None,
        };
        serde_json::to_string(&row).expect("plain data") + "\n"
    }

    fn verdict(before: &[f64], now: &[f64]) -> Verdict {
        let compared = compare(&row("c", before), &row("c", now)).expect("its own form");
        compared[0].verdict
    }

    #[test]
    fn only_changes_beyond_noise_count() {
        assert_eq!(verdict(&[1.0, 1.1, 1.2], &[1.0, 1.1, 1.2]), Verdict::Same);
        assert_eq!(verdict(&[1.0, 1.1, 1.2], &[1.5, 1.6, 1.7]), Verdict::Slower);
        assert_eq!(verdict(&[1.5, 1.6, 1.7], &[1.0, 1.1, 1.2]), Verdict::Faster);
        // A larger median within the spread of the samples is noise.
        assert_eq!(verdict(&[1.0, 1.1, 1.6], &[1.5, 1.6, 1.7]), Verdict::Same);
        // A small change is none, however steady.
        assert_eq!(verdict(&[1.0, 1.0, 1.0], &[1.05, 1.05, 1.05]), Verdict::Same);
        assert_eq!(verdict(&[1.0], &[]), Verdict::Lost);
        assert_eq!(verdict(&[], &[1.0]), Verdict::New);
    }

    #[test]
    fn rows_are_matched_by_name() {
        let baseline = row("a", &[1.0]) + &row("b", &[1.0]);
        let now = row("b", &[2.0]) + &row("c", &[1.0]);
        let compared = compare(&baseline, &now).expect("its own form");
        let verdicts: Vec<_> = compared.iter().map(|c| c.verdict).collect();
        assert_eq!(verdicts, [Verdict::Slower, Verdict::New]);
        let table = comparison_table(&compared);
        assert!(table.contains("2.00  SLOWER") && table.contains("1 of 2"), "{table}");
        let error = compare("{}", &now).expect_err("no measurement");
        assert!(error.contains("baseline's line 1"), "{error}");
    }
}
