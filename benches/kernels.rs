//! `cargo bench`: the speed of every kernel on every benchmark case.
//!
//! `VERIGRAD_DEVICE` chooses the device (a number or a part of a name, as `--device`), a text on
//! the command line the ops (`cargo bench -- conv2d`), and `--json` prints JSON lines.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints")]

use std::error::Error;

use verigrad::bench::{KernelOptions, json_lines, kernel_table, measure_kernels, measure_peaks};
use verigrad::exec::{DeviceChoice, open_gpu};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    let choice: DeviceChoice = std::env::var("VERIGRAD_DEVICE").unwrap_or_default().parse()?;
    let choice =
        if choice == DeviceChoice::Name(String::new()) { DeviceChoice::Gpu } else { choice };
    let mut gpu = open_gpu(&choice)?;
    let peaks = measure_peaks(&mut gpu)?;
    let options = KernelOptions { filter, ..KernelOptions::default() };
    let rows = measure_kernels(&mut gpu, &peaks, &options, &mut |row| {
        let milliseconds = 1e3 * row.seconds();
        eprintln!("{} {} {}: {milliseconds:.3} ms", row.op, row.case, row.variant);
    })?;
    if arguments.iter().any(|a| a == "--json") {
        print!("{}", json_lines(&rows)?);
    } else {
        print!("{}", kernel_table(&peaks, &rows));
    }
    Ok(())
}
