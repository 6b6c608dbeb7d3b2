//! Measurements as text: tables for people, JSON lines for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::units::{duration, rate};
use super::{DevicePeaks, KernelRow, ModelRow};
use crate::compile::Launches;

/// One JSON object a line.
///
/// # Errors
/// When a row holds a number that JSON cannot express.
pub fn json_lines<T: Serialize>(rows: &[T]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

/// The peaks, and a line for each lowering, in at most 100 columns where names are not too long.
/// The fastest lowering of each case has a star.
pub fn kernel_table(peaks: &DevicePeaks, rows: &[KernelRow]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", peaks.device);
    let _ = writeln!(
        text,
        "peaks: {} GFLOP/s multiply-add, {} GB/s copy\n",
        rate(peaks.gigaflops),
        rate(peaks.gigabytes_per_second)
    );
    let _ = writeln!(
        text,
        "{:<54}{:>11}{:>10}{:>9}{:>7}",
        "op, case, variant", "time", "GFLOP/s", "GB/s", "peak"
    );
    let mut heading = String::new();
    for row in rows {
        let of_row = format!("{} {}", row.op, row.case);
        if of_row != heading {
            let _ = writeln!(text, "{of_row}");
            heading = of_row;
        }
        let mark = if row.fastest { '*' } else { ' ' };
        match &row.error {
            Some(error) => {
                let reason = error.lines().next().unwrap_or_default();
                let _ = writeln!(text, "  {mark} {:<50}  {reason}", row.variant);
            }
            None => {
                let _ = writeln!(
                    text,
                    "  {mark} {:<50}{:>11}{:>10}{:>9}{:>6.0}%",
                    row.variant,
                    duration(row.seconds()),
                    rate(row.gigaflops),
                    rate(row.gigabytes_per_second),
                    100.0 * row.share_of_peak
                );
            }
        }
    }
    text
}

/// The speed of a model, what came before its first step, and what it holds, in lines.
pub fn model_text(row: &ModelRow) -> String {
    let mut text = format!(
        "{}, batch {}, on {}\n{:>10} images/s\n{:>10} steps/s, {} a step in the median of {} \
         times {} steps ({} to {})\n",
        row.model,
        row.batch,
        row.device,
        rate(row.images_per_second),
        rate(row.steps_per_second),
        duration(row.timing.seconds),
        row.timing.samples,
        row.timing.runs,
        duration(row.timing.fastest),
        duration(row.timing.slowest),
    );
    let _ = writeln!(
        text,
        "{:>10} of a step in which the device is busy, {} idle; the host needs {} to submit it",
        duration(row.busy_seconds_per_step),
        duration(row.idle_seconds_per_step),
        duration(row.host_seconds_per_step),
    );
    if let Some(Launches { dispatches: dispatches @ 1.., barriers }) = row.launches {
        let _ = writeln!(text, "{dispatches:>10} dispatches and {barriers} barriers in a step");
    }
    let parts: Vec<String> =
        row.setup.iter().map(|part| format!("{} {}", part.name, duration(part.seconds))).collect();
    let _ = writeln!(
        text,
        "{:>10} to the first step: {}",
        duration(row.seconds_to_first_step),
        parts.join(", ")
    );
    for at in &row.memory {
        let _ = writeln!(
            text,
            "{:>10} MiB of host memory after {} steps",
            at.host_bytes >> 20,
            at.steps
        );
    }
    let host = row
        .peak_host_bytes
        .map_or(String::new(), |bytes| format!(", {} MiB on the host at most", bytes >> 20));
    let _ = writeln!(text, "{:>10} MiB of tensors on the device{host}", row.device_bytes >> 20);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Timing;
    use crate::exec::DeviceInfo;

    #[test]
    fn rows_become_lines_of_text_and_of_json() {
        let timing = Timing { seconds: 0.012, fastest: 0.011, slowest: 0.02, samples: 5, runs: 8 };
        let row = KernelRow {
            device: "a GPU".to_owned(),
            op: "matmul".to_owned(),
            case: "bench_512x512x512".to_owned(),
            variant: "one_per_thread".to_owned(),
            flop: 268_435_456,
            bytes: 3_145_728,
            timing: Some(timing),
            gigaflops: 22.369,
            gigabytes_per_second: 0.262,
            share_of_peak: 0.55,
            fastest: true,
            error: None,
        };
        let failed = KernelRow {
            timing: None,
            fastest: false,
            error: Some("rejected".to_owned()),
            ..row.clone()
        };
        let peaks = DevicePeaks {
            device: DeviceInfo::cpu(),
            gigabytes_per_second: 10.0,
            gigaflops: 40.0,
            seconds_per_dispatch: 1e-6,
        };
        let rows = [row, failed];
        let text = kernel_table(&peaks, &rows);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("* one_per_thread") && text.contains("12.00 ms"), "{text}");
        assert!(text.contains("22.4") && text.contains("55%") && text.contains("rejected"));
        let json = json_lines(&rows).expect("rows are plain numbers");
        let again: Vec<KernelRow> =
            json.lines().map(|line| serde_json::from_str(line).expect("its own form")).collect();
        assert_eq!(again, rows);
    }
}
