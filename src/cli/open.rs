//! Opens the device that a command computes on, with its picks.

use std::path::Path;

use clap::Args;

use super::DeviceArgs;
use super::failure::Failure;
use super::output;
use crate::compile::Picks;
use crate::exec::{self, DeviceChoice, Executor};
use crate::tune::store;

/// Which variants kernels are compiled with.
#[derive(Debug, Args)]
pub(super) struct PickArgs {
    /// Variants of kernels: `auto` takes what `verigrad tune` measured on this device, else what
    /// we measured on one like it; `none` the best guesses; else a file, e.g. RUN/kernels.toml
    #[arg(long, default_value = "auto", value_name = "auto|none|FILE")]
    picks: String,
}

impl PickArgs {
    /// What commands without the flag use.
    pub fn auto() -> Self {
        Self { picks: "auto".to_owned() }
    }
}

/// Opens a device and pins its variants.
pub(super) fn open_device(
    device: &DeviceArgs,
    picks: &PickArgs,
) -> Result<Box<dyn Executor>, Failure> {
    let choice: DeviceChoice = device.device.parse()?;
    let opened = exec::open(&choice)?;
    if let Some(note) = opened.note {
        output::line(format_args!("{note}"));
    }
    let mut executor = opened.executor;
    pin(executor.as_mut(), picks)?;
    Ok(executor)
}

/// Opens a GPU beside the reference, which checks every step.
pub(super) fn open_shadow(
    device: &DeviceArgs,
    picks: &PickArgs,
) -> Result<Box<dyn Executor>, Failure> {
    let choice: DeviceChoice = device.device.parse()?;
    let mut executor = Box::new(exec::ShadowExecutor::new(exec::open_gpu(&choice)?));
    pin(executor.as_mut(), picks)?;
    Ok(executor)
}

fn pin(executor: &mut dyn Executor, args: &PickArgs) -> Result<(), Failure> {
    let info = executor.info().clone();
    if info.kind == "cpu" {
        return Ok(());
    }
    let picks = match args.picks.as_str() {
        "auto" => store::load(&info)?,
        "none" => Picks::default(),
        file => store::read(Path::new(file), &info)?,
    };
    executor.pin(picks);
    Ok(())
}
