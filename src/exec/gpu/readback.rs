//! Reads that never block: a copy into a staging buffer, mapped when the GPU has filled it.

use std::sync::{Arc, Mutex, PoisonError};

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

use super::fault::Faults;
use crate::exec::ExecError;
use crate::exec::ticket::PendingRead;

/// Staging buffers that wait for the next read of their size.
#[derive(Debug, Clone, Default)]
pub(super) struct StagingPool {
    free: Arc<Mutex<Vec<wgpu::Buffer>>>,
}

impl StagingPool {
    /// Takes a buffer of exactly `bytes`, if one is free.
    pub fn take(&self, bytes: u64) -> Option<wgpu::Buffer> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let position = free.iter().position(|buffer| buffer.size() == bytes)?;
        Some(free.swap_remove(position))
    }

    fn put(&self, buffer: wgpu::Buffer) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// A read under way.
pub(super) struct Readback {
    device: wgpu::Device,
    faults: Faults,
    pool: StagingPool,
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: OneshotReceiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Readback {
    /// Starts to map `staging`, into which `submission` copies.
    pub fn start(
        device: wgpu::Device,
        faults: Faults,
        pool: StagingPool,
        staging: wgpu::Buffer,
        submission: wgpu::SubmissionIndex,
    ) -> Self {
        let (sender, mapped) = oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone when the ticket was dropped: nobody wants the content.
            let _ = sender.send(result);
        });
        Self { device, faults, pool, staging, submission, mapped }
    }

    fn content(
        &self,
        mapped: Option<Result<(), wgpu::BufferAsyncError>>,
    ) -> Result<Vec<u8>, ExecError> {
        match mapped {
            Some(Ok(())) => {
                let range = self.staging.get_mapped_range(..);
                let bytes = range.map_err(|error| self.faults.lost(error.to_string()))?.to_vec();
                self.staging.unmap();
                self.pool.put(self.staging.clone());
                self.faults.check().map(|()| bytes)
            }
            Some(Err(error)) => Err(self.faults.lost(format!("a read failed: {error}"))),
            None => Err(self.faults.lost("a read was dropped")),
        }
    }
}

impl PendingRead for Readback {
    fn poll(&mut self) -> Result<Option<Vec<u8>>, ExecError> {
        self.device
            .poll(wgpu::PollType::Poll)
            .map_err(|error| self.faults.lost(error.to_string()))?;
        let mut receive = std::pin::pin!(self.mapped.receive());
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        match std::future::Future::poll(receive.as_mut(), &mut context) {
            std::task::Poll::Ready(mapped) => self.content(mapped).map(Some),
            std::task::Poll::Pending => Ok(None),
        }
    }

    fn wait(self: Box<Self>) -> Result<Vec<u8>, ExecError> {
        let wait =
            wgpu::PollType::Wait { submission_index: Some(self.submission.clone()), timeout: None };
        self.device.poll(wait).map_err(|error| self.faults.lost(error.to_string()))?;
        let mapped = pollster::block_on(self.mapped.receive());
        self.content(mapped)
    }
}
