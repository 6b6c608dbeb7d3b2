//! Reads that never block: a copy into a staging buffer, mapped when the GPU has filled it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

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

/// What wgpu says when a buffer has been mapped.
type Mapped = Result<(), wgpu::BufferAsyncError>;

/// A read under way.
pub(super) struct Readback {
    device: wgpu::Device,
    faults: Faults,
    pool: StagingPool,
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapped: Receiver<Mapped>,
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
        let (sender, mapped) = sync_channel(1);
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone when the ticket was dropped: nobody wants the content.
            let _ = sender.send(result);
        });
        Self { device, faults, pool, staging, submission, mapped }
    }

    fn content(&self, mapped: Option<Mapped>) -> Result<Vec<u8>, ExecError> {
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
        self.faults.look(&self.device)?;
        match self.mapped.try_recv() {
            Ok(mapped) => self.content(Some(mapped)).map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => self.content(None).map(Some),
        }
    }

    fn wait(self: Box<Self>) -> Result<Vec<u8>, ExecError> {
        let what = || format!("a read of {} bytes", self.staging.size());
        self.faults.wait(&self.device, Some(self.submission.clone()), &what())?;
        match self.mapped.recv_timeout(self.faults.wait_limit()) {
            Ok(mapped) => self.content(Some(mapped)),
            Err(RecvTimeoutError::Disconnected) => self.content(None),
            Err(RecvTimeoutError::Timeout) => Err(self.faults.stuck(&what())),
        }
    }
}
