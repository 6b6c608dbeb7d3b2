//! The contract of a host kernel: that of a lowering, and the same bits on any number of threads.

use super::Failure;
use super::contract::{CaseCheck, UNWRITTEN_WORD, check_output, signature};
use crate::error::ShapeError;
use crate::graph::{Case, HostKernel, Signature, run_on_words};
use crate::tensor::parallel::with_threads;
use crate::tensor::{HostTensor, TensorType};

/// Threads of the runs whose results must be equal.
const THREADS: [usize; 4] = [1, 2, 2, 3];

/// The host kernels of a case, best first.
///
/// # Errors
/// When the op rejects the shapes of the case.
pub fn host_kernels(case: &Case) -> Result<Vec<HostKernel>, ShapeError> {
    Ok(case.op.host_kernels(&signature(case)?))
}

impl CaseCheck<'_> {
    /// Runs the host kernel at position `variant` and checks the whole contract. The kernel is made
    /// anew for each number of threads, on which its shares of the work depend.
    ///
    /// # Errors
    /// The first violation.
    pub fn check_host_kernel(&self, variant: usize) -> Result<(), Failure> {
        let Self { case, sig, inputs, expected } = self;
        let name = case.op.host_kernels(sig).get(variant).map_or("", |kernel| kernel.variant);
        let tolerance = case.op.tolerance(sig, name);
        let mut first: Option<Vec<Vec<u32>>> = None;
        for threads in THREADS {
            let run = || {
                let kernels = case.op.host_kernels(sig);
                kernels.get(variant).map(|kernel| run(kernel, case, sig, inputs))
            };
            let outputs = with_threads(threads, run).map_err(Failure::Threads)?;
            let missing =
                || Failure::Threads(format!("{threads} of them have no kernel {variant}"));
            let outputs = outputs.ok_or_else(missing)?;
            let before = first.get_or_insert_with(|| outputs.clone());
            for (output, words) in outputs.iter().enumerate() {
                let got = [&before[output][..], words];
                check_output(sig, output, tolerance, &expected[output], got)?;
            }
        }
        Ok(())
    }
}

/// Runs the host kernel at position `variant` of a case and checks the whole contract.
///
/// # Errors
/// The first violation.
pub fn check_host_kernel(case: &Case, variant: usize) -> Result<(), Failure> {
    CaseCheck::new(case, &signature(case)?)?.check_host_kernel(variant)
}

/// The outputs of a kernel, as words. They and the scratch memory hold NaN before, except where an
/// output takes an input's place.
fn run(kernel: &HostKernel, case: &Case, sig: &Signature, inputs: &[HostTensor]) -> Vec<Vec<u32>> {
    let aliases = case.op.aliases();
    let mut outputs: Vec<Vec<u32>> = sig
        .outputs
        .iter()
        .enumerate()
        .map(|(o, ty)| match aliases.iter().find(|&&(output, _)| output == o) {
            Some(&(_, input)) => inputs[input].words().to_vec(),
            None => vec![UNWRITTEN_WORD; ty.words()],
        })
        .collect();
    let read = inputs.iter().enumerate().map(|(i, tensor)| {
        let aliased = aliases.iter().any(|&(_, input)| input == i);
        (if aliased { &[][..] } else { tensor.words() }, tensor.ty())
    });
    let read: Vec<(&[u32], &TensorType)> = read.collect();
    let written = outputs.iter_mut().zip(&sig.outputs);
    let written = written.map(|(words, ty)| (words.as_mut_slice(), ty)).collect();
    let mut scratch = vec![f32::from_bits(UNWRITTEN_WORD); kernel.scratch];
    run_on_words(&read, written, |io| kernel.run(io, &mut scratch));
    outputs
}
