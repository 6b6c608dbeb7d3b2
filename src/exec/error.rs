//! What can go wrong on a device.

use std::time::Duration;

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
        "{device} is out of memory while {what}{}; {}",
        plan_in_words(*needed),
        ADVICE_ON_MEMORY
    )]
    OutOfMemory {
        /// The device.
        device: String,
        /// What was being done.
        what: String,
        /// Bytes that the plan needs in all; zero where that is not known.
        needed: usize,
    },
    /// The device stopped working since its driver found no memory for a program that was loaded.
    #[error("{device} was lost: it ran out of memory while it ran a program; {}", ADVICE_ON_MEMORY)]
    LostForMemory {
        /// The device.
        device: String,
    },
    /// The device does not finish what it was given.
    #[error(
        "{device} has not finished {what} within {limit:?}: it hangs, or is too slow for that much at \
         once; wait longer with VERIGRAD_DEVICE_TIMEOUT=SECONDS, give it less at once (a smaller \
         batch_size, accumulate), or look for its driver's watchdog in the log of the system"
    )]
    Stuck {
        /// The device.
        device: String,
        /// What it was given.
        what: String,
        /// How long was waited while it finished nothing.
        limit: Duration,
    },
    /// The device stopped working: reset, unplugged, or its driver crashed.
    #[error(
        "{device} was lost: {message}; what was written to files before is whole. Look for its driver \
         in the log of the system, and for a newer one"
    )]
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

/// What helps where a device has too little memory.
const ADVICE_ON_MEMORY: &str = "take a smaller batch_size, or the same in parts (accumulate), store \
                                activations in 16 bits (precision = \"f16\"), close what else uses the \
                                device, or choose another --device";

impl ExecError {
    /// Whether nothing can be done on the device any more, whatever it is given.
    pub fn ends_device(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::LostForMemory { .. } | Self::Stuck { .. })
    }

    /// The same error, with the bytes that all programs of a plan need where one of them found no memory.
    #[must_use]
    pub fn in_plan(self, bytes: usize) -> Self {
        match self {
            Self::OutOfMemory { device, what, .. } => {
                Self::OutOfMemory { device, what, needed: bytes }
            }
            other => other,
        }
    }
}

/// What a plan needs in all, as a part of a sentence.
fn plan_in_words(bytes: usize) -> String {
    match bytes {
        0 => String::new(),
        bytes => format!(": the plan needs {} MiB in all", bytes.div_ceil(1 << 20)),
    }
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
