//! Sums over whole arenas in two stages: workgroups each leave a partial sum, one workgroup adds them.
//!
//! Where an arena is larger than a binding, the first stage runs for one part after the other. Their
//! partial sums lie side by side, in order, so that the second stage sees one row of them.

use crate::graph::{Caps, Kernel, Lowering, Operand, Part};

/// The partial sums of the parts of an arena.
pub(super) struct PartialSums<'a> {
    runs: &'a [Part],
    /// Workgroups of each, and vectors that they sum.
    stages: Vec<[usize; 2]>,
    /// Bytes of one sum.
    bytes: usize,
}

/// Makes the first stage of some workgroups over a number of vectors, with the place of its sums.
type Partial<'a> = &'a dyn Fn(usize, usize, Operand) -> Kernel;

impl<'a> PartialSums<'a> {
    /// All sums, in scratch memory.
    pub const ALL: Operand = Operand::Scratch(0);
    /// Those of one part, where there are several.
    const OF_PART: Operand = Operand::Scratch(1);

    /// Sums of `bytes` each of vectors of `width` floats, as many of a part as `groups` tells.
    pub fn new(
        runs: &'a [Part],
        width: usize,
        groups: impl Fn(usize) -> usize,
        bytes: usize,
    ) -> Self {
        let stage = |run: &Part| [groups(run.count / width), run.count / width];
        Self { runs, stages: runs.iter().map(stage).collect(), bytes }
    }

    /// How many there are.
    pub fn groups(&self) -> usize {
        self.stages.iter().map(|[groups, _]| groups).sum()
    }

    /// The first stage for each part, which `partial` makes and which binds a part of the operands in
    /// `cut`, then `total`.
    pub fn lowering(
        &self,
        variant: &str,
        partial: Partial<'_>,
        cut: &[Operand],
        total: Kernel,
        caps: &Caps,
    ) -> Lowering {
        let mut scratch = vec![self.groups() * self.bytes];
        let mut kernels = Vec::new();
        if let [[groups, elements]] = self.stages[..] {
            kernels.push(partial(groups, elements, Self::ALL));
        } else {
            let most = self.stages.iter().map(|[groups, _]| *groups).max().unwrap_or(1);
            scratch.push(most * self.bytes);
            let mut before = 0;
            for (run, &[groups, elements]) in self.runs.iter().zip(&self.stages) {
                let mut kernel = partial(groups, elements, Self::OF_PART);
                for binding in kernel.bindings.iter_mut().filter(|b| cut.contains(&b.operand)) {
                    *binding = binding.part(*run);
                }
                kernels.extend([kernel, self.place(before, groups, caps)]);
                before += groups;
            }
        }
        kernels.push(total);
        Lowering { variant: variant.to_owned(), scratch, kernels }
    }

    /// Copies the sums of a part behind those of the parts before.
    fn place(&self, before: usize, groups: usize, caps: &Caps) -> Kernel {
        let words = self.bytes / size_of::<u32>();
        Kernel::new("copy_words")
            .constant("X_OFFSET", 0)
            .constant("Y_OFFSET", before * words)
            .flat(groups * words, 64, caps)
            .file(include_str!("../../../../shaders/layout/copy_words.wgsl"))
            .read(Self::OF_PART)
            .write(Self::ALL)
    }
}
