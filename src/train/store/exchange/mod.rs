//! Exchange of weights with other programs: names and layouts of PyTorch, NPZ files of NumPy, files of Keras.
//!
//! A model's weights have names and layouts of ours (`conv1.weight` `[kh, kw, in, out]`,
//! `dense1.weight` `[in, out]`, rows of a dense layer behind a flattened image ordered by height,
//! width, channel). [`converter::Exchange`] knows, tensor by tensor, what PyTorch calls them and how
//! it lays them out, and converts in both directions without changing a bit of a number. Keras has our
//! layouts, and layers go by their order there ([`keras`]).

pub(in crate::train) mod converter;
mod entry;
pub(in crate::train) mod error;
mod given;
pub(in crate::train) mod keras;
mod layout;
mod matching;
mod names;
mod npy;
pub(in crate::train) mod npz;
mod safetensors;
pub(in crate::train) mod selection;
mod torch;
pub(in crate::train) mod weight_file;
mod zip;
