//! Loads programs onto a GPU and runs them, many steps per submission.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::adapter::{self, Opened};
use super::audit::{Auditor, Proof};
use super::fault::destroy;
use super::in_flight::InFlight;
use super::pipeline::{Pipeline, Planned};
use super::pipeline_cache::PipelineCache;
use super::readback::{Readback, StagingPool};
use super::texture::{Texture, TextureCopy};
use crate::compile::{
    AuditCounts, BoundRegion, Buffer, Checks, Dispatch, Picks, Program, Region, TextureRead,
};
use crate::exec::buffers::Buffers;
use crate::exec::{
    Audits, DeviceInfo, DeviceOptions, ExecError, Executor, KeepAudits, ProgramId, ReadTicket,
    RunProfile,
};
use crate::graph::{Access, Caps};

/// Bytes that are written at once: the driver keeps a copy until they have arrived, which for a
/// data set would double its memory.
const STAGED_BYTES: usize = 8 << 20;

/// Replays programs on a GPU through wgpu.
#[derive(Debug)]
pub struct GpuExecutor {
    opened: Opened,
    picks: Picks,
    audits: Auditor,
    pipelines: PipelineCache,
    buffers: Buffers<wgpu::Buffer>,
    programs: Vec<LoadedProgram>,
    in_flight: InFlight,
    staging: StagingPool,
    allocations: usize,
    /// Spent in encoding and submitting runs.
    host_time: Duration,
}

/// What a program became on the device.
#[derive(Debug)]
struct LoadedProgram {
    name: Arc<str>,
    dispatches: Vec<BoundDispatch>,
    /// Position among the executor's buffers, by position in the program.
    buffers: Vec<usize>,
    /// What kernels read operands through.
    textures: Vec<Texture>,
    /// Dispatches of each step: those from the end of the step before to this number.
    step_ends: Vec<usize>,
}

/// A dispatch, ready to be encoded.
#[derive(Debug)]
pub(super) struct BoundDispatch {
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
    /// What it reads through textures; those that are copied in every run of the program first.
    copies: Vec<TextureCopy>,
    /// How many of them are.
    copied: usize,
}

/// Which operands are copied into the textures that a dispatch reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    /// Those that no earlier dispatch of the run has had copied.
    New,
    /// All of them: for a dispatch that runs by itself.
    All,
}

impl BoundDispatch {
    /// Adds the dispatch to a pass.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [x, y, z] = self.workgroups;
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }

    /// Copies into the textures that the dispatch reads, before whose pass they are encoded.
    pub fn copies(&self, copies: Copies) -> &[TextureCopy] {
        match copies {
            Copies::New => &self.copies[..self.copied],
            Copies::All => &self.copies,
        }
    }
}

impl GpuExecutor {
    /// Opens an adapter.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn open(adapter: &wgpu::Adapter) -> Result<Self, ExecError> {
        Self::open_with(adapter, &DeviceOptions::default())
    }

    /// As [`Self::open`], with options.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn open_with(adapter: &wgpu::Adapter, options: &DeviceOptions) -> Result<Self, ExecError> {
        let opened = adapter::open(adapter, options)?;
        let audits = Auditor::new(&opened.info);
        Ok(Self {
            opened,
            audits,
            picks: Picks::default(),
            pipelines: PipelineCache::default(),
            buffers: Buffers::default(),
            programs: Vec::new(),
            in_flight: InFlight::default(),
            staging: StagingPool::default(),
            allocations: 0,
            host_time: Duration::ZERO,
        })
    }

    /// What ends the device when it is called, from any thread, as a reset or a driver's crash
    /// would: for tests of what becomes of a run.
    pub fn killer(&self) -> impl Fn() + Send + Sync + use<> {
        let device = self.opened.device.clone();
        move || destroy(&device)
    }

    /// Number of distinct kernels that have been compiled; they stay as long as the device is open.
    pub fn pipelines(&self) -> usize {
        self.pipelines.count()
    }

    /// What shows of each kernel of a program that it needs no checks, where anything does.
    fn proofs(&mut self, program: &Program) -> Result<Vec<Option<Proof>>, ExecError> {
        match self.picks.checks {
            Checks::Everywhere => Ok(vec![None; program.kernels.len()]),
            Checks::WhereNeeded => self.audits.prove(&self.opened, program),
        }
    }

    /// Allocates what is new among a program's buffers, and tells where all of them are.
    fn allocate_buffers(&mut self, program: &Program) -> Result<Vec<usize>, ExecError> {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let needed = program.total_bytes();
        let allocate = |buffer: &Buffer| {
            self.allocations += 1;
            allocate(&self.opened, &buffer.name, buffer.bytes, usage, needed)
        };
        self.buffers.resolve(program, bytes_of, allocate)
    }

    fn bind(
        &self,
        map: &[usize],
        label: &str,
        pipeline: &Pipeline,
        dispatch: &Dispatch,
        textures: &[Texture],
    ) -> Result<wgpu::BindGroup, ExecError> {
        let mut reads = dispatch.textures.iter();
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0_u32..)
            .zip(&dispatch.bindings)
            .map(|(binding, bound)| {
                let read = (bound.access == Access::Texels).then(|| reads.next()).flatten();
                let resource = match read {
                    Some(read) => wgpu::BindingResource::TextureView(&textures[read.texture].view),
                    None => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &self.buffers.all()[map[bound.region.buffer]],
                        offset: bound.region.offset as u64,
                        size: wgpu::BufferSize::new(bound.region.bytes as u64),
                    }),
                };
                wgpu::BindGroupEntry { binding, resource }
            })
            .collect();
        let device = &self.opened.device;
        self.opened.faults.scoped(device, &format!("bindings of {label}"), 0, || {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(label),
                layout: &pipeline.layout,
                entries: &entries,
            })
        })
    }

    /// The copies into the textures that a dispatch reads, those of every run first, and how many
    /// these are.
    fn copies(
        &self,
        map: &[usize],
        dispatch: &Dispatch,
        textures: &[Texture],
    ) -> (Vec<TextureCopy>, usize) {
        let copied = dispatch.bindings.iter().filter(|bound| bound.access == Access::Texels);
        let (new, held): (Vec<_>, Vec<_>) =
            copied.zip(&dispatch.textures).partition(|(_, read)| read.copied);
        let copy = |(bound, read): &(&BoundRegion, &TextureRead)| {
            let Region { buffer, offset, bytes } = bound.region;
            textures[read.texture].copy(&self.buffers.all()[map[buffer]], offset, bytes)
        };
        (new.iter().chain(&held).map(copy).collect(), new.len())
    }

    /// The textures of a program.
    fn allocate_textures(&mut self, program: &Program) -> Result<Vec<Texture>, ExecError> {
        let opened = &self.opened;
        let needed = program.total_bytes();
        let allocate = |&rows: &usize| {
            let make = || Texture::new(&opened.device, rows);
            opened.faults.scoped(&opened.device, "allocating a texture", needed, make)
        };
        let textures: Vec<Texture> =
            program.textures.iter().map(allocate).collect::<Result<_, _>>()?;
        self.allocations += textures.len();
        Ok(textures)
    }

    /// Encodes a range of a program's dispatches `times` over and submits it.
    pub(super) fn submit(
        &mut self,
        program: ProgramId,
        range: std::ops::Range<usize>,
        times: u32,
        copies: Copies,
    ) -> Result<(), ExecError> {
        self.in_flight.make_room(&self.opened)?;
        let started = Instant::now();
        let device = &self.opened.device;
        self.opened.faults.step(device);
        let loaded = &self.programs[program.0];
        let dispatches = &loaded.dispatches[range];
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..times {
            // Copies lie between passes.
            for part in dispatches.chunk_by(|_, next| next.copies(copies).is_empty()) {
                part[0].copies(copies).iter().for_each(|copy| copy.encode(&mut encoder));
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                part.iter().for_each(|dispatch| dispatch.encode(&mut pass));
            }
        }
        let submission = self.opened.queue.submit([encoder.finish()]);
        self.in_flight.push(submission, loaded.name.clone(), times);
        self.host_time += started.elapsed();
        self.opened.faults.check()
    }

    fn start_read(&mut self, index: usize) -> Result<ReadTicket, ExecError> {
        let buffer = self.buffers.all()[index].clone();
        let bytes = buffer.size();
        let staging = match self.staging.take(bytes) {
            Some(staging) => staging,
            None => {
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                let bytes = bytes_of(&buffer);
                self.allocations += 1;
                allocate(&self.opened, "staging", bytes, usage, bytes)?
            }
        };
        let Opened { device, queue, faults, .. } = &self.opened;
        faults.step(device);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&buffer, 0, &staging, 0, bytes);
        let submission = queue.submit([encoder.finish()]);
        faults.check()?;
        Ok(self.map(staging, submission))
    }

    /// Asks for the content of a staging buffer that `submission` fills.
    pub(super) fn map(
        &self,
        staging: wgpu::Buffer,
        submission: wgpu::SubmissionIndex,
    ) -> ReadTicket {
        ReadTicket::pending(Readback::start(
            self.opened.device.clone(),
            self.opened.faults.clone(),
            self.staging.clone(),
            staging,
            submission,
        ))
    }

    /// The device and its queue.
    pub(super) fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Dispatches of a program, in order.
    pub(super) fn dispatches(&self, program: ProgramId) -> &[BoundDispatch] {
        &self.programs[program.0].dispatches
    }

    /// Step, and position in it, of each dispatch of a program.
    pub(super) fn places(&self, program: ProgramId) -> Vec<(usize, usize)> {
        let mut first = 0;
        let mut places = Vec::new();
        for (step, &end) in self.programs[program.0].step_ends.iter().enumerate() {
            places.extend((0..end - first).map(|dispatch| (step, dispatch)));
            first = end;
        }
        places
    }
}

/// Creates a buffer; `needed` is what the whole program needs, in bytes, for the error.
fn allocate(
    opened: &Opened,
    name: &str,
    bytes: usize,
    usage: wgpu::BufferUsages,
    needed: usize,
) -> Result<wgpu::Buffer, ExecError> {
    let what = format!("allocating {bytes} bytes for {name}");
    let descriptor = wgpu::BufferDescriptor {
        label: Some(name),
        size: bytes as u64,
        usage,
        mapped_at_creation: false,
    };
    let device = &opened.device;
    opened.faults.scoped(device, &what, needed, || device.create_buffer(&descriptor))
}

fn bytes_of(buffer: &wgpu::Buffer) -> usize {
    usize::try_from(buffer.size()).unwrap_or(usize::MAX)
}

impl Executor for GpuExecutor {
    fn info(&self) -> &DeviceInfo {
        &self.opened.info
    }

    fn caps(&self) -> &Caps {
        &self.opened.caps
    }

    fn picks(&self) -> &Picks {
        &self.picks
    }

    fn pin(&mut self, picks: Picks) {
        if let Some(model) = picks.model {
            self.opened.caps.model = model;
        }
        self.picks = picks;
    }

    fn know(&mut self, audits: Audits, keep: KeepAudits) {
        self.audits.know(audits, keep);
    }

    fn audit_counts(&self) -> AuditCounts {
        self.audits.counts()
    }

    fn load(&mut self, program: Arc<Program>) -> Result<ProgramId, ExecError> {
        let map = self.allocate_buffers(&program)?;
        let textures = self.allocate_textures(&program)?;
        let proofs = self.proofs(&program)?;
        let planned: Vec<Planned<'_>> = program.kernels.iter().zip(proofs).collect();
        let pipelines = self.pipelines.prepare(&self.opened, &planned)?;
        let mut dispatches = Vec::with_capacity(program.dispatch_count());
        let mut step_ends = Vec::with_capacity(program.steps.len());
        for step in &program.steps {
            for dispatch in &step.dispatches {
                let kernel = &program.kernels[dispatch.kernel];
                let pipeline = pipelines[dispatch.kernel].clone();
                let label = format!("{} {}", step.scope, kernel.name);
                let bind_group = self.bind(&map, &label, &pipeline, dispatch, &textures)?;
                let (copies, copied) = self.copies(&map, dispatch, &textures);
                let workgroups = dispatch.workgroups;
                dispatches.push(BoundDispatch { pipeline, bind_group, workgroups, copies, copied });
            }
            step_ends.push(dispatches.len());
        }
        let name = program.name.as_str().into();
        self.programs.push(LoadedProgram { name, dispatches, buffers: map, textures, step_ends });
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn prepare(&mut self, programs: &[Program]) -> Vec<Vec<f64>> {
        let proofs: Vec<_> = programs.iter().map(|program| self.proofs(program)).collect();
        let planned: Vec<Vec<Planned<'_>>> = programs
            .iter()
            .zip(proofs)
            .map(|(program, proofs)| {
                // Where the device fails, loading tells.
                let proofs = proofs.unwrap_or_else(|_| vec![None; program.kernels.len()]);
                program.kernels.iter().zip(proofs).collect()
            })
            .collect();
        let mut seconds = self.pipelines.prepare_each(&self.opened, &planned.concat()).into_iter();
        planned.iter().map(|kernels| seconds.by_ref().take(kernels.len()).collect()).collect()
    }

    fn write(&mut self, buffer: &str, offset: usize, bytes: &[u8]) -> Result<(), ExecError> {
        let index = self.buffers.find(buffer)?;
        let size = bytes_of(&self.buffers.all()[index]);
        if offset + bytes.len() > size {
            let (name, given) = (buffer.to_owned(), bytes.len());
            return Err(ExecError::BufferSize { name, size, offset, given });
        }
        self.opened.faults.step(&self.opened.device);
        self.opened.faults.check()?;
        let mut at = offset as u64;
        let mut chunks = bytes.chunks(STAGED_BYTES).peekable();
        while let Some(chunk) = chunks.next() {
            self.opened.queue.write_buffer(&self.buffers.all()[index], at, chunk);
            at += chunk.len() as u64;
            if chunks.peek().is_some() {
                self.opened.queue.submit([]);
                self.wait()?;
            }
        }
        self.opened.faults.check()
    }

    fn run(&mut self, program: ProgramId, steps: u32) -> Result<(), ExecError> {
        let all = 0..self.programs[program.0].dispatches.len();
        self.submit(program, all, steps, Copies::New)
    }

    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<(), ExecError> {
        let loaded = &self.programs[program.0];
        let first = if step == 0 { 0 } else { loaded.step_ends[step - 1] };
        let range = first..loaded.step_ends[step];
        self.submit(program, range, 1, Copies::All)
    }

    fn read_buffer(&mut self, program: ProgramId, buffer: usize) -> Result<Vec<u8>, ExecError> {
        let index = self.programs[program.0].buffers[buffer];
        self.start_read(index)?.wait()
    }

    fn read(&mut self, buffer: &str) -> Result<ReadTicket, ExecError> {
        let index = self.buffers.find(buffer)?;
        self.start_read(index)
    }

    fn wait(&mut self) -> Result<(), ExecError> {
        self.in_flight.wait_all(&self.opened)?;
        self.opened.faults.wait(&self.opened.device, None, "writes and reads")
    }

    fn unload_all(&mut self) {
        self.programs.clear();
        self.buffers.clear();
        self.staging = StagingPool::default();
    }

    fn tensor_bytes(&self) -> usize {
        let textures = self.programs.iter().flat_map(|program| &program.textures);
        self.buffers.all().iter().map(bytes_of).sum::<usize>()
            + textures.map(Texture::bytes).sum::<usize>()
    }

    fn allocations(&self) -> usize {
        self.allocations
    }

    fn profile(&mut self, program: ProgramId) -> Result<RunProfile, ExecError> {
        self.timed_run(program)
    }

    fn host_seconds(&self) -> f64 {
        self.host_time.as_secs_f64()
    }
}
