//! Memory of this process and of the host, where the system tells it.

pub(in crate::cli) use self::system::{available, peak, resident};
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

/// Linux tells it in files, control groups among them.
#[cfg(target_os = "linux")]
mod system {
    /// Bytes that this process can still get: what the host has to spare, or what its control group
    /// leaves where that is less.
    pub fn available() -> Option<u64> {
        let host = kibibytes("/proc/meminfo", "MemAvailable:")?;
        let number = |file: &str| -> Option<u64> {
            std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse().ok()
        };
        let group = number("memory.max").zip(number("memory.current"));
        let group = group.map_or(u64::MAX, |(most, used)| most.saturating_sub(used));
        Some(host.min(group))
    }

    /// Resident memory in bytes, now.
    pub fn resident() -> Option<u64> {
        status("VmRSS:")
    }

    /// Largest resident memory so far, in bytes.
    pub fn peak() -> Option<u64> {
        status("VmHWM:")
    }

    fn status(key: &str) -> Option<u64> {
        kibibytes("/proc/self/status", key)
    }

    fn kibibytes(file: &str, key: &str) -> Option<u64> {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kibibytes << 10)
    }
}

/// Elsewhere it is a matter of calls, which are not safe: a crate makes them.
#[cfg(not(target_os = "linux"))]
mod system {
    use sysinfo::{
        MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid,
    };

    /// Bytes that the host has to spare.
    pub fn available() -> Option<u64> {
        let mut system = System::new();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        Some(system.available_memory()).filter(|&bytes| bytes > 0)
    }

    /// Resident memory in bytes, now.
    pub fn resident() -> Option<u64> {
        let process = get_current_pid().ok()?;
        let mut system = System::new();
        let memory = ProcessRefreshKind::nothing().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), true, memory);
        Some(system.process(process)?.memory())
    }

    /// Nobody tells the largest so far.
    pub fn peak() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_peak_is_no_less_than_what_is_used() {
        let now = super::resident().expect("the system tells it");
        assert!(super::available().expect("the system tells it") > 1 << 20);
        assert!(now > 1 << 20);
        assert!(super::peak().is_none_or(|peak| peak >= now));
        assert!(super::peak().is_some() || cfg!(not(target_os = "linux")));
    }
}
