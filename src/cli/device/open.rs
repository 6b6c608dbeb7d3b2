//! Opens the device that a command computes on, with its picks.

use std::path::Path;
use std::time::Instant;

use clap::Args;

use super::options::options;
use crate::cli::args::DeviceArgs;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::compile::{Checks, Picks};
use crate::exec::{self, CpuExecutor, DeviceChoice, Executor, GpuExecutor, Judge, Verdict};
use crate::tune::{audits, know_device, store, verdicts};

/// Which variants kernels are compiled with.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct PickArgs {
    /// Variants of kernels: `auto` takes what `verigrad tune` measured on this device, else what
    /// we measured on one like it; `none` the best guesses; else a file, e.g. RUN/kernels.toml
    #[arg(long, default_value = "auto", value_name = "auto|none|FILE")]
    picks: String,
    /// Compile all kernels with checks of their indices and loops, also those that an audit on this
    /// device has proved to need none
    #[arg(long)]
    checked: bool,
}

impl PickArgs {
    /// Whether nothing else was asked for than what is known of the device.
    pub fn is_auto(&self) -> bool {
        self.picks == "auto"
    }

    /// What commands without the flag use.
    pub fn auto() -> Self {
        Self { picks: "auto".to_owned(), checked: false }
    }

    /// Which kernels are compiled with checks, where it was asked for.
    pub fn checks(&self) -> Option<Checks> {
        self.checked.then_some(Checks::Everywhere)
    }
}

/// Opens a device for much work and pins its variants. `auto` measures once which device is faster.
pub(in crate::cli) fn open_device(
    device: &DeviceArgs,
    picks: &PickArgs,
) -> Result<Box<dyn Executor>, Failure> {
    open(device, picks, &mut |gpu, cpu| match known(gpu, cpu) {
        Some(verdict) => Ok(verdict),
        None => {
            let started = Instant::now();
            let verdict = exec::race(gpu, cpu)?;
            log::info!(
                "raced {} against the CPU in {:.0} ms: {verdict:?}",
                gpu.info().name,
                1e3 * started.elapsed().as_secs_f64()
            );
            if let Some(path) = verdicts::path_of(gpu.info())
                && let Err(error) = verdicts::save(&path, gpu.info(), cpu.info(), verdict)
            {
                // It is measured again next time.
                log::warn!("{error}");
            }
            Ok(verdict)
        }
    })
}

/// Opens a device for work that would take less time than a measurement: without one, `auto` takes
/// the CPU in place of a software GPU.
pub(in crate::cli) fn open_quickly(
    device: &DeviceArgs,
    picks: &PickArgs,
) -> Result<Box<dyn Executor>, Failure> {
    open(device, picks, &mut |gpu, cpu| {
        known(gpu, cpu).ok_or_else(|| exec::ExecError::NotMeasured { gpu: gpu.info().name.clone() })
    })
}

/// What an earlier command measured.
fn known(gpu: &GpuExecutor, cpu: &CpuExecutor) -> Option<Verdict> {
    let verdict = verdicts::load(&verdicts::path_of(gpu.info())?, gpu.info(), cpu.info())?;
    log::info!("an earlier race of {} against the CPU: {verdict:?}", gpu.info().name);
    Some(verdict)
}

fn open(
    device: &DeviceArgs,
    picks: &PickArgs,
    judge: Judge<'_>,
) -> Result<Box<dyn Executor>, Failure> {
    let choice: DeviceChoice = device.device.parse()?;
    let started = Instant::now();
    let opened = exec::open_judged(&choice, &options()?, judge)?;
    log::info!(
        "opened {} for --device {} in {:.0} ms",
        opened.executor.info(),
        device.device,
        1e3 * started.elapsed().as_secs_f64()
    );
    if let Some(note) = opened.note {
        // Not among the results, which may be JSON.
        output::note(format_args!("{note}"));
    }
    let mut executor = opened.executor;
    pin(executor.as_mut(), picks)?;
    Ok(executor)
}

/// Opens a GPU as it is, without picks.
pub(in crate::cli) fn open_gpu(choice: &DeviceChoice) -> Result<GpuExecutor, Failure> {
    Ok(exec::open_gpu_with(choice, &options()?)?)
}

/// Works on the device in `kept`, or one that is opened, which is kept for the next work; once more on
/// one that is opened again, where the device is lost in between.
pub(in crate::cli) fn on_device<T>(
    kept: &mut Option<Box<dyn Executor>>,
    open: &mut dyn FnMut() -> Result<Box<dyn Executor>, Failure>,
    work: &mut dyn FnMut(&mut dyn Executor) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut executor = match kept.take() {
        Some(mut executor) => {
            executor.unload_all();
            executor
        }
        None => open()?,
    };
    let mut done = work(executor.as_mut());
    if let Err(failure) = &done
        && failure.is_device_lost()
    {
        output::note(format_args!("warning: {failure}; it is opened again"));
        // Before there are two of them.
        drop(executor);
        executor = open()?;
        done = work(executor.as_mut());
    }
    *kept = Some(executor);
    done
}

/// Opens a GPU beside the reference, which checks every step.
pub(in crate::cli) fn open_shadow(
    device: &DeviceArgs,
    picks: &PickArgs,
) -> Result<Box<dyn Executor>, Failure> {
    let choice: DeviceChoice = device.device.parse()?;
    let mut executor = Box::new(exec::ShadowExecutor::new(open_gpu(&choice)?));
    pin(executor.as_mut(), picks)?;
    Ok(executor)
}

fn pin(executor: &mut dyn Executor, args: &PickArgs) -> Result<(), Failure> {
    let info = executor.info().clone();
    let mut picks = match args.picks.as_str() {
        "auto" => store::load(&info)?,
        "none" => Picks::default(),
        file => store::read(Path::new(file), &info)?,
    };
    log::info!("picks: {} by --picks {}", picks.iter().count(), args.picks);
    // Software gains nothing without checks: steps took 6 to 19 % longer on llvmpipe 22.3.6.
    let default = if info.is_software() { Checks::Everywhere } else { picks.checks };
    picks.checks = args.checks().unwrap_or(default);
    if let Some(path) = audits::path_of(&info) {
        executor.know(audits::load(&path, &info), audits::keep(path, info));
    }
    know_device(executor, picks);
    Ok(())
}
