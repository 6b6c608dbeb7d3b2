//! Submissions that a device has not finished yet.

use std::collections::VecDeque;
use std::sync::Arc;

use super::adapter::Opened;
use crate::exec::ExecError;

/// Submissions that may wait on the device before the host waits for the oldest.
const MOST: usize = 3;

/// Submissions that a device has not finished yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct InFlight(VecDeque<Submission>);

#[derive(Debug)]
struct Submission {
    index: wgpu::SubmissionIndex,
    /// The program that it runs.
    program: Arc<str>,
    times: u32,
}

impl InFlight {
    /// Adds a submission that runs `program` so many times.
    pub fn push(&mut self, index: wgpu::SubmissionIndex, program: Arc<str>, times: u32) {
        self.0.push_back(Submission { index, program, times });
    }

    /// Waits for the oldest, so that there is room for one more.
    pub fn make_room(&mut self, opened: &Opened) -> Result<(), ExecError> {
        self.wait_until(opened, MOST - 1)
    }

    /// Waits for all of them.
    pub fn wait_all(&mut self, opened: &Opened) -> Result<(), ExecError> {
        self.wait_until(opened, 0)
    }

    /// One after another: the limit of waits is for a device that finishes nothing.
    fn wait_until(
        &mut self,
        Opened { device, faults, .. }: &Opened,
        left: usize,
    ) -> Result<(), ExecError> {
        while self.0.len() > left
            && let Some(Submission { index, program, times }) = self.0.pop_front()
        {
            let runs = if times == 1 { "run" } else { "runs" };
            faults.wait(
                device,
                Some(index),
                &format!("{times} {runs} of the program {program}"),
            )?;
        }
        Ok(())
    }
}
