//! A tensor seen along one dimension: runs of contiguous elements.

use crate::error::ShapeError;
use crate::graph::{Caps, HostIo, Kernel, Operand};
use crate::ops::kit::Lanes;
use crate::tensor::parallel::{BLOCK, for_each_chunk};
use crate::tensor::{DType, Real, TensorType};

/// A tensor as `outer` slices along a dimension, of `size` steps of `inner` elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Along {
    pub outer: usize,
    pub size: usize,
    pub inner: usize,
}

impl Along {
    /// Splits the shape of operand `name` at dimension `axis`.
    pub fn new(op: &str, name: &str, ty: &TensorType, axis: usize) -> Result<Self, ShapeError> {
        if ty.dtype == DType::U8 {
            return Err(ShapeError::new(op, format!("takes f32 or u32 tensors, {name} is {ty}")));
        }
        let dims = ty.dims();
        let (Some(&size), false) = (dims.get(axis), ty.elements() == 0) else {
            return Err(ShapeError::new(
                op,
                format!("{name} must have elements and a dimension {axis}, it is {ty}"),
            ));
        };
        let [outer, inner] = [&dims[..axis], &dims[axis + 1..]].map(|d| d.iter().product());
        Ok(Self { outer, size, inner })
    }

    /// As `new`, for the operands of a signature that `infer` has checked.
    pub fn checked(ty: &TensorType, axis: usize) -> Self {
        Self::new("concat", "x", ty, axis).expect("infer has checked the axis")
    }

    /// Elements of one slice along the dimension.
    pub fn pitch(self) -> usize {
        self.size * self.inner
    }
}

/// The type with another size in dimension `axis`, which exists.
pub(super) fn resized(ty: &TensorType, axis: usize, size: usize) -> TensorType {
    let mut dims = ty.dims().to_vec();
    dims[axis] = size;
    TensorType::new(ty.dtype, dims)
}

/// `outer` runs of `run` elements: run `o` lies at `o from.0 + from.1` in one tensor and at
/// `o to.0 + to.1` in the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Runs {
    pub outer: usize,
    pub run: usize,
    /// Pitch and offset of the source, in elements.
    pub from: (usize, usize),
    /// Pitch and offset of the destination, in elements.
    pub to: (usize, usize),
}

impl Runs {
    /// Whether all runs start and end at multiples of four elements.
    pub fn lanes(self) -> &'static [Lanes] {
        let sizes = [self.run, self.from.0, self.from.1, self.to.0, self.to.1];
        let four = sizes.into_iter().all(|size| size.is_multiple_of(Lanes::Four.count()));
        if four { &[Lanes::Four, Lanes::One] } else { &[Lanes::One] }
    }

    /// The kernel that copies from input `i` to output 0.
    pub fn kernel(self, i: usize, lanes: Lanes, caps: &Caps) -> Kernel {
        let groups = |elements: usize| elements / lanes.count();
        lanes
            .declare(Kernel::new("copy_runs"))
            .constant("RUN", groups(self.run))
            .constant("X_PITCH", groups(self.from.0))
            .constant("X_OFFSET", groups(self.from.1))
            .constant("Y_PITCH", groups(self.to.0))
            .constant("Y_OFFSET", groups(self.to.1))
            .flat(groups(self.outer * self.run), 64, caps)
            .file(include_str!("../../../../shaders/layout/copy_runs.wgsl"))
            .read(Operand::Input(i))
            .write(Operand::Output(0))
    }

    /// Copies from input `i` to output 0.
    pub fn run_on_host<T: Real>(self, io: &mut HostIo<'_, T>, i: usize) {
        match io.outputs.ty(0).dtype {
            DType::U32 => self.copy(io.inputs.u32(i), io.outputs.u32(0)),
            _ => self.copy(io.inputs.float(i), io.outputs.float(0)),
        }
    }

    /// Copies from input `i` to output 0 on all threads; zeros fill the rest where `zeros` says so.
    /// Output 0 begins with a run's pitch and ends with one.
    pub fn run_in_parallel(self, io: &mut HostIo<'_, f32>, i: usize, zeros: bool) {
        match io.outputs.ty(0).dtype {
            DType::U32 => self.copy_in_parallel(io.inputs.u32(i), io.outputs.u32(0), zeros),
            _ => self.copy_in_parallel(io.inputs.float(i), io.outputs.float(0), zeros),
        }
    }

    fn copy_in_parallel<E: Copy + Default + Send + Sync>(
        self,
        from: &[E],
        to: &mut [E],
        zeros: bool,
    ) {
        let (pitch, offset) = self.to;
        let runs = (BLOCK / pitch).max(1);
        for_each_chunk(to, runs * pitch, &|block, to| {
            if zeros {
                to.fill(E::default());
            }
            for (o, to) in (block * runs..).zip(to.chunks_exact_mut(pitch)) {
                let from = &from[o * self.from.0 + self.from.1..][..self.run];
                to[offset..offset + self.run].copy_from_slice(from);
            }
        });
    }

    fn copy<E: Copy>(self, from: &[E], to: &mut [E]) {
        for o in 0..self.outer {
            let [from_start, to_start] = [self.from, self.to].map(|(pitch, at)| o * pitch + at);
            to[to_start..to_start + self.run]
                .copy_from_slice(&from[from_start..from_start + self.run]);
        }
    }
}
