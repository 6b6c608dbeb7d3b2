//! Errors of a device: caught in scopes and callbacks, so that none becomes a panic.

use std::sync::{Arc, Mutex, PoisonError};

use crate::exec::ExecError;

/// The first error that a device has reported outside any scope.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    device_name: String,
    first: Arc<Mutex<Option<ExecError>>>,
}

impl Faults {
    /// Listens to a device.
    pub fn watch(device: &wgpu::Device, device_name: &str) -> Self {
        let faults =
            Self { device_name: device_name.to_owned(), first: Arc::new(Mutex::new(None)) };
        let uncaptured = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            uncaptured.note(uncaptured.translate(&error, "a command", 0));
        }));
        let lost = faults.clone();
        device.set_device_lost_callback(move |_, message| {
            lost.note(ExecError::Lost { device: lost.device_name.clone(), message });
        });
        faults
    }

    /// Fails if the device has reported an error.
    pub fn check(&self) -> Result<(), ExecError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.clone().map_or(Ok(()), Err)
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
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = work();
        let errors = [
            pollster::block_on(validation.pop()),
            pollster::block_on(internal.pop()),
            pollster::block_on(memory.pop()),
        ];
        match errors.into_iter().flatten().next() {
            Some(error) => Err(self.translate(&error, what, needed)),
            None => self.check().map(|()| result),
        }
    }

    /// Keeps an error, if it is the first.
    pub fn note(&self, error: ExecError) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// The error of a poll that failed: the device is gone or hangs.
    pub fn lost(&self, message: impl Into<String>) -> ExecError {
        match self.check() {
            Err(first) => first,
            Ok(()) => ExecError::Lost { device: self.device_name.clone(), message: message.into() },
        }
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
