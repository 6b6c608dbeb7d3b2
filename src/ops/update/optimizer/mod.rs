//! Optimizers: updates of all parameters at once, in flat arenas.
//!
//! An arena is a float vector `[p]` that holds every parameter; its gradients, momenta and
//! averages are vectors of the same length. The first `decayed` elements get weight decay, so
//! biases and normalization parameters are placed behind the weights. Ranges of the arena may have
//! learning rates of their own. Hyperparameters are f64,
//! as PyTorch's are: `1 - 0.999` from an f32 is off by 13 parts in a million.

mod adam;
mod average;
mod clip;
mod cpu_blocks;
mod guarded;
mod hypergradient;
mod norm;
mod partial_sums;
mod ranges;
mod rms_prop;
mod sgd;

pub use adam::Adam;
pub use average::WeightAverage;
pub use clip::{ClipByNorm, ClipByValue};
pub use guarded::{Guarded, InPlaceUpdate};
pub use hypergradient::Hypergradient;
pub use norm::GlobalNorm;
pub use ranges::RateRange;
pub use rms_prop::RmsProp;
pub use sgd::Sgd;

use crate::error::ShapeError;
use crate::graph::{Caps, Fill, Kernel};
use crate::ops::kit::{of_dtype, same_type, scalar};
use crate::tensor::{DType, Real, TensorType};

/// How to fill the inputs of an optimizer, of which number `squares` is an average of squares.
fn sample_squares(inputs: &[TensorType], squares: usize) -> Vec<Fill> {
    let mut fills: Vec<Fill> = inputs.iter().map(Fill::any).collect();
    if let Some(fill) = fills.get_mut(squares) {
        *fill = Fill::Uniform(0.1, 2.0);
    }
    fills
}

/// Invocations per workgroup of the element-wise kernels.
const WORKGROUP_SIZE: u32 = 64;

/// Sizes of arenas in cases: one element, a prime, a vector of four and a half workgroup.
const SIZES: [usize; 4] = [1, 67, 128, 252];

/// Arena of the convolution network for MNIST that benchmarks train: 232,650 parameters, padded.
const MNIST_CNN: usize = 232_704;

/// Arena of an AlexNet-like network for CIFAR.
const CIFAR_ALEXNET: usize = 2_292_608;

/// Floats that one invocation handles, with the name of the variant.
const WIDTHS: [(&str, usize); 2] = [("vec4", 4), ("scalar", 1)];

/// The variants of an element-wise kernel over `p` floats: four at a time where they divide `p`,
/// and one at a time.
fn widths(p: usize) -> impl Iterator<Item = (&'static str, usize)> {
    WIDTHS.into_iter().filter(move |(_, width)| p.is_multiple_of(*width))
}

/// The WGSL file of kernels that handle `width` floats at a time, as `Element`.
fn lane_file(width: usize) -> &'static str {
    if width == 4 {
        include_str!("../../../../shaders/common/four_lanes.wgsl")
    } else {
        include_str!("../../../../shaders/common/one_lane.wgsl")
    }
}

/// Sets up a kernel whose invocations each handle `width` of `p` floats, as `Element`.
fn lanes(kernel: Kernel, p: usize, width: usize, caps: &Caps) -> Kernel {
    kernel.flat(p / width, WORKGROUP_SIZE, caps).file(lane_file(width))
}

/// The same for kernels that update parameters, with a factor on their rate.
fn rated_lanes(kernel: Kernel, p: usize, width: usize, caps: &Caps, rates: &[RateRange]) -> Kernel {
    ranges::declare(lanes(kernel, p, width, caps), rates, width)
}

/// Checks that the arenas are float vectors of one length, of which `decayed` is a part.
fn check_arenas(
    op: &str,
    arenas: &[(&str, &TensorType)],
    decayed: usize,
    rates: &[RateRange],
) -> Result<(), ShapeError> {
    let Some((&first, others)) = arenas.split_first() else { return Ok(()) };
    of_dtype(op, first, DType::F32)?;
    let [p] = first.1.ranked(op, first.0)?;
    for &other in others {
        same_type(op, first, other)?;
    }
    if p == 0 {
        return Err(ShapeError::new(op, format!("{} must not be empty", first.0)));
    }
    ranges::check_ranges(op, rates, p)?;
    if decayed > p {
        return Err(ShapeError::new(
            op,
            format!("{decayed} elements are to decay, the arena has {p}"),
        ));
    }
    Ok(())
}

/// Checks the operands that hold one number each.
fn check_scalars(
    op: &str,
    learning_rate: &TensorType,
    step: Option<&TensorType>,
) -> Result<(), ShapeError> {
    scalar(op, ("learning_rate", learning_rate), DType::F32)?;
    step.map_or(Ok(()), |step| scalar(op, ("step", step), DType::U32))
}

/// Checks that hyperparameters are finite and not negative, and that those named as `fractions`
/// are below one.
fn check_numbers(
    op: &str,
    fractions: &[(&str, f64)],
    others: &[(&str, f64)],
) -> Result<(), ShapeError> {
    for (name, value) in fractions {
        if !(0.0..1.0).contains(value) {
            return Err(ShapeError::new(op, format!("{name} must lie in [0, 1), it is {value}")));
        }
    }
    for (name, value) in others {
        if !(0.0..f64::from(f32::MAX)).contains(value) {
            return Err(ShapeError::new(
                op,
                format!("{name} must be finite and not negative, it is {value}"),
            ));
        }
    }
    Ok(())
}

/// Adds an f32 constant, rounded once from f64.
fn constant(kernel: Kernel, name: &str, value: f64) -> Kernel {
    kernel.constant_f32(name, f32::from_f64(value))
}
