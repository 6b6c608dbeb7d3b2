//! Choosing and opening a device.

use std::fmt;
use std::str::FromStr;

use super::gpu::{self, GpuExecutor};
use super::race::{Verdict, race};
use super::{CpuExecutor, DeviceInfo, DeviceOptions, ExecError, Executor};

/// The value of `--device`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A real GPU, else the faster one of a software GPU and the CPU executor.
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

/// An opened device, and why it was chosen.
pub struct Opened {
    /// The executor.
    pub executor: Box<dyn Executor>,
    /// One line for the user, where `auto` had to choose.
    pub note: Option<String>,
}

impl Opened {
    fn asked_for(executor: impl Executor + 'static) -> Self {
        Self { executor: Box::new(executor), note: None }
    }

    fn cpu_because(reason: impl fmt::Display) -> Self {
        let note = Some(format!("{reason}; using the CPU executor"));
        Self { executor: Box::new(CpuExecutor::new()), note }
    }
}

/// Says whether a software GPU or the CPU is faster: `race` measures it.
pub type Judge<'a> =
    &'a mut dyn FnMut(&mut GpuExecutor, &mut CpuExecutor) -> Result<Verdict, ExecError>;

/// Opens the device that `choice` names. `auto` takes a real GPU where there is one; else it
/// measures a convolution on the software GPU and on the CPU executor and takes the faster one. The
/// note says which and why.
///
/// # Errors
/// When no device matches, or it cannot be opened.
pub fn open(choice: &DeviceChoice) -> Result<Opened, ExecError> {
    open_judged(choice, &DeviceOptions::default(), &mut race)
}

/// Like [`open`], with options; `judge` says which of the software GPU and the CPU executor is faster.
///
/// # Errors
/// When no device matches, or it cannot be opened.
pub fn open_judged(
    choice: &DeviceChoice,
    options: &DeviceOptions,
    judge: Judge<'_>,
) -> Result<Opened, ExecError> {
    match choice {
        DeviceChoice::Cpu => Ok(Opened::asked_for(CpuExecutor::new())),
        DeviceChoice::Auto => Ok(match open_gpu_with(choice, options) {
            Ok(gpu) if gpu.info().is_software() => faster_of(gpu, CpuExecutor::new(), judge),
            Ok(gpu) => Opened::asked_for(gpu),
            Err(ExecError::NoDevice { .. }) => Opened::cpu_because("no GPU adapter was found"),
            Err(error) => Opened::cpu_because(error),
        }),
        _ => Ok(Opened::asked_for(open_gpu_with(choice, options)?)),
    }
}

/// The faster of a software GPU and the CPU that it runs on.
fn faster_of(mut gpu: GpuExecutor, mut cpu: CpuExecutor, judge: Judge<'_>) -> Opened {
    let verdict = match judge(&mut gpu, &mut cpu) {
        Ok(verdict) => verdict,
        Err(error) => return Opened::cpu_because(error),
    };
    let reason = verdict.reason(&gpu.info().name);
    if verdict.prefers_cpu() {
        return Opened::cpu_because(reason);
    }
    let note = Some(format!("{reason}; using {}", gpu.info().name));
    Opened { executor: Box::new(gpu), note }
}

/// Opens the GPU that `choice` names; `auto` means any, a real one first.
///
/// # Errors
/// When no GPU matches, or it cannot be opened.
pub fn open_gpu(choice: &DeviceChoice) -> Result<GpuExecutor, ExecError> {
    open_gpu_with(choice, &DeviceOptions::default())
}

/// As [`open_gpu`], with options.
///
/// # Errors
/// When no GPU matches, or it cannot be opened.
pub fn open_gpu_with(
    choice: &DeviceChoice,
    options: &DeviceOptions,
) -> Result<GpuExecutor, ExecError> {
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
        match GpuExecutor::open_with(&adapters[position], options) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a real GPU, the note gives both times, and the device is the one with the lower.
    #[test]
    fn auto_takes_the_faster_of_software_gpu_and_cpu_and_says_why() {
        let opened = open(&DeviceChoice::Auto).expect("the CPU is always there");
        let info = opened.executor.info();
        let Some(note) = opened.note else {
            assert!(!info.is_software() && info.kind != "cpu", "{info} was chosen without a note");
            return;
        };
        assert!(note.ends_with(&info.name), "{note}: {info} was chosen");
        let times: Vec<f64> = note
            .split(" ms on ")
            .filter_map(|part| part.rsplit(' ').next().and_then(|time| time.parse().ok()))
            .collect();
        match times[..] {
            // Equal when rounded, either may be the faster one.
            [on_gpu, on_cpu] if on_gpu == on_cpu => {}
            [on_gpu, on_cpu] => assert_eq!(info.kind == "cpu", on_cpu < on_gpu, "{note}"),
            _ => assert!(note.starts_with("no GPU adapter"), "{note}"),
        }
    }
}
