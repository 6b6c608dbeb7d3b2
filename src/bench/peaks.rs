//! Peaks of a device, as they were measured.

use serde::{Deserialize, Serialize};

use crate::exec::DeviceInfo;

/// Measured peaks of a device, against which kernels are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DevicePeaks {
    /// The device.
    pub device: DeviceInfo,
    /// Bytes read and written per second by a copy, in units of 10^9.
    pub gigabytes_per_second: f64,
    /// Floating-point operations per second, in units of 10^9; a multiply-add counts as two.
    pub gigaflops: f64,
    /// Time of a dispatch that has next to nothing to do, in seconds, as a profile times it.
    #[serde(default)]
    pub seconds_per_dispatch: f64,
}

/// A count in units of 10^9.
pub(super) fn billions(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "rates need no more than 53 bits")]
    let count = count as f64;
    count * 1e-9
}
