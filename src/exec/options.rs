//! How a device is opened: how long it is waited for, and the faults that tests plant into it.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How a device is opened, and how long it is waited for.
#[derive(Debug, Clone)]
pub struct DeviceOptions {
    /// How long the host waits for a device that finishes nothing of what it was given.
    pub wait_limit: Duration,
    /// Faults for tests.
    pub planted: PlantedFaults,
}

impl Default for DeviceOptions {
    /// Ten minutes, and no faults.
    fn default() -> Self {
        Self { wait_limit: Duration::from_secs(600), planted: PlantedFaults::default() }
    }
}

/// What becomes of a device at a planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is destroyed, as by a reset, and can be opened again.
    Lost,
    /// It is destroyed, and none can be opened again.
    Removed,
    /// Its driver has no memory for what it is asked.
    Memory,
}

/// Faults that tests plant into devices. What the host asks of a device, which is each submission,
/// write, read, wait and object that is made, is counted over all devices that are opened with clones
/// of the same value; at the counts that are planted, the device is destroyed.
///
/// ```
/// use verigrad::exec::PlantedFaults;
/// let planted: PlantedFaults = "lost@12, removed@40".parse()?;
/// assert_eq!(planted.count(), 0);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct PlantedFaults(Option<Arc<Planted>>);

#[derive(Debug, Default)]
struct Planted {
    faults: Vec<(u64, Fault)>,
    count: AtomicU64,
    happened: AtomicU64,
    is_removed: AtomicBool,
}

impl FromStr for PlantedFaults {
    type Err = String;

    /// Reads a list with commas of `lost@N`, `removed@N` and `memory@N`; `count` plants nothing.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut planted = Planted::default();
        for part in text.split(',').map(str::trim) {
            let read = match part.split_once('@') {
                None => (part == "count").then_some(()),
                Some((name, at)) => at.parse().ok().and_then(|at| {
                    let fault = match name {
                        "lost" => Fault::Lost,
                        "removed" => Fault::Removed,
                        "memory" => Fault::Memory,
                        _ => return None,
                    };
                    planted.faults.push((at, fault));
                    Some(())
                }),
            };
            read.ok_or_else(|| {
                format!(
                    "{part:?} is no fault: give lost@N, removed@N, memory@N or count, with \
                     commas in between"
                )
            })?;
        }
        Ok(Self(Some(Arc::new(planted))))
    }
}

impl PlantedFaults {
    /// Whether any were asked for.
    pub fn are_planted(&self) -> bool {
        self.0.is_some()
    }

    /// What was asked of devices so far; nothing is counted where no faults were asked for.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |planted| planted.count.load(Ordering::Relaxed))
    }

    /// How many of the faults have happened.
    pub fn happened(&self) -> u64 {
        self.0.as_ref().map_or(0, |planted| planted.happened.load(Ordering::Relaxed))
    }

    /// Counts what is asked of a device; tells what becomes of the device before.
    pub(super) fn strike(&self) -> Option<Fault> {
        let planted = self.0.as_ref()?;
        let at = planted.count.fetch_add(1, Ordering::Relaxed);
        let (_, fault) = planted.faults.iter().find(|(when, _)| *when == at)?;
        planted.happened.fetch_add(1, Ordering::Relaxed);
        planted.is_removed.fetch_or(*fault == Fault::Removed, Ordering::Relaxed);
        Some(*fault)
    }

    /// Whether no device can be opened any more.
    pub(super) fn is_removed(&self) -> bool {
        self.0.as_ref().is_some_and(|planted| planted.is_removed.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_at_their_counts_over_all_clones() {
        let planted: PlantedFaults = "lost@1, removed@3".parse().expect("valid");
        let other = planted.clone();
        let strikes = [planted.strike(), other.strike(), planted.strike()];
        assert_eq!((strikes, other.is_removed()), ([None, Some(Fault::Lost), None], false));
        assert!(other.strike() == Some(Fault::Removed) && planted.is_removed());
        assert_eq!((planted.count(), planted.happened()), (4, 2));
        let none = PlantedFaults::default();
        assert!(none.strike().is_none() && none.count() == 0 && !none.are_planted());
    }

    #[test]
    fn what_is_no_fault_is_named() {
        for text in ["", "lost", "lost@x", "memory=3", "fire@3", "lost@3;lost@4"] {
            let error = text.parse::<PlantedFaults>().expect_err("it is none");
            assert!(error.contains("lost@N"), "{error}");
        }
        let planted: PlantedFaults = "count, memory@0".parse().expect("valid");
        assert!(planted.are_planted() && planted.strike() == Some(Fault::Memory));
    }
}
