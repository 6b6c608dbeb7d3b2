//! What is known of a device.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a GPU that the CPU emulates.
pub(super) const SOFTWARE_GPU: &str = "software GPU";

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
    /// The CPU executor, which runs host kernels where ops have them.
    pub fn cpu() -> Self {
        Self::cpu_running("host kernels")
    }

    /// The CPU executor that runs reference code only.
    pub fn cpu_reference() -> Self {
        Self::cpu_running("reference code")
    }

    fn cpu_running(code: &str) -> Self {
        let threads = rayon::current_num_threads();
        Self {
            name: "CPU executor".to_owned(),
            kind: "cpu".to_owned(),
            backend: "none".to_owned(),
            driver: format!("{code}, {threads} threads"),
        }
    }

    /// Whether both give the same bits, so far as is known: on the CPU, the number of threads does
    /// not matter.
    pub fn computes_like(&self, other: &Self) -> bool {
        let driver = |info: &Self| match info.kind.as_str() {
            "cpu" => info.driver.split(',').next().unwrap_or_default().to_owned(),
            _ => info.driver.clone(),
        };
        (&self.name, &self.kind, &self.backend) == (&other.name, &other.kind, &other.backend)
            && driver(self) == driver(other)
    }

    /// Whether this is a GPU that the CPU emulates.
    pub fn is_software(&self) -> bool {
        self.kind == SOFTWARE_GPU
    }
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}, {})", self.name, self.kind, self.backend, self.driver)
    }
}
