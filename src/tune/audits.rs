//! What audits of kernels told, kept in a file per device and driver in the user's cache.

use std::path::{Path, PathBuf};

use super::cache::cache_dir;
use super::store::{StoreError, file_name, lock, write};
use crate::exec::{Audits, DeviceInfo, KeepAudits};
use crate::train::read_text;

/// Kernels in a file from which on it is begun anew: by then, most are of texts that have changed.
const MOST: usize = 5000;

/// What a file tells of a device; nothing where there is none, or it holds something else.
pub fn load(path: &Path, device: &DeviceInfo) -> Audits {
    let read = || {
        let audits: Audits = toml::from_str(&read_text(path).ok()?).ok()?;
        audits.hold_for(&device.name, &device.driver).then_some(audits)
    };
    read().unwrap_or_else(|| Audits::new(&device.name, &device.driver))
}

/// Keeps audits in a file, beside what other processes have written there meanwhile.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, device: &DeviceInfo, audits: &Audits) -> Result<(), StoreError> {
    let _lock = lock(path)?;
    let mut all = load(path, device);
    if all.len() + audits.len() > MOST {
        all = Audits::new(&device.name, &device.driver);
    }
    all.merge(audits.clone());
    let text = toml::to_string(&all)
        .map_err(|error| StoreError::Text { path: path.to_owned(), message: error.to_string() })?;
    write(path, &text)
}

/// Keeps whatever an executor learns in a file.
pub fn keep(path: PathBuf, device: DeviceInfo) -> KeepAudits {
    Box::new(move |audits| {
        if let Err(error) = save(&path, &device, audits) {
            // They are told again next time.
            log::warn!("{error}");
        }
    })
}

/// The user's file for a device: `verigrad/audits/DEVICE-DRIVER.toml` in the folder for caches.
pub fn path_of(device: &DeviceInfo) -> Option<PathBuf> {
    Some(cache_dir()?.join("audits").join(file_name(device)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Audit;

    fn device(driver: &str) -> DeviceInfo {
        DeviceInfo { driver: driver.to_owned(), ..DeviceInfo::cpu() }
    }

    #[test]
    fn audits_hold_for_their_device_and_those_of_others_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/audits.toml");
        let device_1 = device("1");
        assert!(load(&path, &device_1).is_empty(), "there is no file yet");
        for (key, audit) in [("a", Audit::Proved), ("b", Audit::ByData), ("c", Audit::Refused)] {
            let mut audits = Audits::new(&device_1.name, "1");
            audits.insert(key.to_owned(), audit);
            keep(path.clone(), device_1.clone())(&audits);
        }
        let all = load(&path, &device_1);
        let told = ["a", "b", "c", "d"].map(|key| all.get(key));
        assert_eq!(told, [Some(Audit::Proved), Some(Audit::ByData), Some(Audit::Refused), None]);
        assert!(load(&path, &device("2")).is_empty(), "another driver");
        let text = read_text(&path).expect("it can be read");
        write(&path, &text.replace("version = ", "version = 9")).expect("it can be written");
        assert!(load(&path, &device_1).is_empty(), "another version");
        write(&path, "nonsense").expect("it can be written");
        assert!(load(&path, &device_1).is_empty(), "no audits");
    }

    #[test]
    fn a_file_does_not_grow_without_bounds() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("audits.toml");
        let device = device("1");
        for first in [0, MOST / 2 + 1] {
            let mut audits = Audits::new(&device.name, "1");
            let keys = first..first + MOST / 2 + 1;
            keys.for_each(|key| audits.insert(key.to_string(), Audit::Proved));
            save(&path, &device, &audits).expect("it can be written");
        }
        let all = load(&path, &device);
        assert!(all.get("0").is_none() && all.get(&MOST.to_string()).is_some());
    }
}
