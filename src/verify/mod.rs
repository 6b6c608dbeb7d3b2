//! Verification: every lowering and host kernel of every op against its reference, and every
//! gradient rule against finite differences. Tests, `verigrad doctor` and the tuner run the same
//! code. [`single_step`] makes a program of one lowering.
//!
//! ```
//! use verigrad::exec::CpuExecutor;
//! use verigrad::verify::{DoctorOptions, diagnose, render};
//!
//! let options = DoctorOptions { filter: "sum_rows".to_owned(), ..DoctorOptions::default() };
//! let report = diagnose(&mut CpuExecutor::new(), &options, &mut |_| {});
//! assert!(report.is_healthy(), "{}", render(&report));
//! ```

mod contract;
mod doctor;
mod doctor_text;
mod facts;
mod gradient;
mod host;
mod inputs;
pub(crate) mod probe;
mod sample;
mod single_step;
mod trial;

pub use contract::{
    CaseCheck, Failure, bounded_lowerings, check_infer, check_lowering, checked_step,
    folded_lowerings, lowerings, signature,
};
pub use doctor::{
    DoctorOptions, DoctorProgress, DoctorReport, OpReport, diagnose, diagnose_in_parallel,
    diagnose_ops,
};
pub use doctor_text::render;
pub use facts::{Fact, device_facts};
pub use gradient::check_gradient;
pub use host::{check_host_kernel, host_kernels};
pub use inputs::make_inputs;
pub use sample::sample_positions;
pub use single_step::{kernel_texts, single_step};
pub use trial::{Trial, TrialRun, passes_small_cases};
