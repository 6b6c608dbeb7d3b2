//! Verification: every lowering of every op against its reference, and every gradient rule against
//! finite differences. Tests, `verigrad doctor` and the tuner run the same code.

mod contract;
mod gradient;
mod inputs;

pub use contract::{Failure, check_infer, check_lowering, lowerings};
pub use gradient::check_gradient;
pub use inputs::make_inputs;
