//! A device whose second run of a program gives another bit than its first.

use std::sync::Arc;

use verigrad::compile::{Picks, Program};
use verigrad::exec::{DeviceInfo, ExecError, Executor, GpuExecutor, ProgramId, ReadTicket};
use verigrad::graph::Caps;

pub struct Flaky {
    inner: GpuExecutor,
    program: Option<Arc<Program>>,
    /// The output whose first element is disturbed.
    output: Option<usize>,
    runs: usize,
}

impl Flaky {
    pub fn new(inner: GpuExecutor) -> Self {
        Self { inner, program: None, output: None, runs: 0 }
    }

    /// Disturbs `output` in the second run from now on.
    pub fn start(&mut self, output: Option<usize>) {
        (self.output, self.runs) = (output, 0);
    }

    /// Flips the lowest bit of the disturbed output.
    fn disturb(&mut self, output: usize) -> Result<(), ExecError> {
        let program = self.program.clone().expect("a program is loaded");
        let region = program.steps[0].outputs[output].region;
        let buffer = &program.buffers[region.buffer].name;
        let bytes = self.inner.read_now(buffer)?;
        let mut word: [u8; 4] =
            bytes[region.offset..region.offset + 4].try_into().expect("four bytes");
        word[0] ^= 1;
        self.inner.write(buffer, region.offset, &word)
    }
}

impl Executor for Flaky {
    fn info(&self) -> &DeviceInfo {
        self.inner.info()
    }

    fn caps(&self) -> &Caps {
        self.inner.caps()
    }

    fn picks(&self) -> &Picks {
        self.inner.picks()
    }

    fn pin(&mut self, picks: Picks) {
        self.inner.pin(picks);
    }

    fn load(&mut self, program: Arc<Program>) -> Result<ProgramId, ExecError> {
        self.program = Some(program.clone());
        self.inner.load(program)
    }

    fn write(&mut self, buffer: &str, offset: usize, bytes: &[u8]) -> Result<(), ExecError> {
        self.inner.write(buffer, offset, bytes)
    }

    fn run(&mut self, program: ProgramId, steps: u32) -> Result<(), ExecError> {
        self.inner.run(program, steps)?;
        self.runs += 1;
        match self.output {
            Some(output) if self.runs == 2 => self.disturb(output),
            _ => Ok(()),
        }
    }

    fn run_step(&mut self, program: ProgramId, step: usize) -> Result<(), ExecError> {
        self.inner.run_step(program, step)
    }

    fn read_buffer(&mut self, program: ProgramId, buffer: usize) -> Result<Vec<u8>, ExecError> {
        self.inner.read_buffer(program, buffer)
    }

    fn read(&mut self, buffer: &str) -> Result<ReadTicket, ExecError> {
        self.inner.read(buffer)
    }

    fn wait(&mut self) -> Result<(), ExecError> {
        self.inner.wait()
    }

    fn unload_all(&mut self) {
        self.inner.unload_all();
    }

    fn tensor_bytes(&self) -> usize {
        self.inner.tensor_bytes()
    }

    fn allocations(&self) -> usize {
        self.inner.allocations()
    }
}
