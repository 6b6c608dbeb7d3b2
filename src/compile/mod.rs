//! Floor 3: the compiler. Graph in, [`Program`] out.

mod check;

pub use check::check_kernel;
