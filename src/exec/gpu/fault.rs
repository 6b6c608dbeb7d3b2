//! Errors of a device: caught in scopes, callbacks and waits, so that none becomes a panic and no wait
//! is for ever.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::exec::options::Fault;
use crate::exec::{DeviceOptions, ExecError};

/// What wgpu calls a device whose driver ran out of memory outside of an allocation.
const OUT_OF_MEMORY: &str = "Out of memory";

thread_local! {
    /// Whether a panic of this thread is caught and becomes an error.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic that begins now is one of wgpu's, in a wait for a device that the driver gave up.
/// It becomes an [`ExecError`]: a panic hook need not tell it.
pub fn panic_is_caught() -> bool {
    IS_CAUGHT.get()
}

/// The first error that a device has reported outside any scope, and how it is waited for.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    device_name: String,
    options: DeviceOptions,
    first: Arc<Mutex<Option<ExecError>>>,
}

impl Faults {
    /// Listens to a device.
    pub fn watch(device: &wgpu::Device, device_name: &str, options: &DeviceOptions) -> Self {
        let faults = Self {
            device_name: device_name.to_owned(),
            options: options.clone(),
            first: Arc::new(Mutex::new(None)),
        };
        let uncaptured = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            uncaptured.note(uncaptured.translate(&error, "running a program", 0));
        }));
        let lost = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            let device = lost.device_name.clone();
            lost.note(match reason {
                _ if message == OUT_OF_MEMORY => ExecError::LostForMemory { device },
                wgpu::DeviceLostReason::Destroyed => {
                    ExecError::Lost { device, message: "it was destroyed".to_owned() }
                }
                wgpu::DeviceLostReason::Unknown => ExecError::Lost { device, message },
            });
        });
        faults
    }

    /// Counts what is asked of the device next, where faults are planted, and destroys it where it is
    /// time to.
    pub fn step(&self, device: &wgpu::Device) {
        if self.lacks_memory(device) {
            // As drivers do that have no memory outside of an allocation.
            self.note(ExecError::LostForMemory { device: self.device_name.clone() });
        }
    }

    /// The planted fault of this moment: destroys the device, or has it lack memory.
    fn lacks_memory(&self, device: &wgpu::Device) -> bool {
        match self.options.planted.strike() {
            None => false,
            Some(Fault::Lost | Fault::Removed) => {
                destroy(device);
                false
            }
            Some(Fault::Memory) => true,
        }
    }

    /// Fails if the device has reported an error.
    pub fn check(&self) -> Result<(), ExecError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.clone().map_or(Ok(()), Err)
    }

    /// Whether the device was waited for in vain: it still has what it was given.
    pub fn is_stuck(&self) -> bool {
        matches!(self.check(), Err(ExecError::Stuck { .. }))
    }

    /// Runs `work` inside error scopes; `what` says what is being done, `needed` how many bytes the
    /// plan needs in all.
    pub fn scoped<T>(
        &self,
        device: &wgpu::Device,
        what: &str,
        needed: usize,
        work: impl FnOnce() -> T,
    ) -> Result<T, ExecError> {
        if self.lacks_memory(device) {
            let (device, what) = (self.device_name.clone(), what.to_owned());
            return Err(ExecError::OutOfMemory { device, what, needed });
        }
        // A device that is gone accepts all and does nothing.
        self.check()?;
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = work();
        let errors = [
            pollster::block_on(validation.pop()),
            pollster::block_on(internal.pop()),
            pollster::block_on(memory.pop()),
        ];
        // What a device rejects after its loss is no fault of what it was given.
        self.check()?;
        match errors.into_iter().flatten().next() {
            Some(error) => Err(self.translate(&error, what, needed)),
            None => Ok(result),
        }
    }

    /// Waits until the device has finished a submission, or all that it was given; `what` says what
    /// that is.
    pub fn wait(
        &self,
        device: &wgpu::Device,
        submission: Option<wgpu::SubmissionIndex>,
        what: &str,
    ) -> Result<(), ExecError> {
        self.step(device);
        self.check()?;
        let timeout = Some(self.options.wait_limit);
        self.poll(device, wgpu::PollType::Wait { submission_index: submission, timeout }, what)
    }

    /// Looks at what the device has finished, without waiting.
    pub fn look(&self, device: &wgpu::Device) -> Result<(), ExecError> {
        self.poll(device, wgpu::PollType::Poll, "what it was given")
    }

    fn poll(
        &self,
        device: &wgpu::Device,
        poll: wgpu::PollType,
        what: &str,
    ) -> Result<(), ExecError> {
        // wgpu panics where the driver has lost the device while it is waited for: it has called back by
        // then, holds no locks, and gives no other error.
        let polled = caught(|| device.poll(poll));
        // The device's own report first.
        self.check()?;
        match polled {
            Some(Ok(_)) => Ok(()),
            Some(Err(wgpu::PollError::Timeout)) => Err(self.stuck(what)),
            Some(Err(error)) => Err(self.lost(error.to_string())),
            None => Err(self.lost("the driver gave it up")),
        }
    }

    /// Most that is waited for one thing.
    pub fn wait_limit(&self) -> std::time::Duration {
        self.options.wait_limit
    }

    /// The device does not finish what it was given.
    pub fn stuck(&self, what: &str) -> ExecError {
        let (device, what) = (self.device_name.clone(), what.to_owned());
        self.fail(ExecError::Stuck { device, what, limit: self.options.wait_limit })
    }

    /// Keeps an error, if it is the first; or if it tells why the first one was.
    fn note(&self, error: ExecError) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = |error: &ExecError| match error {
            ExecError::LostForMemory { .. } => 2,
            ExecError::Lost { .. } | ExecError::Stuck { .. } => 1,
            _ => 0,
        };
        if first.as_ref().is_none_or(|first| weight(first) < weight(&error)) {
            *first = Some(error);
        }
    }

    /// The error of a device that is gone, or hangs.
    pub fn lost(&self, message: impl Into<String>) -> ExecError {
        let (device, message) = (self.device_name.clone(), message.into());
        self.fail(ExecError::Lost { device, message })
    }

    /// Keeps an error that the device did not report; the one to tell.
    fn fail(&self, error: ExecError) -> ExecError {
        self.note(error.clone());
        self.check().err().unwrap_or(error)
    }

    fn translate(&self, error: &wgpu::Error, what: &str, needed: usize) -> ExecError {
        let (device, what) = (self.device_name.clone(), what.to_owned());
        match error {
            wgpu::Error::OutOfMemory { .. } => ExecError::OutOfMemory { device, what, needed },
            wgpu::Error::Validation { description, .. }
            | wgpu::Error::Internal { description, .. } => {
                ExecError::Validation { device, what, message: description.clone() }
            }
        }
    }
}

/// What `work` gives; none where it panics.
fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = IS_CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(before);
    done.ok()
}

/// Ends a device, as a reset or a driver's crash would.
pub(super) fn destroy(device: &wgpu::Device) {
    device.destroy();
    // It tells so once it has finished what it was given; until then it takes more and does nothing.
    let _ = device.poll(wgpu::PollType::wait_indefinitely());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::compile::{Checks, Picks, Program, compile};
    use crate::exec::gpu::{GpuExecutor, adapters};
    use crate::exec::{Executor, PlantedFaults};
    use crate::graph::Graph;
    use crate::ops::Scale;
    use crate::tensor::TensorType;

    const ELEMENTS: usize = 1000;

    fn program(gpu: &GpuExecutor) -> Arc<Program> {
        let mut graph = Graph::default();
        let x = graph.source("x", TensorType::f32([ELEMENTS]));
        let y = graph.push(Scale { factor: 3.0 }, &[x]).expect("valid");
        graph.output("y", y);
        let picks = gpu.picks();
        let program =
            compile("small", &graph, gpu.caps(), &|op, sig, all| picks.choose(op, sig, all));
        program.expect("it fits").into()
    }

    /// All that can be asked of a device: three times each of what is written.
    fn work(gpu: &mut GpuExecutor) -> Result<Vec<f32>, ExecError> {
        // With audits, which commands leave out on software GPUs.
        gpu.pin(Picks::default());
        assert_eq!(gpu.picks().checks, Checks::WhereNeeded);
        let id = gpu.load(program(gpu))?;
        gpu.write("x", 0, bytemuck::cast_slice(&[2_f32; ELEMENTS]))?;
        gpu.run(id, 2)?;
        gpu.run_step(id, 0)?;
        gpu.profile(id)?;
        let mut early = gpu.read("small/y")?;
        // Whether it is ready before that depends on the clock, and with it how much is asked.
        gpu.wait()?;
        early.is_ready()?;
        early.wait()?;
        Ok(bytemuck::pod_collect_to_vec(&gpu.read_now("small/y")?))
    }

    fn open_all(options: &DeviceOptions) -> Vec<GpuExecutor> {
        let open = |adapter| GpuExecutor::open_with(adapter, options).expect("it opens");
        adapters().iter().map(open).collect()
    }

    fn planted(faults: &str) -> DeviceOptions {
        let planted: PlantedFaults = faults.parse().expect("valid");
        DeviceOptions { planted, ..DeviceOptions::default() }
    }

    /// Whenever the device goes, it is an error that says so, now and later, and one opened anew works.
    #[test]
    fn a_device_that_is_lost_is_an_error_at_every_step() {
        let counting = planted("count");
        let mut devices = open_all(&counting);
        let right = vec![6_f32; ELEMENTS];
        for (number, gpu) in devices.iter_mut().enumerate() {
            let before = counting.planted.count();
            assert_eq!(work(gpu).expect("a device"), right);
            for at in 0..counting.planted.count() - before {
                let options = planted(&format!("lost@{at}"));
                let mut lost = open_all(&options).swap_remove(number);
                let error = work(&mut lost).expect_err("it is lost");
                assert!(matches!(error, ExecError::Lost { .. }), "{at}: {error}");
                assert!(error.to_string().contains("it was destroyed"), "{at}: {error}");
                assert_eq!(work(&mut lost), Err(error), "{at}");
                assert_eq!(options.planted.happened(), 1);
            }
        }
    }

    /// Nothing waits for a device that hangs, neither what is asked later nor the end of the executor.
    #[test]
    fn a_wait_beyond_the_limit_is_an_error() {
        let limit = Duration::from_nanos(1);
        let options = DeviceOptions { wait_limit: limit, ..DeviceOptions::default() };
        for mut gpu in open_all(&options) {
            let error = work(&mut gpu).expect_err("nothing is done in no time");
            let text = error.to_string();
            assert!(matches!(error, ExecError::Stuck { .. }), "{text}");
            assert!(text.contains(&gpu.info().name) && text.contains("within 1ns"), "{text}");
            assert_eq!(gpu.wait(), Err(error));
        }
    }

    /// What the driver refuses names what was to be allocated, and leaves the device as it was; elsewhere it
    /// ends the device.
    #[test]
    fn too_little_memory_is_an_error_with_advice() {
        for number in 0..adapters().len() {
            let counting = planted("count");
            work(&mut open_all(&counting)[number]).expect("a device");
            for at in 0..counting.planted.count() {
                let mut gpu = open_all(&planted(&format!("memory@{at}"))).swap_remove(number);
                let error = work(&mut gpu).expect_err("there is none");
                let text = error.to_string();
                assert!(text.contains("out of memory") && text.contains("batch_size"), "{text}");
                match &error {
                    ExecError::OutOfMemory { needed, .. } => {
                        let is_buffer = text.contains("allocating 4000 bytes for ");
                        assert!(at > 0 || is_buffer && *needed >= 8000, "{text}");
                        assert_eq!(work(&mut gpu), Ok(vec![6.0; ELEMENTS]), "{at}");
                    }
                    _ => assert_eq!(work(&mut gpu), Err(error.clone()), "{at}"),
                }
            }
        }
    }

    #[test]
    fn a_panic_in_a_wait_is_known_to_be_caught() {
        assert_eq!(caught(panic_is_caught), Some(true));
        assert!(!panic_is_caught());
        let nothing = caught(|| -> u32 { panic!("as wgpu does") });
        assert_eq!((nothing, panic_is_caught()), (None, false));
    }
}
