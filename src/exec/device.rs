//! Choosing and opening a device.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::gpu::{self, GpuExecutor};
use super::{CpuExecutor, ExecError, Executor};

/// What is known of a device: written into run directories and benchmark results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Name of the adapter, or of the CPU executor.
    pub name: String,
    /// Kind: discrete, integrated, virtual or software GPU, or CPU.
    pub kind: String,
    /// API: vulkan, metal, dx12, or none.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
}

impl DeviceInfo {
    /// The CPU executor.
    pub fn cpu() -> Self {
        let threads = rayon::current_num_threads();
        Self {
            name: "CPU executor".to_owned(),
            kind: "cpu".to_owned(),
            backend: "none".to_owned(),
            driver: format!("reference code, {threads} threads"),
        }
    }
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}, {})", self.name, self.kind, self.backend, self.driver)
    }
}

/// The value of `--device`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A real GPU, else a software one, else the CPU executor.
    #[default]
    Auto,
    /// The CPU executor.
    Cpu,
    /// Any GPU, a real one first.
    Gpu,
    /// The adapter with this number in `verigrad devices`.
    Number(usize),
    /// The first adapter whose name contains this text, whatever its case.
    Name(String),
}

impl FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            _ => match text.parse() {
                Ok(number) => Self::Number(number),
                Err(_) => Self::Name(text.to_owned()),
            },
        })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu => f.write_str("gpu"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// An opened device, and why it is not what one might have expected.
pub struct Opened {
    /// The executor.
    pub executor: Box<dyn Executor>,
    /// One line for the user, where `auto` had to fall back.
    pub note: Option<String>,
}

/// Opens the device that `choice` names. `auto` falls back to the CPU executor where no adapter
/// can be opened, and says so in the note.
///
/// # Errors
/// When no device matches, or it cannot be opened.
pub fn open(choice: &DeviceChoice) -> Result<Opened, ExecError> {
    if *choice == DeviceChoice::Cpu {
        return Ok(Opened { executor: Box::new(CpuExecutor::new()), note: None });
    }
    match (open_gpu(choice), choice) {
        (Ok(gpu), _) => Ok(Opened { executor: Box::new(gpu), note: None }),
        (Err(error), DeviceChoice::Auto) => {
            let reason = match error {
                ExecError::NoDevice { .. } => "no GPU adapter was found".to_owned(),
                other => other.to_string(),
            };
            Ok(Opened {
                executor: Box::new(CpuExecutor::new()),
                note: Some(format!("{reason}; using the CPU executor")),
            })
        }
        (Err(error), _) => Err(error),
    }
}

/// Opens the GPU that `choice` names; `auto` means any, a real one first.
///
/// # Errors
/// When no GPU matches, or it cannot be opened.
pub fn open_gpu(choice: &DeviceChoice) -> Result<GpuExecutor, ExecError> {
    let adapters = gpu::adapters();
    let infos: Vec<DeviceInfo> = adapters.iter().map(gpu::adapter_info).collect();
    let candidates: Vec<usize> = match choice {
        DeviceChoice::Cpu => return Err(ExecError::NeedsGpu),
        DeviceChoice::Auto | DeviceChoice::Gpu => (0..adapters.len()).collect(),
        DeviceChoice::Number(number) => (0..adapters.len()).filter(|n| n == number).collect(),
        DeviceChoice::Name(name) => {
            let name = name.to_lowercase();
            let matches = |n: &usize| infos[*n].name.to_lowercase().contains(&name);
            (0..adapters.len()).find(matches).into_iter().collect()
        }
    };
    let mut refusal = None;
    for position in candidates {
        match GpuExecutor::open(&adapters[position]) {
            Ok(gpu) => return Ok(gpu),
            // A driver that refuses leaves the next adapter to be tried.
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| ExecError::NoDevice {
        choice: choice.to_string(),
        available: describe(&infos),
    }))
}

fn describe(infos: &[DeviceInfo]) -> String {
    let mut lines = vec!["cpu".to_owned()];
    lines.extend(infos.iter().enumerate().map(|(i, info)| format!("{i} = {}", info.name)));
    if infos.is_empty() {
        lines.push("no GPU adapter (install a Vulkan driver, e.g. mesa-vulkan-drivers)".to_owned());
    }
    lines.join(", ")
}
