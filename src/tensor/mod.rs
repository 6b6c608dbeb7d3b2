//! Floor 0: shapes, element types, host tensors, the counter-based RNG and comparison.
//!
//! ```
//! use verigrad::tensor::TensorType;
//! let images = TensorType::f32([128, 28, 28, 1]);
//! assert_eq!(images.elements(), 100_352);
//! assert_eq!(images.bytes(), 401_408);
//! ```

mod axes;
mod compare;
pub mod gemm;
pub mod half;
mod host;
pub mod parallel;
mod real;
pub mod rng;
pub mod seed;
mod shape;
pub mod turn;

pub use axes::permuted;
pub use compare::{Mismatch, Tolerance, compare, compare_scaled};
pub use host::HostTensor;
pub use real::Real;
pub use shape::{DType, Shape, TensorType};
