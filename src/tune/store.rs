//! Where picks are kept: presets inside the binary, and a file per device in the user's cache.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::cache::cache_dir;
use crate::compile::Picks;
use crate::exec::DeviceInfo;
use crate::train::{FileError, read_text, write_atomically};

/// Picks that were measured on devices we had, for those who have the same: a file for each device and
/// driver, made by `verigrad tune RECIPE -o FILE`, once for each built-in recipe. Picks whose kernels
/// have changed since are passed over.
const PRESETS: &[&str] = &[include_str!("../../assets/tuned/llvmpipe-22.3.6.toml")];

/// Why picks cannot be read or kept.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds no picks.
    #[error(
        "{}: {message}\nremove the file and measure again with `verigrad tune`, or run with \
         --picks none",
        path.display()
    )]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// The picks were measured on another device.
    #[error(
        "{}: measured on {found}, this device is {device}; picks hold for one device and driver: \
         measure with `verigrad tune`, or run with --picks none",
        path.display()
    )]
    OtherDevice {
        /// The file.
        path: PathBuf,
        /// Device and driver in the file.
        found: String,
        /// Device and driver at hand.
        device: String,
    },
    /// The system names no folder for caches.
    #[error("no folder for caches is known; name a file with --output and --picks")]
    NoFolder,
}

/// The preset of a device, and over it what the user has measured. Empty for a device that is
/// neither in the presets nor measured.
///
/// # Errors
/// When the user's file cannot be read.
pub fn load(device: &DeviceInfo) -> Result<Picks, StoreError> {
    let mut picks = preset(device).unwrap_or_else(|| Picks::new(&device.name, &device.driver));
    let Some(path) = path_of(device) else { return Ok(picks) };
    if path.is_file() {
        picks.merge(read(&path, device)?);
    }
    Ok(picks)
}

/// Reads the picks of a device from a file.
///
/// # Errors
/// When the file cannot be read, holds no picks, or those of another device.
pub fn read(path: &Path, device: &DeviceInfo) -> Result<Picks, StoreError> {
    let picks = Picks::parse(&read_text(path)?)
        .map_err(|error| StoreError::Text { path: path.to_owned(), message: error.to_string() })?;
    if fits(&picks, device) {
        Ok(picks)
    } else {
        Err(StoreError::OtherDevice {
            path: path.to_owned(),
            found: format!("{} ({})", picks.device, picks.driver),
            device: format!("{} ({})", device.name, device.driver),
        })
    }
}

/// Adds picks to the user's file for the device, or to `path` where one is given. Tells the file.
///
/// # Errors
/// When the file cannot be read or written.
pub fn save(
    picks: &Picks,
    device: &DeviceInfo,
    path: Option<&Path>,
) -> Result<PathBuf, StoreError> {
    let path = path.map(Path::to_owned).or_else(|| path_of(device)).ok_or(StoreError::NoFolder)?;
    let _lock = lock(&path)?;
    let mut all = match path.is_file() {
        true => read(&path, device)?,
        false => Picks::new(&device.name, &device.driver),
    };
    all.merge(picks.clone());
    let text = all
        .to_toml()
        .map_err(|error| StoreError::Text { path: path.clone(), message: error.to_string() })?;
    write(&path, &text)?;
    Ok(path)
}

/// Keeps other processes from merging into a file as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Option<fs::File>,
}

/// Waits until no other process merges into the file at `path`: one that reads, adds its own and
/// writes would take away what was written meanwhile. The lock is on a file beside it, which stays,
/// since the file itself is replaced.
pub(super) fn lock(path: &Path) -> Result<Lock, StoreError> {
    // Pipes and devices are not merged into.
    if path.exists() && !path.is_file() {
        return Ok(Lock { _file: None });
    }
    make_folder(path)?;
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".lock");
    let beside = path.with_file_name(name);
    let file = fs::File::create(&beside).map_err(FileError::of("create", &beside))?;
    // A file system without locks protects from nothing, and is no reason not to keep picks.
    Ok(Lock { _file: file.lock().is_ok().then_some(file) })
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(FileError::of("create the folder", folder))?;
    }
    Ok(())
}

/// Writes a file, and makes its folder where there is none.
pub(super) fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    make_folder(path)?;
    Ok(write_atomically(path, text.as_bytes())?)
}

/// The user's file for a device: `verigrad/tuned/DEVICE-DRIVER.toml` in the folder for caches.
pub fn path_of(device: &DeviceInfo) -> Option<PathBuf> {
    Some(cache_dir()?.join("tuned").join(file_name(device)))
}

/// A file name for what holds for a device and its driver.
pub(super) fn file_name(device: &DeviceInfo) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = format!("{} {}", device.name, device.driver).chars().map(plain).collect();
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    format!("{}.toml", parts.join("-"))
}

/// The picks inside the binary for a device.
pub fn preset(device: &DeviceInfo) -> Option<Picks> {
    let parsed = PRESETS.iter().filter_map(|text| Picks::parse(text).ok());
    parsed.into_iter().find(|picks| fits(picks, device)).map(Picks::into_preset)
}

fn fits(picks: &Picks, device: &DeviceInfo) -> bool {
    // What the CPU executor computes does not depend on its threads, which its driver counts.
    picks.device == device.name && (device.kind == "cpu" || picks.driver == device.driver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> DeviceInfo {
        DeviceInfo {
            name: name.to_owned(),
            kind: "discrete GPU".to_owned(),
            backend: "vulkan".to_owned(),
            driver: "driver 1.2 (beta)".to_owned(),
        }
    }

    #[test]
    fn presets_can_be_read_and_hold_picks() {
        for text in PRESETS {
            let picks = Picks::parse(text).expect("a preset is valid");
            assert!(!picks.is_empty() && !picks.device.is_empty() && !picks.driver.is_empty());
        }
        let devices = PRESETS.iter().filter_map(|text| Picks::parse(text).ok());
        let devices: Vec<_> = devices.map(|picks| (picks.device, picks.driver)).collect();
        let distinct: std::collections::HashSet<_> = devices.iter().collect();
        assert_eq!(distinct.len(), devices.len(), "a device and driver has one preset");
    }

    #[test]
    fn files_are_named_by_device_and_driver() {
        let Some(path) = path_of(&device("GeForce RTX/9")) else { return };
        assert!(path.ends_with("verigrad/tuned/GeForce-RTX-9-driver-1.2-beta.toml"), "{path:?}");
    }

    /// Many that merge at once lose nothing of each other.
    #[test]
    fn picks_merged_at_the_same_time_all_stay() {
        use crate::graph::{Caps, Signature};
        use crate::ops::Matmul;
        use crate::tensor::TensorType;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/picks.toml");
        let device = device("one");
        let merge = |side: usize| {
            let op = Matmul::default();
            let ty = TensorType::f32([side, side]);
            let sig = Signature { inputs: vec![ty.clone(), ty.clone()], outputs: vec![ty] };
            let caps = Caps::webgpu_default();
            let lowerings = crate::compile::runnable(&op, &sig, &caps);
            let mut picks = Picks::new(&device.name, &device.driver);
            picks.pin(&op, &sig, lowerings.first().expect("it has one"), None);
            save(&picks, &device, Some(&path)).expect("it can be written");
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let merge = &merge;
                scope.spawn(move || (1..5).for_each(|n| merge(8 * thread + n)));
            }
        });
        assert_eq!(read(&path, &device).expect("it can be read").iter().count(), 32);
    }

    #[test]
    fn a_file_of_another_device_or_without_picks_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/picks.toml");
        let picks = Picks::new("one", "driver 1.2 (beta)");
        save(&picks, &device("one"), Some(&path)).expect("it can be written");
        assert_eq!(read(&path, &device("one")).expect("it can be read"), picks);
        let error = read(&path, &device("two")).expect_err("another device");
        assert!(error.to_string().contains("this device is two"), "{error}");
        let cpu = DeviceInfo { driver: "host kernels, 99 threads".to_owned(), ..DeviceInfo::cpu() };
        let error = read(&path, &cpu).expect_err("picks of a GPU");
        assert!(error.to_string().contains("this device is CPU executor"), "{error}");
        let own = folder.path().join("cpu.toml");
        save(&Picks::new(&cpu.name, &cpu.driver), &cpu, Some(&own)).expect("it can be written");
        assert!(read(&own, &DeviceInfo::cpu()).is_ok(), "the number of threads does not matter");
        fs::write(&path, "device = 3").expect("it can be written");
        let error = read(&path, &device("one")).expect_err("no picks");
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
