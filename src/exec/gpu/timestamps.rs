//! Times of a run: by timestamps around each dispatch, else by waiting for each.

use std::time::Instant;

use super::adapter::Opened;
use super::executor::{BoundDispatch, Copies, GpuExecutor};
use crate::exec::profile::spans_from_ticks;
use crate::exec::{
    Clock, DeviceSpan, ExecError, Executor, HostPhase, HostSpan, ProgramId, RunProfile,
};

/// Dispatches of one query set: two timestamps for each.
const DISPATCHES_PER_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;
/// Bytes of the two timestamps of a dispatch.
const BYTES_PER_DISPATCH: u64 = 2 * wgpu::QUERY_SIZE as u64;

/// The host's time, phase by phase.
struct HostClock {
    start: Instant,
    last: f64,
    spans: Vec<HostSpan>,
}

impl HostClock {
    fn start() -> Self {
        Self { start: Instant::now(), last: 0.0, spans: Vec::new() }
    }

    /// Ends a phase that began when the one before ended.
    fn end(&mut self, phase: HostPhase) {
        let now = self.start.elapsed().as_secs_f64();
        self.spans.push(HostSpan { phase, start: self.last, seconds: now - self.last });
        self.last = now;
    }
}

impl GpuExecutor {
    /// Runs a program once and times each dispatch.
    pub(super) fn timed_run(&mut self, program: ProgramId) -> Result<RunProfile, ExecError> {
        self.wait()?;
        if self.opened().device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            self.timestamped_run(program)
        } else {
            self.run_one_by_one(program)
        }
    }

    fn timestamped_run(&mut self, program: ProgramId) -> Result<RunProfile, ExecError> {
        let places = self.places(program);
        let mut clock = HostClock::start();
        let (opened, dispatches) = (self.opened(), self.dispatches(program));
        let timer = Timer::new(opened, dispatches.len())?;
        let mut encoder = opened.device.create_command_encoder(&Default::default());
        timer.encode(&mut encoder, dispatches);
        let commands = encoder.finish();
        clock.end(HostPhase::Encode);
        opened.faults.step(&opened.device);
        let submission = opened.queue.submit([commands]);
        clock.end(HostPhase::Submit);
        let origin = clock.last;
        opened.faults.wait(&opened.device, Some(submission.clone()), "a run that is profiled")?;
        clock.end(HostPhase::Wait);
        let read = self.map(timer.staging, submission).wait()?;
        clock.end(HostPhase::Readback);
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&read);
        let ticks: Vec<[u64; 2]> = ticks.as_chunks().0.to_vec();
        let tick = 1e-9 * f64::from(self.opened().queue.get_timestamp_period());
        let device = spans_from_ticks(&places, &ticks, tick, origin);
        Ok(RunProfile { clock: Clock::Timestamps, host: clock.spans, device })
    }

    fn run_one_by_one(&mut self, program: ProgramId) -> Result<RunProfile, ExecError> {
        let places = self.places(program);
        let mut clock = HostClock::start();
        let mut device = Vec::with_capacity(places.len());
        for (i, (step, dispatch)) in places.into_iter().enumerate() {
            let start = clock.last;
            self.submit(program, i..i + 1, 1, Copies::All)?;
            clock.end(HostPhase::Submit);
            self.wait()?;
            clock.end(HostPhase::Wait);
            device.push(DeviceSpan { step, dispatch, start, seconds: clock.last - start });
        }
        Ok(RunProfile { clock: Clock::Submissions, host: clock.spans, device })
    }
}

/// Query sets for a run, and the buffers through which their content comes back.
struct Timer {
    sets: Vec<wgpu::QuerySet>,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Timer {
    fn new(opened: &Opened, dispatches: usize) -> Result<Self, ExecError> {
        let device = &opened.device;
        let bytes = BYTES_PER_DISPATCH * (dispatches.max(1) as u64);
        let buffer = |label, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        };
        opened.faults.scoped(device, "timestamps", 0, || Self {
            sets: (0..dispatches.div_ceil(DISPATCHES_PER_SET))
                .map(|_| {
                    device.create_query_set(&wgpu::QuerySetDescriptor {
                        label: Some("timestamps"),
                        ty: wgpu::QueryType::Timestamp,
                        count: wgpu::QUERY_SET_MAX_QUERIES,
                    })
                })
                .collect(),
            resolved: buffer(
                "timestamps",
                wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            ),
            staging: buffer(
                "timestamps read back",
                wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            ),
        })
    }

    /// Encodes each dispatch as a pass of its own: timestamps at the ends of passes are what every
    /// device with timestamps offers.
    fn encode(&self, encoder: &mut wgpu::CommandEncoder, dispatches: &[BoundDispatch]) {
        for (set, part) in self.sets.iter().zip(dispatches.chunks(DISPATCHES_PER_SET)) {
            for (query, dispatch) in (0..).step_by(2).zip(part) {
                let writes = |first, last| {
                    Some(wgpu::ComputePassTimestampWrites {
                        query_set: set,
                        beginning_of_pass_write_index: first,
                        end_of_pass_write_index: last,
                    })
                };
                let mut first = Some(query);
                let copies = dispatch.copies(Copies::New);
                if !copies.is_empty() {
                    // An empty pass before the copies, so that their time counts.
                    let timestamp_writes = writes(first.take(), None);
                    let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
                    drop(encoder.begin_compute_pass(&descriptor));
                    copies.iter().for_each(|copy| copy.encode(encoder));
                }
                let timestamp_writes = writes(first, Some(query + 1));
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes,
                });
                dispatch.encode(&mut pass);
            }
        }
        let mut offset = 0;
        for (set, part) in self.sets.iter().zip(dispatches.chunks(DISPATCHES_PER_SET)) {
            let queries = (0..).step_by(2).zip(part).map(|(query, _)| query + 2).last();
            encoder.resolve_query_set(set, 0..queries.unwrap_or(0), &self.resolved, offset);
            offset += BYTES_PER_DISPATCH * part.len() as u64;
        }
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging, 0, self.staging.size());
    }
}
