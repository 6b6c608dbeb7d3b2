//! Memory of this process and of the host, where the system tells it.

use crate::cli::failure::Failure;
use crate::data::Splits;
use crate::exec::Executor;
use crate::train::{RunPrograms, check_memory};

/// Checks that a run fits into the host's memory, where its device computes in that. Other devices
/// do not tell how much they have: there, an allocation fails.
pub(in crate::cli) fn check(
    executor: &dyn Executor,
    programs: &RunPrograms,
    data: &Splits,
) -> Result<(), Failure> {
    let info = executor.info();
    let on_host = info.is_software() || info.kind == "cpu";
    let Some(available) = available().filter(|_| on_host) else { return Ok(()) };
    let available = usize::try_from(available)?;
    Ok(check_memory(programs, data, executor.caps(), executor.picks(), available)?)
}

/// Bytes that this process can still get: what the host has to spare, or what its control group
/// leaves where that is less.
fn available() -> Option<u64> {
    let host = kibibytes("/proc/meminfo", "MemAvailable:")?;
    let number = |file: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse().ok()
    };
    let group = number("memory.max").zip(number("memory.current"));
    let group = group.map_or(u64::MAX, |(most, used)| most.saturating_sub(used));
    Some(host.min(group))
}

/// Resident memory in bytes, now.
pub(in crate::cli) fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// Largest resident memory so far, in bytes.
pub(in crate::cli) fn peak() -> Option<u64> {
    status("VmHWM:")
}

fn status(key: &str) -> Option<u64> {
    kibibytes("/proc/self/status", key)
}

/// A line of a file in `/proc`, which Linux has.
fn kibibytes(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_is_no_less_than_what_is_used() {
        let now = super::resident().expect("Linux tells it");
        assert!(super::available().expect("Linux tells it") > 1 << 20);
        assert!(now > 1 << 20 && super::peak().expect("Linux tells it") >= now);
    }
}
