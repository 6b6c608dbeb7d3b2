//! A device whose second run of a program gives another bit than its first.

use std::sync::Arc;

use verigrad::compile::Program;
use verigrad::exec::{ExecError, Executor, GpuExecutor, ProgramId};
use verigrad::graph::Caps;

use super::inner::as_inner;

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
    as_inner!();

    fn caps(&self) -> &Caps {
        self.inner.caps()
    }

    fn load(&mut self, program: Arc<Program>) -> Result<ProgramId, ExecError> {
        self.program = Some(program.clone());
        self.inner.load(program)
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
}
