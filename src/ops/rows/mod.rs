//! Ops along one dimension of a tensor: sums and maxima, repetition, softmax.

pub(super) mod broadcast;
pub(super) mod log_softmax;
pub(super) mod reduce;
pub(super) mod reduce_max_grad;
pub(super) mod softmax;
pub(super) mod sums_of_rows;

pub use broadcast::Broadcast;
pub use log_softmax::{LogSoftmax, LogSoftmaxGrad};
pub use reduce::{Over, Reduce, ReduceFunction, SumColumns, SumRows};
pub use reduce_max_grad::ReduceMaxGrad;
pub use softmax::{Softmax, SoftmaxGrad};
pub use sums_of_rows::SumsOfRows;
