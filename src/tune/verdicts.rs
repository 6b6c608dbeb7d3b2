//! Which of a software GPU and the CPU was faster, kept in the user's folder for caches.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::cache_dir;
use super::store::{StoreError, file_name};
use crate::exec::{DeviceInfo, Verdict};
use crate::input::{self, MOST_OF_A_TEXT};
use crate::train::{FileError, write_atomically};

/// A verdict, and for what it holds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The verdict in words, for those who open the file.
    reason: String,
    /// Version of verigrad that measured: others have other kernels.
    verigrad: String,
    /// Name of the software GPU.
    gpu: String,
    /// Its driver.
    driver: String,
    /// What the CPU executor runs, and on how many threads.
    cpu: String,
    /// Times.
    #[serde(flatten)]
    verdict: Verdict,
}

impl Kept {
    fn new(gpu: &DeviceInfo, cpu: &DeviceInfo, verdict: Verdict) -> Self {
        Self {
            reason: verdict.reason(&gpu.name),
            verigrad: env!("CARGO_PKG_VERSION").to_owned(),
            gpu: gpu.name.clone(),
            driver: gpu.driver.clone(),
            cpu: cpu.driver.clone(),
            verdict,
        }
    }
}

/// The verdict in a file, where it is about these devices and this version.
pub fn load(path: &Path, gpu: &DeviceInfo, cpu: &DeviceInfo) -> Option<Verdict> {
    let kept: Kept = toml::from_str(&input::read_text(path, MOST_OF_A_TEXT).ok()?).ok()?;
    let verdict = kept.verdict;
    (kept == Kept::new(gpu, cpu, verdict)).then_some(verdict)
}

/// Keeps a verdict in a file.
///
/// # Errors
/// When the file cannot be written.
pub fn save(
    path: &Path,
    gpu: &DeviceInfo,
    cpu: &DeviceInfo,
    verdict: Verdict,
) -> Result<(), StoreError> {
    let text = toml::to_string(&Kept::new(gpu, cpu, verdict))
        .map_err(|error| StoreError::Text { path: path.to_owned(), message: error.to_string() })?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(FileError::of("create the folder", folder))?;
    }
    Ok(write_atomically(path, text.as_bytes())?)
}

/// The user's file for a software GPU: `verigrad/auto/DEVICE-DRIVER.toml` in the folder for caches.
pub fn path_of(gpu: &DeviceInfo) -> Option<PathBuf> {
    Some(cache_dir()?.join("auto").join(file_name(gpu)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_for_its_devices_and_version_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/verdict.toml");
        let gpu = DeviceInfo {
            name: "soft".to_owned(),
            kind: "software GPU".to_owned(),
            backend: "vulkan".to_owned(),
            driver: "soft 1".to_owned(),
        };
        let cpu = DeviceInfo::cpu();
        let verdict = Verdict { gpu_milliseconds: 2.25, cpu_milliseconds: 1.5 };
        assert_eq!(load(&path, &gpu, &cpu), None, "there is no file yet");
        save(&path, &gpu, &cpu, verdict).expect("it can be written");
        assert_eq!(load(&path, &gpu, &cpu), Some(verdict));
        let newer = DeviceInfo { driver: "soft 2".to_owned(), ..gpu.clone() };
        assert_eq!(load(&path, &newer, &cpu), None, "another driver");
        let threads = DeviceInfo { driver: "99 threads".to_owned(), ..cpu.clone() };
        assert_eq!(load(&path, &gpu, &threads), None, "another CPU");
        let text = fs::read_to_string(&path).expect("it can be read");
        assert!(text.contains("takes 2.2 ms on soft, 1.5 ms on the CPU"), "{text}");
        let older = text.replace(env!("CARGO_PKG_VERSION"), "0.0.1");
        fs::write(&path, older).expect("it can be written");
        assert_eq!(load(&path, &gpu, &cpu), None, "another version");
        fs::write(&path, "nonsense").expect("it can be written");
        assert_eq!(load(&path, &gpu, &cpu), None, "no verdict");
    }
}
