//! What can go wrong on a device.

use thiserror::Error;

/// What can go wrong on a device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExecError {
    /// No device answers to the choice.
    #[error("no device matches --device {choice}; available: {available}")]
    NoDevice {
        /// What was asked for.
        choice: String,
        /// What there is.
        available: String,
    },
    /// The CPU executor was chosen for what only a GPU can do.
    #[error("this needs a GPU, --device cpu is none; leave --device out or see `verigrad devices`")]
    NeedsGpu,
    /// Nothing has measured whether a software GPU or the CPU is faster.
    #[error("no real GPU, and no run has measured yet whether {gpu} or the CPU is faster")]
    NotMeasured {
        /// The software GPU.
        gpu: String,
    },
    /// The device could not be opened.
    #[error("{device} could not be opened: {message}")]
    Open {
        /// The device.
        device: String,
        /// The driver's report.
        message: String,
    },
    /// The driver rejected a kernel or a command: a defect of verigrad or of the driver.
    #[error("{device} rejected {what}: {message}")]
    Validation {
        /// The device.
        device: String,
        /// What was rejected.
        what: String,
        /// The driver's report.
        message: String,
    },
    /// Device memory is exhausted.
    #[error(
        "{device} is out of memory while {what}: {needed} bytes are needed; lower the batch size \
         or choose another --device"
    )]
    OutOfMemory {
        /// The device.
        device: String,
        /// What was being done.
        what: String,
        /// Bytes that the plan needs in all.
        needed: usize,
    },
    /// The device stopped working: reset, unplugged, or its driver crashed.
    #[error("{device} was lost: {message}; what the run directory holds is intact")]
    Lost {
        /// The device.
        device: String,
        /// The driver's report.
        message: String,
    },
    /// There is no such buffer.
    #[error("no loaded program has a buffer called {name}")]
    UnknownBuffer {
        /// The name.
        name: String,
    },
    /// A buffer has another size than expected.
    #[error("buffer {name} has {size} bytes, {given} were given at offset {offset}")]
    BufferSize {
        /// The name.
        name: String,
        /// Its size in bytes.
        size: usize,
        /// First byte written.
        offset: usize,
        /// Number of bytes given.
        given: usize,
    },
    /// GPU and reference disagree.
    #[error(transparent)]
    Diverged(Box<Divergence>),
}

/// The first place where a GPU and the reference disagree.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{device} disagrees with the reference at run {run}, step {step} ({scope}: {op}, variant \
     {variant}), output {output}: {mismatch}"
)]
pub struct Divergence {
    /// The device.
    pub device: String,
    /// Number of the run, from zero.
    pub run: u64,
    /// Position of the step in the program.
    pub step: usize,
    /// Layer of the step.
    pub scope: String,
    /// The op.
    pub op: String,
    /// Its lowering.
    pub variant: String,
    /// Position of the output.
    pub output: usize,
    /// Element, values and tolerance.
    pub mismatch: String,
}
