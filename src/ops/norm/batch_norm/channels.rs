//! What the ops of batch normalization share: operand checks, and how their kernels split rows.

use crate::error::ShapeError;
use crate::graph::{Caps, Kernel, Operand, grid};
use crate::ops::kit::{Lanes, of_dtype, same_type};
use crate::tensor::{DType, TensorType};

/// Most chunks into which the rows are split: partial sums of so many are combined by one
/// workgroup per channel.
const MAX_CHUNKS: usize = 1024;
/// Fewest rows of a chunk: below, the partial sums would cost more than the rows.
const MIN_CHUNK_ROWS: usize = 16;
/// Rows that one invocation of an element-wise pass handles, so that the numbers of its channels
/// are loaded once for all of them.
const BLOCK_ROWS: usize = 8;
/// Invocations that combine the chunks of one group of channels: a power of two.
const COMBINE_INVOCATIONS: u32 = 64;
/// Invocations of a workgroup of the other kernels.
const WORKGROUP_SIZE: u32 = 64;

/// Groups of channels of one workgroup, where its invocations share the rows of a chunk.
const GROUP_BLOCK: usize = 4;
/// Invocations that share the rows of a chunk.
const ROW_LANES: usize = 64;
/// Fewest rows of such a chunk, and most chunks: each workgroup adds all of them.
const MIN_SHARED_ROWS: usize = 128;
const MAX_SHARED_CHUNKS: usize = 256;

/// A tensor of `rows x channels`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Values of each channel.
    pub rows: usize,
    /// Size of the last dimension.
    pub channels: usize,
}

impl Sizes {
    /// Sizes of `x`, once all operands are checked: `x` has at least two dimensions, `vectors`
    /// have one element per channel, all are floats.
    pub fn check(
        op: &str,
        epsilon: f32,
        x: &TensorType,
        vectors: &[(&str, &TensorType)],
    ) -> Result<Self, ShapeError> {
        of_dtype(op, ("x", x), DType::F32)?;
        if x.shape.rank() < 2 || x.elements() == 0 {
            return Err(ShapeError::new(
                op,
                format!("x must have two or more dimensions, none of them 0, it is {x}"),
            ));
        }
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(ShapeError::new(
                op,
                format!("epsilon must be at least 0 and finite, it is {epsilon}"),
            ));
        }
        let (rows, channels) = x.rows_columns();
        let vector = TensorType::f32([channels]);
        for (name, ty) in vectors {
            if **ty != vector {
                return Err(ShapeError::new(
                    op,
                    format!("{name} must be {vector} to go with x {}, it is {ty}", x.shape),
                ));
            }
        }
        Ok(Self { rows, channels })
    }

    /// As `check`, for a gradient: `dy` must have the type of `x`.
    pub fn check_gradient(
        op: &str,
        epsilon: f32,
        [x, gamma, mean, variance, dy]: [&TensorType; 5],
    ) -> Result<Self, ShapeError> {
        same_type(op, ("x", x), ("dy", dy))?;
        let vectors = [("gamma", gamma), ("mean", mean), ("variance", variance)];
        Self::check(op, epsilon, x, &vectors)
    }

    /// Statistics over one value per channel mean nothing.
    pub fn demand_batch(self, op: &str, x: &TensorType) -> Result<(), ShapeError> {
        if self.rows < 2 {
            return Err(ShapeError::new(
                op,
                format!(
                    "x {} has one value per channel; statistics of a batch need at least two, so \
                     use a larger batch or running statistics",
                    x.shape
                ),
            ));
        }
        Ok(())
    }

    /// Sizes of the `x` of a signature that `infer` has checked.
    pub fn of(x: &TensorType) -> Self {
        let (rows, channels) = x.rows_columns();
        Self { rows, channels }
    }

    /// Rows of a chunk; the last chunk may have fewer.
    fn chunk_rows(self) -> usize {
        self.rows.div_ceil(MAX_CHUNKS).max(MIN_CHUNK_ROWS)
    }

    /// Bytes of one partial sum per chunk of `chunk_rows` and channel.
    pub fn bytes_of_chunks(self, chunk_rows: usize) -> usize {
        TensorType::f32([self.rows.div_ceil(chunk_rows), self.channels]).bytes()
    }

    /// Bytes of one partial sum per chunk and channel.
    pub fn partial_bytes(self) -> usize {
        self.bytes_of_chunks(self.chunk_rows())
    }

    fn declare(self, name: &str, lanes: Lanes) -> Kernel {
        lanes
            .declare(Kernel::new(name))
            .constant("GROUPS", self.channels / lanes.count())
            .constant("ROWS", self.rows)
    }

    /// A kernel whose invocations each reduce one chunk of rows for one group of channels.
    pub fn per_chunk(self, name: &str, lanes: Lanes, caps: &Caps) -> Kernel {
        let groups = self.channels / lanes.count();
        self.declare(name, lanes).constant("CHUNK_ROWS", self.chunk_rows()).flat(
            self.rows.div_ceil(self.chunk_rows()) * groups,
            WORKGROUP_SIZE,
            caps,
        )
    }

    /// Rows of a chunk that the invocations of a workgroup share; the last chunk may have fewer.
    fn shared_rows(self) -> usize {
        self.rows.div_ceil(MAX_SHARED_CHUNKS).next_multiple_of(ROW_LANES).max(MIN_SHARED_ROWS)
    }

    /// Bytes of two partial sums per such chunk and channel.
    pub fn shared_bytes(self) -> usize {
        2 * self.bytes_of_chunks(self.shared_rows())
    }

    /// A kernel whose workgroups each take one such chunk for a block of groups of channels.
    pub fn per_shared_chunk(self, name: &str, lanes: Lanes, caps: &Caps) -> Kernel {
        let blocks = (self.channels / lanes.count()).div_ceil(GROUP_BLOCK);
        let chunks = self.rows.div_ceil(self.shared_rows());
        self.declare(name, lanes)
            .constant("CHUNK_ROWS", self.shared_rows())
            .constant("CHUNKS", chunks)
            .constant("BLOCKS", blocks)
            .constant("GROUP_BLOCK", GROUP_BLOCK)
            .constant("ROW_LANES", ROW_LANES)
            .file(include_str!("../../../../shaders/common/workgroup_index.wgsl"))
            .file(include_str!("../../../../shaders/common/group_totals.wgsl"))
            .workgroups(grid(chunks * blocks, caps))
    }

    /// A kernel whose workgroups each combine the chunks of `chunk_rows` of one group of channels.
    fn per_group(self, name: &str, chunk_rows: usize, lanes: Lanes, caps: &Caps) -> Kernel {
        let groups = self.channels / lanes.count();
        self.declare(name, lanes)
            .constant("CHUNK_ROWS", chunk_rows)
            .constant("CHUNKS", self.rows.div_ceil(chunk_rows))
            .flat(groups * COMBINE_INVOCATIONS as usize, COMBINE_INVOCATIONS, caps)
            .file(include_str!("../../../../shaders/common/workgroup_total.wgsl"))
    }

    /// A kernel whose invocations each handle a block of rows for one group of channels, element
    /// by element.
    pub fn per_block(self, name: &str, lanes: Lanes, caps: &Caps) -> Kernel {
        let groups = self.channels / lanes.count();
        self.declare(name, lanes).constant("BLOCK_ROWS", BLOCK_ROWS).flat(
            self.rows.div_ceil(BLOCK_ROWS) * groups,
            WORKGROUP_SIZE,
            caps,
        )
    }

    /// The kernels that make `mean` (output 1) and `variance` (output 2) of `x`, by way of two
    /// scratch buffers of [`Self::partial_bytes`].
    pub fn statistics(
        self,
        x: Operand,
        scratch: [Operand; 2],
        lanes: Lanes,
        caps: &Caps,
    ) -> [Kernel; 2] {
        let [chunk_mean, chunk_squares] = scratch;
        let chunks = self
            .per_chunk("batch_norm_statistics", lanes, caps)
            .file(include_str!("../../../../shaders/norm/batch_norm_statistics.wgsl"))
            .read(x)
            .write(chunk_mean)
            .write(chunk_squares);
        let combine = self
            .combined(scratch, self.chunk_rows(), lanes, caps)
            .read_floats("x", x)
            .file(include_str!("../../../../shaders/common/first_row_pivot.wgsl"));
        [chunks, combine]
    }

    /// The kernel that makes `mean` (output 1) and `variance` (output 2) of the means of chunks and
    /// the sums of squares around them.
    pub fn combine_chunks(
        self,
        scratch: [Operand; 2],
        chunk_rows: usize,
        lanes: Lanes,
        caps: &Caps,
    ) -> Kernel {
        self.combined(scratch, chunk_rows, lanes, caps)
            .file(include_str!("../../../../shaders/common/no_pivot.wgsl"))
    }

    /// The same, without the function that says what was subtracted from all values before.
    fn combined(
        self,
        [chunk_mean, chunk_squares]: [Operand; 2],
        chunk_rows: usize,
        lanes: Lanes,
        caps: &Caps,
    ) -> Kernel {
        self.per_group("batch_norm_combine", chunk_rows, lanes, caps)
            .file(include_str!("../../../../shaders/norm/batch_norm_combine.wgsl"))
            .read(chunk_mean)
            .read(chunk_squares)
            .write(Operand::Output(1))
            .write(Operand::Output(2))
    }

    /// The kernels that make `dgamma` (output 1) and `dbeta` (output 2) from the operands
    /// `x gamma mean variance dy`, by way of two scratch buffers.
    pub fn gradient_sums(self, epsilon: f32, lanes: Lanes, caps: &Caps) -> [Kernel; 2] {
        let sums = self
            .per_chunk("batch_norm_grad_sums", lanes, caps)
            .file(include_str!("../../../../shaders/norm/batch_norm_grad_sums.wgsl"))
            .read(Operand::Input(0))
            .read(Operand::Input(2))
            .read(Operand::Input(4))
            .write(Operand::Scratch(0))
            .write(Operand::Scratch(1));
        let combine = self
            .per_group("batch_norm_grad_combine", self.chunk_rows(), lanes, caps)
            .constant_f32("EPSILON", epsilon)
            .file(include_str!("../../../../shaders/norm/batch_norm_grad_combine.wgsl"))
            .read(Operand::Scratch(0))
            .read(Operand::Scratch(1))
            .read(Operand::Input(3))
            .write(Operand::Output(1))
            .write(Operand::Output(2));
        [sums, combine]
    }
}

/// Dimensions as a part of the name of a case: `3x4x5`.
pub(super) fn joined(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}
