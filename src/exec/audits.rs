//! What audits have told: which kernels run without the checks of their indices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::compile::AuditCounts;

/// Raised whenever audits change: what older ones told is void.
const VERSION: u32 = 1;

/// What became of a kernel with given workgroups and sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audit {
    /// Every index lies inside, on this device: it runs without checks.
    Proved,
    /// Data decide an index, a divisor or the turns of a loop, or something could not be followed: it
    /// keeps the checks.
    ByData,
    /// The audit found an index outside, a divisor of zero or an endless loop, or did not run: it keeps
    /// the checks.
    Refused,
}

/// What is known of kernels on one device and driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audits {
    version: u32,
    /// Name of the device.
    pub device: String,
    /// Driver and its version.
    pub driver: String,
    /// By SHA-256 of text, workgroups and sizes, in hexadecimal digits.
    #[serde(default)]
    kernels: BTreeMap<String, Audit>,
}

impl Audits {
    /// Nothing is known yet of a device.
    pub fn new(device: &str, driver: &str) -> Self {
        let (device, driver) = (device.to_owned(), driver.to_owned());
        Self { version: VERSION, device, driver, kernels: BTreeMap::new() }
    }

    /// Whether these hold for a device, a driver and this version of the audit.
    pub fn hold_for(&self, device: &str, driver: &str) -> bool {
        (self.version, self.device.as_str(), self.driver.as_str()) == (VERSION, device, driver)
    }

    /// What is known of a kernel.
    pub fn get(&self, key: &str) -> Option<Audit> {
        self.kernels.get(key).copied()
    }

    /// Keeps what an audit told.
    pub fn insert(&mut self, key: String, audit: Audit) {
        self.kernels.insert(key, audit);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: Self) {
        self.kernels.extend(other.kernels);
    }

    /// Number of kernels that are known.
    pub fn len(&self) -> usize {
        self.kernels.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.kernels.is_empty()
    }
}

/// Kernels that an executor has loaded, and what audits told of them.
#[derive(Debug, Default)]
pub(super) struct Audited(BTreeMap<String, Audit>);

impl Audited {
    /// Adds kernels.
    pub fn extend(&mut self, kernels: impl IntoIterator<Item = (String, Audit)>) {
        self.0.extend(kernels);
    }

    /// How many became what.
    pub fn counts(&self) -> AuditCounts {
        let count = |audit| self.0.values().filter(|&&known| known == audit).count();
        AuditCounts {
            proved: count(Audit::Proved),
            by_data: count(Audit::ByData),
            refused: count(Audit::Refused),
        }
    }
}

/// Is told all audits that are known whenever an executor has learned new ones.
pub type KeepAudits = Box<dyn Fn(&Audits) + Send + Sync>;
