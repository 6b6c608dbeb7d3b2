//! How fast the device is, measured once and kept beside its picks.

use std::time::Instant;

use super::store;
use crate::bench::measure_device;
use crate::compile::Picks;
use crate::exec::Executor;
use crate::graph::DeviceModel;

/// Gives an executor its picks, and with them the model of its device: theirs, else the one that is
/// kept in the user's folder for caches, else one that is measured now and kept. Devices that no
/// model describes, and those that cannot be measured, go without.
pub fn know_device(executor: &mut dyn Executor, mut picks: Picks) {
    if picks.model.is_none() && executor.caps().gpu_model().is_some() {
        let kept = store::load(executor.info()).ok().and_then(|kept| kept.model);
        picks.model = kept.or_else(|| measured(executor));
    }
    executor.pin(picks);
}

fn measured(executor: &mut dyn Executor) -> Option<DeviceModel> {
    let device = executor.info().clone();
    let start = Instant::now();
    let measured = measure_device(executor)
        .inspect_err(|error| log::warn!("{device} cannot be measured: {error}"))
        .ok()?;
    log::info!("measured {device} in {:.0} ms: {measured:?}", 1e3 * start.elapsed().as_secs_f64());
    let model = DeviceModel::of_measurements(&measured);
    let mut kept = Picks::new(&device.name, &device.driver);
    kept.model = Some(model);
    if let Err(error) = store::save(&kept, &device, None) {
        log::warn!("the speed of {device} cannot be kept: {error}");
    }
    Some(model)
}
