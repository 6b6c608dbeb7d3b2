//! Floor 6: measurements of the device, of kernels and of models, as data and as tables.
//!
//! Every time is the median of several submissions, each long enough that its own cost does not
//! count. Numbers are only worth something with device, driver and command beside them: the rows
//! name the device, whoever prints them adds the rest.
//!
//! ```no_run
//! use verigrad::bench::{KernelOptions, kernel_table, measure_kernels, measure_peaks};
//! use verigrad::exec::{DeviceChoice, open_gpu};
//!
//! let mut gpu = open_gpu(&DeviceChoice::Gpu)?;
//! let peaks = measure_peaks(&mut gpu)?;
//! let rows = measure_kernels(&mut gpu, &peaks, &KernelOptions::default(), &mut |_| {})?;
//! println!("{}", kernel_table(&peaks, &rows));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod device_peak;
mod error;
mod host_peak;
mod kernel;
mod model;
mod peaks;
mod probes;
mod roofline;
mod table;
mod timing;
mod trace;
mod units;

pub use compare::{Comparison, Verdict, compare, comparison_table};
pub use device_peak::{measure_device, measure_peaks};
pub use error::BenchError;
pub use kernel::{KernelOptions, KernelRow, measure_kernels, time_lowering};
pub use model::{MemoryAt, ModelRow, SetupPart, measure_steps};
pub use peaks::DevicePeaks;
pub use roofline::{Bound, RooflineRow, roofline, roofline_table};
pub use table::{json_lines, kernel_table, model_text};
pub use timing::{Timing, time_in_turns, time_trial};
pub use trace::chrome_trace;
